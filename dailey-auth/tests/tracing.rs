//! What is traced of a verification: its verdict, and nothing of its token.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dailey_auth::testing::{Issuer, SigningKey, TokenBuilder};
use dailey_auth::{Verifier, blocking};
use tracing_subscriber::fmt::format::FmtSpan;

/// Everything that a subscriber of every level writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Traces everything of this thread, spans with their end, until the guard is dropped.
fn traced() -> (Written, tracing::subscriber::DefaultGuard) {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    (written, tracing::subscriber::set_default(subscriber))
}

/// No eight characters of the token in a row.
fn tells_nothing_of(token: &str, text: &str) {
    for piece in token.as_bytes().windows(8) {
        let piece = std::str::from_utf8(piece).unwrap();
        assert!(!text.contains(piece), "{piece} of the token is in: {text}");
    }
}

#[tokio::test]
async fn each_verification_is_a_span_with_its_verdict_and_nothing_of_its_token() {
    let (written, _guard) = traced();
    let (key, stranger) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let builder = Verifier::builder(issuer.url(), ["app"]).allow_loopback_http();
    let verifier = builder.token_cache(8).build().unwrap();
    verifier.ready(Duration::from_secs(10)).await.unwrap();
    let token = |key: &SigningKey| {
        let token = TokenBuilder::new(&issuer.url(), "app");
        token.claim("secret", "a secret claim of a user").sign(key)
    };
    let forged = token(&SigningKey::generate().with_kid(key.kid()));
    let tokens = [token(&key), token(&key), token(&stranger), forged];
    for token in &tokens {
        let _ = verifier.verify(token).await;
        let _ = verifier.try_verify(token);
    }
    let text = written.text();
    for verdict in ["accepted", "kid_unknown", "signature_invalid"] {
        let span = format!("verify_token{{verdict=\"{verdict}\"}}: ");
        let count = text.lines().filter(|line| line.contains(&span));
        let count = count.filter(|line| line.contains("close")).count();
        let expected = if verdict == "accepted" { 4 } else { 2 };
        assert_eq!(count, expected, "{verdict}: {text}");
    }
    assert!(!text.contains("secret claim"), "{text}");
    for token in tokens {
        // A header is the same for all tokens of a key, and its key id is told on purpose.
        let (_, rest) = token.split_once('.').unwrap();
        tells_nothing_of(rest, &text);
    }
}

#[test]
fn a_blocking_verification_is_one_too() {
    let key = SigningKey::generate();
    let (keys, _) = dailey_auth::KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
    let builder = blocking::Verifier::builder("https://core.example", ["app"]);
    let verifier = builder.key_set(keys).build().unwrap();
    let (written, _guard) = traced();
    assert!(verifier.verify("no token").is_err());
    let text = written.text();
    assert!(
        text.contains("verify_token{verdict=\"token_malformed\"}"),
        "{text}"
    );
}
