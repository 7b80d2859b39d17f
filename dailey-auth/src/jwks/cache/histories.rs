//! Random histories: whatever happens, and in whatever order, the promises hold.
//!
//! A [`World`] stands for everything around the cache: the shell that wakes it when it asks to be
//! woken and ends each fetch by its deadline, the callers that wait, and a second, naive account
//! of what may be served. After every event the cache is held against all of it.

#![allow(clippy::unchecked_time_subtraction)] // a panic is what fails a test

use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::tests::key_set;
use super::*;

/// When the shell ends a fetch that has brought nothing.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// Longest that a caller waits, and that a key id is remembered: the promise, not the code's word.
const CALLERS_WAIT: Duration = Duration::from_secs(2);
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Documents that the issuer may publish: a rotation step by step, and one kid with another key.
fn documents() -> &'static [KeySet] {
    static DOCUMENTS: OnceLock<Vec<KeySet>> = OnceLock::new();
    DOCUMENTS.get_or_init(|| {
        vec![
            key_set(&[("a", 0)]),
            key_set(&[("a", 0), ("b", 1)]),
            key_set(&[("b", 1)]),
            key_set(&[("a", 1)]),
        ]
    })
}

/// Key ids in documents, and some that never are.
const KIDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug, Clone)]
enum Event {
    /// Time passes: from a blink to days, as while the machine is suspended.
    Pass(Duration),
    /// A token with this key id comes.
    Kid(usize),
    /// That many tokens come, each with a key id of its own.
    Flood(u16),
    /// An operator wants a fetch.
    Wanted,
    /// The fetch under way ends, if there is one.
    Ends(Ending),
}

#[derive(Debug, Clone)]
enum Ending {
    Document {
        number: usize,
        validator: bool,
        fresh_for: Option<Duration>,
    },
    Unchanged {
        fresh_for: Option<Duration>,
    },
    Failure,
}

#[derive(Debug, Clone)]
struct History {
    rules: Rules,
    restored: Option<(usize, Duration)>,
    jitter: u64,
    events: Vec<Event>,
}

/// Why a fetch was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Routine,
    Operator,
    UnknownKid,
}

struct World {
    cache: Cache,
    now: Moment,
    rules: Rules,
    /// The fetch under way: its start, and whether it asked on a condition.
    fetch: Option<(Moment, bool)>,
    starts: Vec<(Moment, Cause)>,
    operator_wants: bool,
    /// What must be served: the document, and until when.
    served: Option<(usize, Moment)>,
    last_success: Moment,
    /// Callers that wait: since when, for which fetch.
    waiting: Vec<(Moment, u64)>,
    flooded: u64,
}

