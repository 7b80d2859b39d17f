//! What may be served now and what is to be done next: a pure state machine.
//!
//! It is fed with the time and with what happened, and never waits, fetches or locks anything
//! itself; `refresher` does that. So an outage of a day is a test of ten lines.
//!
//! What always holds, and where; `invariants` checks it after every event of random histories:
//!
//! | rule | where |
//! | --- | --- |
//! | a failed fetch never replaces keys | [`Cache::on_fetched`] |
//! | no key set is served past its trust age | [`Trusted::until`], checked by every reader |
//! | a refresh comes while the set at hand is still trusted | [`Cache::until_refresh`] |
//! | unknown key ids cause few fetches, whatever their number | [`Cache::on_unknown_kid`], [`Budget`] |
//! | a key id that the set at hand holds is never called unknown | [`Cache::refuses_kid`] |
//! | one fetch at a time, shared by all who wait for it | [`Flight`] |
//! | who waits is answered: the fetch ends, or is told to be late after 2 s | [`Cache::next`] |

#[cfg(test)]
mod histories;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod tests;
mod unknown_kids;

use std::sync::Arc;
use std::time::Duration;

use crate::keys::KeySet;

use crate::error::FetchError;
use unknown_kids::{Budget, NEGATIVE_KIDS, NegativeKids};

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

/// Longest that a caller waits for a fetch. After that the fetch goes on without the caller.
const LATE_AFTER: Duration = Duration::from_secs(2);

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
    /// When it was taken in, and how old it was then: more than nothing for a set from the disk.
    taken_in: (Moment, Duration),
    etag: Option<String>,
    /// What the issuer said of its freshness: a 304 that says nothing leaves it as it was.
    fresh_for: Option<Duration>,
}

impl Trusted {
    fn is_restored(&self) -> bool {
        !self.taken_in.1.is_zero()
    }
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
    /// Time since the set at hand was fetched.
    pub(crate) age: Option<Duration>,
    /// Whether the last fetch brought or confirmed the set at hand.
    pub(crate) fresh: bool,
    pub(crate) next_refresh: Moment,
    pub(crate) failures: u32,
    pub(crate) last_error: Option<FetchError>,
    pub(crate) budget_left: u32,
    pub(crate) counts: Counts,
}

/// How the fetches ended so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) changed: u64,
    pub(crate) confirmed: u64,
    pub(crate) failed: u64,
}

