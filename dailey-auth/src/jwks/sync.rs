//! What callers and the refresher meet through, in one place: the package `interleavings` puts
//! models of the same names here, and runs `exchange` and `cache` through every order of events.

pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use arc_swap::ArcSwapOption as Slot;
pub(super) use tokio::sync::{Notify, watch};

/// What a caller holds of a slot while it reads.
pub(super) type Loaded<T> = arc_swap::Guard<Option<std::sync::Arc<T>>>;

/// A running task, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) tokio::task::AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
