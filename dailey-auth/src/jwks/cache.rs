//! What may be served now and what is to be done next: a pure state machine.
//!
//! It is fed with the time and with what happened, and never waits, fetches or locks anything
//! itself; `refresher` does that. So an outage of a day is a test of ten lines.
//!
//! | rule | where |
//! | --- | --- |
//! | a failed fetch never replaces keys | [`Cache::on_fetched`] |
//! | no key set is served past its trust age | [`Trusted::until`], checked by every reader |
//! | unknown key ids cause few fetches, whatever their number | [`Cache::on_unknown_kid`], [`Budget`] |
//! | one fetch at a time, shared by all who wait for it | [`Flight`] |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::keys::KeySet;

use super::fetch::FetchError;

/// Time on the verifier's monotonic clock.
pub(crate) type Moment = Duration;

/// Refresh interval when the issuer does not say how long its answer stays fresh.
pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Shortest refresh interval that an issuer can ask for: protects the issuer from itself.
pub const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// Longest refresh interval: a key that the issuer removed is refused within the hour.
pub const MAX_REFRESH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// How long a key set is trusted after the last success, when the issuer is out of reach.
pub const DEFAULT_TRUST_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest configurable trust: a week.
pub(crate) const MAX_TRUST_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A routine refresh comes at this share of the interval, so that no caller ever waits for one.
const REFRESH_AHEAD: f64 = 0.8;

/// Spread of a routine refresh, as a share of its time: many verifiers do not ask at once.
const REFRESH_JITTER: f64 = 0.1;

/// First and largest bound of the random wait after a failure (doubling in between).
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);

/// Shortest wait after a failure, so that full jitter never spins.
const RETRY_SHORTEST: Duration = Duration::from_millis(100);

/// Fetches for unknown key ids: two at once (a rotation right after a start), then one in 30 s.
const BUDGET: u32 = 2;
const BUDGET_REFILL: Duration = Duration::from_secs(30);

/// Longest that a caller waits for a fetch. After that the fetch goes on without the caller.
const LATE_AFTER: Duration = Duration::from_secs(2);

/// Key ids that are known not to be in the set, and for how long that is believed.
const NEGATIVE_KIDS: usize = 256;
const NEGATIVE_FOR: Duration = Duration::from_secs(60);

/// What can be configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Fixed interval in place of the issuer's word.
    pub(crate) refresh_interval: Option<Duration>,
    /// The hard trust age.
    pub(crate) trust_for: Duration,
}

/// What a fetch brought.
#[derive(Debug)]
pub(crate) enum FetchOutcome {
    /// A new document.
    Fetched {
        keys: KeySet,
        etag: Option<String>,
        fresh_for: Option<Duration>,
    },
    /// The document has not changed (HTTP 304).
    NotModified {
        fresh_for: Option<Duration>,
    },
    Failed(FetchError),
}

/// A key set and how long it may be believed.
#[derive(Debug, Clone)]
pub(crate) struct Trusted {
    pub(crate) keys: Arc<KeySet>,
    /// From here on the keys are no longer believed.
    pub(crate) until: Moment,
    pub(crate) fetched_at: Moment,
    etag: Option<String>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start this fetch, conditional on `etag`.
    Fetch { etag: Option<String> },
    /// Nothing until then, unless something happens.
    WaitUntil(Moment),
}

/// What is to be said of a key id that is not in the set at hand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UnknownKid {
    /// It is not in the issuer's set, or the budget is spent: refuse.
    NotInSet,
    /// Nobody can say.
    Unavailable,
    /// Wait for this fetch; the refresher must be woken.
    Join(u64),
}

/// How far the fetches have come, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// The last one that ended.
    pub(crate) finished: u64,
    /// The last one that ended well.
    pub(crate) succeeded: u64,
    /// The last one that took too long for callers to wait.
    pub(crate) late: u64,
}

/// What an operator asks about.
#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) fetched_at: Option<Moment>,
    pub(crate) next_refresh: Moment,
    pub(crate) failures: u32,
    pub(crate) last_error: Option<FetchError>,
    pub(crate) budget_left: u32,
}

/// The fetch under way.
#[derive(Debug)]
struct Flight {
    number: u64,
    started: Moment,
}

pub(crate) struct Cache {
    rules: Rules,
    /// A random number from 0 to 1.
    jitter: Box<dyn FnMut() -> f64 + Send>,
    trusted: Option<Trusted>,
    flight: Option<Flight>,
    progress: Progress,
    /// Number of the last fetch that was started.
    started: u64,
    /// Somebody waits for one more fetch.
    wanted: bool,
    due: Moment,
    failures: u32,
    last_error: Option<FetchError>,
    budget: Budget,
    negative: NegativeKids,
}

