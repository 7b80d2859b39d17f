//! Interleaved rounds: every round times every row once, so that a clock that drifts moves all rows
//! alike. Figures are medians over rounds; ratios are medians of the rounds' ratios to the first row.

#![allow(clippy::print_stdout)] // reports
#![allow(clippy::missing_panics_doc)] // a bench that cannot start has nothing to say

pub mod calls;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::{KeySet, MAX_TOKEN_BYTES, Verifier, VerifierBuilder};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// How often each row is timed.
pub const ROUNDS: usize = 25;
const ROUND_PER_ROW: Duration = Duration::from_millis(7);

/// Who issued the tokens.
pub const ISSUER: &str = "https://core.dailey.cloud";
/// Whom they are for.
pub const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/// A token as large as Core's with a few claims of an app.
pub fn token(number: usize, key: &SigningKey) -> String {
    described(number).sign(key)
}

/// What such a token says.
pub fn described(number: usize) -> TokenBuilder {
    TokenBuilder::new(ISSUER, APP)
        .claim("nbf", 1_700_000_000)
        .claim("jti", format!("0193a1f0-7b1c-7c3e-9f64-{number:012}"))
        .claim("scope", "media:read media:write profile:read")
        .claim("client_id", APP)
        .claim("role", "administrator")
        .claim("company_id", "5d2f7c1e-3f0a-4a6b-8d8e-0a1b2c3d4e5f")
}

/// As many random letters as a token may have, of those that are `wanted`.
pub fn garbage(wanted: impl Fn(u8) -> bool) -> String {
    let mut state: u64 = 1;
    std::iter::repeat_with(|| {
        // Knuth's generator: the same letters in each run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .filter(|byte| wanted(*byte))
    .map(char::from)
    .take(MAX_TOKEN_BYTES)
    .collect()
}

/// A verifier for them.
pub fn verifier(key: &SigningKey) -> VerifierBuilder {
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).expect("its own key set");
    Verifier::builder(ISSUER, [APP]).key_set(keys)
}

/// What issuing a token cannot do without: the signature, with the key ready.
pub fn bare_signature(key: SigningKey) -> impl Fn() + Sync {
    let signed = [b'e'; 600];
    move || {
        std::hint::black_box(key.signature(std::hint::black_box(&signed)));
    }
}

/// The bare operation: the key, the signed bytes and the signature are ready.
pub fn bare_verification(key: &SigningKey, token: &str) -> impl Fn() + use<> {
    bare_verification_of(&key.jwk(), token)
}

/// The same for a published key.
pub fn bare_verification_of(jwk: &Value, token: &str) -> impl Fn() + use<> {
    let (signed, signature) = token.rsplit_once('.').expect("three segments");
    let (key, signature) = (bare_key(jwk), decode(signature));
    let signed = signed.to_owned();
    move || {
        key.verify_sig(std::hint::black_box(signed.as_bytes()), &signature)
            .expect("a right signature");
    }
}

fn bare_key(jwk: &Value) -> ParsedPublicKey {
    let n = decode(jwk["n"].as_str().expect("a modulus"));
    let e = vec![1, 0, 1];
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .expect("a right key")
}

fn decode(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url")
}

/// Something that is timed.
pub struct Row<'a> {
    name: &'static str,
    run: Box<dyn Fn() + 'a>,
    nanos: Vec<f64>,
}

/// A row of this name.
pub fn row<'a>(name: &'static str, run: impl Fn() + 'a) -> Row<'a> {
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

/// Times the rows and prints them, as ratios to the first.
pub fn compare(mut rows: Vec<Row<'_>>) {
    for _ in 0..ROUNDS {
        rows.iter_mut().for_each(Row::time);
    }
    println!("medians of {ROUNDS} interleaved rounds");
    println!("{:<40} {:>10} {:>10}", "", "ns", "x first");
    let floor = rows[0].nanos.clone();
    for row in &rows {
        let ratios = row.nanos.iter().zip(&floor);
        let ratios = ratios.map(|(own, floor)| own / floor).collect();
        let nanos = median(row.nanos.clone());
        println!("{:<40} {nanos:>10.0} {:>10.4}", row.name, median(ratios));
    }
}

/// How often both threads together run in a while, to how often one does by itself.
pub fn two_threads(name: &str, runs: [&(dyn Fn() + Sync); 2]) {
    let gains = (0..ROUNDS).map(|_| gain(runs)).collect();
    let name = format!("two threads, {name}");
    println!("{name:<40} {:>10} {:>9.2} x one", "", median(gains));
}

fn gain(runs: [&(dyn Fn() + Sync); 2]) -> f64 {
    let count = |run: &(dyn Fn() + Sync)| {
        let (started, mut count) = (Instant::now(), 0_u32);
        while started.elapsed() < ROUND_PER_ROW {
            for _ in 0..16 {
                run();
            }
            count += 16;
        }
        f64::from(count)
    };
    let alone = count(runs[0]);
    let barrier = Barrier::new(2);
    let together: f64 = std::thread::scope(|scope| {
        let threads = runs.map(|run| {
            scope.spawn(|| {
                barrier.wait();
                count(run)
            })
        });
        let counts = threads.map(|thread| thread.join().expect("it only counts"));
        counts.iter().sum()
    });
    together / alone
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
