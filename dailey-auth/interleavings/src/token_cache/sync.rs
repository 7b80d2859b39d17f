//! Models, under loom's scheduler, of what the table's `sync` takes from the standard library and
//! from arc-swap.

pub(super) use loom::sync::atomic::{AtomicU64, Ordering};

use std::sync::{Arc, PoisonError};

use loom::sync::{Mutex, MutexGuard};

/// A pointer that is read and exchanged as a whole, like `arc_swap::ArcSwapOption`.
pub(super) struct Slot<T>(Mutex<Option<Arc<T>>>);

impl<T> Slot<T> {
    pub(super) fn new(value: Option<Arc<T>>) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn load(&self) -> Option<Arc<T>> {
        self.locked().clone()
    }

    pub(super) fn store(&self, value: Option<Arc<T>>) {
        *self.locked() = value;
    }

    fn locked(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
