//! Whether the store can serve now: the preflight's proof, asked at most every few seconds, however
//! many ask, and by one of them at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::metrics::MediaMetrics;
use crate::preflight::StoreProbe;
use crate::storage::{Storage, StorageError, records};

/// Longest time for one proof: a probe of a proxy waits no longer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a good verdict stands.
const GOOD_FOR: Duration = Duration::from_secs(5);

/// A bad one is doubted sooner, so that a store that is back is used.
const BAD_FOR: Duration = Duration::from_secs(1);

/// How long a probe's object may be needed.
const PROBE_LIFE: Duration = Duration::from_secs(60 * 60);

/// Remembers the last proof. All clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn Storage>,
    metrics: MediaMetrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    verdict: Option<(Instant, bool)>,
    /// The proof under way.
    flight: Option<watch::Receiver<Option<bool>>>,
}

impl Readiness {
    pub(crate) fn new(storage: Arc<dyn Storage>, metrics: MediaMetrics) -> Self {
        Self(Arc::new(Inner {
            storage,
            metrics,
            state: Mutex::default(),
        }))
    }

    /// Whether the store can be written and read.
    pub(crate) async fn storage(&self) -> bool {
        let mut flight = {
            let mut state = self.state();
            if let Some((at, good)) = state.verdict
                && at.elapsed() < if good { GOOD_FOR } else { BAD_FOR }
            {
                return good;
            }
            match &state.flight {
                Some(flight) => flight.clone(),
                None => self.take_off(&mut state),
            }
        };
        match flight.wait_for(Option::is_some).await {
            Ok(verdict) => verdict.unwrap_or(false),
            // It ended without a verdict: a panic.
            Err(_) => false,
        }
    }

    /// On a task of its own: who asked may leave, the others get their answer.
    fn take_off(&self, state: &mut State) -> watch::Receiver<Option<bool>> {
        let (landed, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let readiness = self.clone();
        tokio::spawn(async move {
            let good = readiness.prove().await;
            let mut state = readiness.state();
            state.verdict = Some((Instant::now(), good));
            state.flight = None;
            drop(state);
            landed.send_replace(Some(good));
        });
        flight
    }

    async fn prove(&self) -> bool {
        let probe = StoreProbe::new(&*self.0.storage);
        let good = match tokio::time::timeout(PROBE_TIMEOUT, probe.round_trip()).await {
            Ok(Ok(true)) => true,
            Ok(Ok(false)) => {
                tracing::error!("the storage gives back other bytes than it was given");
                false
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the storage's probe failed");
                false
            }
            Err(_) => {
                tracing::warn!("the storage's probe took too long");
                false
            }
        };
        self.0.metrics.probed(good);
        good
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole between any two statements.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the objects of probes that a crash or a slow store left; how many.
pub(crate) async fn sweep(storage: &dyn Storage, now_ms: u64) -> Result<u64, StorageError> {
    let life = u64::try_from(PROBE_LIFE.as_millis()).unwrap_or(u64::MAX);
    records::remove_older(storage, &StoreProbe::space(), now_ms.saturating_sub(life)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idempotency::now_ms;
    use crate::key::ObjectKey;
    use crate::preconditions::Preconditions;
    use crate::storage::Location;
    use crate::storage::local::LocalStorage;

    #[tokio::test]
    async fn a_probe_that_was_left_is_removed_an_hour_later() {
        let root = tempfile::tempdir().unwrap();
        let storage = LocalStorage::open(root.path()).unwrap();
        let left = Location {
            space: StoreProbe::space(),
            key: ObjectKey::parse("left".to_owned()).unwrap(),
        };
        let written = records::write(&storage, &left, "{}", Preconditions::default()).await;
        assert!(written.unwrap().is_some());
        assert_eq!(sweep(&storage, now_ms()).await.unwrap(), 0);
        let later = now_ms() + 61 * 60 * 1000;
        assert_eq!(sweep(&storage, later).await.unwrap(), 1);
        assert!(storage.stat(&left).await.unwrap().is_none());
    }
}
