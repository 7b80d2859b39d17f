//! What every store promises, and the stores.
//!
//! The rest of the program knows only [`Storage`]; files are the business of [`local`], buckets that
//! of [`s3`].

mod conditions;
mod copy;
pub mod local;
mod presign;
pub(crate) mod records;
pub(crate) mod resumable;
pub mod s3;

pub(crate) use conditions::{Tried, try_conditions};
pub(crate) use copy::{Copied, copy_object};
pub use presign::{LinkMethod, MAX_LINK_SECONDS};
pub use resumable::{MAX_PIECE_BYTES, Received, Resumable};

use std::fmt::Debug;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::HeaderMap;

use crate::description::Description;
use crate::digest::Sha256;
use crate::key::{ObjectKey, Space};
use crate::preconditions::{Preconditions, Validators};
use crate::representation::{self, Download};
use crate::settings::{Limits, StorageSettings};

/// Bytes of an entity tag: nobody meets two alike.
const TAG_BYTES: usize = 16;

/// Most objects on a page of sizes: as many as S3 has on one of keys.
const SIZES_OF_A_PAGE: usize = 1000;

/// What a store's call gives in the end.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// A place for objects.
///
/// Every implementation guarantees:
/// - **atomic**: a reader sees an object whole, as it was before or after a change, never between;
///   what it has opened stays as it was, whatever happens meanwhile;
/// - **durable**: a change that was reported survives the loss of power;
/// - **conditional**: conditions are tried on the very state that the change replaces, so of
///   several that race for the same state one wins;
/// - **nothing half**: an upload that is not committed leaves nothing that anybody can see, not
///   after a crash either.
pub trait Storage: Debug + Send + Sync + 'static {
    /// The object at `at`, without its bytes.
    fn stat<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Object>>;

    /// The object at `at`, ready to be read whole.
    fn open<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Opened>>;

    /// The same where a part may be enough, or nothing: only a little is asked of a store that is far.
    fn open_in_part<'a>(&'a self, at: &'a Location) -> Pending<'a, Option<Opened>> {
        self.open(at)
    }

    /// Begins an upload to `target`. Dropping it before the commit undoes it.
    fn upload(&self, target: Target) -> Pending<'_, Box<dyn Upload>>;

    /// Uploads that go on over many requests.
    fn resumable(&self) -> &dyn Resumable;

    /// Removes the object at `at`, if `conditions` allow it.
    fn delete<'a>(
        &'a self,
        at: &'a Location,
        conditions: &'a Preconditions,
    ) -> Pending<'a, Deletion>;

    /// One page of the objects in `space`, by the bytes of their keys.
    fn list<'a>(&'a self, space: &'a Space, query: &'a ListQuery) -> Pending<'a, Page>;

    /// The sizes of the objects in `space` behind the key `after`, a page of them. A store may know them without
    /// asking what each object is.
    fn sizes<'a>(&'a self, space: &'a Space, after: Option<String>) -> Pending<'a, Sizes> {
        Box::pin(async move {
            let query = ListQuery {
                prefix: String::new(),
                depth: Depth::All,
                limit: SIZES_OF_A_PAGE,
                after,
            };
            let page = self.list(space, &query).await?;
            let objects = page.objects.iter();
            Ok(Sizes {
                bytes: objects.map(|(_, object)| object.size).collect(),
                next: page.next,
            })
        })
    }

    /// A link by which the store itself gives the object at `at` to whoever has it, for `life`: whole
    /// seconds, 1 to [`MAX_LINK_SECONDS`]. `None` where the service is to sign and answer it itself. There
    /// is none to write: nobody would count the bytes, bound them, or write down that they came.
    fn presign<'a>(&'a self, _at: &'a Location, _life: Duration) -> Pending<'a, Option<String>> {
        Box::pin(async { Ok(None) })
    }

    /// Proves that the store can be written and read now.
    fn probe(&self) -> Pending<'_, ()>;
}

/// An upload under way. Holds a bounded part of the bytes in memory.
pub trait Upload: Send {
    /// Adds bytes at the end.
    fn write(&mut self, bytes: Bytes) -> Pending<'_, ()>;

    /// Makes the object visible at its target, if its digest and conditions hold.
    fn commit(self: Box<Self>, commit: Commit) -> Pending<'static, Committed>;
}

/// What an upload becomes. Some stores must know it before the first byte.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub at: Location,
    /// What the client says about it.
    pub description: Description,
}

/// What must hold for an upload to be stored.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// For what is there.
    pub conditions: Preconditions,
    /// The digest that the bytes must have, when the client gave one.
    pub expected: Option<Sha256>,
}

