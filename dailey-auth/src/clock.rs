//! The time, as a parameter: so that a day's outage is a test of ten lines.

use std::time::{Duration, Instant, SystemTime};

/// Where a verifier takes the time from.
///
/// Two clocks, because they answer two questions: token times are wall-clock times, while the
/// age of a key set must not change when somebody sets the wall clock.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time that `exp`, `nbf` and `iat` are held against.
    fn now(&self) -> SystemTime;

    /// Time since a fixed point of the clock's own choice; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks: the default.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}
