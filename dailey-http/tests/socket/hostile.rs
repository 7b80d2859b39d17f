//! Peers that take places and give nothing: the others are served all the while.

use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dailey_http::client::TrustedProxies;
use dailey_http::listen::Limits;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::server::{LARGE_BYTES, Server, rest, short};

/// Everything here ends long before, or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sockets of a flood: about twice what a listener takes.
const FLOOD: usize = 2000;

/// A connection that comes from another address than those of [`Server::connect`].
async fn from_elsewhere(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Both ends of a flood are in this process.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Asks until the attack is over; each answer must be a good one.
async fn served_while(server: &Server, mut attack: JoinSet<()>) -> usize {
    let (began, mut answered) = (Instant::now(), 0);
    while !attack.is_empty() {
        assert!(began.elapsed() < PATIENCE, "the attack is not ended");
        let answer = tokio::time::timeout(PATIENCE, server.get("/id", "")).await;
        let answer = answer.expect("nobody else is served");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answered += 1;
        while let Some(ended) = attack.try_join_next() {
            ended.unwrap();
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_come_in_drips_are_ended_while_others_are_served() {
    let mut limits = short();
    limits.keep_alive_timeout = 2 * PATIENCE;
    limits.max_connections = 150;
    let server = Server::start(limits, |stack| stack).await;
    let mut attack = JoinSet::new();
    for _ in 0..100 {
        let mut drip = server.connect().await;
        attack.spawn(async move {
            let head = "GET /id HTTP/1.1\r\nhost: a\r\nx: ".bytes();
            for byte in head.chain(std::iter::repeat(b'y')) {
                if drip.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    assert!(served_while(&server, attack).await > 0);
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_slow_head_on_it() {
    let mut limits = short();
    limits.keep_alive_timeout = 2 * PATIENCE;
    let server = Server::start(limits, |stack| stack).await;
    let request = "GET /id HTTP/1.1\r\nhost: a\r\n\r\n";
    let (mut idle, mut slow) = (server.asked(request).await, server.asked(request).await);
    let mut buffer = [0; 4096];
    for stream in [&mut idle, &mut slow] {
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
    }
    // Longer than a head may take.
    let unused = tokio::time::timeout(Duration::from_millis(700), idle.read(&mut buffer)).await;
    assert!(unused.is_err(), "closed while it was idle");
    slow.write_all(b"GET /id HTTP/1.1\r\n").await.unwrap();
    // Within 20 s, or `rest` fails: much sooner than one that is idle.
    assert_eq!(rest(&mut slow).await, "");
    idle.write_all(request.as_bytes()).await.unwrap();
    assert!(idle.read(&mut buffer).await.unwrap() > 0, "still good");

    // And closed in the end: after a time so short that what is above could not rely on it.
    limits = short();
    limits.keep_alive_timeout = Duration::from_secs(1);
    let server = Server::start(limits, |stack| stack).await;
    let began = Instant::now();
    let mut idle = server.asked(request).await;
    assert!(rest(&mut idle).await.starts_with("HTTP/1.1 200 "));
    assert!(
        began.elapsed() > Duration::from_millis(700),
        "as a slow head"
    );
}

#[tokio::test]
async fn a_slow_handler_is_not_taken_for_a_slow_head() {
    let server = Server::start(short(), |stack| stack).await;
    let answer = server.get("/slow", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n";
    let mut upload = server.asked(head).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    upload.write_all(b"ab").await.unwrap();
    assert!(rest(&mut upload).await.ends_with("ab"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_ended_while_others_are_served() {
    let mut limits = short();
    limits.max_connections = 40;
    // None of them is late with its request.
    (limits.header_read_timeout, limits.keep_alive_timeout) = (PATIENCE, PATIENCE);
    let server = Server::start(limits, |stack| stack).await;
    let mut attack = JoinSet::new();
    for _ in 0..30 {
        let mut stalled = server.asked("GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await;
        attack.spawn(async move {
            let mut start = [0; 12];
            stalled.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
            // Reads nothing for longer than a peer may, then what the kernel has kept. In many steps: where this
            // machine pauses, only one of them is over at once, and the service has the others to notice.
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let mut taken = Vec::new();
            let _ = stalled.read_to_end(&mut taken).await;
            assert!(taken.len() < LARGE_BYTES - start.len(), "not cut");
        });
    }
    assert!(served_while(&server, attack).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_one_address_leaves_the_others_their_places() {
    allow_many_files();
    let mut limits = Limits::default();
    limits.trusted_proxies = TrustedProxies::none();
    // The flood is held for as long as this takes.
    limits.header_read_timeout = 10 * PATIENCE;
    limits.keep_alive_timeout = 10 * PATIENCE;
    let most = limits.max_connections_per_address;
    let server = Server::start(limits, |stack| stack).await;
    let mut flood = Vec::new();
    for _ in 0..FLOOD {
        flood.push(from_elsewhere(server.address).await);
    }
    // While all of them are held.
    for _ in 0..20 {
        let answer = server.get("/id", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let mut open = 0;
    for stream in flood {
        // Asks the kernel: who was sent away has been told by now.
        let read = stream.into_std().unwrap().read(&mut [0]);
        open += usize::from(read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    }
    assert!(
        (1..=most).contains(&open),
        "{open} of the flood have a place"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_that_fills_every_place_is_over_when_its_time_for_a_first_byte_is() {
    allow_many_files();
    let mut limits = short();
    limits.keep_alive_timeout = 4 * PATIENCE;
    let server = Server::start(limits, |stack| stack).await;
    // Those behind a full queue wait as well, until the first are closed.
    let answered = tokio::time::timeout(2 * PATIENCE, async {
        let mut flood = Vec::new();
        for _ in 0..FLOOD {
            flood.push(server.connect().await);
        }
        (server.get("/id", "").await, flood)
    });
    let (answer, _flood) = answered.await.expect("nobody else is served");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
