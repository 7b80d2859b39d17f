//! Every fault, for a verifier that has keys, for a token of a new key, and for one that starts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dailey_auth::testing::{Fault, Issuer, SigningKey};
use dailey_auth::{FetchError, KeySetError, KeysState, Verifier};

use super::{PATIENCE, builder, code, token, until, warm};

/// Longest promised wait for a token of an unknown key, and what a busy machine may add.
const PROMISED_WAIT: Duration = Duration::from_secs(2);
const MARGIN: Duration = Duration::from_secs(10);

/// The answer came within the promised wait, and a fetch that takes its five seconds was not waited for: with the
/// margin no clock could tell. To be asked before anything else is awaited, since the fetch may end then.
#[track_caller]
fn was_answered_in_time(verifier: &Verifier, asked: Instant, fetch_ends_with: FetchError) {
    let took = asked.elapsed();
    assert!(took < PROMISED_WAIT + MARGIN, "{took:?}");
    if fetch_ends_with == FetchError::Timeout {
        assert_eq!(verifier.health().last_error, None, "the fetch was awaited");
    }
}

/// Each fault and what the fetch ends with.
fn faults() -> Vec<(Fault, FetchError)> {
    let json = "application/json";
    let body = |text: &str| Fault::Body(json, text.as_bytes().to_vec());
    let pace = Duration::from_millis(40);
    let malformed = FetchError::KeySet(KeySetError::Malformed);
    let no_key = FetchError::KeySet(KeySetError::NoUsableKey);
    let too_large = FetchError::KeySet(KeySetError::TooLarge);
    let too_many = FetchError::KeySet(KeySetError::TooManyKeys);
    let keys = vec!["{}"; 65].join(",");
    vec![
        (Fault::Stall, FetchError::Timeout),
        (Fault::SlowHead(pace * 2), FetchError::Timeout),
        (Fault::Drip(pace), FetchError::Timeout),
        (Fault::Close, FetchError::Connection),
        (Fault::NotHttp, FetchError::Connection),
        (Fault::Cut, FetchError::Connection),
        (Fault::ManyHeaders(1000), FetchError::Connection),
        (Fault::Status(204), FetchError::Status(204)),
        (Fault::Status(206), FetchError::Status(206)),
        (Fault::Status(404), FetchError::Status(404)),
        (Fault::Status(429), FetchError::Status(429)),
        (Fault::Status(500), FetchError::Status(500)),
        (Fault::Status(503), FetchError::Status(503)),
        (Fault::Status(301), FetchError::Redirect),
        (Fault::Status(307), FetchError::Redirect),
        (Fault::Status(308), FetchError::Redirect),
        (Fault::Endless, too_large),
        (Fault::GzipBomb, FetchError::ContentEncoding),
        (
            Fault::Body("text/html", b"<html>".to_vec()),
            FetchError::ContentType,
        ),
        (Fault::Body("", b"{}".to_vec()), FetchError::ContentType),
        (body("<html>"), malformed),
        (body(""), malformed),
        (body("{}"), malformed),
        (body("null"), malformed),
        (body(r#"{"keys":[],"keys":[]}"#), malformed),
        (body("\u{feff}{\"keys\":[]}"), malformed),
        (body(r#"{"keys":[]}"#), no_key),
        (body(r#"{"keys":[{"kty":"EC"}]}"#), no_key),
        (body(&format!(r#"{{"keys":[{keys}]}}"#)), too_many),
        (Fault::Body(json, vec![b' '; 64 * 1024 + 1]), too_large),
        (Fault::Body(json, vec![b'['; 64 * 1024]), malformed),
        (Fault::Body(json, vec![0xff; 100]), malformed),
    ]
}

/// An old key and a new one: made once, since making one takes long and holds up the runtime.
type Keys = Arc<[SigningKey; 2]>;

/// Has each fault tried at the same time, since some take their five seconds.
async fn with_each_fault<F>(scene: impl Fn(Fault, FetchError, Keys) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let keys = Arc::new([SigningKey::generate(), SigningKey::generate()]);
    let scenes: Vec<_> = faults()
        .into_iter()
        .map(|(fault, error)| {
            let scene = scene(fault.clone(), error, Arc::clone(&keys));
            (fault, tokio::spawn(scene))
        })
        .collect();
    for (fault, scene) in scenes {
        scene
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
    }
}

#[tokio::test]
async fn a_fault_does_not_touch_a_token_of_a_known_key() {
    with_each_fault(|fault, expected, keys| async move {
        let [key, _] = &*keys;
        let issuer = Issuer::start(&[key]).await.unwrap();
        let verifier = warm(builder(&issuer)).await;
        let good = token(&issuer, key);
        issuer.set_fault(fault);
        let refresh = tokio::spawn({
            let verifier = verifier.clone();
            async move { verifier.refresh().await }
        });
        while !refresh.is_finished() {
            assert_eq!(code(verifier.try_verify(&good)), "accepted");
            assert_eq!(code(verifier.verify(&good).await), "accepted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(refresh.await.unwrap(), Err(expected));
        assert_eq!(code(verifier.verify(&good).await), "accepted");
        let health = verifier.health();
        assert_eq!(health.state, KeysState::Stale);
        assert_eq!(health.last_error, Some(expected));
        assert!(health.failures >= 1);
        assert!(health.next_refresh_in <= Some(Duration::from_secs(60)));
        assert_eq!(issuer.most_at_once(), 1);

        issuer.set_fault(None);
        verifier.refresh().await.unwrap();
        let health = verifier.health();
        assert_eq!((health.state, health.failures), (KeysState::Fresh, 0));
    })
    .await;
}

#[tokio::test]
async fn a_fault_never_has_a_token_of_a_new_key_called_bad() {
    with_each_fault(|fault, expected, keys| async move {
        let [old, new] = &*keys;
        let issuer = Issuer::start(&[old]).await.unwrap();
        let verifier = warm(builder(&issuer)).await;
        issuer.add(new);
        issuer.set_fault(fault);
        let fresh = token(&issuer, new);
        let asked = Instant::now();
        assert_eq!(code(verifier.verify(&fresh).await), "keys_unavailable");
        was_answered_in_time(&verifier, asked, expected);
        assert_eq!(
            code(verifier.verify(&token(&issuer, old)).await),
            "accepted"
        );
        until("the fetch has ended", || {
            verifier.health().last_error == Some(expected)
        })
        .await;
        for _ in 0..2 {
            assert_eq!(code(verifier.verify(&fresh).await), "keys_unavailable");
        }

        // By itself, with the next retry.
        issuer.set_fault(None);
        until("the new key is found", || {
            code(verifier.try_verify(&fresh)) == "accepted"
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_start_under_a_fault_is_unavailable_and_heals_by_itself() {
    with_each_fault(|fault, expected, keys| async move {
        let [key, _] = &*keys;
        let issuer = Issuer::start(&[key]).await.unwrap();
        issuer.set_fault(fault);
        let verifier = builder(&issuer).build().unwrap();
        let good = token(&issuer, key);
        let asked = Instant::now();
        let error = verifier.verify(&good).await.unwrap_err();
        assert_eq!(
            (error.code(), error.http_status()),
            ("keys_unavailable", 503)
        );
        was_answered_in_time(&verifier, asked, expected);
        assert_eq!(verifier.health().state, KeysState::Missing);
        until("the fetch has ended", || {
            verifier.health().last_error == Some(expected)
        })
        .await;
        issuer.set_fault(None);
        verifier.ready(PATIENCE).await.unwrap();
        assert_eq!(code(verifier.verify(&good).await), "accepted");
    })
    .await;
}

#[tokio::test]
async fn a_304_confirms_what_was_asked_about_and_nothing_else() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    issuer.set_fault(Fault::NotModified);
    let cold = builder(&issuer).build().unwrap();
    let unasked = Err(FetchError::NotModifiedUnasked);
    assert_eq!(cold.refresh().await, unasked);
    assert_eq!(cold.health().state, KeysState::Missing);

    // With a validator it is an answer; an unknown key id then is not in the set.
    issuer.set_fault(None);
    let verifier = warm(builder(&issuer)).await;
    issuer.set_fault(Fault::NotModified);
    verifier.refresh().await.unwrap();
    assert_eq!(verifier.health().state, KeysState::Fresh);
    let stranger = token(&issuer, &SigningKey::generate());
    assert_eq!(code(verifier.verify(&stranger).await), "kid_unknown");

    // Without one it is not.
    issuer.set_fault(None);
    issuer.without_etags();
    let verifier = warm(builder(&issuer)).await;
    issuer.set_fault(Fault::NotModified);
    assert_eq!(verifier.refresh().await, unasked);
    assert_eq!(verifier.health().state, KeysState::Stale);
    assert_eq!(
        code(verifier.verify(&token(&issuer, &key)).await),
        "accepted"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_even_to_a_good_key_set() {
    let (key, other) = (SigningKey::generate(), SigningKey::generate());
    let (issuer, elsewhere) = (
        Issuer::start(&[&key]).await.unwrap(),
        Issuer::start(&[&other]).await.unwrap(),
    );
    let verifier = warm(builder(&issuer)).await;
    issuer.set_fault(Fault::Redirect(elsewhere.jwks_url()));
    assert_eq!(verifier.refresh().await, Err(FetchError::Redirect));
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn the_issuer_says_within_bounds_when_it_is_asked_again() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = warm(builder(&issuer)).await;
    for (cache_control, age, seconds) in [
        (None, None, 300),
        (Some("no-store"), None, 60),
        (Some("no-cache, max-age=1000"), None, 60),
        (Some("max-age=1000"), None, 1000),
        (Some("max-age=1000"), Some(400), 600),
        (Some("max-age=1000"), Some(5000), 60),
        (Some("max-age=1"), None, 60),
        (Some("max-age=86400"), None, 3600),
        (Some("public"), None, 300),
        (Some("max-age=x"), None, 60),
    ] {
        // A 304 takes its freshness from its own header, so ask for the document.
        issuer.without_etags();
        issuer.set_cache_control(cache_control);
        issuer.set_age(age);
        verifier.refresh().await.unwrap();
        let next = verifier.health().next_refresh_in.unwrap().as_secs_f64();
        let (least, most) = (f64::from(seconds) * 0.71, f64::from(seconds) * 0.89);
        assert!(
            (least..most).contains(&next),
            "{cache_control:?} {age:?}: {next}"
        );
    }
}

#[tokio::test]
async fn two_issuers_with_the_same_key_id_never_cross() {
    let (one, two) = (
        SigningKey::generate().with_kid("same"),
        SigningKey::generate().with_kid("same"),
    );
    let (first, second) = (
        Issuer::start(&[&one]).await.unwrap(),
        Issuer::start(&[&two]).await.unwrap(),
    );
    let (ours, theirs) = (warm(builder(&first)).await, warm(builder(&second)).await);
    assert_eq!(code(ours.verify(&token(&first, &one)).await), "accepted");
    assert_eq!(code(theirs.verify(&token(&second, &two)).await), "accepted");
    assert_eq!(
        code(ours.verify(&token(&first, &two)).await),
        "signature_invalid"
    );
    assert_eq!(
        code(ours.verify(&token(&second, &two)).await),
        "signature_invalid"
    );
    assert_eq!(
        code(ours.verify(&token(&second, &one)).await),
        "issuer_mismatch"
    );
    assert_eq!((first.requests(), second.requests()), (1, 1));
}
