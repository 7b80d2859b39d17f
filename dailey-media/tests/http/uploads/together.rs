//! Several requests at one upload: never mixed bytes.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pattern;
use crate::service::{Service, header, problem};

#[tokio::test(flavor = "multi_thread")]
async fn of_several_at_one_offset_one_goes_on() {
    let service = Service::start().await;
    let path = service.begin("a", 3_000_000).await;
    let bodies: Vec<Vec<u8>> = (0_u8..6).map(|n| vec![n; 3_000_000]).collect();
    let sent = bodies
        .iter()
        .map(|body| service.patch(&path, 0).body(body.clone()).send());
    let answers = futures_all(sent).await;
    let mut won = Vec::new();
    for (answer, body) in answers.into_iter().zip(&bodies) {
        let answer = answer.unwrap();
        if answer.status() == 204 {
            won.push(body);
            continue;
        }
        let (status, code) = problem(answer).await;
        let expected = [
            (409, "upload_offset_mismatch"),
            (423, "upload_locked"),
            (413, "upload_length_exceeded"),
        ];
        assert!(expected.contains(&(status, &*code)), "{status} {code}");
    }
    assert_eq!(won.len(), 1);
    let got = service.get("a").await.bytes().await.unwrap();
    assert!(
        got == won[0],
        "not the bytes of who was told that they are kept"
    );
}

/// All at once.
async fn futures_all<F>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut outputs = Vec::new();
    for task in tasks {
        outputs.push(task.await.unwrap());
    }
    outputs
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_gives_way_and_what_it_sent_is_kept() {
    let service = Service::start().await;
    let body = pattern(10_000_000);
    let path = service.begin("a", 10_000_000).await;
    let mut silent = half_sent(&service, &path, &body[..9_000_000]).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    // Its first slice is kept: it has the turn.
    while service.offset(&path).await == 0 {
        assert!(Instant::now() < deadline, "nothing is kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kept = service.offset(&path).await;
    // Waits until the silent one has given way. Where this machine pauses, it may have waited for long enough before.
    let mut next = service.append(&path, kept, b"xxxxx").await;
    for _ in 0..2 {
        if next.status() == 423 {
            next = service.append(&path, kept, b"xxxxx").await;
        }
    }
    assert_eq!(header(&next, "upload-offset"), "9000000");
    assert_eq!(problem(next).await, (409, "upload_offset_mismatch".into()));
    let mut answer = Vec::new();
    let _ = silent.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 423"), "{answer}");
    assert_eq!(service.offset(&path).await, 9_000_000);
    let rest = &body[9_000_000..];
    assert_eq!(service.append(&path, 9_000_000, rest).await.status(), 204);
    assert!(service.get("a").await.bytes().await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_connection_broke_is_kept() {
    let service = Service::start().await;
    let body = pattern(12_000_000);
    let path = service.begin("a", 12_000_000).await;
    let mut broken = half_sent(&service, &path, &body[..10_000_000]).await;
    broken.shutdown().await.unwrap();
    drop(broken);
    let deadline = Instant::now() + Duration::from_secs(20);
    while service.offset(&path).await < 10_000_000 {
        assert!(Instant::now() < deadline, "bytes that came were lost");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        service
            .append(&path, 10_000_000, &body[10_000_000..])
            .await
            .status(),
        204
    );
    assert!(service.get("a").await.bytes().await.unwrap() == body);
}

/// A PATCH that announces more than it sends.
async fn half_sent(service: &Service, path: &str, bytes: &[u8]) -> TcpStream {
    half_sent_from(service, path, 0, bytes).await
}

pub(super) async fn half_sent_from(
    service: &Service,
    path: &str,
    offset: usize,
    bytes: &[u8],
) -> TcpStream {
    let bearer = service.bearer(&service.token());
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ntus-resumable: 1.0.0\r\n\
         upload-offset: {offset}\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: {}\r\n\r\n",
        bytes.len() + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}
