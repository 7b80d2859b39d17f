//! Uploads that go on over many requests, after broken connections, restarts and on other replicas.
//! Knows nothing of HTTP but bodies; `routes::uploads` speaks tus.
//!
//! An upload is a record in a reserved space (`state`) and its bytes (`storage::Resumable`). A byte
//! counts when the record says so. The record goes one way: receiving → finishing → done, or gone;
//! each step is a compare-and-replace, and whatever a crash interrupts, the next request or sweep
//! finishes.

mod all;
mod buffers;
pub(crate) mod checksum;
pub(crate) mod count;
mod digest;
pub(crate) mod metadata;
mod receive;
mod state;
mod sweep;
mod turns;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dailey_http::pace::Pace;
use dailey_http::{Problem, request_id};

pub(crate) use self::all::AllUploads;
use self::buffers::Buffers;
use self::checksum::Mismatch;
use self::digest::RunningDigest;
pub(crate) use self::receive::Arrival;
pub(crate) use self::state::{Conditions, UploadId, Wanted};
use self::state::{Stage, State};
pub(crate) use self::sweep::sweep_for_ever;
use self::turns::{Turn, Turns};
use crate::changes::{Changes, FillError};
use crate::key::Space;
use crate::preconditions::{Preconditions, Validators};
use crate::settings::Limits;
use crate::storage::{
    Committed, Deletion, Object, Received, Storage, StorageError, Tried, records, try_conditions,
};

/// Largest upload: what S3 copies in one step.
pub(crate) const MAX_UPLOAD_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// Most bytes of one request: below the 100 MB at which the edge in front cuts.
pub(crate) const MAX_CHUNK_BYTES: u64 = 64 * 1024 * 1024;

/// The uploads of all subjects. All clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Uploads {
    storage: Arc<dyn Storage>,
    changes: Changes,
    /// How long an upload is kept without a sign of its client.
    expiry: Duration,
    /// Most bytes of one request.
    chunk_max_bytes: u64,
    pace: Pace,
    turns: Turns,
    buffers: Buffers,
}

/// How far an upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes that are kept, whatever happens.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// `Upload-Metadata` as it was given.
    pub(crate) metadata: String,
    pub(crate) expires: SystemTime,
    /// The object, where this very request has completed it.
    pub(crate) object: Option<Object>,
}

/// Why an upload did not go on.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// There is none of this name in this space.
    NotFound,
    /// There was one: it ended, or was not gone on with for too long.
    Gone,
    /// Another request is at it.
    Locked,
    /// It goes on elsewhere.
    OffsetMismatch {
        offset: u64,
    },
    /// More bytes came than the upload has.
    TooMany {
        length: u64,
    },
    /// More bytes came than one request may bring. What the limit lets through was kept.
    ChunkTooLarge {
        limit: u64,
    },
    /// The bytes were not those of their checksum; none of them was kept.
    Mismatch(Mismatch),
    /// The body ended too early. What came was kept, without a checksum.
    Broken,
    /// The same of the body that came with the creation: there is no upload.
    NeverBegun,
    /// The body came too slowly. What came was kept, without a checksum.
    TooSlow,
    /// The object's conditions do not hold; the upload has ended.
    Condition(Option<Object>),
    /// The bytes are not those of the digest that the upload began with; it has ended.
    DigestMismatch,
    /// There is no room for the object, or it could not be written down.
    Refused(Problem),
    Storage(StorageError),
}

impl From<StorageError> for UploadError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

/// An upload as its record tells.
struct Upload {
    id: UploadId,
    state: State,
    /// Of the record: a change is made to this very state or not at all.
    read: Validators,
}

