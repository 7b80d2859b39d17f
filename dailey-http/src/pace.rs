//! How fast a body must come: a client may be slow, but not hold its place for ever.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

/// Longest pause between two pieces of a body.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Every body has this long, whatever its size.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// A longer one must come at least this fast, on average.
const LEAST_BYTES_PER_SECOND: u64 = 64 * 1024;

/// A body that is watched: at most 30 s between two pieces, and after a minute at least 64 KiB a second on
/// average.
#[derive(Debug)]
pub struct Paced {
    body: Body,
    started: Instant,
    came: u64,
}

/// Why there is no next piece, though the body has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended too early.
    Broken,
    /// It comes too slowly.
    TooSlow,
}

impl Paced {
    /// Its time begins now.
    pub fn new(body: Body) -> Self {
        Self {
            body,
            started: Instant::now(),
            came: 0,
        }
    }

    /// The next piece; `None` at the end. Nothing is lost when it is dropped.
    ///
    /// # Errors
    /// [`Ended`]; there is nothing more to ask for then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Ended> {
        loop {
            let by_size = Duration::from_secs(self.came / LEAST_BYTES_PER_SECOND);
            let end = self.started + LEAST_TIME.max(by_size);
            let end = end.min(Instant::now() + MAX_PAUSE);
            let frame = match timeout_at(end, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => return Err(Ended::Broken),
                Err(_) => return Err(Ended::TooSlow),
            };
            // Trailers say nothing that is kept.
            if let Ok(bytes) = Frame::into_data(frame) {
                self.came += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
    }

    /// How many bytes have come.
    pub fn came(&self) -> u64 {
        self.came
    }
}
