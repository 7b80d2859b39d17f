//! A clock that only moves when it is told to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;

/// A clock to turn by hand; clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: SystemTime,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock whose wall time is `seconds` after the epoch.
    pub fn at(seconds: u64) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            state: Arc::new(Mutex::new(State {
                now,
                monotonic: Duration::ZERO,
            })),
        }
    }

    /// Lets time pass: both clocks go on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.now += by;
        state.monotonic += by;
    }

    /// Sets the wall clock, as an administrator or NTP would; monotonic time does not notice.
    pub fn set_wall_time(&self, now: SystemTime) {
        self.state().now = now;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.state().now
    }

    fn monotonic(&self) -> Duration {
        self.state().monotonic
    }
}
