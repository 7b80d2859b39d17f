//! A verifier that remembers tokens answers as one that does not, only without the work.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::time::{Duration, Instant, SystemTime};

use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verified, Verifier, VerifierBuilder, VerifyError};

const ISSUER: &str = "https://core.example";
const APP: &str = "app";
const NOW: u64 = 1_800_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

struct House {
    key: SigningKey,
    clock: ManualClock,
    verifier: Verifier,
}

impl House {
    fn remembering(entries: usize) -> Self {
        let key = SigningKey::generate();
        let clock = ManualClock::at(NOW);
        let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
        let verifier = Verifier::builder(ISSUER, [APP])
            .key_set(keys)
            .clock(clock.clone())
            .token_cache(entries)
            .build()
            .unwrap();
        Self {
            key,
            clock,
            verifier,
        }
    }

    /// A token that begins now and lives for this many seconds.
    fn token(&self, seconds: u64) -> String {
        token(ISSUER, seconds).sign(&self.key)
    }

    fn verify(&self, token: &str) -> &'static str {
        code(&self.verifier.try_verify(token))
    }

    fn misses(&self) -> u64 {
        self.verifier.health().token_cache_misses
    }
}

fn token(issuer: &str, seconds: u64) -> TokenBuilder {
    let now = i64::try_from(NOW).unwrap();
    TokenBuilder::new(issuer, APP)
        .issued_at(now)
        .expires_at(now + i64::try_from(seconds).unwrap())
}

fn code(verdict: &Result<Verified, VerifyError>) -> &'static str {
    verdict
        .as_ref()
        .map_or_else(VerifyError::code, |_| "accepted")
}

#[test]
fn a_token_that_comes_again_is_verified_once_and_says_the_same() {
    let house = House::remembering(100);
    let token = token(ISSUER, 600)
        .claim("aud", vec!["other", APP])
        .claim("scope", "media:read")
        .claim("name", "J\u{f6}rg \"J\" \n")
        .sign(&house.key);
    let first = house.verifier.try_verify(&token).unwrap();
    house.clock.advance(Duration::from_secs(7));
    for _ in 0..100 {
        let again = house.verifier.try_verify(&token).unwrap();
        let (first, again_claims) = (first.claims(), again.claims());
        assert_eq!(again_claims.issuer(), first.issuer());
        assert_eq!(again_claims.subject(), first.subject());
        assert!(again_claims.audiences().eq(first.audiences()));
        assert_eq!(again_claims.expires_at(), first.expires_at());
        assert_eq!(again_claims.scope(), first.scope());
        assert_eq!(again.header().kid(), house.key.kid());
        assert_eq!(again.header().typ(), "at+jwt");
        // Counted from this verification, not from the first.
        assert_eq!(again.expires_in(), Duration::from_secs(593));
        let all: serde_json::Value = again.claims_as().unwrap();
        assert_eq!(all["name"], "J\u{f6}rg \"J\" \n");
    }
    assert_eq!(house.misses(), 1);
}

#[test]
fn nothing_is_remembered_unless_it_was_asked_for() {
    let key = SigningKey::generate();
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
    let builder = Verifier::builder(ISSUER, [APP]).key_set(keys);
    let verifier = builder.clock(ManualClock::at(NOW)).build().unwrap();
    let token = token(ISSUER, 600).sign(&key);
    for _ in 0..3 {
        verifier.try_verify(&token).unwrap();
    }
    assert_eq!(verifier.health().token_cache_misses, 0);
}

#[test]
fn no_text_but_the_very_one_is_recognised() {
    let house = House::remembering(100);
    let token = house.token(600);
    assert_eq!(house.verify(&token), "accepted");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = token_of_a_stranger(&house);
    let (_, other_signature) = other.rsplit_once('.').unwrap();
    let later = house.token(601);
    let (later_signed, _) = later.rsplit_once('.').unwrap();
    let mut forgeries = vec![
        format!("{token}="),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}."),
        token[..token.len() - 1].to_owned(),
        format!("{later_signed}.{signature}"),
        format!("{signed}.{other_signature}"),
    ];
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        forgeries.push(String::from_utf8(bytes).unwrap());
    }
    for forgery in forgeries {
        assert_ne!(house.verify(&forgery), "accepted", "{forgery}");
    }
    assert_eq!(house.verify(&token), "accepted");
    assert_eq!(house.misses(), 1);
}

fn token_of_a_stranger(house: &House) -> String {
    let stranger = SigningKey::generate().with_kid(house.key.kid());
    token(ISSUER, 600).sign(&stranger)
}

#[test]
fn an_entry_lives_for_a_minute() {
    let house = House::remembering(100);
    let token = house.token(600);
    house.verify(&token);
    house.clock.advance(Duration::from_millis(59_999));
    assert_eq!((house.verify(&token), house.misses()), ("accepted", 1));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!((house.verify(&token), house.misses()), ("accepted", 2));
    assert_eq!((house.verify(&token), house.misses()), ("accepted", 2));
}

#[test]
fn an_entry_ends_with_its_token_and_the_leeway_is_no_life() {
    let house = House::remembering(100);
    let token = house.token(20);
    house.verify(&token);
    house.clock.advance(Duration::from_millis(19_999));
    assert_eq!((house.verify(&token), house.misses()), ("accepted", 1));
    // Within the leeway it is verified in full each time.
    house.clock.advance(Duration::from_millis(1));
    assert_eq!((house.verify(&token), house.misses()), ("accepted", 2));
    assert_eq!((house.verify(&token), house.misses()), ("accepted", 3));
    house.clock.advance(Duration::from_secs(30));
    assert_eq!(house.verify(&token), "expired");
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_valid() {
    let house = House::remembering(100);
    let token = house.token(600);
    house.verify(&token);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW - 31);
    house.clock.set_wall_time(long_ago);
    assert_eq!(house.verify(&token), "issued_in_future");
}

