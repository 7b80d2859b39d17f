//! The time, as a parameter: so that a day's outage is a test of ten lines.

use std::pin::Pin;
#[cfg(not(target_os = "linux"))]
use std::time::Instant;
use std::time::{Duration, SystemTime};

/// Where a verifier takes the time from.
///
/// Two clocks, because they answer two questions: token times are wall-clock times, while the
/// age of a key set must not change when somebody sets the wall clock.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time that `exp`, `nbf` and `iat` are held against.
    fn now(&self) -> SystemTime;

    /// Time since a fixed point of the clock's own choice; never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes when monotonic time has moved in another way than by passing, counted from this
    /// call: who waits for a moment then looks at the time again. Default: never, as for a real
    /// clock. For a clock that is turned by hand.
    fn jumped(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }
}

/// The machine's clocks: the default.
///
/// Monotonic time goes on while the machine is suspended (on Linux), so that a key set does not
/// stay young in its sleep.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    #[cfg(not(target_os = "linux"))]
    origin: Instant,
}

impl SystemClock {
    /// The clocks of this machine.
    pub fn new() -> Self {
        Self {
            #[cfg(not(target_os = "linux"))]
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

    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Time since the machine started is neither negative nor more than a second's nanoseconds.
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Duration::new(seconds, nanos)
    }

    #[cfg(not(target_os = "linux"))]
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}
