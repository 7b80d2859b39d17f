//! Objects in a bucket of S3 or one of its kin. Any number of processes may use it.
//!
//! | module | job |
//! | --- | --- |
//! | `client`, `asking` | requests, their times and repetitions |
//! | `layout` | where an object lies |
//! | `found` | an object's headers, read and written |
//! | `digests` | what they do not hold |
//! | `upload`, `multipart`, `staging`, `notes` | writing |
//! | `resumable` | writing over many requests |
//! | `reading` | reading |
//! | `names`, `listing`, `under_way` | lists |
//! | `presign` | links to read that the store answers |
//! | `sweep`, `abandoned`, `orphans` | what crashes left |
//! | `proof` | whether the store keeps conditions |
//! | `fault` | what a failure means |
//!
//! A change looks at what is there, decides, and names what it looked at in the request
//! (`If-Match`, `If-None-Match`), so that of several processes one wins. The store's own entity tag is
//! over the bytes alone: two processes that at the same moment give the same bytes two new
//! descriptions may both succeed. Within one process changes of one object wait for each other.

mod abandoned;
mod asking;
mod client;
mod digests;
mod fault;
mod found;
#[cfg(test)]
mod ground;
mod layout;
mod listing;
mod multipart;
mod names;
mod notes;
mod orphans;
mod presign;
mod proof;
mod reading;
mod resumable;
mod staging;
mod sweep;
mod under_way;
mod upload;

pub use fault::RemoteError;

pub(crate) use proof::{Conditions, Remedy};

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::path::Path;
use object_store::{Attributes, PutPayload};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::AbortHandle;
use uuid::Uuid;

use self::client::{Client, FIRST_PAUSE, Guard, Limits, SharedClient};
use self::digests::{Digests, Resolved};
use self::fault::Failure;
use self::found::Found;
use self::reading::{Bytes, Reach, START_BYTES, Stored};
use self::upload::{Allowed, S3Upload};
use super::{
    Deletion, ListQuery, Location, Object, Opened, Page, Pending, Resumable, Sizes, Storage,
    StorageError, Target, Upload,
};
use crate::key::Space;
use crate::preconditions::Preconditions;
use crate::settings::{self, LargeWrites, S3Settings};

/// Locks for changes: each key has one of them, so few unrelated ones wait for each other.
const CHANGE_LOCKS: usize = 256;

/// Longest wait for another change of the same object.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How often an object is looked at that changes while it is looked at.
const MAX_LOOKS: usize = 8;

/// Where each process has an object of its own for proofs.
const PROOFS: &str = ".dailey/health";

/// How long a proof holds: whoever routes traffic may ask every second.
const PROOF_HOLDS: Duration = Duration::from_secs(5);

/// Objects in a bucket: see [`Storage`] for what it guarantees.
#[derive(Clone, Debug)]
pub struct S3Storage {
    inner: Arc<Inner>,
    _sweeping: Arc<Sweeping>,
}

#[derive(Debug)]
struct Inner {
    client: SharedClient,
    digests: Digests,
    changes: Vec<Mutex<()>>,
    proven: Mutex<Option<Instant>>,
    /// This process's own object for proofs.
    proof: Path,
    large_writes: LargeWrites,
}

