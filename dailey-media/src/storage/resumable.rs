//! Bytes that arrive over many requests: what a store promises of them until they are an object.
//!
//! The store keeps bytes and forgets nothing; which of them count stands in [`Received`], which the
//! caller keeps. So a step that failed, or that somebody else was faster with, leaves no trace: the
//! next one starts from the same [`Received`] again.

use std::fmt::Debug;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Commit, Committed, Pending, Target};
use crate::digest::Sha256;
use crate::key::Space;

/// Most bytes that are added in one step.
pub const MAX_PIECE_BYTES: usize = 8 * 1024 * 1024;

/// Where the callers keep what they know of each upload, as [`state_key`] names it. A store may look
/// whether that is still there.
pub(crate) fn states() -> Space {
    Space::reserved("uploads")
}

/// The key of what is known of an upload: in some folders rather than one that holds everybody's.
pub(crate) fn state_key(id: &str) -> String {
    // An id of ours is longer; one that stands in a bucket may be anything.
    format!("{}/{id}", id.get(..2).unwrap_or(id))
}

/// A store's part in resumable uploads.
pub trait Resumable: Debug + Send + Sync {
    /// How many bytes are best added next: so that the store keeps them as they come. 1 to
    /// [`MAX_PIECE_BYTES`].
    fn piece(&self, _received: &Received) -> usize {
        MAX_PIECE_BYTES
    }

    /// Adds `bytes` behind those of `received`, durably: what is received then. The bytes that
    /// `received` names stay as they are, whatever comes of this. The first call creates the place,
    /// also without bytes. `target` is the same in every call for an `id`.
    ///
    /// Fails with [`Damaged`](super::StorageError::Damaged) when bytes of `received` are gone.
    fn append<'a>(
        &'a self,
        id: &'a str,
        target: &'a Target,
        received: &'a Received,
        bytes: Bytes,
    ) -> Pending<'a, Received>;

    /// Gives up what `lost` has and `kept`, from which it came, has not: steps that did not count. What a store
    /// keeps of them anyway it overwrites.
    fn forsake<'a>(
        &'a self,
        _target: &'a Target,
        _kept: &'a Received,
        _lost: &'a Received,
    ) -> Pending<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Makes the received bytes, of the digest `sha256`, the object at `target`, as
    /// [`Upload::commit`](super::Upload::commit) does.
    ///
    /// `None`: an earlier call has done it already, and crashed before it could tell. A commit that
    /// stored nothing leaves the bytes where they are.
    fn complete<'a>(
        &'a self,
        id: &'a str,
        target: Target,
        received: &'a Received,
        sha256: Sha256,
        commit: Commit,
    ) -> Pending<'a, Option<Committed>>;

    /// Removes the bytes. There may be none.
    fn abort<'a>(
        &'a self,
        id: &'a str,
        target: &'a Target,
        received: &'a Received,
    ) -> Pending<'a, ()>;

    /// Removes what a completion or an abort has left of the bytes. It cannot touch the object: what
    /// became of it is not asked for.
    fn clear<'a>(&'a self, id: &'a str, received: &'a Received) -> Pending<'a, ()>;
}

/// Which bytes of an upload count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// How many.
    pub bytes: u64,
    /// Where they are, in the words of the store that has them.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub place: Value,
}
