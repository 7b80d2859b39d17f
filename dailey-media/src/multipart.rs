//! Several parts of one object in one body: `multipart/byteranges` (RFC 9110 14.6).

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use uuid::Uuid;

/// Text between the parts, and the parts.
pub(crate) struct Multipart {
    boundary: String,
    pieces: VecDeque<Piece>,
    /// Bytes that are left.
    left: u64,
}

enum Piece {
    Text(Bytes),
    Part(Body),
}

impl Multipart {
    /// `content_type` and `size` are the whole object's; each part's body has as many bytes as its
    /// range.
    pub(crate) fn new(content_type: &str, size: u64, parts: Vec<(Range<u64>, Body)>) -> Self {
        // Random, so that no object can have it in its bytes.
        let boundary = Uuid::new_v4().simple().to_string();
        let mut multipart = Self {
            boundary,
            pieces: VecDeque::new(),
            left: 0,
        };
        for (range, body) in parts {
            multipart.text(format!(
                "\r\n--{}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
                multipart.boundary,
                content_range(&range, size)
            ));
            multipart.left += range.end - range.start;
            multipart.pieces.push_back(Piece::Part(body));
        }
        multipart.text(format!("\r\n--{}--\r\n", multipart.boundary));
        multipart
    }

    fn text(&mut self, text: String) {
        self.left += text.len() as u64;
        self.pieces.push_back(Piece::Text(text.into()));
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    pub(crate) fn content_length(&self) -> u64 {
        self.left
    }
}

/// The value of `Content-Range` for a part of an object of `size` bytes.
pub(crate) fn content_range(part: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end - 1)
}

impl http_body::Body for Multipart {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            let frame = match self.pieces.front_mut() {
                None => return Poll::Ready(None),
                Some(Piece::Text(text)) => {
                    let text = std::mem::take(text);
                    self.pieces.pop_front();
                    Some(Ok(Frame::data(text)))
                }
                Some(Piece::Part(part)) => ready!(Pin::new(part).poll_frame(context)),
            };
            match frame {
                // The next piece.
                None => _ = self.pieces.pop_front(),
                Some(frame) => {
                    match &frame {
                        Ok(frame) => {
                            let bytes = frame.data_ref().map_or(0, Bytes::len);
                            self.left = self.left.saturating_sub(bytes as u64);
                        }
                        Err(_) => self.pieces.clear(),
                    }
                    return Poll::Ready(Some(frame));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