/// Ends with the store.
#[derive(Debug)]
struct Sweeping(Option<AbortHandle>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl S3Storage {
    /// Takes the bucket into use, and sweeps it now and then. Asks the bucket nothing yet. Must be
    /// called within a runtime.
    ///
    /// # Errors
    /// [`RemoteError`] where no client can be made.
    pub fn open(settings: &S3Settings, limits: &settings::Limits) -> Result<Self, RemoteError> {
        let inner = Inner::new(settings, Limits::serving(limits))?;
        let task = tokio::spawn(sweep::forever(Arc::clone(&inner.client)));
        Ok(Self {
            inner,
            _sweeping: Arc::new(Sweeping(Some(task.abort_handle()))),
        })
    }

    /// The bucket for a proof before the start: short times, no sweep.
    pub(crate) fn open_for_proof(settings: &S3Settings) -> Result<Self, RemoteError> {
        Ok(Self {
            inner: Inner::new(settings, Limits::PROOF)?,
            _sweeping: Arc::new(Sweeping(None)),
        })
    }
}

impl Storage for S3Storage {
    fn stat<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Object>> {
        Box::pin(async move {
            let path = layout::path(at)?;
            self.inner.stat(&path).await
        })
    }

    fn open<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Opened>> {
        Box::pin(async move {
            let path = layout::path(at)?;
            self.inner.open(&path, Reach::Whole).await
        })
    }

    fn open_in_part<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Opened>> {
        Box::pin(async move {
            let path = layout::path(at)?;
            self.inner.open(&path, Reach::Start).await
        })
    }

    fn upload(&self, target: Target) -> Pending<'_, Box<dyn Upload>> {
        Box::pin(async move {
            let upload = S3Upload::new(Arc::clone(&self.inner), target)?;
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
        Box::pin(async move {
            let path = layout::path(at)?;
            self.inner.delete(&path, conditions).await
        })
    }

    fn list<'a>(&'a self, space: &'a Space, query: &'a ListQuery) -> Pending<'a, Page> {
        Box::pin(listing::page(&self.inner, space, query))
    }

    fn sizes<'a>(&'a self, space: &'a Space, after: Option<String>) -> Pending<'a, Sizes> {
        Box::pin(listing::sizes(&self.inner, space, after))
    }

    fn presign<'a>(&'a self, at: &'a Location, life: Duration) -> Pending<'a, Option<String>> {
        Box::pin(async move { presign::sign(&self.inner, at, life).await.map(Some) })
    }

    fn probe(&self) -> Pending<'_, ()> {
        Box::pin(self.inner.probe())
    }
}

impl Inner {
    fn new(settings: &S3Settings, limits: Limits) -> Result<Arc<Self>, RemoteError> {
        let client = Arc::new(Client::new(settings, limits)?);
        Ok(Arc::new(Self {
            digests: Digests::new(Arc::clone(&client)),
            client,
            changes: (0..CHANGE_LOCKS).map(|_| Mutex::default()).collect(),
            proven: Mutex::default(),
            proof: Path::from(format!("{PROOFS}/{}", Uuid::new_v4().simple())),
            large_writes: settings.large_writes,
        }))
    }

    async fn stat(&self, path: &Path) -> Result<Option<Object>, StorageError> {
        for _ in 0..MAX_LOOKS {
            let Some(found) = self.client.head(path).await? else {
                return Ok(None);
            };
            if let Resolved::Object(object) = self.digests.resolve(&found).await? {
                return Ok(Some(object));
            }
        }
        Err(StorageError::Busy)
    }

    async fn open(&self, path: &Path, reach: Reach) -> Result<Option<Opened>, StorageError> {
        for _ in 0..MAX_LOOKS {
            let got = match reach {
                Reach::Whole => self.client.get(path).await,
                Reach::Start => self.client.get_start(path, START_BYTES).await,
            };
            let (found, bytes) = match got {
                Ok(got) => {
                    let found = Found::read(&got)?;
                    if reach == Reach::Whole && found.size > START_BYTES {
                        (found, Bytes::Coming(got.into_stream()))
                    } else {
                        match got.bytes().await.map_err(fault::failure) {
                            Ok(start) => (found, Bytes::Start(start)),
                            Err(Failure::Condition | Failure::Absent) => continue,
                            Err(other) => return Err(RemoteError::from(other).into()),
                        }
                    }
                }
                Err(Failure::Absent) => return Ok(None),
                // An empty object has no first byte.
                Err(Failure::Range) => match self.client.head(path).await? {
                    None => return Ok(None),
                    Some(found) if found.size == 0 => (found, Bytes::Start(bytes::Bytes::new())),
                    Some(_) => continue,
                },
                Err(other) => return Err(RemoteError::from(other).into()),
            };
            if let Resolved::Object(object) = self.digests.resolve(&found).await? {
                let content = Stored {
                    client: Arc::clone(&self.client),
                    path: found.path,
                    etag: found.etag,
                    size: found.size,
                    bytes,
                };
                return Ok(Some(Opened {
                    object,
                    content: Box::new(content),
                }));
            }
        }
        Err(StorageError::Busy)
    }

