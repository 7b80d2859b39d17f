//! One call of each kind, the same for what times them and what counts their instructions. Key, tokens and
//! time are fixed, and every verdict was given once before it is handed out.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{MAX_TOKEN_BYTES, Verifier, VerifierBuilder};
use data_encoding::BASE64URL_NOPAD;

use crate::{APP, ISSUER, bare_verification, described, verifier};

const NOW: i64 = 1_800_000_000;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

/// valgrind makes everything some fifty times slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured. It is never dropped, so that the end of a verifier is not measured with it.
pub type Call = &'static dyn Fn();

fn own_key() -> SigningKey {
    key(include_str!(
        "../../dailey-auth/tests/corpus/keys/rsa-2048.test-key.pem"
    ))
}

fn strange_key() -> SigningKey {
    key(include_str!(
        "../../dailey-auth/tests/corpus/keys/attacker-2048.test-key.pem"
    ))
}

fn key(pem: &str) -> SigningKey {
    SigningKey::from_pem(pem).expect("a key of the corpus")
}

fn good() -> TokenBuilder {
    described(1)
        .issued_at(NOW - MINUTE)
        .expires_at(NOW + 9 * MINUTE)
}

fn policy() -> VerifierBuilder {
    verifier(&own_key()).clock(clock())
}

fn clock() -> ManualClock {
    ManualClock::at(NOW.unsigned_abs())
}

/// Counts `call` after a first time, which fills what is remembered.
fn warm(call: impl Fn() + 'static) -> Call {
    call();
    Box::leak(Box::new(call))
}

/// The bare operation.
pub fn bare_call() -> Call {
    let key = own_key();
    warm(bare_verification(&key, &good().sign(&key)))
}

/// A good token.
pub fn try_verify() -> Call {
    accepting(policy().build().expect("a right policy"))
}

fn accepting(verifier: Verifier) -> Call {
    let token = good().sign(&own_key());
    warm(move || {
        let verdict = verifier.try_verify(black_box(&token));
        black_box(verdict.expect("a right token"));
    })
}

/// A good token, awaited. Where the key is known nothing is waited for, so it is polled once and needs no runtime.
pub fn verify() -> Call {
    let verifier = policy().build().expect("a right policy");
    let token = good().sign(&own_key());
    warm(move || {
        let verdict = pin!(verifier.verify(black_box(&token)));
        let verdict = verdict.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(black_box(verdict), Poll::Ready(Ok(_))));
    })
}

/// A good token that is remembered.
pub fn token_cache_hit() -> Call {
    let builder = policy().token_cache(8);
    accepting(builder.build().expect("a right policy"))
}

/// With keys that a refresher fetched, and with a fault while it is about to fetch them anew. It
/// stands still while the call is counted: its runtime runs on this thread.
pub fn live(fault: impl Into<Option<Fault>>) -> Call {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let fetched = fetched_and(fault.into());
    let verifier = runtime.block_on(async {
        let fetched = tokio::time::timeout(PATIENCE, fetched).await;
        fetched.expect("the keys in time")
    });
    Box::leak(Box::new(runtime));
    refusing(verifier, "signature_invalid", forged())
}

async fn fetched_and(fault: Option<Fault>) -> Verifier {
    let issuer = Issuer::start(&[&own_key()]).await.expect("loopback");
    let verifier = Verifier::builder(ISSUER, [APP])
        .jwks_url(issuer.jwks_url())
        .allow_loopback_http()
        .clock(clock())
        .build()
        .expect("a right policy");
    verifier.ready(PATIENCE).await.expect("keys");
    if let Some(fault) = fault {
        let seen = issuer.requests();
        issuer.set_fault(fault);
        let refreshing = verifier.clone();
        tokio::spawn(async move { refreshing.refresh().await });
        issuer.requested(seen + 1).await;
    }
    // It goes on for as long as the runtime is there, which is for ever.
    std::mem::forget(issuer);
    verifier
}

/// A token with the defect whose code this is.
pub fn refusal(code: &'static str) -> Call {
    refusal_of(code, spoilt(code))
}

/// Any token that is refused with `code`.
pub fn refusal_of(code: &'static str, token: String) -> Call {
    refusing(policy().build().expect("a right policy"), code, token)
}

fn refusing(verifier: Verifier, code: &'static str, token: String) -> Call {
    // What a good token leaves behind: the key's header.
    verifier
        .try_verify(&good().sign(&own_key()))
        .expect("a right token");
    warm(move || {
        let verdict = verifier.try_verify(black_box(&token));
        assert_eq!(black_box(verdict).expect_err("a wrong token").code(), code);
    })
}

/// A token as large as a good one where that can be, with one defect.
fn spoilt(code: &str) -> String {
    let own = own_key();
    let token = good().sign(&own);
    let signed = |token: TokenBuilder| token.sign(&own);
    match code {
        "token_missing" => String::new(),
        "token_too_large" => "a".repeat(MAX_TOKEN_BYTES + 1),
        // A letter that is not of the alphabet, at the end.
        "token_malformed" => format!("{token}="),
        "token_encrypted" => format!("{token}.a.a"),
        "json_invalid" => ending(&token, "", &own),
        "json_duplicate_member" => ending(&token, r#","sub":""}"#, &own),
        "json_too_deep" => ending(&token, &format!(r#","app":{}"#, "[".repeat(32)), &own),
        "algorithm_not_allowed" => signed(good().header("alg", "HS256")),
        "type_not_allowed" => signed(good().header("typ", "JWT")),
        "header_not_allowed" => signed(good().header("crit", "exp")),
        "kid_missing" => signed(good().without_header("kid")),
        "kid_invalid" => signed(good().header("kid", "k".repeat(129))),
        "kid_unknown" => good().sign(&strange_key()),
        "signature_invalid" => forged(),
        "claim_missing" => signed(good().without_claim("sub")),
        "claim_invalid" => signed(good().claim("sub", 1)),
        "issuer_mismatch" => signed(good().claim("iss", "https://core.dailey.clone")),
        "audience_mismatch" => signed(good().claim("aud", APP.to_uppercase())),
        "expired" => signed(good().issued_at(NOW - DAY).expires_at(NOW - MINUTE)),
        "not_yet_valid" => signed(good().claim("nbf", NOW + MINUTE)),
        "issued_in_future" => signed(good().issued_at(NOW + MINUTE)),
        "lifetime_too_long" => signed(good().expires_at(NOW + 2 * DAY)),
        _ => unreachable!("the bench names codes of this list"),
    }
}

fn forged() -> String {
    good().sign(&strange_key().with_kid(own_key().kid()))
}

/// The same token, but its claims end like this in place of the brace.
fn ending(token: &str, end: &str, key: &SigningKey) -> String {
    let mut segments = token.split('.').map(|segment| {
        let bytes = BASE64URL_NOPAD.decode(segment.as_bytes());
        bytes.expect("base64url")
    });
    let mut segment = || segments.next().expect("three segments");
    let (header, mut claims) = (segment(), segment());
    claims.pop();
    claims.extend_from_slice(end.as_bytes());
    TokenBuilder::sign_raw(&header, &claims, key)
}

/// What costs most before the signature: every letter is looked at.
pub fn two_dots() -> String {
    let letters = "a".repeat(4000);
    format!("{letters}.{letters}.{}", &letters[..190])
}