#[test]
fn refused_tokens_displace_nothing() {
    let house = House::remembering(8);
    let token = house.token(600);
    house.verify(&token);
    let expired = house.token(600);
    let stranger = token_of_a_stranger(&house);
    for round in 0..2_000 {
        let garbage = format!("{round}.{round}.{round}");
        assert_ne!(house.verify(&garbage), "accepted");
        assert_eq!(house.verify(&stranger), "signature_invalid");
        let _ = house.verify(&expired[..expired.len() - 1]);
    }
    assert_eq!(house.verify(&token), "accepted");
    assert_eq!(house.misses(), 1);
}

#[test]
fn more_tokens_than_there_is_room_for_are_all_accepted() {
    let house = House::remembering(8);
    let tokens: Vec<String> = (0..64)
        .map(|number| token(ISSUER, 600).claim("jti", number.to_string()))
        .map(|token| token.sign(&house.key))
        .collect();
    for token in tokens.iter().chain(&tokens) {
        assert_eq!(house.verify(token), "accepted");
    }
    let misses = house.misses();
    assert!((120..=128).contains(&misses), "{misses} of 128 verified");
}

#[test]
fn threads_that_share_it_hear_the_truth() {
    let house = House::remembering(16);
    let stranger = token_of_a_stranger(&house);
    let tokens: Vec<String> = (0..32)
        .map(|number| token(ISSUER, 600).claim("sub", number.to_string()))
        .map(|token| token.sign(&house.key))
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    for (number, token) in tokens.iter().enumerate() {
                        let verified = house.verifier.try_verify(token).unwrap();
                        assert_eq!(verified.claims().subject(), number.to_string());
                    }
                    assert_eq!(house.verify(&stranger), "signature_invalid");
                }
            });
        }
    });
}

#[test]
fn its_size_has_bounds() {
    let (keys, _) = KeySet::from_json(SigningKey::generate().public_jwks().as_bytes()).unwrap();
    let build = |entries| {
        let builder = Verifier::builder(ISSUER, [APP]).key_set(keys.clone());
        builder.token_cache(entries).build().map(drop)
    };
    for entries in [0, 65_537, usize::MAX] {
        let error = build(entries).unwrap_err().to_string();
        assert!(error.contains("token_cache"), "{error}");
    }
    for entries in [1, 65_536] {
        build(entries).unwrap();
    }
}

fn live(issuer: &Issuer, clock: &ManualClock) -> VerifierBuilder {
    Verifier::builder(issuer.url(), [APP])
        .allow_loopback_http()
        .clock(clock.clone())
        .token_cache(100)
}

#[tokio::test]
async fn a_removed_key_ends_its_tokens_at_once_and_no_others() {
    let (kept, removed) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&kept, &removed]).await.unwrap();
    let verifier = live(&issuer, &ManualClock::at(NOW)).build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let url = issuer.url();
    let by = |key| token(&url, 600).sign(key);
    let (good, dead) = (by(&kept), by(&removed));
    for token in [&good, &dead, &good, &dead] {
        verifier.verify(token).await.unwrap();
    }
    issuer.remove(removed.kid());
    verifier.refresh().await.unwrap();
    assert_eq!(code(&verifier.verify(&dead).await), "kid_unknown");
    verifier.verify(&good).await.unwrap();
    assert_eq!(verifier.health().token_cache_misses, 2);
}

#[tokio::test]
async fn a_key_replaced_under_its_id_ends_the_tokens_of_the_old_one() {
    let old = SigningKey::generate().with_kid("k");
    let new = SigningKey::generate().with_kid("k");
    let issuer = Issuer::start(&[&old]).await.unwrap();
    let verifier = live(&issuer, &ManualClock::at(NOW)).build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let of_the_old = token(&issuer.url(), 600).sign(&old);
    verifier.verify(&of_the_old).await.unwrap();
    issuer.publish(&[&new]);
    verifier.refresh().await.unwrap();
    assert_eq!(code(&verifier.try_verify(&of_the_old)), "signature_invalid");
}

#[tokio::test]
async fn a_refresh_that_changes_nothing_forgets_nothing() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = live(&issuer, &ManualClock::at(NOW)).build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let token = token(&issuer.url(), 600).sign(&key);
    verifier.verify(&token).await.unwrap();
    verifier.refresh().await.unwrap();
    issuer.without_etags();
    verifier.refresh().await.unwrap();
    issuer.publish(&[&SigningKey::generate(), &key]);
    verifier.refresh().await.unwrap();
    verifier.verify(&token).await.unwrap();
    assert_eq!(verifier.health().token_cache_misses, 1);
}

#[tokio::test]
async fn keys_that_are_not_trusted_any_more_end_their_tokens_too() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let clock = ManualClock::at(NOW);
    let builder = live(&issuer, &clock).trust_for(Duration::from_secs(60));
    let verifier = builder.build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    issuer.set_fault(Fault::Status(503));
    clock.advance(Duration::from_secs(59));
    let token = token(&issuer.url(), 600).sign(&key);
    verifier.verify(&token).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let deadline = Instant::now() + PATIENCE;
    while code(&verifier.try_verify(&token)) != "keys_expired" {
        assert!(Instant::now() < deadline, "untrusted keys still serve");
        tokio::task::yield_now().await;
    }
}