impl World {
    fn new(history: &History) -> Self {
        let mut state = history.jitter;
        let jitter = move || {
            // A plain generator (Knuth's MMIX constants), with both ends of the range now and then.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match state >> 60 {
                0 => 0.0,
                1 => 1.0,
                _ => f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX),
            }
        };
        let now = Duration::from_secs(1000);
        let mut world = Self {
            cache: Cache::new(now, history.rules, Box::new(jitter)),
            now,
            rules: history.rules,
            fetch: None,
            starts: Vec::new(),
            operator_wants: false,
            served: None,
            last_success: Duration::ZERO,
            waiting: Vec::new(),
            flooded: 0,
        };
        if let Some((number, age)) = history.restored {
            let keys = documents()[number].clone();
            let taken = world.cache.restore(now, keys, age).is_some();
            assert_eq!(taken, age < history.rules.trust_for);
            if taken {
                let age = age.max(Duration::from_nanos(1));
                world.served = Some((number, now + history.rules.trust_for - age));
            }
        }
        world.drive();
        world
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Pass(by) => self.pass(*by),
            Event::Kid(kid) => self.ask(KIDS[*kid]),
            Event::Flood(kids) => {
                for _ in 0..*kids {
                    self.flooded += 1;
                    let kid = format!("flood-{}", self.flooded);
                    self.ask(&kid);
                }
            }
            Event::Wanted => {
                self.operator_wants = true;
                self.cache.want_refresh();
                self.drive();
            }
            Event::Ends(ending) => self.end(ending),
        }
        self.check();
    }

    /// Lets time pass as the shell does: the cache is looked at whenever it has asked for it, and
    /// a fetch ends by its deadline.
    fn pass(&mut self, by: Duration) {
        let target = self.now + by;
        loop {
            let Next::WaitUntil(wake) = self.cache.next(self.now) else {
                panic!("the shell has just carried out what there was to do");
            };
            let deadline = self.fetch.map(|(started, _)| started + FETCH_DEADLINE);
            let then = deadline.map_or(wake, |deadline| deadline.min(wake));
            if then > target {
                break;
            }
            self.now = self.now.max(then);
            if deadline.is_some_and(|deadline| self.now >= deadline) {
                self.land(FetchOutcome::Failed(FetchError::Timeout), None);
            }
            self.drive();
            self.cache.assert_whole();
        }
        self.now = target;
        self.drive();
    }

    /// Carries out what the cache wants.
    fn drive(&mut self) {
        loop {
            let due = self.cache.due <= self.now;
            match self.cache.next(self.now) {
                Next::WaitUntil(moment) => {
                    assert!(moment > self.now, "the shell never spins");
                    break;
                }
                Next::Fetch { etag } => {
                    assert!(self.fetch.is_none(), "one fetch at a time");
                    let cause = match (due, self.operator_wants) {
                        (true, _) => Cause::Routine,
                        (false, true) => Cause::Operator,
                        (false, false) => Cause::UnknownKid,
                    };
                    self.operator_wants = false;
                    self.starts.push((self.now, cause));
                    self.fetch = Some((self.now, etag.is_some()));
                }
            }
        }
        let progress = self.cache.progress();
        let now = self.now;
        self.waiting.retain(|(since, flight)| {
            let answered = progress.finished >= *flight || progress.late >= *flight;
            assert!(
                now <= *since + CALLERS_WAIT || answered,
                "a caller waits since {since:?} at {now:?}"
            );
            !answered
        });
    }

    fn ask(&mut self, kid: &str) {
        let held = self
            .served
            .is_some_and(|(number, _)| documents()[number].find(kid).is_some());
        let budget = self.cache.budget.left(self.now);
        let remembered = self.cache.negative.contains(self.now, kid);
        assert!(
            !remembered || self.now < self.last_success + REMEMBERED_FOR,
            "no memory is older than a minute"
        );
        let said = self.cache.on_unknown_kid(self.now, kid);
        match said {
            _ if held => assert_eq!(
                said,
                UnknownKid::Join(self.cache.progress().succeeded),
                "a key at hand is never called unknown"
            ),
            UnknownKid::Join(flight) => {
                assert!(
                    flight > self.cache.progress().finished,
                    "it is still to come"
                );
                self.waiting.push((self.now, flight));
            }
            UnknownKid::NotInSet => assert!(
                remembered || (budget == 0 && self.cache.is_fresh()),
                "refused though the issuer might know it"
            ),
            UnknownKid::Unavailable => {}
        }
        self.drive();
    }

    fn end(&mut self, ending: &Ending) {
        let Some((_, conditional)) = self.fetch else {
            return;
        };
        match ending {
            Ending::Document {
                number,
                validator,
                fresh_for,
            } => {
                let outcome = FetchOutcome::Fetched {
                    keys: documents()[*number].clone(),
                    etag: validator.then(|| "\"1\"".to_owned()),
                    fresh_for: *fresh_for,
                };
                self.land(outcome, Some(*number));
            }
            Ending::Unchanged { fresh_for } => {
                let number = self.served.map(|(number, _)| number);
                let outcome = FetchOutcome::NotModified {
                    fresh_for: *fresh_for,
                };
                self.land(outcome, number.filter(|_| conditional));
            }
            Ending::Failure => self.land(FetchOutcome::Failed(FetchError::Connection), None),
        }
        self.drive();
    }

    /// A fetch ends; `brought` is the document that must be served now, if it ended well.
    fn land(&mut self, outcome: FetchOutcome, brought: Option<usize>) {
        self.fetch = None;
        let failures = self.cache.failures;
        let asked = self
            .cache
            .flight
            .as_ref()
            .map_or(0, |flight| flight.asked.len());
        let changed = brought.is_some_and(|number| {
            self.served
                .is_none_or(|(before, _)| !documents()[before].same_keys(&documents()[number]))
        });
        let published = self.cache.on_fetched(self.now, outcome).is_some();
        assert_eq!(
            published,
            brought.is_some(),
            "published if and only if it ended well"
        );
        let wait = self.cache.due - self.now;
        if let Some(number) = brought {
            self.served = Some((number, self.now + self.rules.trust_for));
            self.last_success = self.now;
            let longest = self.rules.refresh_interval.unwrap_or(MAX_REFRESH_INTERVAL);
            let shortest = self.rules.refresh_interval.unwrap_or(MIN_REFRESH_INTERVAL);
            let bound =
                |interval: Duration, share| interval.min(self.rules.trust_for).mul_f64(share);
            assert!((bound(shortest, 0.719)..bound(longest, 0.881)).contains(&wait));
            if changed {
                assert!(
                    self.cache.negative.len() <= asked,
                    "a change empties the memory"
                );
            }
        } else {
            let longest = Duration::from_secs(1 << failures.min(6)).min(RETRY_LONGEST);
            assert!(
                (RETRY_SHORTEST..=longest).contains(&wait),
                "{wait:?} after {failures} failures"
            );
        }
    }

    fn check(&self) {
        self.cache.assert_whole();
        let served = self
            .cache
            .trusted
            .as_ref()
            .map(|trusted| (trusted.keys.kids().collect(), trusted.until));
        let expected = self.served.map(|(number, until)| {
            let kids: Vec<&str> = documents()[number].kids().collect();
            (kids, until)
        });
        assert_eq!(served, expected, "exactly the last success is served");
        let modulus = |keys: &KeySet| keys.thumbprint("a");
        if let (Some(trusted), Some((number, _))) = (&self.cache.trusted, self.served) {
            assert_eq!(modulus(&trusted.keys), modulus(&documents()[number]));
        }
    }

    /// At the end: no window of time saw more fetches for unknown key ids than the budget gives.
    fn check_budget(&self) {
        let of = |cause| {
            self.starts
                .iter()
                .filter(move |(_, why)| *why == cause)
                .map(|(at, _)| *at)
        };
        let unknown: Vec<Moment> = of(Cause::UnknownKid).collect();
        for (first, from) in unknown.iter().enumerate() {
            for (more, to) in unknown[first..].iter().enumerate() {
                let refilled = (*to - *from).as_secs() / 30;
                assert!(
                    (more as u64) < 2 + refilled,
                    "{} fetches for unknown key ids from {from:?} to {to:?}",
                    more + 1
                );
            }
        }
        let routine: Vec<Moment> = of(Cause::Routine).collect();
        for pair in routine.windows(2) {
            assert!(
                pair[1] - pair[0] >= RETRY_SHORTEST,
                "routine fetches keep apart"
            );
        }
    }
}

