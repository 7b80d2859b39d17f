//! The bytes of one request into an upload, slice by slice: what a slice holds is on disk before the
//! next one is taken, so a broken connection loses nothing that came and a crash one slice at most.

use std::io;

use axum::body::Body;
use bytes::BytesMut;
use dailey_http::pace::{Ended, Paced};
use http_body::Body as _;

use super::checksum::Checks;
use super::digest::RunningDigest;
use super::state::Stage;
use super::turns::Turn;
use super::{Upload, UploadError, Uploads};
use crate::storage::{Object, Received, StorageError, Target};
use crate::upload_slots::Slot;

impl From<Ended> for UploadError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Broken => Self::Broken,
            Ended::TooSlow => Self::TooSlow,
        }
    }
}

/// What a request brings.
pub(crate) struct Arrival {
    /// Where its bytes begin.
    pub(crate) offset: u64,
    pub(crate) checks: Checks,
    pub(crate) body: Body,
    /// Whether it came with the creation.
    pub(crate) is_first: bool,
    /// Its place among all bodies, as long as anything of it is in memory.
    pub(crate) slot: Slot,
}

/// What it has brought so far.
struct Intake {
    checks: Checks,
    /// Of all that is stored.
    digest: RunningDigest,
    /// With what is stored, but need not count yet.
    stored: Received,
    gathered: BytesMut,
    /// How many bytes are gathered before they are stored.
    slice: usize,
    target: Target,
}

impl Uploads {
    pub(super) async fn receive_into(
        &self,
        upload: &mut Upload,
        turn: &Turn,
        arrival: Arrival,
    ) -> Result<Option<Object>, UploadError> {
        let Arrival {
            offset,
            checks,
            body,
            slot: _slot,
            ..
        } = arrival;
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
        let mut intake = Intake {
            checks,
            digest: upload.state.digest()?,
            target: upload.state.target()?,
            stored: upload.state.received.clone(),
            gathered: BytesMut::new(),
            slice: self.storage.resumable().piece(&upload.state.received),
        };
        let ended = self.take_in(upload, turn, &mut intake, body, left).await;
        let ended = self.ended(upload, &mut intake, ended).await;
        if ended.is_err() && intake.stored != upload.state.received {
            let (kept, lost) = (&upload.state.received, &intake.stored);
            let forsaken = self.storage.resumable().forsake(&intake.target, kept, lost);
            // What stays is swept.
            let _ = forsaken.await;
        }
        ended
    }

    /// What becomes of the upload by a body that has ended so.
    async fn ended(
        &self,
        upload: &mut Upload,
        intake: &mut Intake,
        ended: Result<(), UploadError>,
    ) -> Result<Option<Object>, UploadError> {
        match &ended {
            // Of too much nobody can tell what was meant; without a place there is nothing to keep.
            Err(UploadError::TooMany { .. } | UploadError::Storage(_) | UploadError::Gone) => {
                return ended.map(|()| None);
            }
            // What is not whole cannot be checked.
            Err(_) if !intake.checks.is_empty() => return ended.map(|()| None),
            Ok(()) | Err(_) => {}
        }
        self.store(upload, intake).await?;
        if let Some(mismatch) = intake.checks.mismatch() {
            return Err(UploadError::Mismatch(mismatch));
        }
        if upload.state.stage == Stage::Receiving {
            self.count(upload, intake).await?;
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
        intake: &mut Intake,
        body: Body,
        left: u64,
    ) -> Result<(), UploadError> {
        let mut body = Paced::new(body, self.pace);
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
                if intake.gathered.len() == intake.slice {
                    self.store(upload, intake).await?;
                    if intake.checks.is_empty() {
                        self.count(upload, intake).await?;
                    }
                }
                if intake.gathered.capacity() == 0 {
                    intake.gathered = self.buffers.take();
                }
                let room = intake.slice - intake.gathered.len();
                let part = bytes.split_to(room.min(bytes.len()));
                intake.gathered.extend_from_slice(&part);
            }
        }
    }

    /// Stores what was gathered. It does not count yet.
    async fn store(&self, upload: &Upload, intake: &mut Intake) -> Result<(), UploadError> {
        if intake.gathered.is_empty() {
            return Ok(());
        }
        // Another replica may have gone on while this body came: two must not send the same part.
        let state = self.storage.stat(&upload.id.location()).await?;
        if state.is_none_or(|state| state.validators().etag != upload.read.etag) {
            return Err(UploadError::Locked);
        }
        let bytes = std::mem::take(&mut intake.gathered).freeze();
        let mut checks = std::mem::take(&mut intake.checks);
        let mut digest = intake.digest.clone();
        let hashed = bytes.clone();
        let hashing = tokio::task::spawn_blocking(move || {
            checks.update(&hashed);
            digest.update(&hashed);
            (checks, digest)
        });
        let id = upload.id.as_str();
        let resumable = self.storage.resumable();
        let appending = resumable.append(id, &intake.target, &intake.stored, bytes.clone());
        let (stored, hashed) = tokio::join!(appending, hashing);
        self.buffers.give_back(bytes);
        (intake.checks, intake.digest) =
            hashed.map_err(|error| StorageError::Io(io::Error::other(error)))?;
        intake.stored = stored.map_err(|error| match error {
            StorageError::Damaged(_) => UploadError::Gone,
            error => error.into(),
        })?;
        intake.slice = resumable.piece(&intake.stored);
        Ok(())
    }

    /// Makes what is stored count.
    async fn count(&self, upload: &mut Upload, intake: &Intake) -> Result<(), UploadError> {
        upload.state.count(intake.stored.clone(), &intake.digest);
        self.save(upload).await
    }
}
