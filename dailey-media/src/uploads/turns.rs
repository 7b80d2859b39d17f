//! One request at a time for each upload. Who waits for long gets nothing; who has the turn and is
//! silent while others wait gives it up: its connection is most likely dead, and they are its client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Lock, OwnedMutexGuard, watch};
use tokio::time::{sleep, timeout};

/// Longest wait for a turn: longer than [`MAX_SILENCE`], shorter than a client's patience.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// How long who has the turn may be silent while others wait.
const MAX_SILENCE: Duration = Duration::from_secs(1);

/// The turns of all uploads. All clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Arc<Seat>>>>);

#[derive(Debug, Default)]
struct Seat {
    lock: Arc<Lock<()>>,
    waiting: watch::Sender<usize>,
}

/// The right to change an upload, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _guard: OwnedMutexGuard<()>,
    place: Place,
}

/// A seat somebody sits on or waits for; it is put away behind the last.
#[derive(Debug)]
struct Place {
    turns: Turns,
    id: String,
    seat: Arc<Seat>,
}

impl Turns {
    /// The turn for `id`; `None` when somebody else keeps it.
    pub(super) async fn take(&self, id: &str) -> Option<Turn> {
        let place = self.place(id);
        let lock = Arc::clone(&place.seat.lock);
        let guard = if let Ok(guard) = Arc::clone(&lock).try_lock_owned() {
            guard
        } else {
            let _waiting = Waiting::new(&place.seat.waiting);
            timeout(MAX_WAIT, lock.lock_owned()).await.ok()?
        };
        Some(Turn {
            _guard: guard,
            place,
        })
    }

    /// The same without a wait.
    pub(super) fn try_take(&self, id: &str) -> Option<Turn> {
        let place = self.place(id);
        let guard = Arc::clone(&place.seat.lock).try_lock_owned().ok()?;
        Some(Turn {
            _guard: guard,
            place,
        })
    }

    fn place(&self, id: &str) -> Place {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Place {
            turns: self.clone(),
            id: id.to_owned(),
            seat: Arc::clone(seats.entry(id.to_owned()).or_default()),
        }
    }
}

impl Turn {
    /// Ends when others have waited while nothing happened for as long as this is polled.
    pub(super) async fn must_be_given_up(&self) {
        let mut waiting = self.place.seat.waiting.subscribe();
        // Never an error: the sender is ours.
        let _ = waiting.wait_for(|others| *others > 0).await;
        sleep(MAX_SILENCE).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's and this one.
        if Arc::strong_count(&self.seat) <= 2 {
            seats.remove(&self.id);
        }
    }
}

struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|others| *others += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|others| *others -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_waited_for_and_not_for_ever() {
        let turns = Turns::default();
        let first = turns.take("a").await.unwrap();
        assert!(turns.take("b").await.is_some(), "another upload");
        assert!(turns.try_take("a").is_none());
        assert!(turns.take("a").await.is_none(), "it was kept");
        let others = turns.clone();
        let waiting = tokio::spawn(async move { others.take("a").await.is_some() });
        first.must_be_given_up().await;
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(turns.0.lock().unwrap().is_empty(), "no seat is left behind");
    }
}
