//! The accept loop: a bounded number of HTTP/1.1 connections, in all and of one address, a bounded
//! head, bounded waits, and a bounded drain. `axum::serve` sets none of these.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::client::TrustedProxies;
use crate::deadlines::{AnswerBody, PatientStream, Progress};
use crate::linger::LingeringBody;
use crate::places::Places;
use crate::unreadable::CompletedStream;

/// Wait after a failed accept: the usual cause, no free file descriptor, does not go away at once.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Most bytes buffered for reading a connection: larger than a head, so that bodies move in fewer steps.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// What one listener allows. The defaults are meant to stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest time from a request's first byte to the end of its head; of the first request, from
    /// the connection's start, so that those who never send a byte are closed, too; of one whose first
    /// byte came before the last answer was done, from that answer's end. Default 10 s.
    pub header_read_timeout: Duration,
    /// Longest time from the end of an answer to the end of the next head. Default 75 s: above the
    /// 60 s for which nginx keeps a connection, so that it is never closed under a request.
    pub keep_alive_timeout: Duration,
    /// Most headers in a request; more are answered 431. Default 64.
    pub max_headers: usize,
    /// Largest request head in bytes; more are answered 431. Default 16 KiB.
    pub max_head_bytes: usize,
    /// Most connections at once; further ones wait in the kernel's queue. Default 1024.
    pub max_connections: usize,
    /// Most connections of one address (IPv6: of one /64); further ones are closed at once. Default 64.
    pub max_connections_per_address: usize,
    /// They speak for many, so the bound per address is not for them. Default loopback.
    pub trusted_proxies: TrustedProxies,
    /// Longest time that a peer may leave bytes of an answer untaken. Default 30 s.
    pub write_stall_timeout: Duration,
    /// Longest time that requests under way are given after the shutdown signal. Default 25 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            max_headers: 64,
            max_head_bytes: 16 * 1024,
            max_connections: 1024,
            max_connections_per_address: 64,
            trusted_proxies: TrustedProxies::loopback(),
            write_stall_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(25),
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody listens there already.
    #[error("port {} is taken: stop what listens there or set PORT", .0.port())]
    Taken(SocketAddr),
    /// The address is not one of this machine, or the port needs a right that the process lacks.
    #[error(
        "cannot listen on {address}: {source}: set BIND to an address of this machine and PORT to a free port"
    )]
    Refused {
        /// Where it was tried.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Listens on `address`.
///
/// # Errors
/// [`BindError`], in words for the operator.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken(address),
            _ => BindError::Refused { address, source },
        })
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request under way was answered.
    Clean,
    /// The drain's time was over with this many connections still open; they were cut.
    Cut {
        /// Connections that were cut.
        connections: usize,
    },
}

/// Serves `app` until `shutdown` completes, then lets requests under way finish.
///
/// Each request carries its peer as [`ConnectInfo<SocketAddr>`]. Dropping the future closes
/// everything at once.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let places = Places::new(
        limits.max_connections,
        limits.max_connections_per_address,
        limits.trusted_proxies.clone(),
    );
    let (draining, drain) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accept = async {
            let any = places.any().await;
            (listener.accept().await, any)
        };
        let (accepted, any) = tokio::select! {
            accepted = accept => accepted,
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = any.and_then(|any| places.of(any, peer.ip())) else {
                    tracing::debug!(address = %peer.ip(), "too many connections of one address");
                    continue;
                };
                let connection =
                    connection(stream, peer, app.clone(), limits.clone(), drain.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    // New connections are refused from here on, so that a proxy turns to another replica.
    drop(listener);
    let _ = draining.send(());
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all).await.is_ok() {
        return Drained::Clean;
    }
    let cut = connections.len();
    tracing::warn!(
        connections = cut,
        "cut connections that were still open after the drain"
    );
    connections.shutdown().await;
    Drained::Cut { connections: cut }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    limits: Limits,
    mut drain: watch::Receiver<()>,
) {
    // Small answers must not wait for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let progress = Progress::new();
    let stream = PatientStream::new(
        stream,
        progress.clone(),
        limits.header_read_timeout,
        limits.write_stall_timeout,
    );
    let stream = CompletedStream::new(stream, progress.clone(), app.clone(), peer);
    let service = service_fn(move |request: Request<Incoming>| {
        let answering = progress.answering(!request.body().is_end_stream());
        let on_demand = request.headers().contains_key(http::header::EXPECT);
        let lingering = |body| Body::new(LingeringBody::new(body, on_demand));
        let mut request = request.map(lingering);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = app.clone().oneshot(request);
        async {
            let answer = answer.await?;
            Ok::<_, Infallible>(answer.map(|body| AnswerBody {
                body,
                _answering: answering,
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive_timeout)
        .max_headers(limits.max_headers)
        .max_header_size(limits.max_head_bytes)
        .max_buf_size(READ_BUFFER_BYTES.max(limits.max_head_bytes))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = drain.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The peer's doing: a time-out, a reset, a head that is no HTTP.
        tracing::debug!(%error, "connection ended");
    }
}
