//! The right to change an object, one at a time in this process: what a change finds in its place is
//! then what it replaces.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

use crate::storage::Location;

type Lock = Arc<tokio::sync::Mutex<()>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct KeyLocks(Arc<Mutex<HashMap<Location, Lock>>>);

/// Held for one or two objects, until it is dropped.
#[derive(Debug)]
pub(crate) struct Changing {
    locks: KeyLocks,
    held: Vec<(Location, Option<OwnedMutexGuard<()>>)>,
}

impl KeyLocks {
    /// Waits for the right to change all of `places`, which are of one space.
    pub(crate) async fn change(&self, places: &[&Location]) -> Changing {
        let mut places = places.to_vec();
        // Always in this order, so that no two wait for each other.
        places.sort_by(|a, b| a.key.cmp(&b.key));
        places.dedup();
        let mut changing = Changing {
            locks: self.clone(),
            held: Vec::new(),
        };
        for at in places {
            let lock = Arc::clone(self.table().entry(at.clone()).or_default());
            // In the list before the wait, so that a wait that ends early is cleaned up after.
            changing.held.push((at.clone(), None));
            let guard = lock.lock_owned().await;
            if let Some((_, held)) = changing.held.last_mut() {
                *held = Some(guard);
            }
        }
        changing
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<Location, Lock>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let mut table = self.locks.table();
        for (at, guard) in self.held.drain(..) {
            drop(guard);
            // Nobody else has it or waits for it: both hold a clone.
            if table
                .get(&at)
                .is_some_and(|lock| Arc::strong_count(lock) == 1)
            {
                table.remove(&at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::{ObjectKey, Space};

    fn at(key: &str) -> Location {
        Location {
            space: Space::new("app", "ada"),
            key: ObjectKey::parse(key).unwrap(),
        }
    }

    #[tokio::test]
    async fn one_changes_at_a_time_and_nothing_is_left_behind() {
        let locks = KeyLocks::default();
        let (a, b, c) = (at("a"), at("b"), at("c"));
        let soon = Duration::from_millis(50);
        let both = locks.change(&[&b, &a]).await;
        for busy in [[&a, &c], [&c, &b], [&b, &b]] {
            let waited = tokio::time::timeout(soon, locks.change(&busy)).await;
            assert!(waited.is_err(), "{busy:?}");
        }
        drop(locks.change(&[&c]).await);
        drop(both);
        drop(locks.change(&[&a, &b]).await);
        assert!(locks.table().is_empty());
    }
}
