//! The key-set cache as a whole, against a real issuer on loopback that misbehaves.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

mod faults;
mod floods;
mod outages;
mod snapshots;

use std::time::{Duration, Instant};

use dailey_auth::testing::{Issuer, ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{Verified, Verifier, VerifierBuilder, VerifyError};

const APP: &str = "app";

/// The wall-clock time at which manual clocks start.
const START: u64 = 1_800_000_000;

/// How long a test waits for what must come. Not a measure of speed.
const PATIENCE: Duration = Duration::from_secs(30);

fn builder(issuer: &Issuer) -> VerifierBuilder {
    Verifier::builder(issuer.url(), [APP]).allow_loopback_http()
}

/// A verifier that has fetched its first key set.
async fn warm(builder: VerifierBuilder) -> Verifier {
    let verifier = builder.build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    verifier
}

fn token(issuer: &Issuer, key: &SigningKey) -> String {
    TokenBuilder::new(&issuer.url(), APP).sign(key)
}

/// A token that lives from `START` for as long as is accepted at all: a day.
fn long_token(issuer: &Issuer, key: &SigningKey) -> String {
    token_from(issuer, key, START)
}

fn token_from(issuer: &Issuer, key: &SigningKey, seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap();
    TokenBuilder::new(&issuer.url(), APP)
        .issued_at(seconds)
        .expires_at(seconds + 86_400)
        .sign(key)
}

/// The same token under another key id: well formed, current, and of a key that nobody has.
fn under_kid(token: &str, kid: &str) -> String {
    let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#);
    let header = data_encoding::BASE64URL_NOPAD.encode(header.as_bytes());
    let (_, rest) = token.split_once('.').unwrap();
    format!("{header}.{rest}")
}

fn clock() -> ManualClock {
    ManualClock::at(START)
}

fn code(verdict: Result<Verified, VerifyError>) -> &'static str {
    verdict.map_or_else(|error| error.code(), |_| "accepted")
}

/// Waits until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