/// How a commit ended. Only the first stored anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The object is there.
    Stored {
        /// As it is now.
        object: Object,
        /// Whether one was there before.
        replaced: Replaced,
    },
    /// The conditions did not hold for what is there, as far as it is there and can be told.
    ConditionFailed(Option<Object>),
    /// The bytes are not those of the expected digest.
    DigestMismatch,
}

/// Whether a stored object took another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// There was none.
    Nothing,
    /// There was one.
    Object,
}

/// How a deletion ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The object is gone.
    Deleted,
    /// There was none.
    Absent,
    /// The conditions did not hold for what is there, as far as it can be told.
    ConditionFailed(Option<Object>),
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Whose it is.
    pub space: Space,
    /// Its name there.
    pub key: ObjectKey,
}

/// A stored object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Number of bytes.
    pub size: u64,
    /// Digest of the bytes.
    pub sha256: Sha256,
    /// Time of the commit in milliseconds since 1970.
    pub modified_ms: u64,
    /// What the client said about it.
    pub description: Description,
}

impl Object {
    /// What conditional requests compare. The tag is over the bytes and their description: both
    /// are what an answer holds (RFC 9110 8.8.1).
    pub fn validators(&self) -> Validators {
        let tag = self.description.digest(self.sha256);
        Validators {
            etag: format!("\"{}\"", HEXLOWER.encode(&tag.as_ref()[..TAG_BYTES])),
            modified_seconds: self.modified_ms / 1000,
        }
    }

    /// The headers of an answer with its bytes, but for their length: what it is, how it is cached, and
    /// the policy that keeps it from acting in a browser.
    pub fn headers(&self, key: &ObjectKey) -> HeaderMap {
        representation::headers(key, self, &Download::AsStored)
    }

    /// Time of the commit.
    pub fn modified(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.modified_ms)
    }
}

/// An object ready to be read.
#[derive(Debug)]
pub struct Opened {
    /// The object.
    pub object: Object,
    /// Its bytes.
    pub content: Box<dyn Content>,
}

impl Opened {
    /// All its bytes, of what was opened by [`Storage::open`].
    ///
    /// # Errors
    /// [`StorageError`]
    pub async fn whole(self) -> Result<Body, StorageError> {
        let body = self.content.body(0..self.object.size).await?;
        body.ok_or(StorageError::Busy)
    }
}

/// An object's bytes, as they were when it was opened.
pub trait Content: Debug + Send {
    /// These bytes as a body that is read as the client takes it. `None` where another object has taken
    /// the place of this one and a part of it that was not asked for before cannot be had any more: to
    /// be opened anew. Once there is a body, all of it is of the object that was opened.
    ///
    /// `range` lies within the object's size.
    fn body(self: Box<Self>, range: Range<u64>) -> Pending<'static, Option<Body>>;
}

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Start of the keys; may be empty.
    pub prefix: String,
    /// How deep.
    pub depth: Depth,
    /// Most objects and prefixes together; at least 1.
    pub limit: usize,
    /// Only what comes after this object's key or prefix.
    pub after: Option<String>,
}

/// How deep a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every key that begins with the prefix.
    All,
    /// Only to the next slash behind the prefix; what lies deeper shows as one prefix.
    ToNextSlash,
}

/// One page of a list: objects and prefixes, each by their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Objects.
    pub objects: Vec<(ObjectKey, Object)>,
    /// What lies deeper, up to and with its slash.
    pub prefixes: Vec<String>,
    /// Where the next page goes on, if there is more.
    pub next: Option<String>,
}

/// One page of sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of each object.
    pub bytes: Vec<u64>,
    /// Where the next page goes on, if there is more.
    pub next: Option<String>,
}

/// Takes the store that the settings name into use. Must be called within a runtime.
///
/// # Errors
/// [`OpenError`]
pub(crate) fn open(
    settings: &StorageSettings,
    limits: &Limits,
) -> Result<Arc<dyn Storage>, OpenError> {
    Ok(match settings {
        StorageSettings::Local(root) => Arc::new(local::LocalStorage::open(root)?),
        StorageSettings::S3(settings) => Arc::new(s3::S3Storage::open(settings, limits)?),
    })
}

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its folder.
    #[error(transparent)]
    Local(#[from] local::OpenError),
    /// Its bucket.
    #[error(transparent)]
    S3(#[from] s3::RemoteError),
}

/// A store that could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The disk or the network.
    #[error("the store failed: {0}")]
    Io(#[from] std::io::Error),
    /// The object store.
    #[error("the store failed: {0}")]
    Remote(#[from] s3::RemoteError),
    /// The key is not too long, but with the space's own name in front it is.
    #[error(
        "with the names of its app and subject in front the key is longer than the 1024 bytes that the object store takes"
    )]
    KeyTooLong,
    /// Too much is being done already.
    #[error("the store is busy")]
    Busy,
    /// An object is not as it was written.
    #[error("a stored object is damaged: {0}")]
    Damaged(&'static str),
}
