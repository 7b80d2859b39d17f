//! Objects as files in a folder that one process at a time uses.

mod content;
mod disk;
mod durable;
mod layout;
mod listing;
mod object_file;
mod opening;
mod resumable;
mod sweep;
mod upload;

use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

#[cfg(feature = "fuzzing")]
pub(crate) use self::layout::{path_of, texts_of};

use self::layout::Layout;
use self::listing::{Budget, Waiting};
use self::sweep::Sweep;
use self::upload::{Draft, LocalUpload};
use super::{
    Deletion, ListQuery, Location, Object, Opened, Page, Pending, Resumable, Storage, StorageError,
    Target, Upload,
};
use crate::key::Space;
use crate::preconditions::Preconditions;

/// Disk operations at once: what a disk's queue takes well.
const MAX_OPERATIONS: usize = 64;

/// Walks for lists at once. They have places of their own: however many there are, reads and
/// changes find theirs.
const MAX_LISTS: usize = 8;

/// Longest wait for a place.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How long another one may have the root that is about to end: one that was killed is gone a moment later.
const STILL_ENDING: Duration = Duration::from_millis(500);

/// Locks for changes: each key has one of them, so few unrelated ones wait for each other.
const CHANGE_LOCKS: usize = 256;

/// A root that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process: stop that one, or give this one a root of its own", .0.display())]
    InUse(PathBuf),
    /// The file system said no.
    #[error("cannot use {}: {source}: make it a folder that this process may write to", path.display())]
    Io {
        /// Which path.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Objects as files: see [`Storage`] for what it guarantees.
#[derive(Clone, Debug)]
pub struct LocalStorage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    layout: Layout,
    operations: Arc<Semaphore>,
    lists: Arc<Semaphore>,
    changes: Vec<Mutex<()>>,
    /// Held as long as the store lives: compare-and-replace relies on nobody else changing files.
    lock: Arc<File>,
}

impl LocalStorage {
    /// Takes the folder `root` into use: makes what is missing, removes what a crash left of
    /// uploads. Blocks; meant for the start. What else a crash left goes in the background.
    ///
    /// # Errors
    /// [`OpenError`]
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let store = Self::open_for_proof(root)?;
        let (layout, lock) = (
            store.inner.layout.clone(),
            Arc::downgrade(&store.inner.lock),
        );
        let path = layout.resumables();
        let sweep = Sweep::new(layout, lock).map_err(|source| OpenError::Io { path, source })?;
        sweep.begin();
        Ok(store)
    }

    /// The folder for a proof before the start: nothing goes on in the background.
    pub(crate) fn open_for_proof(root: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let layout = Layout::new(root);
        let lock = prepare(&layout)?;
        Ok(Self {
            inner: Arc::new(Inner {
                layout,
                operations: Arc::new(Semaphore::new(MAX_OPERATIONS)),
                lists: Arc::new(Semaphore::new(MAX_LISTS)),
                changes: (0..CHANGE_LOCKS).map(|_| Mutex::new(())).collect(),
                lock: Arc::new(lock),
            }),
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.inner.layout.root()
    }
}

fn prepare(layout: &Layout) -> Result<File, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    let (uploads, objects, lock) = (layout.uploads(), layout.objects(), layout.lock());
    let resumables = layout.resumables();
    durable::create_folders(layout.root()).map_err(at(layout.root()))?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock)
        .map_err(at(&lock))?;
    let asked = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if asked.elapsed() < STILL_ENDING => {
                thread::sleep(STILL_ENDING / 20);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse(layout.root().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(at(&lock)(error)),
        }
    }
    durable::create_folders(&uploads).map_err(at(&uploads))?;
    durable::create_folders(&resumables).map_err(at(&resumables))?;
    durable::create_folders(&objects).map_err(at(&objects))?;
    for left_over in fs::read_dir(&uploads).map_err(at(&uploads))? {
        let left_over = left_over.map_err(at(&uploads))?.path();
        fs::remove_file(&left_over).map_err(at(&left_over))?;
    }
    Ok(file)
}

impl Storage for LocalStorage {
    fn stat<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Object>> {
        let path = self.inner.layout.object(at);
        Box::pin(async move {
            if let Some(object) = opening::object_at_hand(&path) {
                return Ok(Some(object));
            }
            let found = move |store: &Inner| store.found(opening::object(&path)?);
            self.inner.blocking(found).await
        })
    }

    fn open<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Opened>> {
        let path = self.inner.layout.object(at);
        Box::pin(async move {
            if let Some(opened) = opening::opened_at_hand(&path) {
                return Ok(Some(opened));
            }
            let found = move |store: &Inner| store.found(opening::opened(&path)?);
            self.inner.blocking(found).await
        })
    }

