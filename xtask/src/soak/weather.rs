//! What is being disturbed, so that an answer that does not come is known to have a reason, and what has been
//! revoked, so that a refusal has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What can be disturbed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Core,
    /// One of the two DMAPIs.
    Media,
    Store,
    Database,
}

impl Part {
    /// How long after its end a disturbance may still be felt.
    fn aftermath(self) -> Duration {
        match self {
            // nginx does not ask a replica that failed for `fail_timeout`, which is 5 s.
            Self::Media => Duration::from_secs(6),
            // Connections that died are found when they are used again.
            Self::Store | Self::Database => Duration::from_secs(3),
            Self::Core => Duration::from_secs(1),
        }
    }
}

/// Whether a retired key may still be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retired {
    /// It may be or not.
    Soon,
    /// Nobody takes it any more.
    Now,
}

/// What all who take part know of each other.
#[derive(Default)]
pub(super) struct Weather {
    rough: Mutex<BTreeMap<Part, Rough>>,
    retired: Mutex<BTreeMap<String, Retired>>,
    ended: AtomicBool,
    broken: AtomicBool,
    /// What was done, and what had no answer for a reason.
    pub(super) turns: AtomicU64,
    pub(super) excused: AtomicU64,
}

#[derive(Clone, Copy)]
enum Rough {
    Now,
    Until(Instant),
}

impl Weather {
    /// From now on answers of this part may be missing.
    pub(super) fn disturb(&self, part: Part) {
        lock(&self.rough).insert(part, Rough::Now);
    }

    /// It serves again.
    pub(super) fn mended(&self, part: Part) {
        let until = Instant::now() + part.aftermath();
        lock(&self.rough).insert(part, Rough::Until(until));
    }

    /// Whether one of these was disturbed at any time since then.
    pub(super) fn was_rough(&self, parts: &[Part], since: Instant) -> bool {
        let rough = lock(&self.rough);
        parts.iter().any(|part| match rough.get(part) {
            None => false,
            Some(Rough::Now) => true,
            Some(Rough::Until(until)) => *until >= since,
        })
    }

    /// One more without an answer.
    pub(super) fn excuse(&self) {
        self.excused.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nothing is felt any more.
    pub(super) fn is_calm(&self) -> bool {
        let all = [Part::Core, Part::Media, Part::Store, Part::Database];
        !self.was_rough(&all, Instant::now())
    }

    pub(super) fn retire(&self, kid: &str, when: Retired) {
        lock(&self.retired).insert(kid.to_owned(), when);
    }

    pub(super) fn retired(&self, kid: &str) -> Option<Retired> {
        lock(&self.retired).get(kid).copied()
    }

    /// No more turns.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Something must not be: nobody goes on.
    pub(super) fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.end();
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic leaves is still a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_excused_when_its_own_part_was_disturbed_meanwhile() {
        let weather = Weather::default();
        let before = Instant::now();
        assert!(weather.is_calm());
        weather.disturb(Part::Store);
        assert!(weather.was_rough(&[Part::Media, Part::Store], before));
        assert!(!weather.was_rough(&[Part::Core, Part::Database], before));
        weather.mended(Part::Store);
        assert!(weather.was_rough(&[Part::Store], before));
        let later = Instant::now() + Part::Store.aftermath();
        assert!(!weather.was_rough(&[Part::Store], later + Duration::from_millis(1)));
    }
}
