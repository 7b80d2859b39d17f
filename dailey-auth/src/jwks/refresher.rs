//! The one task that carries out what the cache wants, and what callers see of it.
//!
//! Readers load one atomic pointer. Only callers with an unknown key id touch the lock, for the
//! length of a look-up, and wait on the channel; the task tells them when to give up, so that
//! waiting needs no timer and no runtime of the caller's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};

use crate::clock::Clock;
use crate::keys::{KeySet, ServedKeys};

use super::Moment;
use super::cache::{Cache, FetchOutcome, Next, Progress, Status, Trusted, UnknownKid};
use super::fetch::Fetcher;
use super::snapshot::SnapshotFile;
use crate::error::FetchError;

/// The key set that is served, and until when.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) keys: ServedKeys,
    pub(crate) until: Moment,
}

impl From<&Trusted> for Published {
    fn from(trusted: &Trusted) -> Self {
        Self {
            keys: ServedKeys::new(Arc::clone(&trusted.keys)),
            until: trusted.until,
        }
    }
}

/// A key set that is kept fresh until this is dropped.
pub(crate) struct LiveKeys {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    task: AbortHandle,
}

struct Shared {
    cache: Mutex<Cache>,
    published: ArcSwapOption<Published>,
    wake: Notify,
    clock: Arc<dyn Clock>,
}

impl Shared {
    // A panic while the lock was held leaves a cache that is still whole: every change of it is
    // complete before anything can fail.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveKeys {
    /// Starts the refresher on the current tokio runtime.
    pub(crate) fn start(
        mut cache: Cache,
        fetcher: Fetcher,
        snapshot: Option<SnapshotFile>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let published = ArcSwapOption::empty();
        if let Some((document, age)) = snapshot.as_ref().and_then(SnapshotFile::load) {
            let restored = fetcher
                .take_in(&document)
                .ok()
                .and_then(|keys| cache.restore(clock.monotonic(), keys, age));
            let age_seconds = age.as_secs();
            if let Some(trusted) = restored {
                tracing::info!(age_seconds, "starting with the key set on disk");
                published.store(Some(Arc::new(Published::from(trusted))));
            } else {
                tracing::warn!(
                    age_seconds,
                    "the key set snapshot is ignored: it is too old or holds no usable key"
                );
            }
        }
        let shared = Arc::new(Shared {
            cache: Mutex::new(cache),
            published,
            wake: Notify::new(),
            clock,
        });
        let (sender, progress) = watch::channel(Progress::default());
        let refresher = Refresher {
            shared: Arc::clone(&shared),
            fetcher,
            snapshot,
            sender,
        };
        let task = tokio::spawn(refresher.run()).abort_handle();
        Self {
            shared,
            progress,
            task,
        }
    }

    /// What is served now; one atomic load.
    pub(crate) fn load(&self) -> Guard<Option<Arc<Published>>> {
        self.shared.published.load()
    }

    /// Whether it is known, without touching anything, that `kid` cannot be had now.
    pub(crate) fn refuses_kid(&self, kid: &str) -> Option<UnknownKid> {
        let now = self.shared.clock.monotonic();
        self.shared.cache().refuses_kid(now, kid)
    }

    /// Decides about an unknown key id and sees to it that a fetch starts where one is wanted.
    pub(crate) fn on_unknown_kid(&self, kid: &str) -> UnknownKid {
        let decision = self
            .shared
            .cache()
            .on_unknown_kid(self.shared.clock.monotonic(), kid);
        if let UnknownKid::Join(_) = decision {
            self.shared.wake.notify_one();
        }
        decision
    }

    /// Asks for a fetch now and returns its number.
    pub(crate) fn want_refresh(&self) -> u64 {
        let flight = self.shared.cache().want_refresh();
        self.shared.wake.notify_one();
        flight
    }

    /// Waits until the fetch has ended or takes too long; whether it ended well in time.
    pub(crate) async fn landed(&self, flight: u64) -> bool {
        let mut progress = self.progress.clone();
        let done = |progress: &Progress| progress.finished >= flight || progress.late >= flight;
        // An error means that the task is gone, and its runtime with it.
        let reached = progress.wait_for(done).await.map(|progress| *progress);
        reached.is_ok_and(|progress| progress.succeeded >= flight)
    }

