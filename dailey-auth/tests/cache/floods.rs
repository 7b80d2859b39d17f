//! Many bad tokens at once: few fetches, and good tokens as if nothing were.

use std::sync::Arc;
use std::time::Duration;

use dailey_auth::testing::{Fault, Issuer, SigningKey};
use tokio::sync::Barrier;

use super::{builder, clock, code, long_token, token, under_kid, until, warm};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_with_unknown_keys_cause_exactly_one_fetch() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = warm(builder(&issuer)).await;
    let good = token(&issuer, &key);
    // The answer takes its time, so that all of them ask while the fetch is under way.
    issuer.set_fault(Fault::SlowHead(Duration::from_millis(3)));
    let all_ready = Arc::new(Barrier::new(64));
    let callers: Vec<_> = (0..64)
        .map(|n| {
            let (verifier, all_ready) = (verifier.clone(), Arc::clone(&all_ready));
            let unknown = under_kid(&good, &format!("unknown-{n}"));
            tokio::spawn(async move {
                all_ready.wait().await;
                code(verifier.verify(&unknown).await)
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "kid_unknown");
    }
    assert_eq!(issuer.requests() - 1, 1);
    assert_eq!(verifier.health().unknown_kid_budget, 1);
}

#[tokio::test]
async fn ten_thousand_random_keys_in_a_minute_cause_at_most_three_fetches() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    // No routine refresh falls into the minute.
    issuer.set_cache_control("max-age=3600");
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    let good = long_token(&issuer, &key);
    let mut accepted = 0;
    for n in 0..10_000 {
        let random = under_kid(&good, &format!("random-{n}"));
        assert_eq!(code(verifier.verify(&random).await), "kid_unknown");
        if n % 10 == 0 {
            assert_eq!(code(verifier.verify(&good).await), "accepted");
            accepted += 1;
        }
        clock.advance(Duration::from_micros(5_999));
    }
    assert_eq!(accepted, 1000);
    assert_eq!(issuer.requests() - 1, 3, "two at once and one after 30 s");
    assert_eq!(issuer.most_at_once(), 1);
}

#[tokio::test]
async fn a_flood_of_bad_signatures_under_a_known_key_causes_no_fetch() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let verifier = warm(builder(&issuer)).await;
    let good = token(&issuer, &key);
    let forged = token(&issuer, &SigningKey::generate().with_kid(key.kid()));
    for _ in 0..1000 {
        assert_eq!(code(verifier.verify(&forged).await), "signature_invalid");
    }
    assert_eq!(code(verifier.verify(&good).await), "accepted");
    assert_eq!(issuer.requests(), 1);
    assert_eq!(verifier.health().unknown_kid_budget, 2);
}

#[tokio::test]
async fn a_rotation_in_the_middle_of_a_flood_is_found_when_the_budget_allows() {
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let issuer = Issuer::start(&[&old]).await.unwrap();
    issuer.set_cache_control("max-age=3600");
    let clock = clock();
    let verifier = warm(builder(&issuer).clock(clock.clone())).await;
    let (good, fresh) = (long_token(&issuer, &old), long_token(&issuer, &new));
    let mut found_after = None;
    for second in 0..60_u64 {
        for n in 0..50 {
            let random = under_kid(&good, &format!("random-{second}-{n}"));
            assert_eq!(code(verifier.verify(&random).await), "kid_unknown");
        }
        if second == 10 {
            issuer.add(&new);
        }
        assert_eq!(code(verifier.verify(&good).await), "accepted");
        if second >= 10 && code(verifier.verify(&fresh).await) == "accepted" {
            found_after.get_or_insert(second - 10);
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(
        found_after,
        Some(20),
        "with the fetch that the 30th second allows"
    );
    assert!(issuer.requests() - 1 <= 3, "{}", issuer.requests());
}

#[tokio::test]
async fn without_a_flood_a_rotation_is_found_by_its_first_token() {
    let keys: Vec<_> = (0..3).map(|_| SigningKey::generate()).collect();
    let issuer = Issuer::start(&[&keys[0]]).await.unwrap();
    let verifier = warm(builder(&issuer)).await;
    // Two rotations one after the other, as right after a start: the budget is two.
    for new in &keys[1..] {
        issuer.add(new);
        assert_eq!(
            code(verifier.verify(&token(&issuer, new)).await),
            "accepted"
        );
    }
    assert_eq!(issuer.requests(), 3);
}

#[tokio::test]
async fn many_verifiers_spread_their_refreshes() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.unwrap();
    let clock = clock();
    let mut verifiers = Vec::new();
    for _ in 0..200 {
        verifiers.push(builder(&issuer).clock(clock.clone()).build().unwrap());
    }
    for verifier in &verifiers {
        verifier.ready(super::PATIENCE).await.unwrap();
    }
    let next = |verifier: &dailey_auth::Verifier| verifier.health().next_refresh_in.unwrap();
    let mut due: Vec<_> = verifiers.iter().map(next).collect();
    due.sort();
    let seconds = |seconds| Duration::from_secs(seconds);
    assert!(
        due.iter()
            .all(|due| (seconds(216)..=seconds(264)).contains(due))
    );
    let busiest = due
        .iter()
        .map(|from| {
            let second = *from..*from + seconds(1);
            due.iter().filter(|at| second.contains(*at)).count()
        })
        .max();
    assert!(busiest < Some(40), "{busiest:?} of 200 in one second of 48");

    // And all of them do come.
    clock.advance(seconds(265));
    // One that is asked again on a new connection counts twice; that none is missing is told by their ages.
    until("all have refreshed", || issuer.requests() >= 400).await;
    until("and are fresh", || {
        verifiers
            .iter()
            .all(|verifier| verifier.health().age == Some(Duration::ZERO))
    })
    .await;
}
