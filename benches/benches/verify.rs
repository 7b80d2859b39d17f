//! How much a strict verification costs over the bare RSA operation.
//!
//! Every round times every row once, so that a drifting clock moves all rows alike; the figures
//! are medians over rounds, the ratios medians of the rounds' ratios to the first row. Run with
//! `cargo bench -p benches`.

#![allow(clippy::print_stdout)] // a report

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::{KeySet, MAX_TOKEN_BYTES, Verifier};
use data_encoding::BASE64URL_NOPAD;

const ROUNDS: usize = 25;
const ROUND_PER_ROW: Duration = Duration::from_millis(7);
const ISSUER: &str = "https://core.dailey.cloud";
const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

struct Row<'a> {
    name: &'static str,
    run: Box<dyn Fn() + 'a>,
    nanos: Vec<f64>,
}

fn main() {
    let key = SigningKey::generate();
    let token = TokenBuilder::new(ISSUER, APP)
        .claim("nbf", 1_700_000_000)
        .claim("jti", "0193a1f0-7b1c-7c3e-9f64-0d5a3a2b1c0d")
        .claim("scope", "media:read media:write profile:read")
        .claim("client_id", APP)
        .claim("role", "administrator")
        .claim("company_id", "5d2f7c1e-3f0a-4a6b-8d8e-0a1b2c3d4e5f")
        .sign(&key);
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).expect("its own key set");
    let verifier = Verifier::builder(ISSUER, [APP])
        .key_set(keys)
        .build()
        .expect("a right policy");
    verifier.try_verify(&token).expect("a right token");

    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let signature_bytes = decode(signature);
    let bare = bare_key(&key);
    let stranger = SigningKey::generate();
    let wrong_algorithm = TokenBuilder::new(ISSUER, APP)
        .header("alg", "HS256")
        .sign(&key);
    let unknown_kid = TokenBuilder::new(ISSUER, APP).sign(&stranger);
    let spoilt = TokenBuilder::new(ISSUER, APP).sign(&stranger.with_kid(key.kid()));
    let no_dots = "a".repeat(MAX_TOKEN_BYTES);
    let two_dots = format!(
        "{}.{}.{}",
        &no_dots[..4000],
        &no_dots[..4000],
        &no_dots[..190]
    );

    let verify = |token: &str| {
        black_box(verifier.try_verify(black_box(token))).ok();
    };
    let mut rows = [
        row("bare RSA-2048 verify", || {
            bare.verify_sig(black_box(signed.as_bytes()), &signature_bytes)
                .expect("a right signature");
        }),
        row("try_verify, accepted", || verify(&token)),
        row("refused: bad signature", || verify(&spoilt)),
        row("refused: wrong alg", || verify(&wrong_algorithm)),
        row("refused: unknown kid", || verify(&unknown_kid)),
        row("refused: 8 KiB without dots", || verify(&no_dots)),
        row("refused: 8 KiB with two dots", || verify(&two_dots)),
    ];
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.time();
        }
    }
    println!(
        "token of {} bytes; medians of {ROUNDS} interleaved rounds",
        token.len()
    );
    println!("{:<32} {:>10} {:>10}", "", "ns", "x bare");
    let floor = rows[0].nanos.clone();
    for row in &rows {
        let ratios = row
            .nanos
            .iter()
            .zip(&floor)
            .map(|(own, floor)| own / floor)
            .collect();
        println!(
            "{:<32} {:>10.0} {:>10.3}",
            row.name,
            median(row.nanos.clone()),
            median(ratios)
        );
    }
}

fn row<'a>(name: &'static str, run: impl Fn() + 'a) -> Row<'a> {
    Row {
        name,
        run: Box::new(run),
        nanos: Vec::new(),
    }
}

impl Row<'_> {
    fn time(&mut self) {
        let (started, mut runs) = (Instant::now(), 0_u32);
        while started.elapsed() < ROUND_PER_ROW {
            for _ in 0..16 {
                (self.run)();
            }
            runs += 16;
        }
        self.nanos
            .push(started.elapsed().as_secs_f64() * 1e9 / f64::from(runs));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn decode(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url")
}

fn bare_key(key: &SigningKey) -> ParsedPublicKey {
    let n = decode(key.jwk()["n"].as_str().expect("a modulus"));
    RsaPublicKeyComponents {
        n,
        e: vec![1, 0, 1],
    }
    .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
    .expect("a right key")
}
