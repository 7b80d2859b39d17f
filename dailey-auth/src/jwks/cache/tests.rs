//! The cache through outages and floods, without network, sleep or lock.

use super::*;
use crate::error::KeySetError;

const MODULI: [&str; 2] = [
    include_str!("../testdata/a.n"),
    include_str!("../testdata/b.n"),
];

fn seconds(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

pub(super) fn key_set(keys: &[(&str, usize)]) -> KeySet {
    let keys: Vec<_> = keys
        .iter()
        .map(|(kid, n)| {
            let n = MODULI[*n].trim();
            format!(r#"{{"kty":"RSA","kid":"{kid}","n":"{n}","e":"AQAB"}}"#)
        })
        .collect();
    KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
        .unwrap()
        .0
}

fn fetched(keys: KeySet) -> FetchOutcome {
    FetchOutcome::Fetched {
        keys,
        etag: Some("\"1\"".to_owned()),
        fresh_for: None,
    }
}

fn failed() -> FetchOutcome {
    FetchOutcome::Failed(FetchError::KeySet(KeySetError::NoUsableKey))
}

/// A cache whose jitter is always in the middle.
fn cache() -> Cache {
    let rules = Rules {
        refresh_interval: None,
        trust_for: DEFAULT_TRUST_FOR,
    };
    Cache::new(seconds(0), rules, Box::new(|| 0.5))
}

/// A cache that fetched key `a` at second 0.
fn warm_cache() -> Cache {
    let mut cache = cache();
    assert_eq!(cache.next(seconds(0)), Next::Fetch { etag: None });
    assert!(
        cache
            .on_fetched(seconds(0), fetched(key_set(&[("a", 0)])))
            .is_some()
    );
    cache
}

#[test]
fn a_failed_refresh_never_replaces_keys() {
    let mut cache = warm_cache();
    assert_eq!(
        cache.next(seconds(240)),
        Next::Fetch {
            etag: Some("\"1\"".to_owned())
        }
    );
    assert!(cache.on_fetched(seconds(240), failed()).is_none());
    let trusted = cache.trusted.as_ref().unwrap();
    assert!(trusted.keys.find("a").is_some());
    assert_eq!(
        trusted.until, DEFAULT_TRUST_FOR,
        "the trust age runs from the last success"
    );
}

#[test]
fn a_removed_key_is_gone_after_the_next_success() {
    let mut cache = warm_cache();
    cache.next(seconds(300));
    let trusted = cache
        .on_fetched(seconds(300), fetched(key_set(&[("b", 1)])))
        .unwrap();
    assert!(trusted.keys.find("a").is_none() && trusted.keys.find("b").is_some());
}

#[test]
fn an_unchanged_answer_renews_trust_and_without_a_set_it_is_an_error() {
    let mut cache = warm_cache();
    cache.next(seconds(300));
    let unchanged = FetchOutcome::NotModified { fresh_for: None };
    let trusted = cache.on_fetched(seconds(300), unchanged).unwrap();
    assert!(trusted.keys.find("a").is_some());
    assert_eq!(trusted.until, seconds(300) + DEFAULT_TRUST_FOR);

    let mut cold = self::cache();
    cold.next(seconds(0));
    assert!(
        cold.on_fetched(seconds(0), FetchOutcome::NotModified { fresh_for: None })
            .is_none()
    );
    assert_eq!(cold.last_error, Some(FetchError::NotModifiedUnasked));
}

#[test]
fn a_refresh_comes_at_four_fifths_of_the_bounded_interval() {
    for (said, due) in [
        (None, 240.0),
        (Some(600), 480.0),
        (Some(1), 48.0),
        (Some(86_400), 2880.0),
    ] {
        let mut cache = cache();
        cache.next(seconds(0));
        let outcome = FetchOutcome::Fetched {
            keys: key_set(&[("a", 0)]),
            etag: None,
            fresh_for: said.map(seconds),
        };
        cache.on_fetched(seconds(0), outcome);
        assert_eq!(
            cache.next(seconds(0)),
            Next::WaitUntil(Duration::from_secs_f64(due))
        );
    }
}

#[test]
fn retries_wait_longer_up_to_a_minute() {
    let mut cache = cache();
    let mut now = seconds(0);
    for longest in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert!(matches!(cache.next(now), Next::Fetch { .. }));
        cache.on_fetched(now, failed());
        assert_eq!(cache.due, now + seconds(longest) / 2);
        now = cache.due;
    }
}

#[test]
fn callers_share_one_fetch_and_the_budget_bounds_the_rest() {
    let mut cache = warm_cache();
    let now = seconds(10);
    for kid in ["x", "y", "x"] {
        assert_eq!(cache.on_unknown_kid(now, kid), UnknownKid::Join(2));
    }
    assert!(matches!(cache.next(now), Next::Fetch { .. }));
    assert_eq!(cache.on_unknown_kid(now, "z"), UnknownKid::Join(2));
    cache.on_fetched(now, fetched(key_set(&[("a", 0)])));
    for kid in ["x", "y"] {
        let said = cache.on_unknown_kid(now, kid);
        assert_eq!(said, UnknownKid::NotInSet, "{kid} is remembered");
    }
    // It came while the fetch was under way, and may have been published since.
    let second = cache.on_unknown_kid(now, "z");
    assert_eq!(second, UnknownKid::Join(3), "the second of two");
    cache.next(now);
    cache.on_fetched(now, fetched(key_set(&[("a", 0)])));
    let spent = cache.on_unknown_kid(now, "w");
    assert_eq!(spent, UnknownKid::NotInSet, "the budget is spent");
    assert_eq!(
        cache.on_unknown_kid(seconds(40), "u"),
        UnknownKid::Join(4),
        "one more in 30 s"
    );
}

#[test]
fn ten_thousand_random_kids_in_a_minute_cause_at_most_four_fetches() {
    let mut cache = warm_cache();
    let mut fetches = 0;
    for n in 0..10_000_u64 {
        let now = Duration::from_millis(6 * n);
        let _ = cache.on_unknown_kid(now, &format!("kid-{n}"));
        if matches!(cache.next(now), Next::Fetch { .. }) {
            fetches += 1;
            cache.on_fetched(now, fetched(key_set(&[("a", 0)])));
        }
    }
    // Two at once and one at 30 s; the other is the routine refresh's due time.
    assert!(fetches <= 4, "{fetches} fetches");
}

#[test]
fn a_caller_is_released_when_the_fetch_takes_too_long() {
    let mut cache = warm_cache();
    assert_eq!(cache.on_unknown_kid(seconds(10), "x"), UnknownKid::Join(2));
    cache.next(seconds(10));
    assert_eq!(cache.next(seconds(11)), Next::WaitUntil(seconds(12)));
    assert_eq!(cache.progress().late, 0);
    cache.next(seconds(12));
    assert_eq!(cache.progress().late, 2);
    assert_eq!(
        cache.on_unknown_kid(seconds(12), "y"),
        UnknownKid::Unavailable
    );
}

#[test]
fn without_any_set_no_token_is_called_bad() {
    let mut cache = cache();
    // The first fetch is due anyway; two more are the budget.
    for flight in [1, 2, 3] {
        let said = cache.on_unknown_kid(seconds(0), "x");
        assert_eq!(said, UnknownKid::Join(flight));
        cache.next(seconds(0));
        cache.on_fetched(seconds(0), failed());
    }
    assert_eq!(
        cache.on_unknown_kid(seconds(0), "x"),
        UnknownKid::Unavailable
    );
}

/// Has a fetch tell that these key ids are not in the set.
fn remember(cache: &mut Cache, now: Moment, kids: impl IntoIterator<Item = String>) {
    for kid in kids {
        let _ = cache.on_unknown_kid(now, &kid);
    }
    assert!(matches!(cache.next(now), Next::Fetch { .. }));
    cache.on_fetched(now, fetched(key_set(&[("a", 0)])));
}

#[test]
fn remembered_kids_are_forgotten_when_the_set_changes_and_after_a_minute() {
    let mut cache = warm_cache();
    remember(&mut cache, seconds(1), ["b".to_owned()]);
    let refusal = cache.refuses_kid(seconds(60), "b");
    assert_eq!(refusal, Some(UnknownKid::NotInSet));
    assert_eq!(cache.refuses_kid(seconds(61), "b"), None);
    remember(&mut cache, seconds(90), ["b".to_owned()]);
    cache.want_refresh();
    cache.next(seconds(91));
    cache.on_fetched(seconds(91), fetched(key_set(&[("a", 0), ("c", 1)])));
    assert_eq!(cache.refuses_kid(seconds(150), "b"), None);
}

#[test]
fn remembered_kids_are_bounded() {
    let mut cache = warm_cache();
    remember(&mut cache, seconds(1), (0..10_000).map(|n| n.to_string()));
    assert_eq!(cache.negative.len(), NEGATIVE_KIDS);
    assert!(cache.asked.is_empty());
}

#[test]
fn while_the_issuer_fails_no_token_is_called_bad() {
    let mut cache = warm_cache();
    let now = seconds(10);
    for flight in [2, 3] {
        assert_eq!(cache.on_unknown_kid(now, "new"), UnknownKid::Join(flight));
        cache.next(now);
        cache.on_fetched(now, failed());
    }
    let spent = cache.on_unknown_kid(now, "new");
    assert_eq!(spent, UnknownKid::Unavailable);
    // The retry that is due anyway costs no budget.
    let due = cache.due;
    assert_eq!(cache.on_unknown_kid(due, "new"), UnknownKid::Join(4));
}

#[test]
fn a_304_that_nobody_asked_for_renews_nothing() {
    let mut cache = cache();
    cache.restore(seconds(0), key_set(&[("a", 0)]), seconds(60));
    assert_eq!(cache.next(seconds(0)), Next::Fetch { etag: None });
    let answer = FetchOutcome::NotModified { fresh_for: None };
    assert!(cache.on_fetched(seconds(0), answer).is_none());
    assert_eq!(cache.last_error, Some(FetchError::NotModifiedUnasked));
    let until = cache.trusted.as_ref().unwrap().until;
    assert_eq!(until + seconds(60), DEFAULT_TRUST_FOR);
}

#[test]
fn a_restored_set_is_trusted_for_what_is_left_of_its_age() {
    let mut cache = cache();
    let day = DEFAULT_TRUST_FOR;
    assert!(
        cache
            .restore(seconds(0), key_set(&[("a", 0)]), day)
            .is_none()
    );
    let trusted = cache
        .restore(
            seconds(0),
            key_set(&[("a", 0)]),
            Duration::from_secs(86_340),
        )
        .unwrap();
    assert_eq!(trusted.until, seconds(60));
    let status = cache.status(seconds(1));
    assert_eq!(status.age, Some(seconds(86_341)));
    assert!(!status.fresh, "nobody has confirmed it in this life");
    assert!(
        matches!(cache.next(seconds(0)), Next::Fetch { .. }),
        "and refreshed at once"
    );
}

#[test]
fn a_key_that_was_just_taken_in_is_never_called_unknown() {
    let mut cache = warm_cache();
    for kid in ["x", "y"] {
        let _ = cache.on_unknown_kid(seconds(10), kid);
        cache.next(seconds(10));
        cache.on_fetched(seconds(10), fetched(key_set(&[("a", 0), ("b", 1)])));
    }
    assert_eq!(cache.status(seconds(10)).budget_left, 0);
    // Its caller looked at what was served a moment before: the fetch that brought it has ended.
    assert_eq!(
        cache.refuses_kid(seconds(10), "b"),
        Some(UnknownKid::Join(3))
    );
    assert_eq!(cache.progress().succeeded, 3);
}

#[test]
fn a_long_interval_never_outlasts_the_trust_age() {
    let rules = Rules {
        refresh_interval: None,
        trust_for: seconds(60),
    };
    let mut cache = Cache::new(seconds(0), rules, Box::new(|| 1.0));
    cache.next(seconds(0));
    let outcome = FetchOutcome::Fetched {
        keys: key_set(&[("a", 0)]),
        etag: None,
        fresh_for: Some(seconds(3600)),
    };
    let until = cache.on_fetched(seconds(0), outcome).unwrap().until;
    assert!(cache.due < until);
}

#[test]
fn a_304_without_a_word_on_freshness_leaves_it_as_it_was() {
    let mut cache = cache();
    cache.next(seconds(0));
    let outcome = FetchOutcome::Fetched {
        keys: key_set(&[("a", 0)]),
        etag: Some("\"1\"".to_owned()),
        fresh_for: Some(seconds(1000)),
    };
    cache.on_fetched(seconds(0), outcome);
    cache.next(seconds(800));
    cache.on_fetched(seconds(800), FetchOutcome::NotModified { fresh_for: None });
    assert_eq!(cache.due, seconds(1600));
}