impl Cache {
    pub(crate) fn new(now: Moment, rules: Rules, jitter: Box<dyn FnMut() -> f64 + Send>) -> Self {
        Self {
            rules,
            jitter,
            trusted: None,
            flight: None,
            progress: Progress::default(),
            started: 0,
            wanted: false,
            due: now,
            failures: 0,
            last_error: None,
            budget: Budget {
                left: BUDGET,
                counted_at: now,
            },
            negative: NegativeKids::default(),
        }
    }

    /// Takes in a set of an earlier life that was fetched `age` ago; the first refresh stays due.
    pub(crate) fn restore(&mut self, now: Moment, keys: KeySet, age: Duration) -> Option<&Trusted> {
        let left = self
            .rules
            .trust_for
            .checked_sub(age)
            .filter(|left| !left.is_zero())?;
        self.trusted = Some(Trusted {
            keys: Arc::new(keys),
            until: now + left,
            fetched_at: now.saturating_sub(age),
            etag: None,
        });
        self.trusted.as_ref()
    }

    /// What to do at `now`. Starts a fetch where one is due or wanted and none is under way.
    pub(crate) fn next(&mut self, now: Moment) -> Next {
        if let Some(flight) = &self.flight {
            let late_at = flight.started + LATE_AFTER;
            if now < late_at {
                return Next::WaitUntil(late_at);
            }
            self.progress.late = flight.number;
            // The fetch ends by its own deadline.
            return Next::WaitUntil(now + RETRY_LONGEST);
        }
        if now < self.due && !self.wanted {
            return Next::WaitUntil(self.due);
        }
        self.wanted = false;
        self.started += 1;
        self.flight = Some(Flight {
            number: self.started,
            started: now,
        });
        Next::Fetch {
            etag: self
                .trusted
                .as_ref()
                .and_then(|trusted| trusted.etag.clone()),
        }
    }

    /// Takes in how the fetch under way ended; returns what is to be served from now on, if that
    /// is something new.
    pub(crate) fn on_fetched(&mut self, now: Moment, outcome: FetchOutcome) -> Option<&Trusted> {
        let number = self
            .flight
            .take()
            .map_or(self.started, |flight| flight.number);
        self.progress.finished = number;
        let (trusted, fresh_for) = match (outcome, self.trusted.take()) {
            (
                FetchOutcome::Fetched {
                    keys,
                    etag,
                    fresh_for,
                },
                before,
            ) => {
                let unchanged = before.filter(|before| before.keys.same_keys(&keys));
                if unchanged.is_none() {
                    self.negative.clear();
                }
                let keys = unchanged.map_or_else(|| Arc::new(keys), |before| before.keys);
                (
                    Trusted {
                        keys,
                        until: now + self.rules.trust_for,
                        fetched_at: now,
                        etag,
                    },
                    fresh_for,
                )
            }
            (FetchOutcome::NotModified { fresh_for }, Some(before)) => {
                let until = now + self.rules.trust_for;
                (
                    Trusted {
                        until,
                        fetched_at: now,
                        ..before
                    },
                    fresh_for,
                )
            }
            (FetchOutcome::NotModified { .. }, None) => {
                self.fail(now, FetchError::NotModifiedWithoutSet);
                return None;
            }
            (FetchOutcome::Failed(error), before) => {
                self.trusted = before;
                self.fail(now, error);
                return None;
            }
        };
        self.progress.succeeded = number;
        self.failures = 0;
        self.last_error = None;
        self.due = now + self.until_refresh(fresh_for);
        Some(self.trusted.insert(trusted))
    }

    fn fail(&mut self, now: Moment, error: FetchError) {
        let doubling = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let longest = RETRY_FIRST.saturating_mul(doubling).min(RETRY_LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error);
        self.due = now + longest.mul_f64(self.random()).max(RETRY_SHORTEST);
    }

    fn until_refresh(&mut self, fresh_for: Option<Duration>) -> Duration {
        let asked = fresh_for.unwrap_or(DEFAULT_REFRESH_INTERVAL);
        let interval = self
            .rules
            .refresh_interval
            .unwrap_or_else(|| asked.clamp(MIN_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL));
        let spread = 1.0 + REFRESH_JITTER * (2.0 * self.random() - 1.0);
        interval.mul_f64(REFRESH_AHEAD * spread)
    }

    fn random(&mut self) -> f64 {
        (self.jitter)().clamp(0.0, 1.0)
    }

    /// Whether a fetch could still tell more about `kid`: looked at before the token's claims are,
    /// and before the budget is touched.
    pub(crate) fn might_fetch(&mut self, now: Moment, kid: &str) -> bool {
        !self.negative.contains(now, kid)
            && (self.flight.is_some() || self.wanted || self.budget.left(now) > 0)
    }

    /// Decides about a key id that is not in the set at hand.
    pub(crate) fn on_unknown_kid(&mut self, now: Moment, kid: &str) -> UnknownKid {
        if self.negative.contains(now, kid) {
            return UnknownKid::NotInSet;
        }
        if let Some(flight) = &self.flight {
            return if self.progress.late == flight.number {
                UnknownKid::Unavailable
            } else {
                UnknownKid::Join(flight.number)
            };
        }
        if !self.wanted {
            if !self.budget.take(now) {
                // Without any set a good token must not be called bad.
                return match self.trusted {
                    Some(_) => UnknownKid::NotInSet,
                    None => UnknownKid::Unavailable,
                };
            }
            self.wanted = true;
        }
        UnknownKid::Join(self.started + 1)
    }

