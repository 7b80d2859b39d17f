//! Ends a connection whose peer makes it wait: for the rest of a request's head, or by not taking what
//! is sent. Otherwise each would hold its place, and perhaps a file, for ever.
//!
//! The stream sees bytes alone, so the service tells it where it is between requests ([`Progress`]).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How far a connection is. All clones tell the same.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<State>);

#[derive(Debug)]
struct State {
    phase: AtomicU8,
    /// Whether bytes of an answer may still be waiting to be written.
    is_delivering: AtomicBool,
    /// How many answers have begun.
    begun: AtomicU64,
}

/// A request's head is awaited: the first one from the start, a later one from its first byte.
const HEAD: u8 = 0;
/// A request is being answered.
const ANSWER: u8 = 1;
/// An answer is done; what comes next is another request, at some time.
const IDLE: u8 = 2;
/// As [`IDLE`], and the request had no body: what came behind the empty line at the end of its head
/// belongs to the next one.
const IDLE_AFTER_HEAD: u8 = 3;

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            phase: AtomicU8::new(HEAD),
            is_delivering: AtomicBool::new(false),
            begun: AtomicU64::new(0),
        }))
    }

    /// A whole head has arrived. The connection is idle again when the answer's body is dropped.
    pub(crate) fn answering(&self, has_body: bool) -> Answering {
        self.enter(ANSWER);
        self.0.is_delivering.store(true, Ordering::Relaxed);
        Answering {
            progress: self.clone(),
            number: self.0.begun.fetch_add(1, Ordering::Relaxed) + 1,
            then: if has_body { IDLE } else { IDLE_AFTER_HEAD },
        }
    }

    /// How many answers have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// All that was to be written is written.
    pub(crate) fn flushed(&self) {
        if !self.is(ANSWER) {
            self.0.is_delivering.store(false, Ordering::Relaxed);
        }
    }

    /// Whether no byte of an answer is on its way.
    pub(crate) fn is_between_answers(&self) -> bool {
        !self.is(ANSWER) && !self.0.is_delivering.load(Ordering::Relaxed)
    }

    /// Whether the next byte that comes is the first one of a head.
    pub(crate) fn is_before_head(&self) -> bool {
        self.is(IDLE) || self.is(IDLE_AFTER_HEAD)
    }

    fn enter(&self, phase: u8) {
        self.0.phase.store(phase, Ordering::Relaxed);
    }

    fn is(&self, phase: u8) -> bool {
        self.0.phase.load(Ordering::Relaxed) == phase
    }
}

/// An answer that is not done yet.
#[derive(Debug)]
pub(crate) struct Answering {
    progress: Progress,
    number: u64,
    then: u8,
}

impl Drop for Answering {
    fn drop(&mut self) {
        // hyper may keep the end of a body while it is at the next request.
        if self.progress.begun() == self.number {
            self.progress.enter(self.then);
        }
    }
}

/// An answer's body, at whose end the answer is done.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    pub(crate) body: Body,
    pub(crate) _answering: Answering,
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that fails with `TimedOut` when its peer makes it wait too long.
pub(crate) struct PatientStream<S> {
    stream: S,
    progress: Progress,
    head_timeout: Duration,
    head_began: Instant,
    head: Deadline,
    /// The last bytes that came, in whichever steps.
    last_read: [u8; 3],
    stall_timeout: Duration,
    stall: Deadline,
}

/// A timer that is set only while something is waited for.
struct Deadline {
    sleep: Pin<Box<Sleep>>,
    running: bool,
}

impl Deadline {
    fn new() -> Self {
        Self {
            sleep: Box::pin(sleep_until(Instant::now())),
            running: false,
        }
    }

    /// Starts it, unless it runs, and fails once it is over.
    fn poll<T>(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<io::Result<T>> {
        if !self.running {
            self.running = true;
            self.sleep.as_mut().reset(at);
        }
        self.sleep
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S> PatientStream<S> {
    pub(crate) fn new(
        stream: S,
        progress: Progress,
        head_timeout: Duration,
        stall_timeout: Duration,
    ) -> Self {
        Self {
            stream,
            progress,
            head_timeout,
            head_began: Instant::now(),
            head: Deadline::new(),
            last_read: [0; 3],
            stall_timeout,
            stall: Deadline::new(),
        }
    }

    /// A head's first byte is here.
    fn begin_head(&mut self) {
        self.progress.enter(HEAD);
        self.head_began = Instant::now();
        self.head.running = false;
    }

    fn note(&mut self, read: &[u8]) {
        for byte in &read[read.len().saturating_sub(self.last_read.len())..] {
            self.last_read = [self.last_read[1], self.last_read[2], *byte];
        }
    }

    /// Whether what came last is the empty line that ends a head.
    fn read_ends_a_head(&self) -> bool {
        matches!(self.last_read, [b'\n', b'\r', b'\n'] | [_, b'\n', b'\n'])
    }

    /// The result of a write, or an error when it has waited for too long.
    fn written<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall.running = false;
            return written;
        }
        self.stall
            .poll(context, Instant::now() + self.stall_timeout)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if polled.is_ready() {
            this.note(&buffer.filled()[before..]);
            if this.progress.is_before_head() {
                this.begin_head();
            }
            return polled;
        }
        // It came together with the request before it, or during that one's answer.
        if this.progress.is(IDLE_AFTER_HEAD) && !this.read_ends_a_head() {
            this.begin_head();
        }
        if this.progress.is(HEAD) {
            return this.head.poll(context, this.head_began + this.head_timeout);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_late_end_of_an_answer_is_not_that_of_the_next_one() {
        let progress = Progress::new();
        assert!(progress.is_between_answers());
        let first = progress.answering(false);
        let second = progress.answering(false);
        drop(first);
        progress.flushed();
        assert!(!progress.is_between_answers() && !progress.is_before_head());
        drop(second);
        // Its bytes may still wait to be written.
        assert!(!progress.is_between_answers() && progress.is_before_head());
        progress.flushed();
        assert!(progress.is_between_answers());
    }
}
