//! An upload under way: a file in the reserved folder that nobody can see, until its commit gives
//! it a name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use uuid::Uuid;

use super::durable::{self, Name};
use super::{Begun, Current, Inner, disk, object_file};
use crate::digest::Sha256;
use crate::storage::{Commit, Committed, Object, Pending, Replaced, StorageError, Target, Upload};

/// Bytes gathered before a write: each costs a hop to another thread.
const GATHER_BYTES: usize = 512 * 1024;

/// Bytes of a draft that are sent to the disk together, so that few are left when all are there.
const WRITE_BACK_BYTES: u64 = 4 * 1024 * 1024;

pub(super) struct LocalUpload {
    store: Arc<Inner>,
    target: Target,
    gathered: Vec<u8>,
    draft: State,
}

/// Where the draft is. While bytes are written the next ones are gathered.
enum State {
    AtRest(Draft),
    /// It comes back with the buffer of what was written.
    Writing(Begun<(Draft, Vec<u8>)>),
    /// A write failed, or whoever waited for one left.
    Dead,
}

/// The file and what is known of its bytes so far. Dropping it removes the file.
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    size: u64,
    /// Of these, how many are on their way to the disk.
    begun: u64,
    digest: Context,
}

impl LocalUpload {
    pub(super) fn new(store: Arc<Inner>, target: Target, draft: Draft) -> Self {
        Self {
            store,
            target,
            gathered: Vec::new(),
            draft: State::AtRest(draft),
        }
    }

    /// Begins to write what was gathered.
    async fn flush(&mut self) -> Result<(), StorageError> {
        let (mut draft, buffer) = self.rest().await?;
        let mut bytes = std::mem::replace(&mut self.gathered, buffer);
        let write = move |_: &Inner| {
            draft.write(&bytes)?;
            bytes.clear();
            Ok((draft, bytes))
        };
        let places = Arc::clone(&self.store.operations);
        self.draft = State::Writing(self.store.begin_in(places, write).await?);
        Ok(())
    }

    /// Waits for what is being written. The draft, and an empty buffer.
    async fn rest(&mut self) -> Result<(Draft, Vec<u8>), StorageError> {
        match std::mem::replace(&mut self.draft, State::Dead) {
            State::AtRest(draft) => Ok((draft, Vec::new())),
            State::Writing(write) => write.await.map_err(io::Error::other)?,
            State::Dead => Err(DEAD),
        }
    }
}

const DEAD: StorageError = StorageError::Damaged("an upload was used after it failed");

impl Upload for LocalUpload {
    fn write(&mut self, bytes: Bytes) -> Pending<'_, ()> {
        Box::pin(async move {
            for part in bytes.chunks(GATHER_BYTES) {
                self.gathered.extend_from_slice(part);
                if self.gathered.len() >= GATHER_BYTES {
                    self.flush().await?;
                }
            }
            Ok(())
        })
    }

    fn commit(mut self: Box<Self>, commit: Commit) -> Pending<'static, Committed> {
        Box::pin(async move {
            let (mut draft, _) = self.rest().await?;
            let (target, bytes) = (self.target, self.gathered);
            self.store
                .blocking(move |store| {
                    draft.write(&bytes)?;
                    draft.commit(store, target, &commit)
                })
                .await
        })
    }
}

impl Draft {
    pub(super) fn create(folder: &Path) -> Result<Self, StorageError> {
        let path = folder.join(Uuid::now_v7().simple().to_string());
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            path,
            file,
            size: 0,
            begun: 0,
            digest: Context::new(&SHA256),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        if self.size - self.begun >= WRITE_BACK_BYTES {
            disk::begin_to_write(&self.file, self.begun, self.size);
            self.begun = self.size;
        }
        Ok(())
    }

    fn commit(
        mut self,
        store: &Inner,
        target: Target,
        commit: &Commit,
    ) -> Result<Committed, StorageError> {
        let sha256 = Sha256::from_bytes(self.digest.clone().finish().as_ref()).ok_or(DEAD)?;
        let finished = Finished {
            path: &self.path,
            file: &mut self.file,
            size: self.size,
            sha256,
        };
        publish(store, finished, target, commit, |replaced| match replaced {
            Replaced::Nothing => Name::New,
            Replaced::Object => Name::Any,
        })
    }
}

/// A file that holds all bytes of what is to be an object, its position behind them.
pub(super) struct Finished<'f> {
    pub(super) path: &'f Path,
    pub(super) file: &'f mut File,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

/// Makes the file the object at `target`, if its digest and conditions hold. `name` says how its
/// name is taken.
pub(super) fn publish(
    store: &Inner,
    finished: Finished<'_>,
    target: Target,
    commit: &Commit,
    name: impl FnOnce(Replaced) -> Name,
) -> Result<Committed, StorageError> {
    let Finished {
        path: draft,
        file,
        size,
        sha256,
    } = finished;
    if commit.expected.is_some_and(|expected| expected != sha256) {
        return Ok(Committed::DigestMismatch);
    }
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let object = Object {
        size,
        sha256,
        modified_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        description: target.description,
    };
    object_file::finish(file, &object)?;
    file.sync_all()?;

    let path = store.layout.object(&target.at);
    let _changing = store.changing(&path);
    let current = Current::read(&path)?;
    if !current.allows(&commit.conditions) {
        return Ok(Committed::ConditionFailed(current.into_object()));
    }
    let (replaced, old) = match current {
        Current::Absent => (Replaced::Nothing, None),
        Current::Object(old) => (Replaced::Object, disk::hold(&path, old.size)),
        Current::Damaged => (Replaced::Object, None),
    };
    let space = store.layout.space(&target.at.space);
    let top = store.layout.objects();
    durable::rename(draft, &path, name(replaced), &space, &top)?;
    if let Some(old) = old
        && let Ok(place) = Arc::clone(&store.operations).try_acquire_owned()
    {
        tokio::task::spawn_blocking(move || {
            drop(old);
            drop(place);
        });
    }
    Ok(Committed::Stored { object, replaced })
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Already renamed, or swept at the next start.
        let _ = fs::remove_file(&self.path);
    }
}