    /// Remembers that a fresh set did not hold `kid`.
    pub(crate) fn on_absent_kid(&mut self, now: Moment, kid: &str) {
        self.negative.insert(now, kid);
    }

    /// Asks for a fetch that starts from now on, whatever the budget: an operator's word.
    pub(crate) fn want_refresh(&mut self) -> u64 {
        self.wanted = true;
        self.started + 1
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    pub(crate) fn status(&mut self, now: Moment) -> Status {
        Status {
            fetched_at: self.trusted.as_ref().map(|trusted| trusted.fetched_at),
            next_refresh: self.due,
            failures: self.failures,
            last_error: self.last_error,
            budget_left: self.budget.left(now),
        }
    }
}

/// Fetches that unknown key ids may still cause.
#[derive(Debug)]
struct Budget {
    left: u32,
    counted_at: Moment,
}

impl Budget {
    fn left(&mut self, now: Moment) -> u32 {
        while self.left < BUDGET && now.saturating_sub(self.counted_at) >= BUDGET_REFILL {
            self.left += 1;
            self.counted_at += BUDGET_REFILL;
        }
        if self.left == BUDGET {
            self.counted_at = self.counted_at.max(now);
        }
        self.left
    }

    fn take(&mut self, now: Moment) -> bool {
        let enough = self.left(now) > 0;
        if enough {
            self.left -= 1;
        }
        enough
    }
}

/// Key ids that a fresh set did not hold. Bounded, so that an attacker cannot make it grow.
#[derive(Debug, Default)]
struct NegativeKids {
    seen_at: HashMap<Box<str>, Moment>,
}

impl NegativeKids {
    fn contains(&self, now: Moment, kid: &str) -> bool {
        self.seen_at
            .get(kid)
            .is_some_and(|seen| now.saturating_sub(*seen) < NEGATIVE_FOR)
    }

    fn insert(&mut self, now: Moment, kid: &str) {
        if self.seen_at.len() >= NEGATIVE_KIDS {
            self.seen_at
                .retain(|_, seen| now.saturating_sub(*seen) < NEGATIVE_FOR);
        }
        if self.seen_at.len() < NEGATIVE_KIDS {
            self.seen_at.insert(kid.into(), now);
        }
    }

    fn clear(&mut self) {
        self.seen_at.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::KeySetError;

    const MODULI: [&str; 2] = [include_str!("testdata/a.n"), include_str!("testdata/b.n")];

    fn seconds(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn key_set(keys: &[(&str, usize)]) -> KeySet {
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
        assert_eq!(cold.last_error, Some(FetchError::NotModifiedWithoutSet));
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
        cache.on_absent_kid(now, "x");
        assert_eq!(
            cache.on_unknown_kid(now, "x"),
            UnknownKid::NotInSet,
            "remembered"
        );
        assert_eq!(
            cache.on_unknown_kid(now, "y"),
            UnknownKid::Join(3),
            "the second of two"
        );
        cache.next(now);
        cache.on_fetched(now, failed());
        assert_eq!(
            cache.on_unknown_kid(now, "y"),
            UnknownKid::NotInSet,
            "the budget is spent"
        );
        assert_eq!(
            cache.on_unknown_kid(seconds(40), "y"),
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
        for expected in [UnknownKid::Join(1), UnknownKid::Join(2)] {
            assert_eq!(cache.on_unknown_kid(seconds(0), "x"), expected);
            cache.next(seconds(0));
            cache.on_fetched(seconds(0), failed());
        }
        assert_eq!(
            cache.on_unknown_kid(seconds(0), "x"),
            UnknownKid::Unavailable
        );
    }

    #[test]
    fn remembered_kids_are_forgotten_when_the_set_changes_and_after_a_minute() {
        let mut cache = warm_cache();
        cache.on_absent_kid(seconds(1), "b");
        assert!(!cache.might_fetch(seconds(2), "b"));
        assert!(cache.might_fetch(seconds(61), "b"));
        cache.next(seconds(300));
        cache.on_absent_kid(seconds(300), "b");
        cache.on_fetched(seconds(300), fetched(key_set(&[("a", 0), ("b", 1)])));
        assert!(cache.might_fetch(seconds(300), "b"));
    }

    #[test]
    fn remembered_kids_are_bounded() {
        let mut cache = warm_cache();
        for n in 0..10_000 {
            cache.on_absent_kid(seconds(1), &n.to_string());
        }
        assert_eq!(cache.negative.seen_at.len(), NEGATIVE_KIDS);
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
        assert!(
            matches!(cache.next(seconds(0)), Next::Fetch { .. }),
            "and refreshed at once"
        );
    }
}
