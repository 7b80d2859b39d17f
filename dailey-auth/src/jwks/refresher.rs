//! The one task that carries out what the cache wants: fetches, waits, writes the set down.
//!
//! It survives whatever a fetch or the disk does, and ends with the last verifier.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::clock::Clock;
use crate::error::FetchError;
use crate::keys::KeySet;
use crate::observer::KeySetEvent;

use super::cache::{Cache, FetchOutcome, Next};
use super::exchange::{Driver, LiveKeys, exchange};
use super::fetch::Fetcher;
use super::snapshot::SnapshotFile;
use super::sync::Task;

/// Longest sleep. The runtime's timers stand still while the machine is suspended, the clock does
/// not: a set that grew old in its sleep is refreshed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Starts the refresher on the current tokio runtime.
pub(crate) fn start(
    mut cache: Cache,
    fetcher: Fetcher,
    snapshot: Option<SnapshotFile>,
    clock: Arc<dyn Clock>,
) -> LiveKeys {
    if let Some(snapshot) = &snapshot {
        restore(&mut cache, &fetcher, snapshot, &*clock);
    }
    let (keys, driver) = exchange(cache, clock);
    let refresher = Refresher {
        driver,
        fetcher,
        snapshot,
    };
    keys.owning(Task(tokio::spawn(refresher.run()).abort_handle()))
}

fn restore(cache: &mut Cache, fetcher: &Fetcher, snapshot: &SnapshotFile, clock: &dyn Clock) {
    let Some((document, age)) = snapshot.load() else {
        return;
    };
    let age_seconds = age.as_secs();
    let keys = match fetcher.take_in(&document) {
        Ok(keys) => keys,
        Err(reason) => return snapshot.warn_ignored(&reason),
    };
    if cache.restore(clock.monotonic(), keys, age).is_some() {
        tracing::info!(age_seconds, "starting with the key set on disk");
    } else {
        snapshot.warn_ignored(&"it is older than the hard trust age");
    }
}

struct Refresher {
    driver: Driver,
    fetcher: Fetcher,
    snapshot: Option<SnapshotFile>,
}

impl Refresher {
    async fn run(self) {
        let mut flight: Option<Flight> = None;
        // The disk may hang: nothing here ever waits for it. Of several sets the last one counts.
        let mut saving: Option<JoinHandle<()>> = None;
        let mut unsaved: Option<Unsaved> = None;
        loop {
            if saving.is_none()
                && let (Some(snapshot), Some(unsaved)) = (&self.snapshot, unsaved.take())
            {
                saving = Some(snapshot.store(&unsaved.keys, unsaved.fetched_at));
            }
            // Asked for before the time is looked at: a jump between the two is not missed.
            let jumped = self.driver.clock().jumped();
            let now = self.driver.clock().monotonic();
            let until = match self.driver.next(now) {
                Next::Fetch { etag } => {
                    flight = Some(Flight::start(self.fetcher.clone(), etag));
                    continue;
                }
                Next::WaitUntil(until) => until,
            };
            let sleep = tokio::time::sleep(until.saturating_sub(now).min(LONGEST_SLEEP));
            tokio::select! {
                outcome = landing(&mut flight) => {
                    flight = None;
                    if let Some(keys) = self.land(outcome) {
                        unsaved = Some(keys);
                    }
                }
                () = finished(&mut saving) => saving = None,
                () = self.driver.woken() => {}
                () = jumped => {}
                () = sleep => {}
            }
        }
    }

    /// Takes in what a fetch brought, or tells why it brought nothing; returns what to save.
    fn land(&self, outcome: FetchOutcome) -> Option<Unsaved> {
        let now = self.driver.clock().monotonic();
        let landing = self.driver.land(now, outcome);
        let Some((keys, before)) = landing.served else {
            let status = landing.status;
            let error = status.last_error.unwrap_or(FetchError::Internal);
            let retry_in = status.next_refresh.saturating_sub(now);
            let failures = status.failures;
            let retry_in_ms = retry_in.as_millis();
            tracing::warn!(%error, failures, retry_in_ms, "the key set could not be refreshed");
            self.tell(KeySetEvent::Failed {
                error,
                failures,
                retry_in,
            });
            return None;
        };
        if before
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, &keys))
        {
            tracing::debug!("the key set is confirmed");
            self.tell(KeySetEvent::Confirmed);
        } else {
            tracing::info!(?keys, "the key set has changed");
            self.tell(KeySetEvent::Changed {
                keys: keys.kids().len(),
            });
            self.tell_differences(before.as_deref(), &keys);
        }
        Some(Unsaved {
            keys,
            fetched_at: self.driver.clock().now(),
        })
    }

    /// Tells of each key that came, went, or is another one under the same id.
    fn tell_differences(&self, before: Option<&KeySet>, now: &KeySet) {
        let thumbprint_before = |kid| before.and_then(|before| before.thumbprint(kid));
        for kid in now.kids() {
            let thumbprint = &*now.thumbprint(kid).unwrap_or_default();
            match thumbprint_before(kid) {
                None => self.tell(KeySetEvent::KeyAdded { kid, thumbprint }),
                Some(before) if before == thumbprint => {}
                Some(_) => {
                    tracing::warn!(kid, "another key has come under a known key id");
                    self.tell(KeySetEvent::KeyReplaced { kid, thumbprint });
                }
            }
        }
        let removed = before.into_iter().flat_map(KeySet::kids);
        for kid in removed.filter(|kid| now.find(kid).is_none()) {
            self.tell(KeySetEvent::KeyRemoved { kid });
        }
    }

    fn tell(&self, event: KeySetEvent<'_>) {
        let observers = self.fetcher.observers();
        observers.tell(|observer| observer.key_set(&event));
    }
}

/// A set that is not on the disk yet, with the time that counts for its age there.
struct Unsaved {
    keys: Arc<KeySet>,
    fetched_at: SystemTime,
}

/// A fetch in a task of its own: whatever happens in it, the refresher goes on.
struct Flight(JoinHandle<FetchOutcome>);

impl Flight {
    fn start(fetcher: Fetcher, etag: Option<String>) -> Self {
        let span = tracing::info_span!("fetch_key_set", conditional = etag.is_some());
        let fetch = async move { fetcher.fetch(etag).await };
        Self(tokio::spawn(fetch.instrument(span)))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn landing(flight: &mut Option<Flight>) -> FetchOutcome {
    match flight {
        Some(flight) => (&mut flight.0)
            .await
            .unwrap_or(FetchOutcome::Failed(FetchError::Internal)),
        None => std::future::pending().await,
    }
}

async fn finished(saving: &mut Option<JoinHandle<()>>) {
    match saving {
        // Whether it was saved is told where it is tried.
        Some(saving) => drop(saving.await),
        None => std::future::pending().await,
    }
}
