//! Digests of uploads under way, so that what has just been written is not read again. They live in
//! this process only: without one, the store reads the bytes once more.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};

use super::state::UploadId;
use crate::digest::Sha256;

/// Most digests at once; each takes some hundred bytes.
const MAX_DIGESTS: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Digests(Arc<Mutex<HashMap<UploadId, Digest>>>);

/// A digest of an upload's first bytes.
#[derive(Clone)]
pub(super) struct Digest {
    bytes: u64,
    context: Context,
}

impl Digests {
    /// The digest of the first `bytes` bytes, if it is known. It is the caller's from then on.
    pub(super) fn take(&self, id: &UploadId, bytes: u64) -> Option<Digest> {
        let known = self.known().remove(id);
        let none = || Digest {
            bytes: 0,
            context: Context::new(&SHA256),
        };
        known
            .filter(|digest| digest.bytes == bytes)
            .or_else(|| (bytes == 0).then(none))
    }

    /// Keeps it for the next request.
    pub(super) fn keep(&self, id: &UploadId, digest: Option<Digest>) {
        let mut known = self.known();
        if known.len() >= MAX_DIGESTS {
            // Those of uploads that nobody went on with would stay for ever.
            known.clear();
        }
        if let Some(digest) = digest {
            known.insert(id.clone(), digest);
        }
    }

    pub(super) fn forget(&self, id: &UploadId) {
        self.known().remove(id);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UploadId, Digest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> Option<Sha256> {
        Sha256::from_bytes(self.context.finish().as_ref())
    }
}
