//! An opened object's bytes as a response body: one bounded read ahead of the client, off the async
//! threads where it may wait for the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use super::opening;
use crate::storage::{Content, Pending};

/// Bytes of one read.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An open file: it stays what it was even when another takes its name.
#[derive(Debug)]
pub(super) struct Stored(pub(super) File);

/// An object that was small enough to be read whole at once.
#[derive(Debug)]
pub(super) struct Whole(pub(super) Bytes);

impl Content for Stored {
    fn body(self: Box<Self>, range: Range<u64>) -> Pending<'static, Option<Body>> {
        let body = FileBody {
            file: Arc::new(self.0),
            left: range,
            reading: None,
        };
        Box::pin(async { Ok(Some(Body::new(body))) })
    }
}

impl Content for Whole {
    fn body(self: Box<Self>, range: Range<u64>) -> Pending<'static, Option<Body>> {
        let part = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok());
        let body = part.map_or_else(Body::empty, |(start, end)| {
            Body::from(self.0.slice(start..end))
        });
        Box::pin(async { Ok(Some(body)) })
    }
}

struct FileBody {
    file: Arc<File>,
    left: Range<u64>,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The next bytes, if they are in memory.
    fn next_at_hand(&self) -> Option<Bytes> {
        if self.reading.is_some() {
            return None;
        }
        opening::bytes_at_hand(&self.file, self.next_length().ok()?, self.left.start)
    }

    /// The next bytes, read on a thread that may wait for the disk.
    fn poll_next_from_disk(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let (file, length, start) = (Arc::clone(&self.file), self.next_length(), self.left.start);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; length?];
                file.read_exact_at(&mut chunk, start)?;
                Ok(chunk.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        Poll::Ready(read.map_err(io::Error::other).flatten())
    }

    fn next_length(&self) -> io::Result<usize> {
        let length = CHUNK_BYTES.min(self.left.end - self.left.start);
        usize::try_from(length).map_err(io::Error::other)
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let chunk = match self.next_at_hand() {
            Some(chunk) => Ok(chunk),
            None => ready!(self.poll_next_from_disk(context)),
        };
        if let Ok(chunk) = &chunk {
            self.left.start += chunk.len() as u64;
        } else {
            self.left.start = self.left.end;
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}
