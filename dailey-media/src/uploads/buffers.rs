//! Memory for slices, used again: slices come and go on many threads, and an allocator that keeps
//! the last one of each would hold many times what is needed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Most buffers that wait to be used again.
const MAX_IDLE: usize = 2;

#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<BytesMut>>>);

impl Buffers {
    /// An empty buffer.
    pub(super) fn take(&self) -> BytesMut {
        self.idle().pop().unwrap_or_default()
    }

    /// Takes it back from whoever was given its bytes, if nobody holds them any more.
    pub(super) fn give_back(&self, bytes: Bytes) {
        let Ok(mut buffer) = bytes.try_into_mut() else {
            return;
        };
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            buffer.clear();
            idle.push(buffer);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
