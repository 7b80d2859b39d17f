//! The verifier without a runtime of the caller's.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::time::{Duration, Instant};

use dailey_auth::blocking::Verifier;
use dailey_auth::testing::{Fault, Issuer, SigningKey, TokenBuilder};
use dailey_auth::{FetchError, KeySet, KeysState};
use tokio::runtime::Runtime;

/// Longer than anything here may take; where something hangs instead.
const PATIENCE: Duration = Duration::from_secs(15);

/// An issuer on a runtime that the verifier knows nothing of.
struct House {
    runtime: Runtime,
    issuer: Issuer,
    key: SigningKey,
}

impl House {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let key = SigningKey::generate();
        let issuer = runtime.block_on(Issuer::start(&[&key])).unwrap();
        Self {
            runtime,
            issuer,
            key,
        }
    }

    fn verifier(&self) -> Verifier {
        Verifier::builder(self.issuer.url(), ["app"])
            .allow_loopback_http()
            .build()
            .unwrap()
    }

    fn token(&self, key: &SigningKey) -> String {
        TokenBuilder::new(&self.issuer.url(), "app").sign(key)
    }
}

fn code(verifier: &Verifier, token: &str) -> &'static str {
    verifier
        .verify(token)
        .map_or_else(|error| error.code(), |_| "accepted")
}

#[test]
fn a_program_without_a_runtime_verifies_and_sees_a_rotation() {
    let house = House::new();
    let verifier = house.verifier();
    // Not even `ready` is needed: the first token waits for the first key set.
    assert_eq!(code(&verifier, &house.token(&house.key)), "accepted");
    verifier.ready(PATIENCE).unwrap();
    let new = SigningKey::generate();
    assert_eq!(code(&verifier, &house.token(&new)), "kid_unknown");
    house.issuer.publish(&[&new]);
    verifier.refresh().unwrap();
    assert_eq!(code(&verifier, &house.token(&new)), "accepted");
    assert_eq!(code(&verifier, &house.token(&house.key)), "kid_unknown");
    let health = verifier.health();
    assert_eq!((health.state, health.refreshing), (KeysState::Fresh, true));
    assert_eq!(verifier.issuer(), house.issuer.url());
}

#[test]
fn many_threads_share_one_fetch() {
    let house = House::new();
    let verifier = house.verifier();
    verifier.ready(PATIENCE).unwrap();
    let new = SigningKey::generate();
    house.issuer.publish(&[&house.key, &new]);
    let token = house.token(&new);
    let before = house.issuer.requests();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(code(&verifier.clone(), &token), "accepted"));
        }
    });
    assert_eq!(house.issuer.requests() - before, 1);
}

#[test]
fn it_may_be_called_inside_a_runtime_of_any_kind() {
    let house = House::new();
    let verifier = house.verifier();
    let token = house.token(&house.key);
    let own = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    own.block_on(async {
        assert_eq!(code(&verifier, &token), "accepted");
        verifier.refresh().unwrap();
        // Built in here, too, and dropped in here.
        let another = house.verifier();
        assert_eq!(code(&another, &token), "accepted");
    });
}

#[test]
fn an_issuer_that_stalls_is_waited_for_at_most_two_seconds() {
    let house = House::new();
    house.issuer.set_fault(Fault::Stall);
    let token = house.token(&house.key);
    let mut answers = std::iter::from_fn(|| {
        let verifier = house.verifier();
        let started = Instant::now();
        assert_eq!(code(&verifier, &token), "keys_unavailable");
        let (health, took) = (verifier.health(), started.elapsed());
        assert!(took < PATIENCE, "{took:?}");
        assert!(verifier.ready(Duration::from_millis(50)).is_err());
        Some(health.last_error)
    });
    // Who waits for the fetch, which ends after five seconds, finds it ended each time; who does not, only where the
    // machine stands still from before the second second until after the fifth.
    let awaited = Some(FetchError::Timeout);
    assert!(answers.by_ref().take(3).any(|fetch| fetch != awaited));
}

#[test]
fn a_fixed_key_set_needs_no_thread() {
    let key = SigningKey::generate();
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
    let verifier = Verifier::builder("https://core.example", ["app"])
        .key_set(keys)
        .build()
        .unwrap();
    let token = TokenBuilder::new("https://core.example", "app").sign(&key);
    assert_eq!(
        verifier.verify(&token).unwrap().claims().subject(),
        "user-1"
    );
    assert!(verifier.try_verify("").is_err());
    verifier.ready(Duration::ZERO).unwrap();
    verifier.refresh().unwrap();
    assert_eq!(verifier.health().state, KeysState::Fixed);
}

#[test]
fn the_thread_ends_with_the_last_clone() {
    let house = House::new();
    let verifier = house.verifier();
    verifier.ready(PATIENCE).unwrap();
    let clone = verifier.clone();
    drop(verifier);
    assert_eq!(code(&clone, &house.token(&house.key)), "accepted");
    let threads = || {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
            .filter(|name| name.trim() == "dailey-auth")
            .count()
    };
    assert_eq!(threads(), 1);
    drop(clone);
    let started = Instant::now();
    while threads() > 0 {
        assert!(started.elapsed() < PATIENCE, "the thread goes on");
        std::thread::yield_now();
    }
    // Dropped only now: the issuer's runtime outlives the verifier.
    drop(house.runtime);
}

#[test]
fn what_is_wrong_in_the_settings_is_told() {
    let error = Verifier::builder("", ["app"]).build().unwrap_err();
    assert_eq!(error.setting(), "issuer");
}