    /// The same without giving up on a late fetch, which ends by its own deadline.
    pub(crate) async fn ended(&self, flight: u64) -> bool {
        let mut progress = self.progress.clone();
        let reached = progress
            .wait_for(|progress| progress.finished >= flight)
            .await;
        reached
            .map(|progress| *progress)
            .is_ok_and(|progress| progress.succeeded >= flight)
    }

    /// Waits until there is a key set to be trusted.
    pub(crate) async fn usable(&self) {
        let mut progress = self.progress.clone();
        let usable = |published: &Published| self.shared.clock.monotonic() < published.until;
        while !self.load().as_deref().is_some_and(usable) {
            if progress.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether the refresher is at work: it ends with its runtime.
    pub(crate) fn is_refreshing(&self) -> bool {
        self.progress.has_changed().is_ok()
    }

    pub(crate) fn status(&self) -> Status {
        self.shared.cache().status(self.shared.clock.monotonic())
    }
}

impl Drop for LiveKeys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Refresher {
    shared: Arc<Shared>,
    fetcher: Fetcher,
    snapshot: Option<SnapshotFile>,
    sender: watch::Sender<Progress>,
}

impl Refresher {
    async fn run(self) {
        let mut flight: Option<Flight> = None;
        // The disk may hang: nothing here ever waits for it. Of several sets the last one counts.
        let mut saving: Option<JoinHandle<()>> = None;
        let mut unsaved: Option<Arc<KeySet>> = None;
        loop {
            if saving.is_none()
                && let (Some(snapshot), Some(keys)) = (&self.snapshot, unsaved.take())
            {
                saving = Some(snapshot.store(&keys));
            }
            let now = self.shared.clock.monotonic();
            let (next, progress) = {
                let mut cache = self.shared.cache();
                (cache.next(now), cache.progress())
            };
            self.tell(progress);
            let until = match next {
                Next::Fetch { etag } => {
                    flight = Some(Flight::start(self.fetcher.clone(), etag));
                    continue;
                }
                Next::WaitUntil(until) => until,
            };
            let sleep = tokio::time::sleep(until.saturating_sub(now));
            tokio::select! {
                outcome = landing(&mut flight) => {
                    flight = None;
                    if let Some(keys) = self.take_in(outcome) {
                        unsaved = Some(keys);
                    }
                }
                () = finished(&mut saving) => saving = None,
                () = self.shared.wake.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// Publishes what a fetch brought, or tells why it brought nothing; returns what to save.
    fn take_in(&self, outcome: FetchOutcome) -> Option<Arc<KeySet>> {
        let now = self.shared.clock.monotonic();
        let (trusted, status, progress) = {
            let mut cache = self.shared.cache();
            let trusted = cache.on_fetched(now, outcome).cloned();
            (trusted, cache.status(now), cache.progress())
        };
        match (&trusted, status.last_error) {
            (Some(trusted), _) => self.publish(trusted),
            (None, error) => {
                let error = error.unwrap_or(FetchError::Internal);
                let retry_in_ms = status.next_refresh.saturating_sub(now).as_millis();
                tracing::warn!(%error, failures = status.failures, retry_in_ms, "the key set could not be refreshed");
            }
        }
        self.tell(progress);
        trusted.map(|trusted| trusted.keys)
    }

    fn publish(&self, trusted: &Trusted) {
        let before = self
            .shared
            .published
            .swap(Some(Arc::new(Published::from(trusted))));
        let unchanged =
            before.is_some_and(|before| Arc::ptr_eq(before.keys.key_set(), &trusted.keys));
        if unchanged {
            tracing::debug!("the key set is confirmed");
        } else {
            tracing::info!(keys = ?trusted.keys, "the key set has changed");
        }
    }

    fn tell(&self, progress: Progress) {
        self.sender.send_if_modified(|before| {
            let changed = *before != progress;
            *before = progress;
            changed
        });
    }
}

/// A fetch in a task of its own: whatever happens in it, the refresher goes on.
struct Flight(JoinHandle<FetchOutcome>);

impl Flight {
    fn start(fetcher: Fetcher, etag: Option<String>) -> Self {
        Self(tokio::spawn(async move { fetcher.fetch(etag).await }))
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