fn some_time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..2_000_u64).prop_map(Duration::from_millis),
        6 => (1..90_u64).prop_map(Duration::from_secs),
        3 => (1..600_u64).prop_map(|tens| Duration::from_secs(10 * tens)),
        1 => (1..30_u64).prop_map(|hours| Duration::from_secs(3600 * hours)),
    ]
}

fn freshness() -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![
        Just(None),
        Just(Some(Duration::ZERO)),
        (0..200_000_u64).prop_map(|seconds| Some(Duration::from_secs(seconds))),
        Just(Some(Duration::from_secs(u64::from(u32::MAX)))),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        4 => (0..4_usize, any::<bool>(), freshness()).prop_map(|(number, validator, fresh_for)| {
            Ending::Document { number, validator, fresh_for }
        }),
        2 => freshness().prop_map(|fresh_for| Ending::Unchanged { fresh_for }),
        3 => Just(Ending::Failure),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => some_time().prop_map(Event::Pass),
        6 => (0..KIDS.len()).prop_map(Event::Kid),
        1 => (1..400_u16).prop_map(Event::Flood),
        1 => Just(Event::Wanted),
        8 => ending().prop_map(Event::Ends),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let interval = prop_oneof![
        3 => Just(None),
        1 => (1..=3600_u64).prop_map(|seconds| Some(Duration::from_secs(seconds))),
    ];
    let trust = prop_oneof![
        2 => Just(DEFAULT_TRUST_FOR),
        2 => (60..=604_800_u64).prop_map(Duration::from_secs),
        1 => Just(Duration::from_secs(60)),
    ];
    let restored = proptest::option::weighted(
        0.3,
        (0..4_usize, (0..700_000_u64).prop_map(Duration::from_secs)),
    );
    (
        interval,
        trust,
        restored,
        any::<u64>(),
        vec(event(), 1..150),
    )
        .prop_map(
            |(refresh_interval, trust_for, restored, jitter, events)| History {
                rules: Rules {
                    refresh_interval,
                    trust_for,
                },
                restored,
                jitter,
                events,
            },
        )
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(history in history()) {
        let mut world = World::new(&history);
        world.check();
        for event in &history.events {
            world.happen(event);
        }
        // However it ended: with an issuer that answers again, all is well within a minute.
        let answer = Ending::Document { number: 1, validator: true, fresh_for: None };
        for _ in 0..=RETRY_LONGEST.as_secs() {
            world.end(&answer);
            world.pass(Duration::from_secs(1));
        }
        world.check();
        prop_assert!(world.cache.is_fresh());
        prop_assert!(world.waiting.is_empty());
        world.check_budget();
    }
}

#[test]
fn a_thousand_verifiers_started_at_once_spread_their_refreshes() {
    let mut starts: Vec<Moment> = (0..1000_u64)
        .map(|seed| {
            let history = History {
                rules: Rules {
                    refresh_interval: None,
                    trust_for: DEFAULT_TRUST_FOR,
                },
                restored: None,
                jitter: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
                events: Vec::new(),
            };
            let mut world = World::new(&history);
            world.end(&Ending::Document {
                number: 0,
                validator: true,
                fresh_for: None,
            });
            world.cache.due - world.now
        })
        .collect();
    starts.sort();
    // 216 to 264 s: 48 s for 1000 fetches, about 21 in each.
    let busiest = starts
        .iter()
        .map(|from| {
            let second = *from..*from + Duration::from_secs(1);
            starts.iter().filter(|at| second.contains(*at)).count()
        })
        .max();
    assert!(busiest < Some(130), "{busiest:?} fetches in one second");
    let (first, last) = (starts[0], starts[999]);
    assert!(
        last - first > Duration::from_secs(45),
        "{first:?} … {last:?}"
    );
}