/// The fetch under way.
#[derive(Debug)]
struct Flight {
    number: u64,
    started: Moment,
    /// The key ids that were asked for before it started: only of those can it tell that they are
    /// not published. An answer may be older than a question that came while it was on its way.
    asked: Vec<Box<str>>,
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
    counts: Counts,
    budget: Budget,
    /// Key ids that the next fetch is to tell about.
    asked: Vec<Box<str>>,
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
            counts: Counts::default(),
            budget: Budget::full(now),
            asked: Vec::new(),
            negative: NegativeKids::default(),
        }
    }

    /// Takes in a set of an earlier life that was fetched `age` ago; the first refresh stays due.
    pub(crate) fn restore(&mut self, now: Moment, keys: KeySet, age: Duration) -> Option<&Trusted> {
        // Never quite no age: what is on the disk was not fetched in this life.
        let age = age.max(Duration::from_nanos(1));
        let left = self
            .rules
            .trust_for
            .checked_sub(age)
            .filter(|left| !left.is_zero())?;
        self.trusted = Some(Trusted {
            keys: Arc::new(keys),
            until: now.saturating_add(left),
            taken_in: (now, age),
            etag: None,
            fresh_for: None,
        });
        self.trusted.as_ref()
    }

    /// What is to be served.
    pub(crate) fn trusted(&self) -> Option<&Trusted> {
        self.trusted.as_ref()
    }

    /// What to do at `now`. Starts a fetch where one is due or wanted and none is under way.
    pub(crate) fn next(&mut self, now: Moment) -> Next {
        if let Some(flight) = &self.flight {
            let late_at = flight.started.saturating_add(LATE_AFTER);
            if now < late_at {
                return Next::WaitUntil(late_at);
            }
            self.progress.late = flight.number;
            // The fetch ends by its own deadline.
            return Next::WaitUntil(now.saturating_add(RETRY_LONGEST));
        }
        if now < self.due && !self.wanted {
            return Next::WaitUntil(self.due);
        }
        self.wanted = false;
        self.started += 1;
        self.flight = Some(Flight {
            number: self.started,
            started: now,
            asked: std::mem::take(&mut self.asked),
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
        let (number, asked) = self
            .flight
            .take()
            .map_or((self.started, Vec::new()), |flight| {
                (flight.number, flight.asked)
            });
        self.progress.finished = number;
        let (keys, etag, fresh_for) = match (outcome, self.trusted.take()) {
            (
                FetchOutcome::Fetched {
                    keys,
                    etag,
                    fresh_for,
                },
                before,
            ) => {
                if let Some(before) = before.filter(|before| before.keys.same_keys(&keys)) {
                    self.counts.confirmed += 1;
                    (before.keys, etag, fresh_for)
                } else {
                    self.counts.changed += 1;
                    self.negative.clear();
                    (Arc::new(keys), etag, fresh_for)
                }
            }
            // Only an answer to our own validator says that what we hold is what is published.
            (FetchOutcome::NotModified { fresh_for }, Some(before)) if before.etag.is_some() => {
                // RFC 9111 section 4.3.4: what a 304 does not say stays as it was.
                let fresh_for = fresh_for.or(before.fresh_for);
                self.counts.confirmed += 1;
                (before.keys, before.etag, fresh_for)
            }
            (FetchOutcome::NotModified { .. }, before) => {
                self.trusted = before;
                self.fail(now, FetchError::NotModifiedUnasked);
                return None;
            }
            (FetchOutcome::Failed(error), before) => {
                self.trusted = before;
                self.fail(now, error);
                return None;
            }
        };
        for kid in asked.iter().filter(|kid| keys.find(kid).is_none()) {
            self.negative.insert(now, kid);
        }
        self.progress.succeeded = number;
        self.failures = 0;
        self.last_error = None;
        self.due = now.saturating_add(self.until_refresh(fresh_for));
        Some(self.trusted.insert(Trusted {
            keys,
            until: now.saturating_add(self.rules.trust_for),
            taken_in: (now, Duration::ZERO),
            etag,
            fresh_for,
        }))
    }

    fn fail(&mut self, now: Moment, error: FetchError) {
        let doubling = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let longest = RETRY_FIRST.saturating_mul(doubling).min(RETRY_LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.counts.failed += 1;
        self.last_error = Some(error);
        let wait = longest.mul_f64(self.random()).max(RETRY_SHORTEST);
        self.due = now.saturating_add(wait);
    }

    fn until_refresh(&mut self, fresh_for: Option<Duration>) -> Duration {
        let asked = fresh_for.unwrap_or(DEFAULT_REFRESH_INTERVAL);
        let interval = self
            .rules
            .refresh_interval
            .unwrap_or_else(|| asked.clamp(MIN_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL))
            // However long the issuer's word is: a healthy issuer's set never expires.
            .min(self.rules.trust_for);
        let spread = 1.0 + REFRESH_JITTER * (2.0 * self.random() - 1.0);
        interval.mul_f64(REFRESH_AHEAD * spread)
    }

    fn random(&mut self) -> f64 {
        (self.jitter)().clamp(0.0, 1.0)
    }

    /// Whether it is known that `kid` cannot be had now, without touching anything: looked at
    /// before the token's claims are.
    pub(crate) fn refuses_kid(&mut self, now: Moment, kid: &str) -> Option<UnknownKid> {
        if self.holds(kid) {
            // A fetch that has just ended brought it, and this caller looked a moment before.
            return Some(UnknownKid::Join(self.progress.succeeded));
        }
        if self.negative.contains(now, kid) {
            return Some(UnknownKid::NotInSet);
        }
        match &self.flight {
            Some(flight) if self.progress.late == flight.number => Some(UnknownKid::Unavailable),
            Some(_) => None,
            None if self.wanted || now >= self.due || self.budget.left(now) > 0 => None,
            None => Some(self.without_fetch()),
        }
    }

    /// Decides about a key id that is not in the set at hand.
    pub(crate) fn on_unknown_kid(&mut self, now: Moment, kid: &str) -> UnknownKid {
        if let Some(refusal) = self.refuses_kid(now, kid) {
            return refusal;
        }
        if let Some(flight) = &self.flight {
            return UnknownKid::Join(flight.number);
        }
        // A fetch that is due comes anyway and costs nothing.
        let comes = self.wanted || now >= self.due;
        if !comes && !self.budget.take(now) {
            return self.without_fetch();
        }
        self.wanted = true;
        if self.asked.len() < NEGATIVE_KIDS && !self.asked.iter().any(|asked| **asked == *kid) {
            self.asked.push(kid.into());
        }
        UnknownKid::Join(self.started + 1)
    }

    fn holds(&self, kid: &str) -> bool {
        let held = |trusted: &Trusted| trusted.keys.find(kid).is_some();
        self.trusted.as_ref().is_some_and(held)
    }

    /// What is said of an unknown key id when nobody will look. With a set that the issuer has
    /// confirmed it is refused; while the issuer fails, a good token must not be called bad.
    fn without_fetch(&self) -> UnknownKid {
        if self.is_fresh() {
            UnknownKid::NotInSet
        } else {
            UnknownKid::Unavailable
        }
    }

    /// Whether the last fetch brought or confirmed the set at hand.
    fn is_fresh(&self) -> bool {
        self.failures == 0
            && self
                .trusted
                .as_ref()
                .is_some_and(|trusted| !trusted.is_restored())
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
            age: self.trusted.as_ref().map(|trusted| {
                let (at, age_then) = trusted.taken_in;
                now.saturating_sub(at) + age_then
            }),
            fresh: self.is_fresh(),
            next_refresh: self.due,
            failures: self.failures,
            last_error: self.last_error,
            budget_left: self.budget.left(now),
            counts: self.counts,
        }
    }
}
