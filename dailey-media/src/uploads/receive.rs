//! The bytes of one request into an upload, slice by slice: what a slice holds is on disk before the
//! next one is taken, so a broken connection loses nothing that came and a crash one slice at most.

use std::io;

use axum::body::Body;
use bytes::BytesMut;
use http_body::Body as _;

use super::checksum::Checks;
use super::digest::RunningDigest;
use super::state::Stage;
use super::turns::Turn;
use super::{Upload, UploadError, Uploads};
use crate::pace::{Ended, Paced};
use crate::storage::{Object, Received, StorageError, Target};

/// Bytes gathered before they are stored: above the 5 MiB of S3's smallest part.
const SLICE_BYTES: usize = 8 * 1024 * 1024;

impl From<Ended> for UploadError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Broken => Self::Broken,
            Ended::TooSlow => Self::TooSlow,
        }
    }
}

/// What a request has brought so far.
struct Arrival {
    checks: Checks,
    /// Of all that is stored.
    digest: RunningDigest,
    /// With what is stored, but need not count yet.
    stored: Received,
    gathered: BytesMut,
    target: Target,
}

impl Uploads {
    pub(super) async fn receive_into(
        &self,
        upload: &mut Upload,
        turn: &Turn,
        offset: u64,
        checks: Checks,
        body: Body,
    ) -> Result<Option<Object>, UploadError> {
        let (length, at) = (upload.state.length, upload.state.received.bytes);
        if offset != at {
            return Err(UploadError::OffsetMismatch { offset: at });
        }
        let left = length - at;
        let announced = body.size_hint().lower();
        if announced > left {
            return Err(UploadError::TooMany { length });
        }
        let limit = self.chunk_max_bytes;
        if announced > limit {
            return Err(UploadError::ChunkTooLarge { limit });
        }
        let mut arrival = Arrival {
            checks,
            digest: upload.state.digest()?,
            target: upload.state.target()?,
            stored: upload.state.received.clone(),
            gathered: BytesMut::new(),
        };
        let ended = self.take_in(upload, turn, &mut arrival, body, left).await;
        match &ended {
            // Of too much nobody can tell what was meant; without a place there is nothing to keep.
            Err(UploadError::TooMany { .. } | UploadError::Storage(_) | UploadError::Gone) => {
                return ended.map(|()| None);
            }
            // What is not whole cannot be checked.
            Err(_) if !arrival.checks.is_empty() => return ended.map(|()| None),
            Ok(()) | Err(_) => {}
        }
        self.store(upload, &mut arrival).await?;
        if let Some(mismatch) = arrival.checks.mismatch() {
            return Err(UploadError::Mismatch(mismatch));
        }
        if upload.state.stage == Stage::Receiving {
            self.count(upload, &arrival).await?;
        }
        // Nothing is missing then, however the body ended.
        if upload.state.stage == Stage::Finishing {
            return self.finish(upload).await;
        }
        ended.map(|()| None)
    }

    /// Takes the body in until it ends, however it does.
    async fn take_in(
        &self,
        upload: &mut Upload,
        turn: &Turn,
        arrival: &mut Arrival,
        body: Body,
        left: u64,
    ) -> Result<(), UploadError> {
        let mut body = Paced::new(body);
        loop {
            let next = tokio::select! {
                next = body.next() => next,
                () = turn.must_be_given_up() => return Err(UploadError::Locked),
            };
            let Some(mut bytes) = next? else {
                return Ok(());
            };
            if body.came() > left {
                return Err(UploadError::TooMany {
                    length: upload.state.length,
                });
            }
            let limit = self.chunk_max_bytes;
            if body.came() > limit {
                return Err(UploadError::ChunkTooLarge { limit });
            }
            while !bytes.is_empty() {
                // Only when there is more: the last slice may complete the upload.
                if arrival.gathered.len() == SLICE_BYTES {
                    self.store(upload, arrival).await?;
                    if arrival.checks.is_empty() {
                        self.count(upload, arrival).await?;
                    }
                }
                if arrival.gathered.capacity() == 0 {
                    arrival.gathered = self.buffers.take();
                }
                let room = SLICE_BYTES - arrival.gathered.len();
                let part = bytes.split_to(room.min(bytes.len()));
                arrival.gathered.extend_from_slice(&part);
            }
        }
    }

    /// Stores what was gathered. It does not count yet.
    async fn store(&self, upload: &Upload, arrival: &mut Arrival) -> Result<(), UploadError> {
        if arrival.gathered.is_empty() {
            return Ok(());
        }
        // Another replica may have gone on while this body came: two must not send the same part.
        let state = self.storage.stat(&upload.id.location()).await?;
        if state.is_none_or(|state| state.validators().etag != upload.read.etag) {
            return Err(UploadError::Locked);
        }
        let bytes = std::mem::take(&mut arrival.gathered).freeze();
        let mut checks = std::mem::take(&mut arrival.checks);
        let mut digest = arrival.digest.clone();
        let hashed = bytes.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            checks.update(&hashed);
            digest.update(&hashed);
            (checks, digest)
        });
        let id = upload.id.as_str();
        let resumable = self.storage.resumable();
        let appending = resumable.append(id, &arrival.target, &arrival.stored, bytes.clone());
        let (stored, hashed) = tokio::join!(appending, hashing);
        self.buffers.give_back(bytes);
        (arrival.checks, arrival.digest) =
            hashed.map_err(|error| StorageError::Io(io::Error::other(error)))?;
        arrival.stored = stored.map_err(|error| match error {
            StorageError::Damaged(_) => UploadError::Gone,
            error => error.into(),
        })?;
        Ok(())
    }

    /// Makes what is stored count.
    async fn count(&self, upload: &mut Upload, arrival: &Arrival) -> Result<(), UploadError> {
        upload.state.count(arrival.stored.clone(), &arrival.digest);
        self.save(upload).await
    }
}