    async fn delete(
        &self,
        path: &Path,
        conditions: &Preconditions,
    ) -> Result<Deletion, StorageError> {
        let _changing = self.changing(path).await?;
        // Asked for, and not known whether it was done: if it is gone now, that is why.
        let mut unanswered: Option<(Found, RemoteError)> = None;
        let mut pause = FIRST_PAUSE;
        for failures in 0..MAX_LOOKS {
            let Some(found) = self.client.head(path).await? else {
                return Ok(match unanswered {
                    None => Deletion::Absent,
                    Some((gone, _)) => {
                        self.digests.forget(&gone).await;
                        Deletion::Deleted
                    }
                });
            };
            if let Some((_, error @ (RemoteError::Slow | RemoteError::Unreachable))) = unanswered {
                return Err(error.into());
            }
            let guard = if conditions.is_empty() {
                Guard::Anything
            } else {
                match self.allowed(Some(&found), conditions).await? {
                    Allowed::Yes(guard) => guard,
                    // It may have gone before this one came.
                    Allowed::No(there) => {
                        return unanswered
                            .map_or(Ok(Deletion::ConditionFailed(there)), |(_, error)| {
                                Err(error.into())
                            });
                    }
                    Allowed::LookAgain => continue,
                }
            };
            match self.client.delete(path, &guard).await {
                Ok(()) => {
                    self.digests.forget(&found).await;
                    return Ok(Deletion::Deleted);
                }
                Err(Failure::Condition | Failure::Absent) => {}
                Err(failure) => {
                    let error = RemoteError::from(failure);
                    // Without a condition it was asked often enough.
                    let is_final = conditions.is_empty() || failures >= self.client.changes_again();
                    if is_final || !error.may_pass() {
                        return Err(error.into());
                    }
                    tracing::warn!(%error, "a removal failed; looking whether it was done");
                    unanswered = Some((found, error));
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        Err(StorageError::Busy)
    }

    /// Whether what is there may be changed, and the guard for the change.
    async fn allowed(
        &self,
        current: Option<&Found>,
        conditions: &Preconditions,
    ) -> Result<Allowed, StorageError> {
        let Some(found) = current else {
            return Ok(if conditions.allow_change(None) {
                Allowed::Yes(Guard::Nothing)
            } else {
                Allowed::No(None)
            });
        };
        let still = || Allowed::Yes(Guard::Still(found.etag.clone()));
        match self.digests.resolve(found).await {
            Ok(Resolved::Object(object)) => {
                let allowed = conditions.allow_change(Some(&object.validators()));
                Ok(if allowed {
                    still()
                } else {
                    Allowed::No(Some(object))
                })
            }
            Ok(Resolved::Changed) => Ok(Allowed::LookAgain),
            Err(StorageError::Damaged(_)) => Ok(if conditions.allow_change_of_unknown() {
                still()
            } else {
                Allowed::No(None)
            }),
            Err(error) => Err(error),
        }
    }

    /// The right to change the object at `path`, within this process.
    async fn changing(&self, path: &Path) -> Result<MutexGuard<'_, ()>, StorageError> {
        let mut hasher = DefaultHasher::new();
        path.as_ref().hash(&mut hasher);
        let lock =
            &self.changes[usize::from(hasher.finish().to_le_bytes()[0]) % self.changes.len()];
        tokio::time::timeout(MAX_WAIT, lock.lock())
            .await
            .map_err(|_| StorageError::Busy)
    }

    async fn probe(&self) -> Result<(), StorageError> {
        let mut proven = self.proven.lock().await;
        if proven.is_some_and(|at| at.elapsed() < PROOF_HOLDS) {
            return Ok(());
        }
        *proven = None;
        let written = Uuid::new_v4().simple().to_string();
        let payload = PutPayload::from(written.clone());
        let put = self
            .client
            .put(&self.proof, payload, Attributes::new(), &Guard::Anything);
        put.await.map_err(RemoteError::from)?;
        let got = self.client.get_start(&self.proof, START_BYTES).await;
        let read = got.map_err(RemoteError::from)?.bytes().await;
        let read = read.map_err(|error| RemoteError::from(fault::failure(error)))?;
        if read != written {
            return Err(StorageError::Damaged(
                "what was read back is not what was written",
            ));
        }
        let _ = self.client.delete(&self.proof, &Guard::Anything).await;
        *proven = Some(Instant::now());
        Ok(())
    }
}