impl Uploads {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        changes: Changes,
        expiry: Duration,
        limits: &Limits,
    ) -> Self {
        Self {
            storage,
            changes,
            expiry,
            chunk_max_bytes: limits.upload_chunk_max_bytes,
            pace: limits.pace(),
            turns: Turns::default(),
            buffers: Buffers::default(),
        }
    }

    /// Begins an upload, and completes one of no bytes.
    pub(crate) async fn create(&self, wanted: Wanted) -> Result<(UploadId, Progress), UploadError> {
        let uploads = self.clone();
        detached(async move {
            let id = UploadId::new();
            let _turn = uploads.turns.try_take(id.as_str());
            let mut state = State::new(wanted);
            // Tried again when it is complete, which decides; here it spares the client the work.
            uploads.allowed_now(&state).await?;
            let (changes, space) = (&uploads.changes, state.space());
            let held = changes.hold(&space, id.as_str(), state.length).await;
            let held = held.map_err(UploadError::Refused)?;
            state.expires_ms = uploads.expires_ms();
            let only = Preconditions::create_only();
            let read = uploads.write(&id, &state, only).await?;
            held.keep();
            let mut upload = Upload { id, state, read };
            let mut object = None;
            if upload.state.length == 0 {
                let (id, target) = (upload.id.as_str(), upload.state.target()?);
                let nothing = Received::default();
                let resumable = uploads.storage.resumable();
                let received = resumable
                    .append(id, &target, &nothing, Bytes::new())
                    .await?;
                upload.state.count(received, &RunningDigest::default());
                uploads.save(&mut upload).await?;
                object = uploads.finish(&mut upload).await?;
            }
            let progress = upload.progress(object);
            Ok((upload.id, progress))
        })
        .await
    }

    /// How far it is. Completes what a crash has left incomplete.
    pub(crate) async fn progress(
        &self,
        space: &Space,
        id: &UploadId,
    ) -> Result<Progress, UploadError> {
        let upload = self.find_live(space, id).await?;
        if upload.state.stage != Stage::Finishing {
            return Ok(upload.progress(None));
        }
        let (uploads, space, id) = (self.clone(), space.clone(), id.clone());
        detached(async move {
            let _turn = uploads.turn(&id).await?;
            let mut upload = uploads.find_live(&space, &id).await?;
            if upload.state.stage == Stage::Finishing {
                uploads.finish(&mut upload).await?;
            }
            Ok(upload.progress(None))
        })
        .await
    }

    /// Adds the bytes of an arrival, and completes the upload with its last byte.
    pub(crate) async fn receive(
        &self,
        space: &Space,
        id: &UploadId,
        arrival: Arrival,
    ) -> Result<Progress, UploadError> {
        // Whoever is not allowed to must not be waited for.
        self.find_live(space, id).await?;
        let (uploads, space, id) = (self.clone(), space.clone(), id.clone());
        detached(async move {
            let turn = uploads.turn(&id).await?;
            let mut upload = uploads.find_live(&space, &id).await?;
            let is_first = arrival.is_first;
            let received = uploads.receive_into(&mut upload, &turn, arrival).await;
            if is_first && matches!(received, Err(UploadError::Broken)) {
                // Nobody was told its name: it would only take room.
                uploads.end(&mut upload).await?;
                return Err(UploadError::NeverBegun);
            }
            Ok(upload.progress(received?))
        })
        .await
    }

    /// Ends an upload. What it has become stays.
    pub(crate) async fn terminate(&self, space: &Space, id: &UploadId) -> Result<(), UploadError> {
        self.find_live(space, id).await?;
        let (uploads, space, id) = (self.clone(), space.clone(), id.clone());
        detached(async move {
            let _turn = uploads.turn(&id).await?;
            let mut upload = uploads.find_live(&space, &id).await?;
            if upload.state.stage == Stage::Finishing {
                // It may be an object by now; then there is nothing to end.
                uploads.finish(&mut upload).await?;
            }
            uploads.end(&mut upload).await
        })
        .await
    }

    async fn turn(&self, id: &UploadId) -> Result<Turn, UploadError> {
        self.turns
            .take(id.as_str())
            .await
            .ok_or(UploadError::Locked)
    }

    /// The upload, if it is one of `space` and can go on.
    async fn find_live(&self, space: &Space, id: &UploadId) -> Result<Upload, UploadError> {
        let upload = self.find(id).await?.ok_or(UploadError::NotFound)?;
        if upload.state.space() != *space {
            return Err(UploadError::NotFound);
        }
        if upload.state.stage == Stage::Gone || upload.state.expires_ms <= now_ms() {
            return Err(UploadError::Gone);
        }
        Ok(upload)
    }

    async fn find(&self, id: &UploadId) -> Result<Option<Upload>, StorageError> {
        let record = records::read(&*self.storage, &id.location()).await?;
        let upload = record.map(|record| {
            Ok(Upload {
                id: id.clone(),
                state: State::parse(&record.bytes)?,
                read: record.state,
            })
        });
        upload.transpose()
    }

    /// Writes what has become of it, if nobody else has written meanwhile.
    async fn save(&self, upload: &mut Upload) -> Result<(), UploadError> {
        upload.state.expires_ms = self.expires_ms();
        let still = Preconditions::still(&upload.read);
        upload.read = self.write(&upload.id, &upload.state, still).await?;
        Ok(())
    }

    async fn write(
        &self,
        id: &UploadId,
        state: &State,
        conditions: Preconditions,
    ) -> Result<Validators, UploadError> {
        let at = id.location();
        let written = records::write(&*self.storage, &at, state.to_json()?, conditions).await?;
        written.ok_or(UploadError::Locked)
    }

    /// Whether the object's conditions hold now, and the store can have one of this name at all.
    async fn allowed_now(&self, state: &State) -> Result<(), UploadError> {
        let (at, commit) = (state.target()?.at, state.commit()?);
        match try_conditions(&*self.storage, &at, &commit.conditions).await? {
            Tried::Hold => Ok(()),
            Tried::Fail(current) => Err(UploadError::Condition(current)),
        }
    }

    /// Makes the object of an upload whose record says that all its bytes are there.
    async fn finish(&self, upload: &mut Upload) -> Result<Option<Object>, UploadError> {
        let state = &upload.state;
        let (target, commit, sha256) =
            (state.target()?, state.commit()?, state.digest()?.finish()?);
        let room = self.changes.held_room(&target.at, upload.id.as_str()).await;
        let room = room.map_err(UploadError::Refused)?;
        let (storage, id, received) = (
            Arc::clone(&self.storage),
            upload.id.clone(),
            state.received.clone(),
        );
        let completing = room.fill(state.length, async move {
            let resumable = storage.resumable();
            resumable
                .complete(id.as_str(), target, &received, sha256, commit)
                .await
        });
        let refused = match completing.await {
            Ok(Some(Committed::Stored { object, .. })) => {
                self.done(upload).await;
                return Ok(Some(object));
            }
            Ok(None) => {
                self.done(upload).await;
                return Ok(None);
            }
            Ok(Some(Committed::ConditionFailed(current))) => UploadError::Condition(current),
            Ok(Some(Committed::DigestMismatch)) => UploadError::DigestMismatch,
            Err(FillError::Storage(StorageError::Damaged(_))) => UploadError::Gone,
            Err(FillError::Storage(error)) => return Err(error.into()),
            Err(FillError::Refused(problem)) => return Err(UploadError::Refused(problem)),
        };
        self.end(upload).await?;
        Err(refused)
    }

    async fn done(&self, upload: &mut Upload) {
        upload.state.stage = Stage::Done;
        if let Err(error) = self.save(upload).await {
            // The object is there; whoever asks next finds that out again.
            tracing::warn!(?error, "could not write that an upload is complete");
        }
        self.release(upload);
    }

    /// Ends an upload without an object, or forgets one that has become an object.
    async fn end(&self, upload: &mut Upload) -> Result<(), UploadError> {
        if upload.state.stage != Stage::Done {
            // Before the record, which may need the room on a full disk.
            let (target, received) = (upload.state.target()?, &upload.state.received);
            let resumable = self.storage.resumable();
            resumable
                .abort(upload.id.as_str(), &target, received)
                .await?;
        }
        upload.state.stage = Stage::Gone;
        self.save(upload).await?;
        self.release(upload);
        Ok(())
    }

    /// It is no longer open: nothing is held for it.
    fn release(&self, upload: &Upload) {
        let space = upload.state.space();
        self.changes.upload_ended(&space, upload.id.as_str());
    }

    /// Removes what is left of an upload.
    async fn remove(&self, upload: &Upload) -> Result<(), StorageError> {
        let still = Preconditions::still(&upload.read);
        match self.storage.delete(&upload.id.location(), &still).await? {
            Deletion::Deleted | Deletion::Absent => self.release(upload),
            Deletion::ConditionFailed(_) => {}
        }
        Ok(())
    }

    fn expires_ms(&self) -> u64 {
        now_ms().saturating_add(u64::try_from(self.expiry.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Upload {
    fn progress(&self, object: Option<Object>) -> Progress {
        Progress {
            offset: self.state.received.bytes,
            length: self.state.length,
            metadata: self.state.metadata.clone(),
            expires: SystemTime::UNIX_EPOCH + Duration::from_millis(self.state.expires_ms),
            object,
        }
    }
}

/// Runs `work` to its end even when nobody waits for it any more: a client that goes away in the
/// middle has what it sent kept.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, UploadError>> + Send + 'static,
) -> Result<T, UploadError> {
    let task = match request_id::current() {
        Some(id) => tokio::spawn(id.scope(work)),
        None => tokio::spawn(work),
    };
    match task.await {
        Ok(done) => done,
        Err(error) => Err(StorageError::Io(std::io::Error::other(error)).into()),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
