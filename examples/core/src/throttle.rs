//! When a login attempt must wait: a pure rule over a counter that lives in the database.
//!
//! An attempt is counted before its password is looked at, so that parallel guesses cannot outrun the counter; a
//! success takes its count back.

/// A quarter of an hour, in milliseconds: how long failures are remembered and the longest wait.
const WINDOW_MS: i64 = 15 * 60 * 1000;

/// How many failures are free, and how the wait grows after them.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Failures in the window before the first wait.
    pub free_failures: i64,
    /// The first wait in milliseconds; each further failure doubles it, up to the window.
    pub first_wait_ms: i64,
}

/// For one account: guessing one person's password.
pub const ACCOUNT: Rule = Rule {
    free_failures: 5,
    first_wait_ms: 1000,
};
/// For one address: guessing many people's.
pub const ADDRESS: Rule = Rule {
    free_failures: 50,
    first_wait_ms: WINDOW_MS,
};

/// The stored counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counter {
    /// Attempts that did not succeed.
    pub failures: i64,
    /// When the window began.
    pub window_start: i64,
    /// Until when nothing is tried.
    pub locked_until: i64,
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Yes; store this counter first.
    Allowed(Counter),
    /// No; again after this many milliseconds.
    Wait(i64),
}

impl Rule {
    /// Decides about an attempt at `now`.
    pub fn attempt(self, counter: Option<Counter>, now: i64) -> Attempt {
        let counter = counter.unwrap_or(Counter {
            window_start: now,
            ..Counter::default()
        });
        // No wait is longer than the window, also when the clock was set back meanwhile.
        if counter.locked_until > now && counter.locked_until - now <= WINDOW_MS {
            return Attempt::Wait(counter.locked_until - now);
        }
        let quiet_since = counter.window_start.max(counter.locked_until);
        let forgotten = (now - quiet_since).abs() >= WINDOW_MS;
        let (failures, window_start) = if forgotten {
            (1, now)
        } else {
            (counter.failures + 1, counter.window_start)
        };
        let locked_until = match failures - self.free_failures {
            excess if excess >= 0 => {
                // 2^20 s is far beyond the window already.
                let factor = 1_i64 << excess.min(20);
                now + self.first_wait_ms.saturating_mul(factor).min(WINDOW_MS)
            }
            _ => 0,
        };
        Attempt::Allowed(Counter {
            failures,
            window_start,
            locked_until,
        })
    }
}

impl Counter {
    /// The counter after one of its counted attempts turned out good.
    #[must_use]
    pub fn taken_back(self) -> Self {
        Self {
            failures: (self.failures - 1).max(0),
            locked_until: 0,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails at each of the given times; says for each whether it was allowed.
    fn failures(rule: Rule, times: &[i64]) -> Vec<bool> {
        let mut counter = None;
        let mut allowed = Vec::new();
        for &now in times {
            match rule.attempt(counter, now) {
                Attempt::Allowed(next) => {
                    counter = Some(next);
                    allowed.push(true);
                }
                Attempt::Wait(_) => allowed.push(false),
            }
        }
        allowed
    }

    #[test]
    fn five_failures_are_free_and_the_sixth_waits() {
        assert_eq!(
            failures(ACCOUNT, &[0, 1, 2, 3, 4, 5, 1003, 1004]),
            [true, true, true, true, true, false, false, true]
        );
    }

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let mut counter = None;
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..17 {
            let Attempt::Allowed(next) = ACCOUNT.attempt(counter, now) else {
                panic!("waited long enough")
            };
            let wait = (next.locked_until - now).max(0);
            waits.push(wait / 1000);
            now += wait;
            counter = Some(next);
        }
        assert_eq!(
            waits,
            [
                0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900
            ]
        );
    }

    #[test]
    fn a_quiet_quarter_of_an_hour_forgets() {
        let at = |n| n * WINDOW_MS;
        assert_eq!(
            failures(
                ACCOUNT,
                &[0, 0, 0, 0, 0, at(2), at(2), at(2), at(2), at(2), at(2)]
            )
            .pop(),
            Some(false)
        );
        assert_eq!(failures(ACCOUNT, &[0, 0, 0, 0, 0, at(2)]).pop(), Some(true));
    }

    #[test]
    fn a_success_takes_its_count_back() {
        let mut counter = None;
        for now in 0..200 {
            let Attempt::Allowed(next) = ACCOUNT.attempt(counter, now) else {
                panic!("successes never wait")
            };
            counter = Some(next.taken_back());
        }
    }

    #[test]
    fn an_address_waits_the_whole_window_after_fifty() {
        let times: Vec<i64> = (0..51).collect();
        assert_eq!(
            failures(ADDRESS, &times)
                .iter()
                .filter(|allowed| **allowed)
                .count(),
            50
        );
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out_for_ever() {
        let counter = Counter {
            failures: 9,
            window_start: 10 * WINDOW_MS,
            locked_until: 11 * WINDOW_MS,
        };
        assert!(matches!(
            ACCOUNT.attempt(Some(counter), 0),
            Attempt::Allowed(_)
        ));
    }
}
