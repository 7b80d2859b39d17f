//! Asked to stop, production says so first, goes on for a while, finishes what it has, and ends well.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use dailey_auth::testing::TokenBuilder;
use testbed::{Child, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ground::{APP, Ground};

const PATIENCE: Duration = Duration::from_secs(20);

/// The program, and half a request to it.
async fn begun(ground: &Ground) -> (Child, TcpStream) {
    let mut command = ground.command();
    command.arg("serve");
    let log = ground.path("log");
    let mut child = Child::start("dailey-media", command, &log).unwrap();
    let health = format!("http://{}/health", ground.address());
    testbed::wait_for_http(&mut child, &health, PATIENCE).unwrap();

    let token = TokenBuilder::new(&ground.core.url(), APP).claim("scope", "media:write");
    let token = token.sign(&ground.core.key);
    let mut upload = TcpStream::connect(ground.address()).await.unwrap();
    let head = format!(
        "PUT /api/media/a HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-length: 4\r\n\r\nab",
        ground.address()
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    (child, upload)
}

/// How it ends by itself.
async fn ends(child: &mut Child, patience: Duration) -> ExitStatus {
    let waited = Instant::now();
    loop {
        if let Some(status) = child.exited() {
            return status;
        }
        assert!(waited.elapsed() < patience, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn drains(signal: Signal) {
    let ground = Ground::new().await;
    let (mut child, mut upload) = begun(&ground).await;
    let health = format!("http://{}/health", ground.address());
    let client = reqwest::Client::builder().no_proxy();
    let client = client.pool_max_idle_per_host(0).build().unwrap();
    let asked = Instant::now();
    child.signal(signal).unwrap();
    // It still takes connections, and tells whoever routes traffic to go elsewhere.
    let told = loop {
        let answer = client.get(&health).send().await.unwrap();
        if answer.status() == 503 {
            break answer.text().await.unwrap();
        }
        assert!(asked.elapsed() < Duration::from_secs(4), "still well");
    };
    assert!(told.contains("\"process\":\"draining\""), "{told}");
    let live = client.get(format!("{health}/live")).send().await.unwrap();
    assert_eq!(live.status(), 200);

    while TcpStream::connect(ground.address()).await.is_ok() {
        assert!(asked.elapsed() < PATIENCE, "still listening");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(asked.elapsed() >= Duration::from_secs(5), "no lame duck");
    // Nobody new, but what was begun is finished.
    assert!(child.exited().is_none(), "{}", child.log_tail(20));
    upload.write_all(b"cd").await.unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let ended = ends(&mut child, PATIENCE).await;
    assert_eq!(ended.code(), Some(0), "{}", child.log_tail(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_requests_under_way_finish() {
    drains(Signal::Terminate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_lets_requests_under_way_finish() {
    drains(Signal::Interrupt).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_finish_is_cut_after_the_drain() {
    // The lame duck's 5 s, and the drain's 25 s.
    const ENDS: Duration = Duration::from_secs(30);
    let ground = Ground::new().await;
    let (mut child, mut upload) = begun(&ground).await;
    let asked = Instant::now();
    child.signal(Signal::Terminate).unwrap();
    // A client that still sends: one that paused for 30 s would be refused for that, at the same
    // moment.
    tokio::time::sleep(ENDS / 2).await;
    upload.write_all(b"c").await.unwrap();
    let ended = ends(&mut child, ENDS + Duration::from_secs(5)).await;
    let took = asked.elapsed();
    assert!(took >= ENDS, "cut after {took:?}");
    assert_eq!(ended.code(), Some(0), "{}", child.log_tail(20));
    let log = child.log_tail(20);
    let said = "cut connections that were still open after the drain";
    assert!(
        log.contains(said) && log.contains("\"connections\":1"),
        "{log}"
    );
    let mut answer = String::new();
    let _ = upload.read_to_string(&mut answer).await;
    assert_eq!(answer, "");
}
