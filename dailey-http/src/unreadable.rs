//! A head that hyper cannot read it answers by itself, and with no body: 400 and 431. Here such an
//! answer gets the problem that every error has, and is counted and logged like any other.
//!
//! hyper offers no hook for it. So the stream looks at what is written while no answer of the app is: that
//! can only be hyper's own. The app is asked for the body with a request that stands for the unreadable one.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use http::{HeaderName, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tower::ServiceExt;

use crate::deadlines::Progress;
use crate::problem::Problem;

/// Longest answer of hyper's own: a status line and three headers.
const MAX_BYTES: usize = 512;

/// How such an answer says that it has no body.
const NO_BODY: &[u8] = b"\r\ncontent-length: 0\r\n";

/// How long a client may go on sending what nobody reads: one that writes into a closed connection never
/// sees the answer that says why.
const LINGER: Duration = Duration::from_secs(2);

/// Most bytes that are read on.
const MAX_LINGER_BYTES: usize = 1024 * 1024;

/// In the extensions of a request that stands for one whose head cannot be read: the status that it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreadable(StatusCode);

impl Unreadable {
    /// What it is answered.
    pub(crate) fn problem(self) -> Problem {
        let (code, detail) = match self.0 {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG => (
                "head_too_large",
                "the request's line and headers are more, or longer, than are read here: send fewer or shorter ones",
            ),
            _ => (
                "malformed_request",
                "the request's line or a header is not HTTP/1.1: see RFC 9112",
            ),
        };
        Problem::new(self.0, code, detail)
    }
}

/// A stream on which hyper's own answers are completed.
pub(crate) struct CompletedStream<S> {
    stream: S,
    progress: Progress,
    app: Router,
    peer: SocketAddr,
    /// How many answers had begun when a head began as one of HEAD, whose answer has no body.
    head_after: Option<u64>,
    is_new: bool,
    own: Own,
    linger: Option<Linger>,
}

/// An answer of hyper's own.
enum Own {
    None,
    Completing(Pin<Box<dyn Future<Output = Bytes> + Send>>),
    Sending(Bytes),
    Sent,
}

struct Linger {
    until: Pin<Box<Sleep>>,
    left_bytes: usize,
}

impl<S> CompletedStream<S> {
    pub(crate) fn new(stream: S, progress: Progress, app: Router, peer: SocketAddr) -> Self {
        Self {
            stream,
            progress,
            app,
            peer,
            head_after: None,
            is_new: true,
            own: Own::None,
            linger: None,
        }
    }

    /// Whether these bytes are hyper's own answer, which is completed from here on.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        if !matches!(self.own, Own::None) || !self.progress.is_between_answers() {
            return false;
        }
        let Some(status) = status_of(bytes) else {
            return false;
        };
        // No route has this method or this path, so it is counted as none of theirs.
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::TRACE;
        *request.uri_mut() = Uri::from_static("*");
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(Unreadable(status));
        let answer = self.app.clone().oneshot(request);
        let bare = Bytes::copy_from_slice(bytes);
        // One that came behind another in the same bytes is not known.
        let is_head = self.head_after == Some(self.progress.begun());
        self.own = Own::Completing(Box::pin(async move {
            let completed = completed(&bare, status, is_head, answer).await;
            completed.unwrap_or(bare)
        }));
        true
    }
}

/// The status, where these bytes are a whole answer to a head that cannot be read.
fn status_of(bytes: &[u8]) -> Option<StatusCode> {
    if bytes.len() > MAX_BYTES || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let version = [&b"HTTP/1.1 "[..], b"HTTP/1.0 "];
    let rest = version.iter().find_map(|text| bytes.strip_prefix(*text))?;
    match rest.get(..3)? {
        b"400" => Some(StatusCode::BAD_REQUEST),
        b"414" => Some(StatusCode::URI_TOO_LONG),
        b"431" => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        _ => None,
    }
}

/// hyper's answer with the headers and the body of the app's; `None` where the app says something else, as
/// one without the stack does.
async fn completed(
    bare: &[u8],
    status: StatusCode,
    is_head: bool,
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Option<Bytes> {
    let Ok(answer) = answer.await;
    if answer.status() != status {
        return None;
    }
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let head = bare.strip_suffix(b"\r\n")?;
    let at = head.windows(NO_BODY.len()).position(|at| at == NO_BODY)?;
    let (before, after) = (&head[..at], &head[at + NO_BODY.len()..]);
    // HTTP/1.0 closes without saying so.
    let before = before.strip_suffix(b"\r\nconnection: close");
    let before = before.unwrap_or(&head[..at]);
    let mut bytes = [before, b"\r\n", after].concat();
    let mut line = |name: &HeaderName, value: &[u8]| {
        for piece in [name.as_str().as_bytes(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(piece);
        }
    };
    line(&header::CONTENT_LENGTH, body.len().to_string().as_bytes());
    line(&header::CONNECTION, b"close");
    let of_hyper = [header::CONTENT_LENGTH, header::CONNECTION, header::DATE];
    for (name, value) in &parts.headers {
        if !of_hyper.contains(name) {
            line(name, value.as_bytes());
        }
    }
    bytes.extend_from_slice(b"\r\n");
    if !is_head {
        bytes.extend_from_slice(&body);
    }
    Some(bytes.into())
}

impl<S: AsyncRead + AsyncWrite + Unpin> CompletedStream<S> {
    /// Sends what is completed, if anything is.
    fn poll_own(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.own {
                Own::None | Own::Sent => return Poll::Ready(Ok(())),
                Own::Completing(answer) => {
                    self.own = Own::Sending(ready!(answer.as_mut().poll(context)));
                }
                Own::Sending(bytes) if bytes.is_empty() => self.own = Own::Sent,
                Own::Sending(bytes) => {
                    let sent = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
                    if sent == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    let _ = bytes.split_to(sent);
                }
            }
        }
    }

    /// Reads on until the client ends, or has had its time.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(sleep(LINGER)),
            left_bytes: MAX_LINGER_BYTES,
        });
        let mut space = [0; 4096];
        while linger.left_bytes > 0 && linger.until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            if ready!(read).is_err() || buffer.filled().is_empty() {
                break;
            }
            linger.left_bytes = linger.left_bytes.saturating_sub(buffer.filled().len());
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for CompletedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let begins = self.is_new || self.progress.is_before_head();
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if begins && read.is_ready() {
            self.is_new = false;
            let is_head = buffer.filled()[before..].starts_with(b"HEAD ");
            self.head_after = is_head.then(|| self.progress.begun());
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CompletedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.takes(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head without a body is one piece.
        if let [bytes] = parts
            && self.takes(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(context))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        // It is called once all is written that was to be.
        self.progress.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if matches!(self.own, Own::Sent) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
