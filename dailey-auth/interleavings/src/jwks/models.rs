//! What callers, an operator and the refresher do at the same time, and what must come of it.
//!
//! Each function runs its model in every order of steps up to a number of preemptions, panics where an order breaks the promise or hangs, and returns how many
//! orders there were.

#![allow(clippy::missing_panics_doc)] // all of them do, as said above

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize as Scheduled, Ordering::SeqCst};
use loom::thread;

use super::cache::{Cache, FetchOutcome, Next, Rules, UnknownKid};
use super::exchange::{Driver, LiveKeys, exchange};
use crate::clock::Clock;
use crate::error::FetchError;
use crate::explore;
use crate::keys::KeySet;

/// What the issuer publishes before and after a rotation.
const BEFORE: KeySet = KeySet(&["old"]);
const AFTER: KeySet = KeySet(&["old", "new"]);

/// Preemptions that are tried, with two threads and with three: most bugs need one or two, and one
/// more costs ten times the time.
const WITH_TWO: usize = 5;
const WITH_THREE: usize = 1;

/// Seconds, moved by hand. Not one of loom's: who reads it need not be ordered with who sets it.
struct Seconds(AtomicU64);

impl Clock for Seconds {
    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Relaxed))
    }
}

/// What a caller hears.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Unknown,
    Unavailable,
}

fn fetched(keys: KeySet) -> FetchOutcome {
    FetchOutcome::Fetched {
        keys,
        etag: None,
        fresh_for: None,
    }
}

/// Both ends, ten seconds after the first key set was fetched.
fn warm() -> (Arc<LiveKeys>, Driver, Arc<Seconds>) {
    let (keys, driver, clock) = cold();
    let first = Duration::ZERO;
    assert!(matches!(driver.next(first), Next::Fetch { .. }));
    driver.land(first, fetched(BEFORE));
    clock.0.store(10, Relaxed);
    (keys, driver, clock)
}

fn cold() -> (Arc<LiveKeys>, Driver, Arc<Seconds>) {
    let rules = Rules {
        refresh_interval: None,
        trust_for: Duration::from_secs(86_400),
    };
    let clock = Arc::new(Seconds(AtomicU64::new(0)));
    let cache = Cache::new(Duration::ZERO, rules, Box::new(|| 0.5));
    let (keys, driver) = exchange(cache, Arc::<Seconds>::clone(&clock));
    (Arc::new(keys), driver, clock)
}

/// What the verifier does with a token of this key.
fn verify(keys: &LiveKeys, kid: &str) -> Verdict {
    let holds = || {
        keys.load()
            .is_some_and(|published| published.keys.key_set().find(kid).is_some())
    };
    if holds() {
        return Verdict::Accepted;
    }
    let said = match keys.refuses_kid(kid) {
        Some(refusal) => refusal,
        None => keys.on_unknown_kid(kid),
    };
    match said {
        UnknownKid::NotInSet => Verdict::Unknown,
        UnknownKid::Unavailable => Verdict::Unavailable,
        UnknownKid::Join(flight) => {
            let landed = block_on(keys.landed(flight));
            match (holds(), landed) {
                (true, _) => Verdict::Accepted,
                (false, true) => Verdict::Unknown,
                (false, false) => Verdict::Unavailable,
            }
        }
    }
}

/// What the refresher does until `others` are done; returns how many fetches there were.
fn refresh(
    driver: &Driver,
    done: &Scheduled,
    others: usize,
    mut fetch: impl FnMut() -> FetchOutcome,
) -> usize {
    let mut fetches = 0;
    loop {
        let now = driver_now(driver);
        if let Next::Fetch { .. } = driver.next(now) {
            let outcome = fetch();
            driver.land(now, outcome);
            fetches += 1;
        } else if done.load(SeqCst) == others {
            return fetches;
        } else {
            block_on(driver.woken());
        }
    }
}

fn driver_now(driver: &Driver) -> Duration {
    driver.clock().monotonic()
}

/// A thread that does its part, and then has the refresher look whether all is done.
fn part<T: 'static>(
    keys: &Arc<LiveKeys>,
    done: &Arc<Scheduled>,
    act: impl FnOnce(&LiveKeys) -> T + 'static,
) -> thread::JoinHandle<T> {
    let (keys, done) = (Arc::clone(keys), Arc::clone(done));
    thread::spawn(move || {
        let result = act(&keys);
        done.fetch_add(1, SeqCst);
        keys.wake();
        result
    })
}

/// Callers with tokens of a new key: all accepted, with one fetch, whenever they come.
pub fn two_callers_of_a_new_key_share_one_fetch_and_are_accepted() -> usize {
    explore(WITH_THREE, || {
        let (keys, driver, _) = warm();
        let done = Arc::new(Scheduled::new(0));
        let callers = [0, 1].map(|_| part(&keys, &done, |keys| verify(keys, "new")));
        let fetches = refresh(&driver, &done, 2, || fetched(AFTER));
        for caller in callers {
            assert_eq!(caller.join().expect("the model ran"), Verdict::Accepted);
        }
        assert_eq!(fetches, 1);
    })
}

