//! An upload under way: small ones wait in memory for their commit and are one request, large ones
//! are a multipart upload that nobody can see until it is completed.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use object_store::PutPayload;
use object_store::path::Path;

use super::client::Guard;
use super::fault::{Failure, RemoteError};
use super::found::{self, Found, Writing, now_ms};
use super::multipart::Multipart;
use super::{Inner, layout, staging};
use crate::digest::Sha256;
use crate::preconditions::Preconditions;
use crate::storage::{Commit, Committed, Object, Pending, Replaced, StorageError, Target, Upload};

/// Size of a part, and of the largest object that is one request: the least that S3 takes as a part.
/// One is gathered while another is sent, so an upload holds two of them.
pub(super) const PART_BYTES: usize = 5 * 1024 * 1024;

/// Memory comes in blocks of this size, so that a small body takes little.
const BLOCK_BYTES: usize = 256 * 1024;

/// How often a change is tried when others are at the same object.
const MAX_ATTEMPTS: u32 = 8;

/// Longest change, with all its attempts: below the 15 minutes after which a sweep takes an upload over.
const MAX_CHANGE: Duration = Duration::from_secs(10 * 60);

/// Before the second attempt; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct S3Upload {
    store: Arc<Inner>,
    target: Target,
    path: Path,
    writing: Writing,
    gathered: Gathered,
    hash: Context,
    size: u64,
    large: Option<Multipart>,
}

/// Bytes that wait to be sent.
#[derive(Default)]
struct Gathered {
    blocks: Vec<Bytes>,
    last: BytesMut,
    bytes: usize,
}

impl S3Upload {
    pub(super) fn new(store: Arc<Inner>, target: Target) -> Result<Self, StorageError> {
        Ok(Self {
            path: layout::path(&target.at)?,
            store,
            target,
            writing: Writing::begin(),
            gathered: Gathered::default(),
            hash: Context::new(&SHA256),
            size: 0,
            large: None,
        })
    }

    /// With parts that were sent before, and the bytes behind them, of `size` bytes together.
    pub(super) fn resumed(
        store: Arc<Inner>,
        target: Target,
        writing: Writing,
        size: u64,
        large: Option<Multipart>,
        rest: &[u8],
    ) -> Result<Self, StorageError> {
        let mut upload = Self::new(store, target)?;
        upload.writing = writing;
        upload.size = size;
        upload.large = large;
        upload.gathered.add(rest);
        Ok(upload)
    }

    /// Sends a full part.
    async fn send(&mut self) -> Result<(), StorageError> {
        let payload = self.gathered.take();
        let large = match &mut self.large {
            Some(large) => large,
            none => {
                let attributes = self.writing.attributes(&self.target.description);
                let store = Arc::clone(&self.store);
                let target = self.path.clone();
                let path = staging::key(store.large_writes, &target, &self.writing.id);
                let begun = Multipart::begin(store, path, target, attributes).await?;
                none.insert(begun)
            }
        };
        large.send(payload).await
    }

    async fn committed(self, commit: Commit) -> Result<Committed, StorageError> {
        let sha256 = Sha256::from_bytes(self.hash.clone().finish().as_ref());
        let sha256 = sha256.ok_or(StorageError::Damaged("a digest has another length"))?;
        self.committed_as(sha256, commit).await
    }

    /// The same where the digest is known.
    pub(super) async fn committed_as(
        mut self,
        sha256: Sha256,
        commit: Commit,
    ) -> Result<Committed, StorageError> {
        if commit.expected.is_some_and(|expected| expected != sha256) {
            return Ok(Committed::DigestMismatch);
        }
        if self.large.is_some() && !self.gathered.is_empty() {
            self.send().await?;
        }
        let description = self.target.description.clone();
        let object = Object {
            size: self.size,
            sha256,
            modified_ms: now_ms(),
            description: description.clone(),
        };
        self.writing.modified_ms = object.modified_ms;
        let fits = found::fits(&description);
        let in_record = self.large.is_some() || !fits;
        if in_record {
            let described = (!fits).then_some(description);
            let digests = &self.store.digests;
            let kept = digests.keep(&self.path, &self.writing, &object, described);
            kept.await?;
        } else {
            self.writing.sha256 = Some(sha256);
        }
        if let Some(large) = &mut self.large {
            large.all_sent().await?;
        }
        let changed = self.change(&object, &commit.conditions);
        let ended = match tokio::time::timeout(MAX_CHANGE, changed).await {
            Ok(ended) => ended,
            Err(_) => Err(RemoteError::Slow.into()),
        };
        match &ended {
            Ok(Committed::Stored { .. }) => {
                if let Some(large) = self.large.take() {
                    large.completed().await;
                }
            }
            // It may be copied now.
            Err(_) if self.is_staged() => {
                if let Some(large) = self.large.take() {
                    large.leave();
                }
            }
            Ok(_) if in_record => self.store.digests.forget_name(&self.writing.id).await,
            // After a failure nobody knows whether it is there: the record stays for it.
            _ => {}
        }
        ended
    }

