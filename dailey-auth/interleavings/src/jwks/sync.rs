//! Models, under loom's scheduler, of what the library's `sync` takes from tokio and arc-swap.

pub(super) use std::sync::PoisonError;

pub(super) use loom::sync::{Mutex, MutexGuard};

use std::sync::Arc;
use std::task::{Poll, Waker};

/// A pointer that is read and exchanged as a whole, like `arc_swap::ArcSwapOption`.
pub(super) struct Slot<T>(Mutex<Option<Arc<T>>>);

pub(super) type Loaded<T> = Option<Arc<T>>;

impl<T> Slot<T> {
    pub(super) fn new(value: Option<Arc<T>>) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn load(&self) -> Loaded<T> {
        locked(&self.0).clone()
    }

    pub(super) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *locked(&self.0), value)
    }
}

/// `tokio::sync::Notify` with one waiter: a notification that nobody waits for is kept, once.
pub(super) struct Notify(Mutex<(bool, Option<Waker>)>);

impl Notify {
    pub(super) fn new() -> Self {
        Self(Mutex::new((false, None)))
    }

    pub(super) fn notify_one(&self) {
        let waker = {
            let mut state = locked(&self.0);
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn notified(&self) -> impl Future<Output = ()> {
        std::future::poll_fn(|context| {
            let mut state = locked(&self.0);
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

/// A task that nothing has to end: in a model it ends by itself.
pub(super) struct Task;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `tokio::sync::watch`: the last value, and a wake-up for everybody at each change.
pub(super) mod watch {
    use std::ops::Deref;
    use std::sync::Arc;
    use std::task::{Poll, Waker};

    use super::{Mutex, locked};

    struct State<T> {
        value: T,
        version: u64,
        closed: bool,
        waiting: Vec<Waker>,
    }

    pub(in super::super) struct Sender<T>(Arc<Mutex<State<T>>>);

    pub(in super::super) struct Receiver<T> {
        shared: Arc<Mutex<State<T>>>,
        seen: u64,
    }

    /// The sender is gone.
    #[derive(Debug)]
    pub(in super::super) struct Closed;

    pub(in super::super) struct Ref<T>(T);

    impl<T> Deref for Ref<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }

    pub(in super::super) fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
        let shared = Arc::new(Mutex::new(State {
            value,
            version: 0,
            closed: false,
            waiting: Vec::new(),
        }));
        let receiver = Receiver {
            shared: Arc::clone(&shared),
            seen: 0,
        };
        (Sender(shared), receiver)
    }

    impl<T> Sender<T> {
        pub(in super::super) fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) {
            let waiting = {
                let mut state = locked(&self.0);
                if !modify(&mut state.value) {
                    return;
                }
                state.version += 1;
                std::mem::take(&mut state.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let waiting = {
                let mut state = locked(&self.0);
                state.closed = true;
                std::mem::take(&mut state.waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    impl<T> Clone for Receiver<T> {
        fn clone(&self) -> Self {
            Self {
                shared: Arc::clone(&self.shared),
                seen: self.seen,
            }
        }
    }

    impl<T: Copy> Receiver<T> {
        pub(in super::super) async fn wait_for(
            &mut self,
            mut found: impl FnMut(&T) -> bool,
        ) -> Result<Ref<T>, Closed> {
            std::future::poll_fn(|context| {
                let mut state = locked(&self.shared);
                self.seen = state.version;
                if found(&state.value) {
                    return Poll::Ready(Ok(Ref(state.value)));
                }
                if state.closed {
                    return Poll::Ready(Err(Closed));
                }
                state.waiting.push(context.waker().clone());
                Poll::Pending
            })
            .await
        }

        pub(in super::super) async fn changed(&mut self) -> Result<(), Closed> {
            std::future::poll_fn(|context| {
                let mut state = locked(&self.shared);
                if self.seen != state.version {
                    self.seen = state.version;
                    return Poll::Ready(Ok(()));
                }
                if state.closed {
                    return Poll::Ready(Err(Closed));
                }
                state.waiting.push(context.waker().clone());
                Poll::Pending
            })
            .await
        }

        pub(in super::super) fn has_changed(&self) -> Result<bool, Closed> {
            let state = locked(&self.shared);
            if state.closed {
                return Err(Closed);
            }
            Ok(self.seen != state.version)
        }
    }
}
