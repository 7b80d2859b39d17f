//! How fast a body must come: a client may be slow, but not hold its place for ever.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

/// How slowly a body may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Longest pause between two pieces. Default 30 s.
    pub pause: Duration,
    /// Every body has this long, whatever its size. Default 60 s.
    pub least_time: Duration,
    /// A longer one must come at least this fast, on average; 0 is as 1. Default 64 KiB.
    pub least_bytes_per_second: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(30),
            least_time: Duration::from_secs(60),
            least_bytes_per_second: 64 * 1024,
        }
    }
}

/// A body that is watched: it comes at least at its [`Pace`].
#[derive(Debug)]
pub struct Paced {
    body: Body,
    pace: Pace,
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
    pub fn new(body: Body, pace: Pace) -> Self {
        Self {
            body,
            pace,
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
            let by_size = Duration::from_secs(self.came / self.pace.least_bytes_per_second.max(1));
            let end = self.started + self.pace.least_time.max(by_size);
            let end = end.min(Instant::now() + self.pace.pause);
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
