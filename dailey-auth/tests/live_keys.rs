//! The key set over real HTTP on loopback: rotation, faults, floods, outages.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::time::{Duration, Instant};

use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{FetchError, KeysState, Verifier, VerifyError};

const APP: &str = "app";
const PATIENCE: Duration = Duration::from_secs(10);

async fn verifier(issuer: &Issuer) -> Verifier {
    let verifier = Verifier::builder(issuer.url(), [APP])
        .allow_loopback_http()
        .build()
        .unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    verifier
}

fn token(issuer: &Issuer, key: &SigningKey) -> String {
    TokenBuilder::new(&issuer.url(), APP).sign(key)
}

fn code(verdict: Result<dailey_auth::Verified, VerifyError>) -> &'static str {
    verdict.map_or_else(|error| error.code(), |_| "accepted")
}

#[tokio::test]
async fn a_known_key_causes_no_fetch() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    let good = token(&issuer, &key);
    let spoilt =
        TokenBuilder::new(&issuer.url(), APP).sign(&SigningKey::generate().with_kid(key.kid()));
    for _ in 0..100 {
        assert_eq!(code(verifier.verify(&good).await), "accepted");
        assert_eq!(code(verifier.verify(&spoilt).await), "signature_invalid");
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_by_its_first_token_and_a_removed_one_is_refused() {
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&old]).await.unwrap();
    let verifier = verifier(&issuer).await;
    issuer.publish(&[&old, &new]);
    assert_eq!(
        code(verifier.verify(&token(&issuer, &new)).await),
        "accepted"
    );
    assert_eq!(
        code(verifier.verify(&token(&issuer, &old)).await),
        "accepted"
    );
    issuer.publish(&[&new]);
    verifier.refresh().await.unwrap();
    assert_eq!(
        code(verifier.verify(&token(&issuer, &old)).await),
        "kid_unknown"
    );
    assert_eq!(
        code(verifier.verify(&token(&issuer, &new)).await),
        "accepted"
    );
}

#[tokio::test]
async fn sixty_four_callers_share_one_fetch_and_ten_thousand_more_cause_few() {
    let key = SigningKey::generate();
    let stranger = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token(&issuer, &stranger));
            tokio::spawn(async move { code(verifier.verify(&token).await) })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "kid_unknown");
    }
    assert_eq!(
        issuer.requests(),
        2,
        "the first set and one for all strangers"
    );
    let unsigned = token(&issuer, &stranger);
    let (_, rest) = unsigned.split_once('.').unwrap();
    for n in 0..10_000 {
        let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"random-{n}"}}"#);
        let header = data_encoding::BASE64URL_NOPAD.encode(header.as_bytes());
        assert_eq!(
            code(verifier.verify(&format!("{header}.{rest}")).await),
            "kid_unknown"
        );
    }
    assert!(issuer.requests() <= 5, "{} requests", issuer.requests());
}

#[tokio::test]
async fn a_token_that_must_be_refused_anyway_does_not_touch_the_budget() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    let stranger = SigningKey::generate();
    for token in [
        TokenBuilder::new("https://other.example", APP).sign(&stranger),
        TokenBuilder::new(&issuer.url(), "other").sign(&stranger),
        TokenBuilder::new(&issuer.url(), APP)
            .expires_at(1)
            .issued_at(0)
            .sign(&stranger),
        TokenBuilder::new(&issuer.url(), APP)
            .without_claim("sub")
            .sign(&stranger),
    ] {
        assert_eq!(code(verifier.verify(&token).await), "kid_unknown");
    }
    assert_eq!(issuer.requests(), 1);
    assert_eq!(verifier.health().unknown_kid_budget, 2);
}

