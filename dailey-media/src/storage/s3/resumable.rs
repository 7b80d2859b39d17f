//! Resumable uploads: a multipart upload that goes on over many requests, and before its next part
//! is large enough, an object with what there is of it. All parts but the last are of one size: there are
//! stores that take no others (Cloudflare R2).
//!
//! A part and a rest are never written again once they count. A rest that was gone on from is
//! removed by the step after the next, when nothing kept can name it any more.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Attributes, ObjectStore, PutPayload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::client::Guard;
use super::fault::{Failure, RemoteError, failure};
use super::found::Writing;
use super::multipart::{self, Multipart};
use super::notes;
use super::upload::{PART_BYTES, S3Upload};
use super::{Inner, S3Storage, layout, staging};
use crate::digest::Sha256;
use crate::storage::{Commit, Committed, Pending, Received, Resumable, StorageError, Target};

/// Where the rests are.
pub(super) const FOLDER: &str = ".dailey/rests";

/// What is where.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    /// The write that it becomes: by its id a completed one is known again.
    writing: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    multipart: Option<Sent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest: Option<Rest>,
    /// A rest that the step before went on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spent: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sent {
    upload: String,
    /// Its record for the sweep.
    note: String,
    /// The store's names of the parts.
    parts: Vec<String>,
    /// Whether they are put together elsewhere (see `staging`), whatever is set now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    staged: bool,
}

impl Sent {
    /// The key of the parts.
    fn path(&self, target: &Path, writing: &str) -> Path {
        if self.staged {
            staging::staged(writing)
        } else {
            target.clone()
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rest {
    name: String,
    bytes: usize,
}

const GONE: StorageError = StorageError::Damaged("received bytes of an upload are gone");

impl Resumable for S3Storage {
    fn piece(&self, received: &Received) -> usize {
        // One that cannot be read is found out by the step itself.
        let place = Place::of(received).unwrap_or_default();
        let rest = place.rest.map_or(0, |rest| rest.bytes);
        PART_BYTES - rest.min(PART_BYTES - 1)
    }

    fn append<'a>(
        &'a self,
        id: &'a str,
        target: &'a Target,
        received: &'a Received,
        bytes: Bytes,
    ) -> Pending<'a, Received> {
        Box::pin(self.inner.append(id, target, received, bytes))
    }

    fn complete<'a>(
        &'a self,
        id: &'a str,
        target: Target,
        received: &'a Received,
        sha256: Sha256,
        commit: Commit,
    ) -> Pending<'a, Option<Committed>> {
        Box::pin(async move {
            let inner = Arc::clone(&self.inner);
            inner.complete(id, target, received, sha256, commit).await
        })
    }

    fn abort<'a>(
        &'a self,
        id: &'a str,
        target: &'a Target,
        received: &'a Received,
    ) -> Pending<'a, ()> {
        Box::pin(async move {
            let place = Place::of(received)?;
            let target = layout::path(&target.at)?;
            if let Some(sent) = &place.multipart {
                let key = sent.path(&target, &place.writing);
                let ended = multipart::end(&self.inner.client, &key, &sent.upload).await;
                ended.map_err(RemoteError::from)?;
            }
            self.inner.clear(id, &place).await
        })
    }

    fn forsake<'a>(
        &'a self,
        target: &'a Target,
        kept: &'a Received,
        lost: &'a Received,
    ) -> Pending<'a, ()> {
        Box::pin(async move {
            let (kept, lost) = (Place::of(kept)?, Place::of(lost)?);
            if let (None, Some(sent)) = (&kept.multipart, &lost.multipart) {
                let key = sent.path(&layout::path(&target.at)?, &lost.writing);
                let ended = multipart::end(&self.inner.client, &key, &sent.upload).await;
                ended.map_err(RemoteError::from)?;
                notes::forget(&self.inner.client, &sent.note).await;
            }
            Ok(())
        })
    }

    fn clear<'a>(&'a self, id: &'a str, received: &'a Received) -> Pending<'a, ()> {
        Box::pin(async move {
            // Its multipart upload has ended: there are servers that refuse to abort it then.
            self.inner.clear(id, &Place::of(received)?).await
        })
    }
}

impl Place {
    fn of(received: &Received) -> Result<Self, StorageError> {
        if received.place == Value::Null {
            return Ok(Self {
                writing: Writing::begin().id,
                ..Self::default()
            });
        }
        serde_json::from_value(received.place.clone())
            .map_err(|_| StorageError::Damaged("the place of an upload cannot be read"))
    }
}

