//! How much a strict verification costs over the bare RSA operation.
//!
//! Every round times every row once, so that a drifting clock moves all rows alike; the figures
//! are medians over rounds, the ratios medians of the rounds' ratios to the first row. Behind them,
//! how much more two threads do than one, with a token each and with one token for both. Run with
//! `cargo bench -p benches`.

#![allow(clippy::print_stdout)] // a report

use std::hint::black_box;
use std::sync::Barrier;
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
    let peer = Peer::new(&key);
    peer.verify(&token);
    let foreign = format!("{}é", "a".repeat(MAX_TOKEN_BYTES - 2));
    let too_large = "a".repeat(MAX_TOKEN_BYTES + 1);

    let mut rows = [
        row("bare RSA-2048 verify", || {
            bare.verify_sig(black_box(signed.as_bytes()), &signature_bytes)
                .expect("a right signature");
        }),
        row("try_verify, accepted", || verify(&token)),
        row("jsonwebtoken 11, accepted", || peer.verify(&token)),
        row("refused: bad signature", || verify(&spoilt)),
        row("refused: wrong alg", || verify(&wrong_algorithm)),
        row("refused: unknown kid", || verify(&unknown_kid)),
        row("refused: more than 8 KiB", || verify(&too_large)),
        row("refused: 8 KiB without dots", || verify(&no_dots)),
        row("refused: 8 KiB, one odd letter", || verify(&foreign)),
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
    let other = TokenBuilder::new(ISSUER, APP).claim("jti", "2").sign(&key);
    for (name, second) in [("a token each", &other), ("one token", &token)] {
        let gains = (0..ROUNDS)
            .map(|_| two_threads([&token, second], verify))
            .collect();
        println!(
            "two threads, {name:<17} {:>12} {:>9.2} x one",
            "",
            median(gains)
        );
    }
}

/// How often both threads together verify in a while, to how often one does by itself.
fn two_threads(tokens: [&str; 2], verify: impl Fn(&str) + Sync) -> f64 {
    let runs = |token: &str| {
        let (started, mut runs) = (Instant::now(), 0_u32);
        while started.elapsed() < ROUND_PER_ROW {
            verify(token);
            runs += 1;
        }
        f64::from(runs)
    };
    let alone = runs(tokens[0]);
    let barrier = Barrier::new(2);
    let together: f64 = std::thread::scope(|scope| {
        let threads = tokens.map(|token| {
            scope.spawn(|| {
                barrier.wait();
                runs(token)
            })
        });
        let counts = threads.map(|thread| thread.join().expect("it only counts"));
        counts.iter().sum()
    });
    together / alone
}

/// The most used Rust verifier, set as strictly as it can be, with its key ready.
struct Peer {
    kid: String,
    key: jsonwebtoken::DecodingKey,
    validation: jsonwebtoken::Validation,
}

impl Peer {
    fn new(key: &SigningKey) -> Self {
        let jwk = key.jwk();
        let part = |name: &str| jwk[name].as_str().expect("an RSA key").to_owned();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[APP]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        Self {
            kid: key.kid().to_owned(),
            key: jsonwebtoken::DecodingKey::from_rsa_components(&part("n"), &part("e"))
                .expect("an RSA key"),
            validation,
        }
    }

    fn verify(&self, token: &str) {
        let header = jsonwebtoken::decode_header(token).expect("a header");
        assert_eq!(header.kid.as_deref(), Some(&*self.kid));
        let token = black_box(token);
        let claims = jsonwebtoken::decode::<PeerClaims>(token, &self.key, &self.validation);
        black_box(claims.expect("a right token"));
    }
}

/// What a service needs of a token, as the peer hands it out.
#[derive(serde::Deserialize)]
#[allow(dead_code)] // read by the deserializer
struct PeerClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    jti: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
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
