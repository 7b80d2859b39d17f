//! An object's bytes as a body. A whole object is one answer of the store, passed on as it is taken. Of a
//! part, the start may be in memory already; the rest is asked for from the state that was opened, and from
//! no other.

use std::fmt;
use std::io;
use std::ops::Range;

use axum::body::Body;
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use object_store::path::Path;

use super::client::SharedClient;
use super::fault::{Failure, RemoteError, failure};
use crate::storage::{Content, Pending};

/// Read with an object's headers: small objects whole, in one request.
pub(super) const START_BYTES: u64 = 64 * 1024;

/// How much of an object is asked for when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Whole,
    /// [`START_BYTES`].
    Start,
}

/// What came when the object was opened.
pub(super) enum Bytes {
    /// All that was asked for.
    Start(bytes::Bytes),
    /// The whole object, as it is taken.
    Coming(BoxStream<'static, object_store::Result<bytes::Bytes>>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(start) => write!(formatter, "Start({} bytes)", start.len()),
            Self::Coming(_) => write!(formatter, "Coming"),
        }
    }
}

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) client: SharedClient,
    pub(super) path: Path,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) bytes: Bytes,
}

impl Content for Stored {
    fn body(self: Box<Self>, range: Range<u64>) -> Pending<'static, Option<Body>> {
        Box::pin(async move {
            if range.is_empty() {
                return Ok(Some(Body::empty()));
            }
            let start = match self.bytes {
                Bytes::Coming(bytes) if range == (0..self.size) => {
                    let counted = counted(bytes, self.size);
                    return Ok(Some(Body::from_stream(counted)));
                }
                Bytes::Coming(_) => bytes::Bytes::new(),
                Bytes::Start(start) => start,
            };
            let in_memory = start.len() as u64;
            let at = |offset: u64| usize::try_from(offset.min(in_memory)).unwrap_or(usize::MAX);
            let start = start.slice(at(range.start)..at(range.end));
            if range.end <= in_memory {
                return Ok(Some(Body::from(start)));
            }
            let rest = range.start.max(in_memory)..range.end;
            let missing = rest.end - rest.start;
            let got = self.client.get_still(&self.path, &self.etag, Some(rest));
            let bytes = match got.await {
                Ok(got) => counted(got.into_stream(), missing),
                Err(Failure::Condition | Failure::Absent | Failure::Range) => return Ok(None),
                Err(other) => return Err(RemoteError::from(other).into()),
            };
            let first = stream::iter((!start.is_empty()).then_some(Ok(start)));
            Ok(Some(Body::from_stream(first.chain(bytes))))
        })
    }
}

/// A body that ends early must not pass for a whole one.
fn counted(
    bytes: BoxStream<'static, object_store::Result<bytes::Bytes>>,
    expected: u64,
) -> impl Stream<Item = io::Result<bytes::Bytes>> + Send + use<> {
    let bytes = bytes.map_err(|error| {
        let error = RemoteError::from(failure(error));
        tracing::warn!(%error, "an object could not be read to its end");
        io::Error::other(error)
    });
    let broken = || io::Error::other(RemoteError::Broken);
    stream::unfold(Some((bytes, expected)), move |state| async move {
        let (mut bytes, missing) = state?;
        match bytes.next().await {
            Some(Ok(piece)) => match missing.checked_sub(piece.len() as u64) {
                Some(missing) => Some((Ok(piece), Some((bytes, missing)))),
                None => Some((Err(broken()), None)),
            },
            Some(Err(error)) => Some((Err(error), None)),
            None if missing > 0 => Some((Err(broken()), None)),
            None => None,
        }
    })
}
