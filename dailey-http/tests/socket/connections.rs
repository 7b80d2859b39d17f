//! What the accept loop promises to those who mean well: time for each step, places, and an end in order.

use std::io;
use std::time::{Duration, Instant};

use dailey_http::client::TrustedProxies;
use dailey_http::listen::{self, Drained, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{LARGE_BYTES, Server, body, rest, short};

/// Sent to somebody who has refused it. Little, so that a slow machine sends it in the time for which it is
/// read on.
const REFUSED_BYTES: usize = 16 * 1024 * 1024;

/// For so long is read on what a refused request still sends.
const READ_ON: Duration = Duration::from_secs(5);

#[test]
fn the_limits_are_as_documented() {
    let limits = Limits::default();
    assert_eq!(
        (
            limits.header_read_timeout.as_secs(),
            limits.keep_alive_timeout.as_secs(),
            limits.max_headers,
            limits.max_head_bytes,
            limits.max_connections,
            limits.max_connections_per_address,
            limits.trusted_proxies,
            limits.write_stall_timeout.as_secs(),
            limits.drain.as_secs(),
        ),
        (
            10,
            75,
            64,
            16_384,
            1024,
            64,
            TrustedProxies::loopback(),
            30,
            25
        )
    );
}

/// Sends all of a request that is refused at its head, and reads the refusal.
async fn refused(stream: &mut TcpStream) -> io::Result<()> {
    let head =
        format!("POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: {REFUSED_BYTES}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![b'x'; REFUSED_BYTES]).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    assert_eq!(&start, b"HTTP/1.1 404");
    // The rest of the answer, so that the next one is read from its start.
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        answer.push(stream.read_u8().await?);
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::plain().await;
    loop {
        let mut stream = server.connect().await;
        let began = Instant::now();
        let twice = async {
            refused(&mut stream).await?;
            refused(&mut stream).await
        };
        match twice.await {
            Ok(()) => break,
            // Where this machine paused for longer, that was right.
            Err(error) => assert!(began.elapsed() >= READ_ON, "{error}"),
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
async fn a_head_that_began_behind_a_request_has_no_more_time_than_another() {
    let mut limits = short();
    limits.keep_alive_timeout = Duration::from_secs(75);
    let server = Server::start(limits, |stack| stack).await;
    for (request, later) in [
        ("GET /id HTTP/1.1\r\nhost: a\r\n\r\nGET /i", ""),
        ("GET /id HTTP/1.1\nhost: a\n\nG", ""),
        ("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", "GET /i"),
    ] {
        let mut stream = server.asked(request).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(later.as_bytes()).await.unwrap();
        // Within 20 s, or `rest` fails.
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let mut limits = short();
    limits.keep_alive_timeout = Duration::from_secs(75);
    let server = Server::start(limits, |stack| stack).await;
    let get = "GET /id HTTP/1.1\r\nhost: a\r\n\r\n";
    for (start, end) in [
        (get, ""),
        // Two at once, and an end that comes in two steps.
        (&get.repeat(2), ""),
        (&get[..get.len() - 1], "\n"),
        ("GET /id HTTP/1.1\nhost: a\n\n", ""),
        // The body's end is no empty line.
        (
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
            "",
        ),
    ] {
        let steps = Duration::from_millis(50);
        let mut stream = server.asked_in_steps(&[start, end], steps).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let last = b"GET /client HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(last).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with("127.0.0.1"), "{start:?}: {answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_too() {
    let server = Server::start(short(), |stack| stack).await;
    let mut stream = server.asked("GET /id HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_loses_the_connection() {
    let mut limits = short();
    limits.max_connections = 1;
    limits.header_read_timeout = Duration::from_secs(10);
    let server = Server::start(limits, |stack| stack).await;
    let large = "GET /large HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut stalled = server.asked(large).await;
    let mut start = [0; 12];
    stalled.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    // Answered as soon as the only place is free again.
    assert!(server.get("/id", "").await.starts_with("HTTP/1.1 200 "));
    let mut taken = Vec::new();
    let _ = stalled.read_to_end(&mut taken).await;
    assert!(taken.len() < LARGE_BYTES - start.len(), "not cut");
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
    let half = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab";
    let mut stream = server.asked(half).await;
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