    /// Looks, decides, and changes what was looked at and nothing else; until it is decided.
    async fn change(
        &self,
        object: &Object,
        conditions: &Preconditions,
    ) -> Result<Committed, StorageError> {
        let _changing = self.store.changing(&self.path).await?;
        let payload = self.gathered.payload();
        let mut pause = FIRST_PAUSE;
        let mut failures = 0;
        let mut before = None;
        for attempt in 0..MAX_ATTEMPTS {
            // For what must be new, the store's own refusal is the look.
            let must_be_new = conditions.wants_absence() && conditions.allow_change(None);
            let unseen = attempt == 0 && must_be_new && self.large.is_none();
            let current = if unseen {
                None
            } else {
                self.store.client.head(&self.path).await?
            };
            if current.as_ref().is_some_and(|found| self.is_ours(found)) {
                // An answer was lost, and what it told is true.
                return Ok(stored(object, self.replaced(before).await));
            }
            let guard = match self.allowed(current.as_ref(), conditions).await? {
                Allowed::Yes(guard) => guard,
                Allowed::No(there) => return Ok(Committed::ConditionFailed(there)),
                Allowed::LookAgain => continue,
            };
            match self.write(&payload, &guard).await {
                Ok(()) => return Ok(stored(object, self.replaced(current).await)),
                // Nothing stands between this and a look, for which others would wait.
                Err(Failure::Condition) if unseen => {}
                Err(Failure::Condition) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                // Not there any more: Amazon's word for a condition that failed.
                Err(Failure::Absent) if self.large.is_none() => {}
                Err(failure) => {
                    // A completion that was done, by a lost answer or another process, finds no upload the next
                    // time: a look at least tells.
                    let looks = usize::from(matches!(failure, Failure::Absent));
                    let most = self.store.client.changes_again().max(looks);
                    match RemoteError::from(failure) {
                        error @ (RemoteError::Slow | RemoteError::Unreachable) => {
                            return Err(error.into());
                        }
                        // It may have been done all the same: look, and try again if not.
                        error if failures < most => {
                            failures += 1;
                            tracing::warn!(%error, "a write failed; looking whether it was done");
                            tokio::time::sleep(pause).await;
                            pause *= 2;
                        }
                        error => return Err(error.into()),
                    }
                }
            }
            before = current;
        }
        Err(StorageError::Busy)
    }

    /// What the write took the place of; nothing tells of that any more.
    async fn replaced(&self, old: Option<Found>) -> Replaced {
        let Some(old) = old else {
            return Replaced::Nothing;
        };
        self.store.digests.forget(&old).await;
        Replaced::Object
    }

    fn is_ours(&self, found: &Found) -> bool {
        let id = found.writing.as_ref().map(|writing| &writing.id);
        id == Some(&self.writing.id)
    }

    fn is_staged(&self) -> bool {
        self.large.as_ref().is_some_and(Multipart::is_staged)
    }

    async fn allowed(
        &self,
        current: Option<&Found>,
        conditions: &Preconditions,
    ) -> Result<Allowed, StorageError> {
        if conditions.is_empty() {
            // Two processes may copy it, and nothing that comes behind the first copy may be lost by the other.
            let guard = match current {
                _ if !self.is_staged() => Guard::Anything,
                None => Guard::Nothing,
                Some(found) => Guard::Still(found.etag.clone()),
            };
            return Ok(Allowed::Yes(guard));
        }
        self.store.allowed(current, conditions).await
    }

    async fn write(&self, payload: &PutPayload, guard: &Guard) -> Result<(), Failure> {
        let client = &self.store.client;
        match &self.large {
            None => {
                let attributes = self.writing.attributes(&self.target.description);
                client
                    .put(&self.path, payload.clone(), attributes, guard)
                    .await
            }
            Some(large) => large.complete(guard).await,
        }
    }
}

/// Whether a change may be made, and to what.
pub(super) enum Allowed {
    Yes(Guard),
    No(Option<Object>),
    LookAgain,
}

fn stored(object: &Object, replaced: Replaced) -> Committed {
    Committed::Stored {
        object: object.clone(),
        replaced,
    }
}

impl Upload for S3Upload {
    fn write(&mut self, bytes: Bytes) -> Pending<'_, ()> {
        Box::pin(async move {
            self.hash.update(&bytes);
            self.size += bytes.len() as u64;
            let mut rest = bytes.as_ref();
            while !rest.is_empty() {
                // Sent only when more comes: what fits into one part is no multipart upload.
                if self.gathered.bytes == PART_BYTES {
                    self.send().await?;
                }
                let room = PART_BYTES - self.gathered.bytes;
                let (piece, after) = rest.split_at(room.min(rest.len()));
                self.gathered.add(piece);
                rest = after;
            }
            Ok(())
        })
    }

    fn commit(self: Box<Self>, commit: Commit) -> Pending<'static, Committed> {
        Box::pin(async move {
            // A client that leaves now must not leave half a change behind.
            let running = tokio::spawn(self.committed(commit));
            running.await.map_err(|_| RemoteError::Broken)?
        })
    }
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn add(&mut self, mut piece: &[u8]) {
        self.bytes += piece.len();
        while !piece.is_empty() {
            if self.last.len() == BLOCK_BYTES {
                let full = std::mem::take(&mut self.last);
                self.blocks.push(full.freeze());
            }
            // Growing would leave holes behind.
            if self.last.capacity() == 0 && !self.blocks.is_empty() {
                self.last.reserve(BLOCK_BYTES);
            }
            let room = BLOCK_BYTES - self.last.len();
            let (now, after) = piece.split_at(room.min(piece.len()));
            self.last.extend_from_slice(now);
            piece = after;
        }
    }

    fn take(&mut self) -> PutPayload {
        let taken = std::mem::take(self);
        let last = taken.last.freeze();
        taken.blocks.into_iter().chain([last]).collect()
    }

    /// What is there, without giving it away.
    fn payload(&self) -> PutPayload {
        let last = Bytes::copy_from_slice(&self.last);
        self.blocks.iter().cloned().chain([last]).collect()
    }
}
