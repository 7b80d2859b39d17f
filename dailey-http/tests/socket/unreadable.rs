//! A head that cannot be read is answered as every other wrong request is.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{BARE, Server, body, header, rest};

const GOOD: &str = "GET /id HTTP/1.1\r\nhost: a\r\n\r\n";

fn with_headers(fields: &str) -> String {
    format!("GET /id HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n")
}

fn many(count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("x-{n}: 1\r\n")).collect();
    with_headers(&lines.concat())
}

fn long(bytes: usize) -> String {
    with_headers(&format!("x-long: {}\r\n", "a".repeat(bytes)))
}

/// It is the one answer, whole, and says what every refusal does.
fn is_problem(answer: &str, status: u16, code: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    assert_eq!(
        header(answer, "content-type"),
        Some("application/problem+json")
    );
    assert_eq!(header(answer, "connection"), Some("close"), "{answer}");
    assert_eq!(
        header(answer, "cache-control"),
        Some("no-store"),
        "{answer}"
    );
    assert_eq!(header(answer, "x-content-type-options"), Some("nosniff"));
    assert!(header(answer, "date").is_some(), "{answer}");
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    let length = body(answer).len().to_string();
    assert_eq!(header(answer, "content-length"), Some(&*length), "{answer}");
    assert_eq!(head.matches("content-length").count(), 1, "{answer}");
    let problem: Value = serde_json::from_str(body(answer)).unwrap();
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&status.into(), &code.into())
    );
    assert_eq!(
        problem["request_id"].as_str(),
        header(answer, "x-request-id")
    );
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let server = Server::plain().await;
    // `host` and `connection` count.
    for good in [many(62), long(16_000)] {
        let answer = server.send(&good).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    for bad in [many(63), long(17_000)] {
        is_problem(&server.send(&bad).await, 431, "head_too_large");
    }
}

#[tokio::test]
async fn a_head_may_be_16_kib_long_to_the_byte() {
    let server = Server::plain().await;
    // From the first byte of the request line to the last of the empty line.
    let of = |bytes: usize| long(bytes - long(0).len());
    let largest = of(16_384);
    assert_eq!(largest.len(), 16_384);
    let answer = server.send(&largest).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    is_problem(&server.send(&of(16_385)).await, 431, "head_too_large");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = Server::plain().await;
    for bad in [
        "nonsense\r\n\r\n",
        "GET /id HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET /id HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /id HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
        "GET  /id HTTP/1.1\r\nhost: a\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
    ] {
        is_problem(&server.send(bad).await, 400, "malformed_request");
    }
    let metrics = server.get("/metrics", "").await;
    let counted = metrics
        .lines()
        .find(|line| line.contains("malformed_request"));
    assert!(
        counted.is_some_and(|line| line.ends_with(" 7")),
        "{metrics}"
    );
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_here_either() {
    let server = Server::plain().await;
    let good = "HEAD /id HTTP/1.1\r\nhost: a\r\n\r\n";
    for before in ["", good] {
        let mut stream = server.connect().await;
        let mut space = [0; 4096];
        stream.write_all(before.as_bytes()).await.unwrap();
        if !before.is_empty() {
            assert!(stream.read(&mut space).await.unwrap() > 0);
        }
        let bad = many(63).replace("GET", "HEAD");
        stream.write_all(bad.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(header(&answer, "x-request-id").is_some(), "{answer}");
        assert_ne!(header(&answer, "content-length"), Some("0"), "{answer}");
        assert_eq!(body(&answer), "");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_is_answered_likewise() {
    let server = Server::plain().await;
    let mut stream = server.connect().await;
    let kept = b"GET /id HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    stream.write_all(kept).await.unwrap();
    let mut space = [0; 4096];
    assert!(stream.read(&mut space).await.unwrap() > 0);
    stream.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await.replace("HTTP/1.0", "HTTP/1.1");
    is_problem(&answer, 400, "malformed_request");
}

#[tokio::test]
async fn it_comes_behind_the_answers_to_what_came_before() {
    let server = Server::plain().await;
    // All at once, and one after the other.
    let together = server.send(&format!("{GOOD}{GOOD}nonsense\r\n\r\n")).await;
    let mut stream = server.connect().await;
    stream.write_all(GOOD.as_bytes()).await.unwrap();
    let mut first = vec![0; 4096];
    let read = stream.read(&mut first).await.unwrap();
    first.truncate(read);
    stream.write_all(b"nonsense\r\n\r\n").await.unwrap();
    let apart = String::from_utf8(first).unwrap() + &rest(&mut stream).await;
    // Whose head it is behind another one is not known, so it is answered in full.
    let head = GOOD.replace("GET", "HEAD");
    let behind = server.send(&format!("{head}nonsense\r\n\r\n")).await;
    for (answers, good) in [(together, 2), (apart, 1), (behind, 1)] {
        let at = answers.find("HTTP/1.1 400").unwrap();
        assert_eq!(
            answers[..at].matches("HTTP/1.1 200").count(),
            good,
            "{answers}"
        );
        is_problem(&answers[at..], 400, "malformed_request");
    }
}

#[tokio::test]
async fn a_body_that_looks_like_one_is_left_as_it_is() {
    let server = Server::plain().await;
    let answer = server.get("/mimic", "").await;
    assert_eq!(body(&answer), format!("x{BARE}"));
    // And is no end of the connection.
    let twice = "GET /mimic HTTP/1.1\r\nhost: a\r\n\r\n".to_owned() + &with_headers("");
    let answers = server.send(&twice).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert!(!answers.contains("malformed_request"), "{answers}");
}

#[tokio::test]
async fn who_goes_on_sending_gets_it_all_the_same_but_not_for_ever() {
    let server = Server::plain().await;
    let mut stream = server.connect().await;
    stream.write_all(long(17_000).as_bytes()).await.unwrap();
    // The answer first, so that what follows is sent to one that has closed.
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8_lossy(&answer);
    is_problem(&answer, 431, "head_too_large");
    let piece = [b'a'; 1000];
    let began = Instant::now();
    // The second of two would fail on a connection that is not read on.
    for _ in 0..2 {
        stream.write_all(&piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stream.write_all(&piece).await.unwrap();
    while stream.write_all(&piece).await.is_ok() {
        // Less than a head has.
        assert!(began.elapsed() < Duration::from_secs(9), "it is read on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
