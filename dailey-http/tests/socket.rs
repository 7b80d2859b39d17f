//! What the accept loop and the stack promise, asked over a real socket.

// An unwrap in a test's helper is a failed test.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use dailey_auth::Environment;
use dailey_http::client::{ClientAddress, TrustedProxies};
use dailey_http::cors::{Cors, Origins};
use dailey_http::listen::{self, Drained, Limits};
use dailey_http::metrics::Metrics;
use dailey_http::{Stack, request_id};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than the kernel's buffers of both sides hold.
const LARGE_BYTES: usize = 64 * 1024 * 1024;

struct Server {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Server {
    async fn start(limits: Limits, stack: impl FnOnce(Stack) -> Stack) -> Self {
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
            .route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }))
            .route("/metrics", metrics.route());
        let app = stack(Stack::new(metrics)).around(routes);
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, told) = oneshot::channel();
        let serving = tokio::spawn(listen::serve(listener, app, limits, async {
            let _ = told.await;
        }));
        Self {
            address,
            shutdown,
            serving,
        }
    }

    async fn plain() -> Self {
        Self::start(Limits::default(), |stack| stack).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The whole answer to a GET with these header lines.
    async fn get(&self, path: &str, headers: &str) -> String {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n"
        ))
        .await
    }

    async fn send(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

fn panic_with(message: &str) -> String {
    panic!("{message}")
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::plain().await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        let head =
            format!("POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: {LARGE_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; LARGE_BYTES]).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 404");
        // The rest of the answer, so that the next one is read from its start.
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            answer.push(stream.read_u8().await.unwrap());
        }
    }
    // Who waits to be asked is not asked for what nobody wants.
    let mut waiting = server.connect().await;
    let head =
        "POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    waiting.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut waiting).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn short() -> Limits {
    let mut limits = Limits::default();
    limits.header_read_timeout = Duration::from_millis(300);
    limits.write_stall_timeout = Duration::from_millis(300);
    limits.drain = Duration::from_millis(300);
    limits
}