    fn upload(&self, target: Target) -> Pending<'_, Box<dyn Upload>> {
        Box::pin(async {
            let draft = self
                .inner
                .blocking(|store| Draft::create(&store.layout.uploads()))
                .await?;
            let upload = LocalUpload::new(Arc::clone(&self.inner), target, draft);
            Ok(Box::new(upload) as Box<dyn Upload>)
        })
    }

    fn resumable(&self) -> &dyn Resumable {
        self
    }

    fn delete<'a>(
        &'a self,
        at: &'a Location,
        conditions: &'a Preconditions,
    ) -> Pending<'a, Deletion> {
        let (path, space) = (
            self.inner.layout.object(at),
            self.inner.layout.space(&at.space),
        );
        let conditions = conditions.clone();
        Box::pin(self.inner.blocking(move |store| {
            let _changing = store.changing(&path);
            let current = Current::read(&path)?;
            if matches!(current, Current::Absent) {
                store.found::<()>(None)?;
                return Ok(Deletion::Absent);
            }
            if !current.allows(&conditions) {
                return Ok(Deletion::ConditionFailed(current.into_object()));
            }
            durable::remove(&path, &space, &store.layout.objects())?;
            Ok(Deletion::Deleted)
        }))
    }

    fn list<'a>(&'a self, space: &'a Space, query: &'a ListQuery) -> Pending<'a, Page> {
        let (folder, query) = (self.inner.layout.space(space), query.clone());
        Box::pin(async move {
            let places = Arc::clone(&self.inner.lists);
            // Dropped with this future: a client that left ends the walk.
            let waiting = Waiting::default();
            let abandoned = waiting.abandoned();
            let walk = move |store: &Inner| {
                let page = listing::page(&folder, &query, Budget::begin(abandoned))?;
                let any = page.objects.first().map(drop);
                store.found(any.or_else(|| page.prefixes.first().map(drop)))?;
                Ok(page)
            };
            self.inner.blocking_in(places, walk).await
        })
    }

    fn probe(&self) -> Pending<'_, ()> {
        Box::pin(self.inner.blocking(|store| {
            fs::metadata(store.layout.objects())?;
            Draft::create(&store.layout.uploads()).map(drop)
        }))
    }
}

/// Work on a thread of its own.
type Begun<T> = JoinHandle<Result<T, StorageError>>;

impl Inner {
    /// Runs blocking work on a thread for it, at most [`MAX_OPERATIONS`] at once.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.blocking_in(Arc::clone(&self.operations), work).await
    }

    /// Runs blocking work in one of `places`.
    async fn blocking_in<T: Send + 'static>(
        self: &Arc<Self>,
        places: Arc<Semaphore>,
        work: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let begun = self.begin_in(places, work).await?;
        begun.await.map_err(io::Error::other)?
    }

    /// Begins blocking work in one of `places`. The place goes with the work, which ends by itself
    /// even when nobody waits for it any more.
    async fn begin_in<T: Send + 'static>(
        self: &Arc<Self>,
        places: Arc<Semaphore>,
        work: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<Begun<T>, StorageError> {
        let place = tokio::time::timeout(MAX_WAIT, places.acquire_owned())
            .await
            .map_err(|_| StorageError::Busy)?
            .map_err(io::Error::other)?;
        let store = Arc::clone(self);
        Ok(tokio::task::spawn_blocking(move || {
            let _place = place;
            work(&store)
        }))
    }

    /// What was looked for. A store that is not there has not lost an object: nobody can say.
    fn found<T>(&self, found: Option<T>) -> Result<Option<T>, StorageError> {
        if found.is_none() {
            fs::metadata(self.layout.objects())?;
        }
        Ok(found)
    }

    /// The right to change the object at `path`.
    fn changing(&self, path: &Path) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let lock =
            &self.changes[usize::from(hasher.finish().to_le_bytes()[0]) % self.changes.len()];
        // The lock guards a file, which is whole at all times, whoever panicked.
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a change finds in its place.
enum Current {
    Absent,
    Object(Box<Object>),
    /// There, but nobody can say what it is. It may be replaced or removed, else only an
    /// operator could.
    Damaged,
}

impl Current {
    fn read(path: &Path) -> Result<Self, StorageError> {
        match opening::object(path) {
            Ok(None) => Ok(Self::Absent),
            Ok(Some(object)) => Ok(Self::Object(Box::new(object))),
            Err(StorageError::Damaged(_)) => Ok(Self::Damaged),
            Err(error) => Err(error),
        }
    }

    fn allows(&self, conditions: &Preconditions) -> bool {
        match self {
            Self::Absent => conditions.allow_change(None),
            Self::Object(object) => conditions.allow_change(Some(&object.validators())),
            Self::Damaged => conditions.allow_change_of_unknown(),
        }
    }

    fn into_object(self) -> Option<Object> {
        match self {
            Self::Object(object) => Some(*object),
            Self::Absent | Self::Damaged => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ObjectKey;
    use crate::storage::Depth;

    #[tokio::test]
    async fn lists_and_everything_else_do_not_take_each_others_places() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(root.path()).unwrap();
        let at = Location {
            space: Space::new("app", "user"),
            key: ObjectKey::parse("a").unwrap(),
        };
        let query = ListQuery {
            prefix: String::new(),
            depth: Depth::All,
            limit: 1,
            after: None,
        };
        let soon = Duration::from_millis(100);
        let lists = u32::try_from(MAX_LISTS).unwrap();
        let taken = store.inner.lists.acquire_many(lists).await.unwrap();
        let waiting = tokio::time::timeout(soon, store.list(&at.space, &query)).await;
        assert!(waiting.is_err(), "no place for a list");
        assert!(store.stat(&at).await.unwrap().is_none());
        drop(taken);
        let all = u32::try_from(MAX_OPERATIONS).unwrap();
        let _taken = store.inner.operations.acquire_many(all).await.unwrap();
        assert_eq!(store.list(&at.space, &query).await.unwrap().next, None);
    }
}
