//! An issuer that is away for long, and clocks that jump, on the real refresher in manual time.

use std::time::{Duration, SystemTime};

use dailey_auth::KeysState;
use dailey_auth::testing::{Fault, Issuer, SigningKey};

use super::{START, builder, clock, code, long_token, token_from, until, warm};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_issuer_that_is_away_for_a_day_is_survived_then_not_and_its_return_is_noticed() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    issuer.set_fault(Fault::Status(503));
    for hour in 1..24_u64 {
        let failures = verifier.health().failures;
        clock.advance(HOUR);
        until("it was tried again", || {
            verifier.health().failures > failures
        })
        .await;
        let current = token_from(&issuer, &key, START + hour * 3600);
        assert_eq!(code(verifier.verify(&current).await), "accepted");
        let health = verifier.health();
        assert_eq!(health.state, KeysState::Stale);
        assert_eq!(health.age, Some(Duration::from_secs(hour * 3600)));
    }
    let tomorrow = token_from(&issuer, &key, START + 86_400);
    clock.advance(Duration::from_secs(3599));
    assert_eq!(code(verifier.verify(&tomorrow).await), "accepted");
    clock.advance(Duration::from_secs(1));
    for verdict in [
        verifier.try_verify(&tomorrow),
        verifier.verify(&tomorrow).await,
    ] {
        let error = verdict.unwrap_err();
        assert_eq!((error.code(), error.http_status()), ("keys_expired", 503));
    }
    assert_eq!(verifier.health().state, KeysState::Expired);
    assert!(!verifier.health().usable());

    issuer.set_fault(None);
    clock.advance(Duration::from_secs(60));
    until("it recovered by itself", || {
        verifier.health().state == KeysState::Fresh
    })
    .await;
    assert_eq!(code(verifier.verify(&tomorrow).await), "accepted");
}

#[tokio::test]
async fn a_key_removed_during_an_outage_dies_with_the_first_success() {
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&old]).await.unwrap();
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    issuer.publish(&[&new]);
    issuer.set_fault(Fault::Close);
    clock.advance(HOUR);
    until("it was tried", || verifier.health().failures > 0).await;
    let later = START + 3600;
    let (dead, alive) = (
        token_from(&issuer, &old, later),
        token_from(&issuer, &new, later),
    );
    assert_eq!(code(verifier.verify(&dead).await), "accepted");
    issuer.set_fault(None);
    clock.advance(Duration::from_secs(60));
    until("it was refreshed", || {
        verifier.health().state == KeysState::Fresh
    })
    .await;
    assert_eq!(code(verifier.verify(&dead).await), "kid_unknown");
    assert_eq!(code(verifier.verify(&alive).await), "accepted");
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_moves_tokens_but_not_keys() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    let good = long_token(&issuer, &key);
    let set = |seconds: u64| {
        clock.set_wall_time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    };
    let day = 86_400;
    for (seconds, expected) in [
        (START, "accepted"),
        (START + day + 31, "expired"),
        (START + 400 * day, "expired"),
        (START - 31, "issued_in_future"),
        (0, "issued_in_future"),
        (START + 10, "accepted"),
    ] {
        set(seconds);
        assert_eq!(code(verifier.verify(&good).await), expected, "at {seconds}");
        let health = verifier.health();
        assert_eq!(
            (health.state, health.age),
            (KeysState::Fresh, Some(Duration::ZERO))
        );
    }
    // Nor do they have anything fetched, however far the clock was.
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn after_a_long_sleep_of_the_machine_the_keys_are_refreshed_at_once() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    for (hours, requests) in [(2, 2), (23, 3), (1000, 4)] {
        clock.advance(HOUR * hours);
        until("it was refreshed", || {
            issuer.requests() == requests && verifier.health().age == Some(Duration::ZERO)
        })
        .await;
        assert_eq!(verifier.health().state, KeysState::Fresh);
    }
}

#[tokio::test]
async fn the_refresher_ends_with_the_last_verifier() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    let copy = verifier.clone();
    drop(verifier);
    clock.advance(HOUR);
    until("the copy is kept fresh", || issuer.requests() == 2).await;
    drop(copy);
    // Whatever is still to run runs before this task goes on.
    for _ in 0..100 {
        clock.advance(HOUR);
        tokio::task::yield_now().await;
    }
    assert_eq!(issuer.requests(), 2);
}
