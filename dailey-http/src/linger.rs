//! Reads on, for a while, what a refused request still sends: a client that writes into a closed
//! connection never sees the answer that says why.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long is read on.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Most bytes that are read on: what the edge in front lets through.
const MAX_BYTES: usize = 100 * 1024 * 1024;

/// A request's body; dropping it before its end reads on in the background.
pub(crate) struct LingeringBody {
    /// `None` when there is nothing more to read, or nothing may be asked for.
    body: Option<Incoming>,
    /// The client waits to be asked for the body, which reading does.
    on_demand: bool,
}

impl LingeringBody {
    pub(crate) fn new(body: Incoming, on_demand: bool) -> Self {
        Self {
            body: Some(body),
            on_demand,
        }
    }
}

impl Body for LingeringBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.on_demand = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let ended = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(ended, Body::size_hint)
    }
}

impl Drop for LingeringBody {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| !body.is_end_stream());
        if let (Some(body), false, Ok(runtime)) = (left, self.on_demand, Handle::try_current()) {
            runtime.spawn(timeout(MAX_TIME, read_on(body)));
        }
    }
}

async fn read_on(mut body: Incoming) {
    let mut came = 0;
    while came < MAX_BYTES {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match frame.await {
            Some(Ok(frame)) => came += frame.data_ref().map_or(0, Bytes::len),
            None | Some(Err(_)) => break,
        }
    }
}
