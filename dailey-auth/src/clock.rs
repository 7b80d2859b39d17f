//! The time, as a parameter: so that a day's outage is a test of ten lines.

use std::pin::Pin;
#[cfg(not(target_os = "linux"))]
use std::time::Instant;
use std::time::{Duration, SystemTime};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};

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
/// The wall-clock time is that of the kernel's last tick (on Linux: at most 10 ms ago), which a
/// verification need not wait for; token times are whole seconds and have a leeway.
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
    #[cfg(target_os = "linux")]
    fn now(&self) -> SystemTime {
        // A set clock may stand before 1970.
        since_zero(ClockId::RealtimeCoarse)
            .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
            .unwrap_or_else(SystemTime::now)
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        // Time since the machine started is not negative.
        since_zero(ClockId::Boottime).unwrap_or_default()
    }

    #[cfg(not(target_os = "linux"))]
    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// What this clock shows; `None` for a time before its zero.
#[cfg(target_os = "linux")]
fn since_zero(clock: ClockId) -> Option<Duration> {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_machine_but_for_a_tick() {
        // Generous: a machine that is shared may be late.
        let tick = Duration::from_millis(500);
        for _ in 0..1000 {
            let before = SystemTime::now();
            let told = SystemClock::new().now();
            assert!(told <= SystemTime::now());
            assert!(told + tick >= before, "{told:?} {before:?}");
        }
    }

    #[test]
    fn monotonic_time_passes_and_never_goes_back() {
        let clock = SystemClock::new();
        let (started, first) = (std::time::Instant::now(), clock.monotonic());
        std::thread::sleep(Duration::from_millis(5));
        let passed = clock.monotonic().saturating_sub(first);
        assert!(passed >= Duration::from_millis(5) && passed <= started.elapsed());
    }
}