/// The same while the budget is spent: who comes a moment after the fetch is not refused.
pub fn a_key_that_has_just_come_is_never_refused() -> usize {
    explore(WITH_TWO, || {
        let (keys, driver, _) = warm();
        // One of the two; the fetch below is the other.
        let UnknownKid::Join(_) = keys.on_unknown_kid("other") else {
            panic!("the budget is two");
        };
        let now = driver_now(&driver);
        assert!(matches!(driver.next(now), Next::Fetch { .. }));
        driver.land(now, fetched(BEFORE));
        let UnknownKid::Join(_) = keys.on_unknown_kid("another") else {
            panic!("one is left");
        };
        let done = Arc::new(Scheduled::new(0));
        let caller = part(&keys, &done, |keys| verify(keys, "new"));
        let fetches = refresh(&driver, &done, 1, || fetched(AFTER));
        assert_eq!(caller.join().expect("the model ran"), Verdict::Accepted);
        assert_eq!(fetches, 1);
    })
}

/// An issuer that fails: everybody is answered, nobody's token is called bad.
pub fn a_failing_issuer_has_no_token_called_bad() -> usize {
    explore(WITH_THREE, || {
        let (keys, driver, _) = warm();
        let done = Arc::new(Scheduled::new(0));
        let callers = [0, 1].map(|_| part(&keys, &done, |keys| verify(keys, "new")));
        let fetches = refresh(&driver, &done, 2, || {
            FetchOutcome::Failed(FetchError::Connection)
        });
        for caller in callers {
            assert_eq!(caller.join().expect("the model ran"), Verdict::Unavailable);
        }
        assert!((1..=2).contains(&fetches), "{fetches} fetches");
    })
}

/// A fetch that takes too long: the caller is let go, and what comes late is still taken in.
pub fn a_late_fetch_lets_its_callers_go() -> usize {
    explore(WITH_TWO, || {
        let (keys, driver, clock) = warm();
        let done = Arc::new(Scheduled::new(0));
        let caller = part(&keys, &done, |keys| verify(keys, "new"));
        let mut now = driver_now(&driver);
        while !matches!(driver.next(now), Next::Fetch { .. }) {
            block_on(driver.woken());
            now = driver_now(&driver);
        }
        clock.0.store(12, Relaxed);
        now = driver_now(&driver);
        assert!(matches!(driver.next(now), Next::WaitUntil(_)));
        assert_eq!(caller.join().expect("the model ran"), Verdict::Unavailable);
        driver.land(now, fetched(AFTER));
        assert_eq!(verify(&keys, "new"), Verdict::Accepted);
    })
}

/// The refresher's runtime ends while callers come and wait: none waits for ever.
pub fn a_refresher_that_ends_leaves_nobody_waiting() -> usize {
    explore(WITH_THREE + 1, || {
        let (keys, driver, _) = warm();
        let done = Arc::new(Scheduled::new(0));
        let callers = [0, 1].map(|_| part(&keys, &done, |keys| verify(keys, "new")));
        let _ = driver.next(driver_now(&driver));
        drop(driver);
        for caller in callers {
            assert_eq!(caller.join().expect("the model ran"), Verdict::Unavailable);
        }
        assert!(!keys.is_refreshing());
    })
}

/// An operator who wants a fetch while another is under way sees what was published before the word.
pub fn a_wanted_refresh_brings_what_was_published_before_it() -> usize {
    explore(WITH_THREE, || {
        let (keys, driver, _) = warm();
        let done = Arc::new(Scheduled::new(0));
        let rotated = Arc::new(Scheduled::new(0));
        let published = Arc::clone(&rotated);
        let operator = part(&keys, &done, move |keys| {
            published.store(1, SeqCst);
            let flight = keys.want_refresh();
            assert!(block_on(keys.ended(flight)));
            let served = keys.load().expect("it is warm");
            served.keys.key_set().find("new").is_some()
        });
        let caller = part(&keys, &done, |keys| verify(keys, "unknown"));
        let fetches = refresh(&driver, &done, 2, || {
            fetched(match rotated.load(SeqCst) {
                0 => BEFORE,
                _ => AFTER,
            })
        });
        assert!(operator.join().expect("the model ran"), "an old set");
        assert_eq!(caller.join().expect("the model ran"), Verdict::Unknown);
        assert!((1..=2).contains(&fetches), "{fetches} fetches");
    })
}

/// Who waits for the first key set hears of it, though the first fetch fails.
pub fn who_waits_for_the_first_set_hears_of_it() -> usize {
    explore(WITH_TWO, || {
        let (keys, driver, clock) = cold();
        let waiting = Arc::clone(&keys);
        let waiting = thread::spawn(move || block_on(waiting.usable()));
        let first = driver_now(&driver);
        assert!(matches!(driver.next(first), Next::Fetch { .. }));
        driver.land(first, FetchOutcome::Failed(FetchError::Connection));
        clock.0.store(1, Relaxed);
        let second = driver_now(&driver);
        assert!(matches!(driver.next(second), Next::Fetch { .. }));
        driver.land(second, fetched(BEFORE));
        waiting.join().expect("the model ran");
        assert_eq!(verify(&keys, "old"), Verdict::Accepted);
    })
}