#[tokio::test]
async fn try_verify_never_waits() {
    let (key, new) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    issuer.publish(&[&key, &new]);
    let fresh = token(&issuer, &new);
    assert_eq!(code(verifier.try_verify(&fresh)), "keys_unavailable");
    let deadline = Instant::now() + PATIENCE;
    while code(verifier.try_verify(&fresh)) != "accepted" {
        assert!(
            Instant::now() < deadline,
            "the refresh in the background brought no key"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn every_fault_leaves_the_keys_at_hand_in_use() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    let good = token(&issuer, &key);
    let bomb = vec![b' '; 70_000];
    let other = SigningKey::generate();
    let private = format!(
        r#"{{"keys":[{{"d":"AQAB",{}]}}"#,
        &other.jwk().to_string()[1..]
    );
    let faults = [
        (Fault::Status(500), FetchError::Status(500)),
        (Fault::Status(404), FetchError::Status(404)),
        (Fault::Status(204), FetchError::Status(204)),
        (Fault::Status(302), FetchError::Redirect),
        (Fault::Status(307), FetchError::Redirect),
        (Fault::Cut, FetchError::Connection),
        (
            Fault::Body("text/html", b"<html></html>".to_vec()),
            FetchError::ContentType,
        ),
        (
            Fault::Body("application/json", b"<html></html>".to_vec()),
            malformed(),
        ),
        (
            Fault::Body("application/json", b"{\"keys\":[]}".to_vec()),
            no_key(),
        ),
        (Fault::Body("application/json", bomb), too_large()),
        (
            Fault::Body("application/json", private.into_bytes()),
            no_key(),
        ),
    ];
    for (fault, expected) in faults {
        issuer.set_fault(fault.clone());
        assert_eq!(verifier.refresh().await, Err(expected), "{fault:?}");
        assert_eq!(code(verifier.verify(&good).await), "accepted", "{fault:?}");
        assert_eq!(verifier.health().state, KeysState::Stale);
    }
    issuer.set_fault(None);
    verifier.refresh().await.unwrap();
    let health = verifier.health();
    assert_eq!(
        (health.state, health.failures, health.last_error),
        (KeysState::Fresh, 0, None)
    );
    assert_eq!(health.keys[0].kid, key.kid());
    assert!(issuer.not_modified() > 0, "the refresh is conditional");
}

fn malformed() -> FetchError {
    FetchError::KeySet(dailey_auth::KeySetError::Malformed)
}

fn no_key() -> FetchError {
    FetchError::KeySet(dailey_auth::KeySetError::NoUsableKey)
}

fn too_large() -> FetchError {
    FetchError::KeySet(dailey_auth::KeySetError::TooLarge)
}

#[tokio::test]
async fn a_stalled_issuer_delays_no_known_key_and_releases_unknown_ones_in_time() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    issuer.set_fault(Fault::Stall);
    let stranger = token(&issuer, &SigningKey::generate());
    let started = Instant::now();
    let waiting = {
        let verifier = verifier.clone();
        tokio::spawn(async move {
            let code = code(verifier.verify(&stranger).await);
            (code, verifier.health().last_error)
        })
    };
    let good = token(&issuer, &key);
    while !waiting.is_finished() {
        assert_eq!(code(verifier.verify(&good).await), "accepted");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let still_under_way = None;
    assert_eq!(
        waiting.await.unwrap(),
        ("keys_unavailable", still_under_way),
        "the fetch, which ends after five seconds, is not waited for"
    );
    let waited = started.elapsed();
    assert!(
        (Duration::from_millis(1900)..Duration::from_secs(12)).contains(&waited),
        "{waited:?}"
    );
}

#[tokio::test]
async fn without_any_key_set_the_answer_is_unavailable_and_it_heals() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    issuer.set_fault(Fault::Status(503));
    let verifier = Verifier::builder(issuer.url(), [APP])
        .allow_loopback_http()
        .build()
        .unwrap();
    assert_eq!(verifier.health().state, KeysState::Missing);
    assert!(verifier.ready(Duration::from_millis(50)).await.is_err());
    let good = token(&issuer, &key);
    let error = verifier.verify(&good).await.unwrap_err();
    assert_eq!(
        (error.code(), error.http_status()),
        ("keys_unavailable", 503)
    );
    issuer.set_fault(None);
    verifier.ready(PATIENCE).await.unwrap();
    assert_eq!(code(verifier.verify(&good).await), "accepted");
}

#[tokio::test]
async fn keys_are_not_believed_past_the_hard_trust_age() {
    let clock = ManualClock::at(1_800_000_000);
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = Verifier::builder(issuer.url(), [APP])
        .allow_loopback_http()
        .clock(clock.clone())
        .build()
        .unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    issuer.set_fault(Fault::Status(500));
    let at = |seconds: i64| {
        TokenBuilder::new(&issuer.url(), APP)
            .issued_at(1_800_000_000 + seconds)
            .expires_at(1_800_000_000 + seconds + 60)
            .sign(&key)
    };
    clock.advance(Duration::from_secs(86_399));
    assert_eq!(code(verifier.verify(&at(86_399)).await), "accepted");
    clock.advance(Duration::from_secs(1));
    let error = verifier.verify(&at(86_400)).await.unwrap_err();
    assert_eq!((error.code(), error.http_status()), ("keys_expired", 503));
    assert_eq!(verifier.health().state, KeysState::Expired);
    issuer.set_fault(None);
    verifier.refresh().await.unwrap();
    assert_eq!(code(verifier.verify(&at(86_400)).await), "accepted");
}

#[tokio::test]
async fn the_snapshot_on_disk_starts_a_verifier_while_the_issuer_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.snapshot");
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let start = || {
        Verifier::builder(issuer.url(), [APP])
            .allow_loopback_http()
            .snapshot_path(&path)
            .build()
            .unwrap()
    };
    // One writer alone, and it writes once: nothing comes after the file is there.
    let first = start();
    first.ready(PATIENCE).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() {
        assert!(Instant::now() < deadline, "the snapshot was not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    issuer.set_fault(Fault::Status(500));
    let good = token(&issuer, &key);
    assert_eq!(code(start().verify(&good).await), "accepted");

    // Damaged, foreign or cut, it is not there.
    let whole = std::fs::read_to_string(&path).unwrap();
    for spoilt in [
        whole.replace(key.kid(), "other"),
        whole[..whole.len() / 2].to_owned(),
        String::new(),
    ] {
        std::fs::write(&path, spoilt).unwrap();
        assert_eq!(code(start().verify(&good).await), "keys_unavailable");
    }
    std::fs::write(&path, &whole).unwrap();
    let foreign = Verifier::builder("https://other.example", [APP])
        .jwks_url(issuer.jwks_url())
        .allow_loopback_http()
        .snapshot_path(&path)
        .build()
        .unwrap();
    assert_eq!(foreign.health().state, KeysState::Missing);
    let restored = start().health();
    assert_eq!(restored.state, KeysState::Stale, "nobody has confirmed it");
    assert!(restored.refreshing);
}

#[tokio::test]
async fn a_key_set_can_be_read_from_a_file_and_keys_can_be_pinned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (one, two) = (SigningKey::generate(), SigningKey::generate());
    let set = serde_json::json!({ "keys": [one.jwk(), two.jwk()] }).to_string();
    std::fs::write(&path, set).unwrap();
    let verifier = Verifier::builder("https://core.example", [APP])
        .jwks_file(&path)
        .pin_thumbprints([one.kid()])
        .build()
        .unwrap();
    verifier.ready(PATIENCE).await.unwrap();
    let token = |key| TokenBuilder::new("https://core.example", APP).sign(key);
    assert_eq!(code(verifier.verify(&token(&one)).await), "accepted");
    assert_eq!(code(verifier.verify(&token(&two)).await), "kid_unknown");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(verifier.refresh().await, Err(FetchError::File));
    assert_eq!(code(verifier.verify(&token(&one)).await), "accepted");
}

#[test]
fn without_a_runtime_the_builder_says_so() {
    let error = Verifier::builder("https://core.example", [APP])
        .build()
        .unwrap_err();
    assert_eq!(error.setting(), "build");
}

#[tokio::test]
async fn plain_http_is_refused_unless_allowed_and_loopback() {
    let build = |url: &str, allow: bool| {
        let builder = Verifier::builder("https://core.example", [APP]).jwks_url(url);
        let builder = if allow {
            builder.allow_loopback_http()
        } else {
            builder
        };
        builder.build().map(|_| ()).map_err(|error| error.setting())
    };
    assert_eq!(build("http://127.0.0.1:1/", true), Ok(()));
    assert_eq!(build("http://127.0.0.1:1/", false), Err("jwks_url"));
    assert_eq!(build("http://localhost:1/", true), Err("jwks_url"));
    assert_eq!(build("http://core.example/", true), Err("jwks_url"));
}

#[tokio::test]
async fn empty_or_malformed_pins_are_refused() {
    let good = SigningKey::generate();
    let build = |pins: &[&str]| {
        let verifier = Verifier::builder("https://core.example", [APP]).pin_thumbprints(pins);
        verifier
            .build()
            .map(|_| ())
            .map_err(|error| error.setting())
    };
    assert_eq!(build(&[good.kid()]), Ok(()));
    for pins in [
        &[][..],
        &[""],
        &["x"],
        &[&"+".repeat(43)],
        &[good.kid(), "x"],
    ] {
        assert_eq!(build(pins), Err("pin_thumbprints"), "{pins:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_snapshot_that_others_may_have_written_is_ignored_and_no_link_is_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.snapshot");
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let start = || {
        Verifier::builder(issuer.url(), [APP])
            .allow_loopback_http()
            .snapshot_path(&path)
            .build()
            .unwrap()
    };
    // A link in the snapshot's place is replaced, and what it points at left alone.
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    symlink(&victim, &path).unwrap();
    let first = start();
    first.ready(PATIENCE).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while std::fs::symlink_metadata(&path).unwrap().is_symlink() {
        assert!(Instant::now() < deadline, "the snapshot was not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");

    issuer.set_fault(Fault::Status(500));
    assert_eq!(start().health().state, KeysState::Stale);
    let mode = |bits| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits));
    mode(0o666).unwrap();
    assert_eq!(start().health().state, KeysState::Missing);
    mode(0o600).unwrap();
    let moved = folder.path().join("moved");
    std::fs::rename(&path, &moved).unwrap();
    symlink(&moved, &path).unwrap();
    assert_eq!(start().health().state, KeysState::Missing);
}

#[test]
fn a_disk_that_hangs_delays_nobody() {
    // One thread for blocking work, and it is taken: the snapshot can never be written.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, hang) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        tokio::task::spawn_blocking(move || hang.recv());
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (SigningKey::generate(), SigningKey::generate());
        let issuer = Issuer::start(&[&old]).await.unwrap();
        let verifier = Verifier::builder(issuer.url(), [APP])
            .allow_loopback_http()
            .snapshot_path(folder.path().join("jwks.snapshot"))
            .build()
            .unwrap();
        verifier.ready(PATIENCE).await.unwrap();
        issuer.publish(&[&old, &new]);
        let found = tokio::time::timeout(PATIENCE, verifier.verify(&token(&issuer, &new))).await;
        assert_eq!(code(found.unwrap()), "accepted");
        tokio::time::timeout(PATIENCE, verifier.refresh())
            .await
            .unwrap()
            .unwrap();
    });
    drop(release);
}

