//! What bounds the harm of unknown key ids: a ration of fetches, and a memory of those in vain.

use std::collections::HashMap;
use std::time::Duration;

use super::Moment;

/// Fetches for unknown key ids: two at once (a rotation right after a start), then one in 30 s.
const BUDGET: u32 = 2;
const BUDGET_REFILL: Duration = Duration::from_secs(30);

/// Key ids that are known not to be in the set, and for how long that is believed.
pub(super) const NEGATIVE_KIDS: usize = 256;
const NEGATIVE_FOR: Duration = Duration::from_secs(60);

/// Fetches that unknown key ids may still cause.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    counted_at: Moment,
}

impl Budget {
    pub(super) fn full(now: Moment) -> Self {
        Self {
            left: BUDGET,
            counted_at: now,
        }
    }

    pub(super) fn left(&mut self, now: Moment) -> u32 {
        while self.left < BUDGET && now.saturating_sub(self.counted_at) >= BUDGET_REFILL {
            self.left += 1;
            self.counted_at += BUDGET_REFILL;
        }
        if self.left == BUDGET {
            self.counted_at = self.counted_at.max(now);
        }
        self.left
    }

    pub(super) fn take(&mut self, now: Moment) -> bool {
        let enough = self.left(now) > 0;
        if enough {
            self.left -= 1;
        }
        enough
    }
}

/// Key ids that a fresh set did not hold. Bounded, so that an attacker cannot make it grow.
#[derive(Debug, Default)]
pub(super) struct NegativeKids {
    seen_at: HashMap<Box<str>, Moment>,
}

impl NegativeKids {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.seen_at.len()
    }

    /// Whether it is remembered, however long ago.
    #[cfg(test)]
    pub(super) fn holds(&self, kid: &str) -> bool {
        self.seen_at.contains_key(kid)
    }

    pub(super) fn contains(&self, now: Moment, kid: &str) -> bool {
        self.seen_at
            .get(kid)
            .is_some_and(|seen| now.saturating_sub(*seen) < NEGATIVE_FOR)
    }

    pub(super) fn insert(&mut self, now: Moment, kid: &str) {
        if self.seen_at.len() >= NEGATIVE_KIDS {
            self.seen_at
                .retain(|_, seen| now.saturating_sub(*seen) < NEGATIVE_FOR);
        }
        if self.seen_at.len() < NEGATIVE_KIDS {
            self.seen_at.insert(kid.into(), now);
        }
    }

    pub(super) fn clear(&mut self) {
        self.seen_at.clear();
    }
}
