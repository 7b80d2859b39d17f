//! A clock that only moves when it is told to.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;

/// A clock to turn by hand; clones are the same clock.
///
/// A verifier with this clock lives in its time: [`advance`](Self::advance) wakes the refresher,
/// which does at once what is due by then. So an issuer can be away for a day, and a test of it
/// takes no longer than its requests.
///
/// ```
/// # #[cfg(feature = "jwks-http")] {
/// use std::time::Duration;
///
/// use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey};
/// use dailey_auth::{KeysState, Verifier};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let key = SigningKey::generate();
/// let issuer = Issuer::start(&[&key]).await?;
/// let clock = ManualClock::at(1_800_000_000);
/// let verifier = Verifier::builder(issuer.url(), ["app"])
///     .allow_loopback_http()
///     .clock(clock.clone())
///     .build()?;
/// verifier.ready(Duration::from_secs(5)).await?;
///
/// issuer.set_fault(Fault::Status(503));
/// clock.advance(Duration::from_secs(24 * 60 * 60));
/// assert_eq!(verifier.health().state, KeysState::Expired);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// # }
/// ```
///
/// What waits for the network still waits in real time: a stalled fetch ends after five real
/// seconds, whatever this clock says.
#[derive(Debug, Clone)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: SystemTime,
    monotonic: Duration,
    /// How often it was advanced.
    jumps: u64,
    /// Who waits for the next time.
    waiting: Vec<Waker>,
}

impl ManualClock {
    /// A clock whose wall time is `seconds` after the epoch.
    pub fn at(seconds: u64) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            state: Arc::new(Mutex::new(State {
                now,
                monotonic: Duration::ZERO,
                jumps: 0,
                waiting: Vec::new(),
            })),
        }
    }

    /// Lets time pass: both clocks go on, and whoever waits for a moment looks again.
    pub fn advance(&self, by: Duration) {
        let waiting = {
            let mut state = self.state();
            state.now += by;
            state.monotonic += by;
            state.jumps += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
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

    fn jumped(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let seen = self.state().jumps;
        Box::pin(std::future::poll_fn(move |context| {
            let mut state = self.state();
            if state.jumps != seen {
                return Poll::Ready(());
            }
            let waker = context.waker();
            if !state.waiting.iter().any(|known| known.will_wake(waker)) {
                state.waiting.push(waker.clone());
            }
            Poll::Pending
        }))
    }
}