#[tokio::test]
async fn while_the_issuer_fails_a_good_token_is_never_called_bad() {
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&old]).await.unwrap();
    let verifier = verifier(&issuer).await;
    issuer.publish(&[&old, &new]);
    issuer.set_fault(Fault::Status(503));
    let fresh = token(&issuer, &new);
    for _ in 0..5 {
        assert_eq!(code(verifier.verify(&fresh).await), "keys_unavailable");
    }
    issuer.set_fault(None);
    verifier.refresh().await.unwrap();
    assert_eq!(code(verifier.verify(&fresh).await), "accepted");
}

#[tokio::test]
async fn a_key_id_that_a_fetch_did_not_find_is_remembered_whoever_asked() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = verifier(&issuer).await;
    let stranger = token(&issuer, &SigningKey::generate());
    let deadline = Instant::now() + PATIENCE;
    while code(verifier.try_verify(&stranger)) != "kid_unknown" {
        assert!(Instant::now() < deadline, "the answer never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(issuer.requests(), 2);
    assert_eq!(code(verifier.verify(&stranger).await), "kid_unknown");
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn keys_of_two_issuers_never_cross_though_they_have_one_id() {
    let keys = [(); 2].map(|()| SigningKey::generate().with_kid("same"));
    let issuers = [
        Issuer::start(&[&keys[0]]).await.unwrap(),
        Issuer::start(&[&keys[1]]).await.unwrap(),
    ];
    let verifiers = [verifier(&issuers[0]).await, verifier(&issuers[1]).await];
    for (own, verifier) in verifiers.iter().enumerate() {
        let other = 1 - own;
        let by = |signer: usize, issuer: usize| {
            TokenBuilder::new(&issuers[issuer].url(), "app").sign(&keys[signer])
        };
        let (good, theirs) = (by(own, own), by(other, other));
        // Signed by the other issuer's key, in this issuer's name, and the other way round.
        let (posing, misnamed) = (by(other, own), by(own, other));
        for (token, expected) in [
            (good, "accepted"),
            (theirs, "signature_invalid"),
            (posing, "signature_invalid"),
            (misnamed, "issuer_mismatch"),
        ] {
            assert_eq!(code(verifier.verify(&token).await), expected);
        }
    }
}
