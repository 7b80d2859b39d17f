//! An object's bytes as a body: the start is in memory already, the rest comes as it is taken, and
//! only from the state that was opened.

use std::io;
use std::ops::Range;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;

use super::client::SharedClient;
use super::fault::{RemoteError, failure};
use crate::storage::Content;

/// Read with an object's headers: small objects whole, in one request.
pub(super) const START_BYTES: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) client: SharedClient,
    pub(super) path: Path,
    pub(super) etag: String,
    pub(super) start: Bytes,
}

impl Content for Stored {
    fn body(self: Box<Self>, range: Range<u64>) -> Body {
        if range.is_empty() {
            return Body::empty();
        }
        let in_memory = self.start.len() as u64;
        let at = |offset: u64| usize::try_from(offset.min(in_memory)).unwrap_or(usize::MAX);
        let start = self.start.slice(at(range.start)..at(range.end));
        if range.end <= in_memory {
            return Body::from(start);
        }
        let rest = range.start.max(in_memory)..range.end;
        let first = stream::iter((!start.is_empty()).then_some(Ok(start)));
        Body::from_stream(first.chain(self.rest(rest)))
    }
}

impl Stored {
    fn rest(self: Box<Self>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let expected = range.end - range.start;
        let opening = async move {
            let got = self
                .client
                .get_still(&self.path, &self.etag, Some(range))
                .await;
            let got = got.map_err(|failure| io::Error::other(RemoteError::from(failure)))?;
            Ok::<_, io::Error>(got.into_stream().map_err(|error| {
                let error = RemoteError::from(failure(error));
                tracing::warn!(%error, "an object could not be read to its end");
                io::Error::other(error)
            }))
        };
        let bytes = stream::once(opening).try_flatten();
        // A body that ends early must not pass for a whole one.
        let counted = stream::unfold(Some((bytes.boxed(), expected)), |state| async {
            let (mut bytes, missing) = state?;
            match bytes.next().await {
                Some(Ok(piece)) => {
                    let missing = missing.checked_sub(piece.len() as u64);
                    match missing {
                        Some(missing) => Some((Ok(piece), Some((bytes, missing)))),
                        None => Some((Err(io::Error::other(RemoteError::Broken)), None)),
                    }
                }
                Some(Err(error)) => Some((Err(error), None)),
                None if missing > 0 => Some((Err(io::Error::other(RemoteError::Broken)), None)),
                None => None,
            }
        });
        counted.boxed()
    }
}