impl Inner {
    async fn append(
        &self,
        id: &str,
        target: &Target,
        received: &Received,
        bytes: Bytes,
    ) -> Result<Received, StorageError> {
        let mut place = Place::of(received)?;
        let path = layout::path(&target.at)?;
        if let Some(spent) = place.spent.take() {
            // One that stays goes with the upload.
            let _ = self
                .client
                .delete(&rest(id, &spent), &Guard::Anything)
                .await;
        }
        let added = bytes.len();
        if added > 0 {
            let before = self.read_rest(id, place.rest.as_ref()).await?;
            place.spent = place.rest.take().map(|rest| rest.name);
            let mut all = Pieces([before, bytes]);
            while all.len() >= PART_BYTES {
                let sent = match &mut place.multipart {
                    Some(sent) => sent,
                    empty => {
                        let writing = Writing::of(place.writing.clone());
                        let attributes = writing.attributes(&target.description);
                        let key = staging::key(self.large_writes, &path, &place.writing);
                        let begun =
                            multipart::begin_resumable(&self.client, &key, attributes, id).await?;
                        empty.insert(Sent {
                            upload: begun.upload,
                            note: begun.note,
                            parts: Vec::new(),
                            staged: key != path,
                        })
                    }
                };
                let index = sent.parts.len();
                let part = all.split_to(PART_BYTES);
                let key = sent.path(&path, &place.writing);
                let put = self.client.put_part(&key, &sent.upload, index, part).await;
                sent.parts.push(put.map_err(gone)?.content_id);
            }
            if all.len() > 0 {
                let name = Uuid::new_v4().simple().to_string();
                let path = rest(id, &name);
                let (bytes, none) = (all.len(), Attributes::new());
                let payload = all.split_to(bytes);
                let put = self
                    .client
                    .put(&path, payload, none, &Guard::Anything)
                    .await;
                put.map_err(RemoteError::from)?;
                place.rest = Some(Rest { name, bytes });
            }
        }
        Ok(Received {
            bytes: received.bytes + added as u64,
            place: serde_json::to_value(&place).map_err(std::io::Error::other)?,
        })
    }

    async fn complete(
        self: Arc<Self>,
        id: &str,
        target: Target,
        received: &Received,
        sha256: Sha256,
        commit: Commit,
    ) -> Result<Option<Committed>, StorageError> {
        let place = Place::of(received)?;
        let writing = Writing::of(place.writing.clone());
        let path = layout::path(&target.at)?;
        // Its own bytes may be gone when it is done.
        let there = self.client.head(&path).await?;
        let there = there.and_then(|found| found.writing);
        if there.is_some_and(|there| there.id == writing.id) {
            self.clear(id, &place).await?;
            return Ok(None);
        }
        let rest = self.read_rest(id, place.rest.as_ref()).await?;
        let large = place.multipart.clone().map(|sent| {
            let (store, key) = (Arc::clone(&self), sent.path(&path, &writing.id));
            let parts = sent.parts.into_iter();
            let parts = parts.map(|content_id| PartId { content_id }).collect();
            Multipart::resumed(store, key, path.clone(), sent.note, sent.upload, parts)
        });
        let store = Arc::clone(&self);
        let upload = S3Upload::resumed(store, target, writing, received.bytes, large, &rest)?;
        match upload.committed_as(sha256, commit).await {
            Ok(Committed::Stored { object, replaced }) => {
                let cleared = self.clear(id, &place).await;
                // What stays of it does no harm, the object is there; but what was put together elsewhere could
                // be copied once more, over what comes after it.
                if place.multipart.is_some_and(|sent| sent.staged) {
                    cleared?;
                }
                Ok(Some(Committed::Stored { object, replaced }))
            }
            // The parts are not there any more, and it is not what they became; or one of them is
            // not the one that counts.
            Err(StorageError::Remote(RemoteError::Answered(said)))
                if said.starts_with("404") || said.contains("InvalidPart") =>
            {
                Err(GONE)
            }
            ended => ended.map(Some),
        }
    }

    async fn read_rest(&self, id: &str, kept: Option<&Rest>) -> Result<Bytes, StorageError> {
        let Some(kept) = kept else {
            return Ok(Bytes::new());
        };
        let got = self
            .client
            .get_start(&rest(id, &kept.name), PART_BYTES as u64)
            .await;
        let mut stream = got.map_err(gone)?.into_stream();
        let mut bytes = BytesMut::with_capacity(kept.bytes.min(PART_BYTES));
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| gone(failure(error)))?);
        }
        if bytes.len() != kept.bytes {
            return Err(GONE);
        }
        Ok(bytes.freeze())
    }

    /// Removes what an upload that has ended has left: rests, what was put together elsewhere,
    /// and the note for the sweep.
    async fn clear(&self, id: &str, place: &Place) -> Result<(), StorageError> {
        let folder = Path::from(format!("{FOLDER}/{id}"));
        let mut rests = self.client.lister().list(Some(&folder));
        while let Some(rest) = rests.next().await {
            let rest = rest.map_err(|error| RemoteError::from(failure(error)))?;
            let deleted = self.client.delete(&rest.location, &Guard::Anything).await;
            deleted.map_err(RemoteError::from)?;
        }
        if let Some(sent) = &place.multipart {
            if sent.staged {
                let key = staging::staged(&place.writing);
                let cleared = staging::clear(&self.client, &key).await;
                cleared.map_err(RemoteError::from)?;
            }
            notes::forget(&self.client, &sent.note).await;
        }
        Ok(())
    }
}

/// What was kept and what came.
struct Pieces([Bytes; 2]);

impl Pieces {
    fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Takes the first `length` bytes, of which there are so many.
    fn split_to(&mut self, mut length: usize) -> PutPayload {
        let taken = self.0.each_mut().map(|piece| {
            let taken = piece.split_to(length.min(piece.len()));
            length -= taken.len();
            taken
        });
        taken.into_iter().collect()
    }
}

fn rest(id: &str, name: &str) -> Path {
    Path::from(format!("{FOLDER}/{id}/{name}"))
}

/// What was kept a moment ago and is not there any more was removed by somebody else.
fn gone(failure: Failure) -> StorageError {
    match failure {
        Failure::Absent => GONE,
        other => RemoteError::from(other).into(),
    }
}
