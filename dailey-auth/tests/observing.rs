//! What observers, metrics and `health` say of a verifier.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySetEvent, Observer, Verifier, VerifyError};

const APP: &str = "app";
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes down what it hears.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// What was written since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Diary {
    fn accepted(&self) {
        self.write("accepted".to_owned());
    }

    fn refused(&self, error: &VerifyError) {
        self.write(error.code().to_owned());
    }

    fn key_set(&self, event: &KeySetEvent<'_>) {
        self.write(match event {
            KeySetEvent::Changed { keys } => format!("changed: {keys} keys"),
            KeySetEvent::Confirmed => "confirmed".to_owned(),
            KeySetEvent::Failed {
                error, failures, ..
            } => format!("failure {failures}: {error}"),
            KeySetEvent::KeyAdded { kid, .. } => format!("{kid} added"),
            KeySetEvent::KeyRemoved { kid } => format!("{kid} removed"),
            KeySetEvent::KeyReplaced { kid, .. } => format!("{kid} replaced"),
            KeySetEvent::PrivateKey { kid } => format!("{} is private", kid.unwrap()),
            KeySetEvent::KeySkipped { kid, reason } => {
                format!("{} skipped: {reason}", kid.unwrap())
            }
            KeySetEvent::UnknownKidJoined => "joined".to_owned(),
            KeySetEvent::UnknownKidRefused => "refused".to_owned(),
            other => format!("{other:?}"),
        });
    }
}

fn builder(issuer: &Issuer, clock: &ManualClock) -> dailey_auth::VerifierBuilder {
    Verifier::builder(issuer.url(), [APP])
        .allow_loopback_http()
        .clock(clock.clone())
}

fn token(issuer: &Issuer, key: &SigningKey) -> String {
    TokenBuilder::new(&issuer.url(), APP)
        .issued_at(1_800_000_000)
        .expires_at(1_800_000_600)
        .sign(key)
}

fn clock() -> ManualClock {
    ManualClock::at(1_800_000_000)
}

#[tokio::test]
async fn an_observer_hears_of_every_verdict_and_of_all_that_happens_to_the_keys() {
    let key = |kid: &str| SigningKey::generate().with_kid(kid);
    let (a, b, other_a) = (key("a"), key("b"), key("a"));
    let issuer = Issuer::start(&[&a]).await.unwrap();
    issuer.without_etags();
    let diary = Diary::default();
    let verifier = builder(&issuer, &clock())
        .observer(diary.clone())
        .build()
        .unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    // Who is told of a set and who observes it hear of it one after the other.
    verifier.refresh().await.unwrap();
    while diary.0.lock().unwrap().last().map(String::as_str) != Some("confirmed") {
        tokio::task::yield_now().await;
    }
    assert_eq!(diary.take(), ["changed: 1 keys", "a added", "confirmed"]);

    verifier.verify(&token(&issuer, &a)).await.unwrap();
    verifier.try_verify("x.y.z").unwrap_err();
    assert_eq!(diary.take(), ["accepted", "token_malformed"]);

    issuer.add(&b);
    verifier.verify(&token(&issuer, &b)).await.unwrap();
    let mut heard = diary.take();
    heard.sort();
    assert_eq!(heard, ["accepted", "b added", "changed: 2 keys", "joined"]);

    issuer.publish(&[&other_a]);
    verifier.refresh().await.unwrap();
    tokio::task::yield_now().await;
    assert_eq!(diary.take(), ["changed: 1 keys", "a replaced", "b removed"]);

    let (mut private, mut weak) = (b.jwk(), b.jwk());
    private["d"] = "AQAB".into();
    private["kid"] = "private".into();
    private["n"] = other_a.jwk()["n"].clone();
    weak["e"] = "Aw".into();
    let document = serde_json::json!({ "keys": [private, weak] }).to_string();
    issuer.set_fault(Fault::Body("application/json", document.into_bytes()));
    verifier.refresh().await.unwrap_err();
    tokio::task::yield_now().await;
    assert_eq!(
        diary.take(),
        [
            "private is private",
            "b skipped: its exponent is not 65537",
            "failure 1: the key set holds no usable RS256 key",
        ]
    );
}

