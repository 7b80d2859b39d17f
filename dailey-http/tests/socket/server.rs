//! A server on loopback, and a client that writes its requests by hand.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use dailey_http::client::{ClientAddress, TrustedProxies};
use dailey_http::listen::{self, Drained, Limits};
use dailey_http::metrics::Metrics;
use dailey_http::{Stack, request_id};
use futures_util::{StreamExt, stream};
use http::header::CONTENT_LENGTH;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than the kernel's buffers of both sides hold.
pub(crate) const LARGE_BYTES: usize = 64 * 1024 * 1024;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: oneshot::Sender<()>,
    pub(crate) serving: JoinHandle<Drained>,
    /// A first head that has not come by then may be cut.
    time_for_a_head: Duration,
}

impl Server {
    pub(crate) async fn start(limits: Limits, stack: impl FnOnce(Stack) -> Stack) -> Self {
        let metrics = Metrics::new();
        let routes = Router::new()
            .route(
                "/id",
                get(|| async { request_id::current().unwrap().as_str().to_owned() }),
            )
            .route(
                "/client",
                get(|client: axum::Extension<ClientAddress>| async move { client.0.0.to_string() }),
            )
            .route("/panic", get(|| async { panic_with("a secret") }))
            .route("/echo", post(|body: String| async move { body }))
            .route(
                "/slow",
                get(|| async {
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    "done"
                }),
            )
            .route("/mimic", get(mimic))
            .route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }))
            .route("/metrics", metrics.route());
        let app = stack(Stack::new(metrics)).around(routes);
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, told) = oneshot::channel();
        let time_for_a_head = limits.header_read_timeout.min(limits.keep_alive_timeout);
        let serving = tokio::spawn(listen::serve(listener, app, limits, async {
            let _ = told.await;
        }));
        Self {
            address,
            shutdown,
            serving,
            time_for_a_head,
        }
    }

    pub(crate) async fn plain() -> Self {
        Self::start(Limits::default(), |stack| stack).await
    }

    pub(crate) async fn that_trusts_nobody() -> Self {
        let none = TrustedProxies::none();
        Self::start(Limits::default(), |stack| stack.trusted_proxies(none)).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which this was sent, within the time for a head.
    pub(crate) async fn asked(&self, request: &str) -> TcpStream {
        self.asked_in_steps(&[request], Duration::ZERO).await
    }

    /// The same with a pause between two steps.
    pub(crate) async fn asked_in_steps(&self, steps: &[&str], pause: Duration) -> TcpStream {
        loop {
            let began = Instant::now();
            let mut stream = self.connect().await;
            let sent = async {
                for (number, step) in steps.iter().enumerate() {
                    if number > 0 {
                        tokio::time::sleep(pause).await;
                    }
                    stream.write_all(step.as_bytes()).await?;
                }
                std::io::Result::Ok(())
            };
            let sent = sent.await;
            // The service's clock starts later. Where this machine paused, it may have cut: once more.
            if began.elapsed() < self.time_for_a_head {
                sent.unwrap();
                return stream;
            }
        }
    }

    /// The whole answer to a GET with these header lines.
    pub(crate) async fn get(&self, path: &str, headers: &str) -> String {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n"
        ))
        .await
    }

    pub(crate) async fn send(&self, request: &str) -> String {
        rest(&mut self.asked(request).await).await
    }
}

/// What hyper itself answers to a head that it cannot read.
pub(crate) const BARE: &str =
    "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The same as a body, each byte of it written after its head.
async fn mimic() -> impl IntoResponse {
    let length = BARE.len() + 1;
    let later = stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, Infallible>(BARE)
    });
    let body = stream::iter([Ok("x")]).chain(later);
    ([(CONTENT_LENGTH, length)], Body::from_stream(body))
}

fn panic_with(message: &str) -> String {
    panic!("{message}")
}

pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub(crate) fn short() -> Limits {
    let mut limits = Limits::default();
    limits.header_read_timeout = Duration::from_millis(300);
    limits.keep_alive_timeout = Duration::from_millis(300);
    limits.write_stall_timeout = Duration::from_millis(300);
    limits.drain = Duration::from_millis(300);
    limits
}
