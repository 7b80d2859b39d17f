//! What holds of a cache whatever has happened to it.

#![allow(clippy::unchecked_time_subtraction)] // a panic is what fails a test

use super::*;

impl Cache {
    /// Panics where something does not hold that always must.
    pub(super) fn assert_whole(&self) {
        let Progress {
            finished,
            succeeded,
            late,
        } = self.progress;
        assert!(succeeded <= finished, "a fetch that ended well has ended");
        match &self.flight {
            None => assert_eq!(finished, self.started, "no fetch is forgotten"),
            Some(flight) => {
                assert_eq!(flight.number, self.started, "one fetch at a time");
                assert_eq!(finished + 1, self.started, "it follows the last one");
            }
        }
        assert!(late <= self.started, "only what was started can be late");

        assert_eq!(
            self.failures == 0,
            self.last_error.is_none(),
            "failures have a reason"
        );
        if let Some(trusted) = &self.trusted {
            let (at, age) = trusted.taken_in;
            assert_eq!(
                trusted.until,
                at + self.rules.trust_for - age,
                "trust runs from the last success"
            );
            for kid in trusted.keys.kids() {
                assert!(
                    !self.negative.holds(kid),
                    "no key at hand is remembered as unknown"
                );
            }
            if self.is_fresh() && self.failures == 0 {
                assert!(
                    self.due < trusted.until,
                    "a refresh comes while the set is trusted"
                );
            }
        } else {
            assert_eq!(succeeded, 0, "a success leaves a set, for ever");
        }

        assert!(self.negative.len() <= NEGATIVE_KIDS);
        assert!(self.asked.len() <= NEGATIVE_KIDS);
        if let Some(flight) = &self.flight {
            assert!(flight.asked.len() <= NEGATIVE_KIDS);
        }
        assert!(
            self.asked.is_empty() || self.wanted,
            "who asks has a fetch coming"
        );
    }
}