struct Panics;

impl Observer for Panics {
    fn accepted(&self) {
        panic!("an observer's own mistake");
    }

    fn key_set(&self, _: &KeySetEvent<'_>) {
        panic!("an observer's own mistake");
    }
}

#[tokio::test]
async fn an_observer_that_panics_harms_neither_verdicts_nor_refreshes_nor_other_observers() {
    let (key, new) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let diary = Diary::default();
    let verifier = builder(&issuer, &clock())
        .observer(Panics)
        .observer(diary.clone())
        .build()
        .unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    verifier.verify(&token(&issuer, &key)).await.unwrap();
    issuer.add(&new);
    verifier.verify(&token(&issuer, &new)).await.unwrap();
    verifier.refresh().await.unwrap();
    assert!(verifier.health().refreshing);
    let accepted = diary.take().into_iter().filter(|line| line == "accepted");
    assert_eq!(accepted.count(), 2);
}

#[tokio::test]
async fn health_counts_refusals_by_code_refreshes_by_outcome_and_what_was_served_stale() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = builder(&issuer, &clock()).build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let good = token(&issuer, &key);
    verifier.verify(&good).await.unwrap();
    for _ in 0..3 {
        verifier.verify("").await.unwrap_err();
        verifier.try_verify(&good[1..]).unwrap_err();
    }
    verifier.refresh().await.unwrap();
    issuer.set_fault(Fault::Status(500));
    verifier.refresh().await.unwrap_err();
    verifier.verify(&good).await.unwrap();
    verifier.try_verify(&good).unwrap();
    let health = verifier.health();
    let counted = |code| {
        let mut refused = health.refused.iter();
        refused
            .find(|(own, _)| *own == code)
            .map(|(_, count)| *count)
    };
    assert_eq!(counted("token_missing"), Some(3));
    assert_eq!(counted("kid_unknown"), None);
    assert_eq!(
        health.refused.iter().map(|(_, count)| count).sum::<u64>(),
        6
    );
    assert_eq!(health.stale_served, 2);
    let refreshes = health.refreshes;
    assert_eq!(
        (refreshes.changed, refreshes.confirmed, refreshes.failed),
        (1, 1, 1)
    );
    issuer.set_fault(None);
    verifier.refresh().await.unwrap();
    verifier.verify(&good).await.unwrap();
    assert_eq!(verifier.health().stale_served, 2);
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn metrics_have_stable_names_and_do_not_keep_the_verifier_alive() {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    issuer.set_cache_control("max-age=1000");
    let clock = clock();
    let verifier = builder(&issuer, &clock).build().unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let mut registry = Registry::default();
    dailey_auth::metrics::register(&mut registry, &verifier);
    verifier.verify(&token(&issuer, &key)).await.unwrap();
    verifier.verify("").await.unwrap_err();
    clock.advance(Duration::from_secs(10));
    let read = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    };
    let text = read();
    for line in [
        "# TYPE dailey_auth_verifications counter",
        "dailey_auth_verifications_total{code=\"accepted\"} 1",
        "dailey_auth_verifications_total{code=\"token_missing\"} 1",
        "dailey_auth_verifications_total{code=\"expired\"} 0",
        "dailey_auth_key_set_refreshes_total{outcome=\"changed\"} 1",
        "dailey_auth_key_set_refreshes_total{outcome=\"confirmed\"} 0",
        "dailey_auth_key_set_refreshes_total{outcome=\"failed\"} 0",
        "dailey_auth_stale_served_total 0",
        "dailey_auth_keys 1",
        "dailey_auth_keys_usable 1",
        "dailey_auth_unknown_kid_budget 2",
        "# TYPE dailey_auth_key_set_age_seconds gauge",
        "dailey_auth_key_set_age_seconds 10.0",
        "# TYPE dailey_auth_next_refresh_seconds gauge",
    ] {
        assert!(
            text.lines().any(|own| own == line),
            "no line {line} in\n{text}"
        );
    }
    drop(verifier);
    assert_eq!(read(), "# EOF\n");
}
