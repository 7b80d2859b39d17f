//! Where callers and the refresher meet: the cache behind a lock, the served keys behind one atomic
//! pointer, and two channels, one to wake the refresher and one to tell how far the fetches are.
//!
//! Readers load one pointer. Only callers with an unknown key id touch the lock, for the length of
//! a look-up, and wait on the channel; the refresher tells them when to give up, so that waiting
//! needs no timer and no runtime of the caller's.
//!
//! Three orders carry it: the refresher publishes before it tells, so that who is told sees what
//! was published; a caller asks before it wakes, so that no question is slept through; and the
//! cache itself says when a key id is in a set that is taken in but not yet published. Nothing here
//! knows tasks, timers or the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::Clock;
use crate::keys::{KeySet, ServedKeys};

use super::Moment;
use super::cache::{Cache, FetchOutcome, Next, Progress, Status, Trusted, UnknownKid};
use super::sync::{Loaded, Mutex, MutexGuard, Notify, PoisonError, Slot, Task, watch};

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

struct Shared {
    cache: Mutex<Cache>,
    published: Slot<Published>,
    wake: Notify,
    clock: Arc<dyn Clock>,
    /// Whether nobody has confirmed what is served since it was last looked for. Counted by, not
    /// decided by: it need not be ordered with anything.
    stale: AtomicBool,
}

impl Shared {
    // A panic while the lock was held leaves a cache that is still whole: every change of it is
    // complete before anything can fail.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, trusted: &Trusted) -> Option<Arc<Published>> {
        self.published
            .swap(Some(Arc::new(Published::from(trusted))))
    }
}

/// The callers' end: a key set that is kept fresh until this is dropped.
pub(crate) struct LiveKeys {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    refresher: Option<Task>,
}

/// The refresher's end.
pub(super) struct Driver {
    shared: Arc<Shared>,
    progress: watch::Sender<Progress>,
}

/// What came of a fetch.
pub(super) struct Landing {
    /// What is served now, where the fetch ended well, and what was served before.
    pub(super) served: Option<(Arc<KeySet>, Option<Arc<KeySet>>)>,
    pub(super) status: Status,
}

/// Both ends, with what `cache` has restored already published.
pub(super) fn exchange(cache: Cache, clock: Arc<dyn Clock>) -> (LiveKeys, Driver) {
    let restored = cache.trusted().map(|trusted| Arc::new(trusted.into()));
    let shared = Arc::new(Shared {
        cache: Mutex::new(cache),
        published: Slot::new(restored),
        wake: Notify::new(),
        clock,
        stale: AtomicBool::new(true),
    });
    let (sender, receiver) = watch::channel(Progress::default());
    let keys = LiveKeys {
        shared: Arc::clone(&shared),
        progress: receiver,
        refresher: None,
    };
    let driver = Driver {
        shared,
        progress: sender,
    };
    (keys, driver)
}

impl LiveKeys {
    /// Ends `refresher` when this is dropped.
    pub(super) fn owning(mut self, refresher: Task) -> Self {
        self.refresher = Some(refresher);
        self
    }

    /// What is served now; one atomic load.
    pub(crate) fn load(&self) -> Loaded<Published> {
        self.shared.published.load()
    }

    /// Whether what is served is older than it should be.
    pub(crate) fn serves_stale(&self) -> bool {
        self.shared.stale.load(Ordering::Relaxed)
    }

    /// Whether it is known, without touching anything, that `kid` cannot be had now.
    pub(crate) fn refuses_kid(&self, kid: &str) -> Option<UnknownKid> {
        let now = self.shared.clock.monotonic();
        self.shared.cache().refuses_kid(now, kid)
    }

    /// Decides about an unknown key id and sees to it that a fetch starts where one is wanted.
    pub(crate) fn on_unknown_kid(&self, kid: &str) -> UnknownKid {
        let now = self.shared.clock.monotonic();
        let decision = self.shared.cache().on_unknown_kid(now, kid);
        if let UnknownKid::Join(_) = decision {
            self.wake();
        }
        decision
    }

    /// Has the refresher look at the time: for a caller that finds the keys expired, which can be
    /// because the machine slept.
    pub(crate) fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Asks for a fetch now and returns its number.
    pub(crate) fn want_refresh(&self) -> u64 {
        let flight = self.shared.cache().want_refresh();
        self.wake();
        flight
    }

    /// Waits until the fetch has ended or takes too long; whether it ended well in time.
    pub(crate) async fn landed(&self, flight: u64) -> bool {
        let done = |progress: &Progress| progress.finished >= flight || progress.late >= flight;
        self.succeeded(flight, done).await
    }

    /// The same without giving up on a late fetch, which ends by its own deadline.
    pub(crate) async fn ended(&self, flight: u64) -> bool {
        let done = |progress: &Progress| progress.finished >= flight;
        self.succeeded(flight, done).await
    }

    async fn succeeded(&self, flight: u64, done: impl FnMut(&Progress) -> bool) -> bool {
        let mut progress = self.progress.clone();
        // An error means that the task is gone, and its runtime with it.
        let reached = progress.wait_for(done).await.map(|progress| *progress);
        reached.is_ok_and(|progress| progress.succeeded >= flight)
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

impl Driver {
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// What is to be done at `now`; callers hear of a fetch that takes too long.
    pub(super) fn next(&self, now: Moment) -> Next {
        let (next, progress) = {
            let mut cache = self.shared.cache();
            (cache.next(now), cache.progress())
        };
        self.tell(progress);
        next
    }

    /// Takes in how the fetch ended, publishes what it brought, and then tells those who wait.
    pub(super) fn land(&self, now: Moment, outcome: FetchOutcome) -> Landing {
        let (trusted, status, progress) = {
            let mut cache = self.shared.cache();
            let trusted = cache.on_fetched(now, outcome).cloned();
            (trusted, cache.status(now), cache.progress())
        };
        let served = trusted.map(|trusted| {
            let before = self.shared.publish(&trusted);
            let before = before.map(|before| Arc::clone(before.keys.key_set()));
            (trusted.keys, before)
        });
        self.shared.stale.store(!status.fresh, Ordering::Relaxed);
        self.tell(progress);
        Landing { served, status }
    }

    /// Waits until a caller wants something, or has wanted something since the last time.
    pub(super) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    fn tell(&self, progress: Progress) {
        self.progress.send_if_modified(|before| {
            let changed = *before != progress;
            *before = progress;
            changed
        });
    }
}