#[tokio::test]
async fn a_head_that_does_not_end_in_time_closes_the_connection() {
    let server = Server::start(short(), |stack| stack).await;
    for start in ["", "GET /id HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut stream = server.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains(" 200 "), "{answer}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{start:?} took {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_too() {
    let server = Server::start(short(), |stack| stack).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /id HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_loses_the_connection() {
    let mut limits = short();
    limits.max_connections = 1;
    let server = Server::start(limits, |stack| stack).await;
    let mut stalled = server.connect().await;
    stalled
        .write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    // Answered as soon as the only place is free again.
    assert!(server.get("/id", "").await.starts_with("HTTP/1.1 200 "));
    let mut taken = Vec::new();
    let _ = stalled.read_to_end(&mut taken).await;
    assert!(taken.len() < LARGE_BYTES, "cut in the middle");
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let server = Server::plain().await;
    let many = |count: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        lines.concat()
    };
    // `host` and `connection` count.
    assert!(
        server
            .get("/id", &many(62))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        server
            .get("/id", &many(63))
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    let long = |bytes: usize| format!("x-long: {}\r\n", "a".repeat(bytes));
    assert!(
        server
            .get("/id", &long(16_000))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        server
            .get("/id", &long(17_000))
            .await
            .starts_with("HTTP/1.1 431 ")
    );
}

#[tokio::test]
async fn more_connections_than_the_limit_wait_their_turn() {
    let mut limits = Limits::default();
    limits.max_connections = 1;
    let server = Server::start(limits, |stack| stack).await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET /id HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let mut second = server.connect().await;
    second
        .write_all(b"GET /id HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut buffer)).await;
    assert!(early.is_err(), "answered beside the first");
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn shutdown_lets_a_request_finish_and_refuses_new_connections() {
    let server = Server::plain().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        .await
        .unwrap();
    // Once another connection is answered, the first was accepted before it.
    server.get("/id", "").await;
    server.shutdown.send(()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
        tokio::task::yield_now().await;
    }
    stream.write_all(b"cd").await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(body(&answer), "abcd");
    assert_eq!(server.serving.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_is_cut() {
    let server = Server::start(short(), |stack| stack).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        .await
        .unwrap();
    server.get("/id", "").await;
    server.shutdown.send(()).unwrap();
    assert_eq!(
        server.serving.await.unwrap(),
        Drained::Cut { connections: 1 }
    );
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_taken_port_is_said_in_plain_words() {
    let server = Server::plain().await;
    let error = listen::bind(server.address).await.unwrap_err();
    let expected = format!(
        "port {} is taken: stop what listens there or set PORT",
        server.address.port()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_request_id_is_ours_unless_a_trusted_proxy_sent_a_well_formed_one() {
    let trusting = Server::plain().await;
    let distrusting = Server::start(Limits::default(), |stack| {
        stack.trusted_proxies(TrustedProxies::none())
    })
    .await;
    let sixty_four = "a".repeat(64);
    for (server, lines, kept) in [
        (
            &trusting,
            "x-request-id: from-nginx_1.2\r\n".to_owned(),
            Some("from-nginx_1.2"),
        ),
        (
            &trusting,
            format!("x-request-id: {sixty_four}\r\n"),
            Some(&*sixty_four),
        ),
        (&trusting, format!("x-request-id: {sixty_four}a\r\n"), None),
        (&trusting, "x-request-id: a b\r\n".to_owned(), None),
        (&trusting, "x-request-id: {\"a\"}\r\n".to_owned(), None),
        (
            &trusting,
            "x-request-id: a\r\nx-request-id: b\r\n".to_owned(),
            None,
        ),
        (&trusting, String::new(), None),
        (
            &distrusting,
            "x-request-id: from-nginx_1.2\r\n".to_owned(),
            None,
        ),
    ] {
        let answer = server.get("/id", &lines).await;
        let id = body(&answer);
        assert_eq!(header(&answer, "x-request-id"), Some(id));
        match kept {
            Some(kept) => assert_eq!(id, kept),
            None => assert_eq!(
                (id.len(), id.as_bytes()[14]),
                (36, b'7'),
                "a UUID v7 for {lines:?}, not {id}"
            ),
        }
    }
}

#[tokio::test]
async fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
    let trusting = Server::plain().await;
    let distrusting = Server::start(Limits::default(), |stack| {
        stack.trusted_proxies(TrustedProxies::none())
    })
    .await;
    let lines = "x-forwarded-for: 10.9.9.9, 203.0.113.7\r\n";
    assert_eq!(body(&trusting.get("/client", lines).await), "203.0.113.7");
    assert_eq!(body(&distrusting.get("/client", lines).await), "127.0.0.1");
}

#[tokio::test]
async fn metrics_are_only_for_a_direct_loopback_peer() {
    let server = Server::plain().await;
    server.get("/id?token=hush", "").await;
    server
        .send("BREW /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    let answer = server.get("/metrics", "").await;
    assert!(
        answer.contains("http_requests_total{route=\"/id\",method=\"GET\",status=\"200\"} 1"),
        "{answer}"
    );
    assert!(
        answer.contains("http_requests_total{route=\"none\",method=\"other\",status=\"404\"} 1"),
        "{answer}"
    );
    assert!(
        answer.contains("http_request_duration_seconds_count{route=\"/id\"} 1"),
        "{answer}"
    );
    assert!(!answer.contains("hush"));
    for line in [
        "x-forwarded-for: 127.0.0.1",
        "forwarded: for=127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "via: 1.1 a",
    ] {
        assert!(
            server
                .get("/metrics", &format!("{line}\r\n"))
                .await
                .starts_with("HTTP/1.1 404 "),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_for_its_own_request_alone() {
    let server = Server::plain().await;
    let answer = server.get("/panic", "").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(problem["code"], "internal_error");
    assert_eq!(
        problem["request_id"].as_str(),
        header(&answer, "x-request-id")
    );
    assert!(!answer.contains("secret"));
    assert!(server.get("/id", "").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_with_every_header() {
    let server = Server::plain().await;
    for (request, status, code) in [
        ("GET /nothing HTTP/1.1", 404, "not_found"),
        ("DELETE /id HTTP/1.1", 405, "method_not_allowed"),
    ] {
        let answer = server
            .send(&format!(
                "{request}\r\nhost: a\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(
            header(&answer, "content-type"),
            Some("application/problem+json")
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(body(&answer)).unwrap()["code"],
            code
        );
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{name}");
        }
        assert!(
            header(&answer, "content-security-policy")
                .unwrap()
                .starts_with("default-src 'none'")
        );
        if status == 405 {
            assert_eq!(header(&answer, "allow"), Some("GET,HEAD"));
        }
    }
}

#[tokio::test]
async fn hsts_needs_an_https_client_behind_a_trusted_proxy() {
    let server = Server::plain().await;
    let distrusting = Server::start(Limits::default(), |stack| {
        stack.trusted_proxies(TrustedProxies::none())
    })
    .await;
    let https = "x-forwarded-proto: https\r\n";
    for (server, lines, expected) in [
        (&server, https, Some("max-age=63072000; includeSubDomains")),
        (&server, "x-forwarded-proto: http\r\n", None),
        (
            &server,
            "x-forwarded-proto: https\r\nx-forwarded-proto: http\r\n",
            None,
        ),
        (&server, "", None),
        (&distrusting, https, None),
    ] {
        assert_eq!(
            header(&server.get("/id", lines).await, "strict-transport-security"),
            expected,
            "{lines}"
        );
    }
}

#[tokio::test]
async fn cors_answers_exactly_the_listed_origins() {
    let origins = Origins::parse("https://app.example", Environment::Production).unwrap();
    let server = Server::start(Limits::default(), |stack| stack.cors(Cors::new(origins))).await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://app.example.evil", false),
        ("https://xapp.example", false),
        ("https://APP.example", false),
        ("http://app.example", false),
        ("null", false),
    ] {
        let answer = server.get("/id", &format!("origin: {origin}\r\n")).await;
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            allowed.then_some(origin),
            "{origin}"
        );
        assert_eq!(header(&answer, "vary"), Some("origin"), "{origin}");
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        let preflight = format!(
            "OPTIONS /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\r\n"
        );
        let answer = server.send(&preflight).await;
        assert!(
            answer.starts_with(if allowed {
                "HTTP/1.1 204 "
            } else {
                "HTTP/1.1 403 "
            }),
            "{origin}: {answer}"
        );
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            allowed.then_some(origin),
            "{origin}"
        );
    }
    assert_eq!(header(&server.get("/id", "").await, "vary"), Some("origin"));
}
