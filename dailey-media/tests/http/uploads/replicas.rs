//! Several processes on one bucket: each goes on with every upload, and no two spoil one.

use data_encoding::BASE64;
use testbed::Signal;
use testbed::s3::{Kind, S3Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::pattern;
use super::together::half_sent_from;
use crate::service::{Service, header, problem};
use crate::store::Store;

const SLICE: usize = 5 * 1024 * 1024;

struct Replicas {
    first: Service,
    second: Service,
    _server: S3Server,
    _folder: tempfile::TempDir,
}

/// Each has an issuer of its own, but the same app and user.
async fn replicas() -> Replicas {
    replicas_with("").await
}

async fn replicas_with(toml: &str) -> Replicas {
    let folder = tempfile::TempDir::new().unwrap();
    let server = S3Server::start(Kind::Moto, folder.path()).unwrap();
    let store = Store::in_bucket(&server.place());
    Replicas {
        first: Service::configured_on(store.clone(), toml).await,
        second: Service::configured_on(store, toml).await,
        _server: server,
        _folder: folder,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn another_replica_goes_on_where_one_was_killed() {
    let Replicas { first, second, .. } = &replicas().await;
    let body = pattern(22_000_000);
    let path = first.begin("a", 22_000_000).await;
    for (from, to) in [
        (0, 9_000_000),
        (9_000_000, 9_000_001),
        (9_000_001, 15_000_000),
    ] {
        let appended = first.append(&path, from as u64, &body[from..to]).await;
        assert_eq!(appended.status(), 204);
    }
    first.child.signal(Signal::Kill).unwrap();
    assert_eq!(second.offset(&path).await, 15_000_000);
    let last = second.append(&path, 15_000_000, &body[15_000_000..]).await;
    assert_eq!(last.status(), 204);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
    let digest = format!("sha-256=:{}:", BASE64.encode(digest.as_ref()));
    assert_eq!(header(&last, "repr-digest"), digest);
    let got = second.get("a").await;
    assert_eq!(header(&got, "repr-digest"), digest);
    assert!(got.bytes().await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn what_a_replica_still_has_of_a_broken_request_spoils_nothing() {
    let Replicas { first, second, .. } = &replicas().await;
    let body = pattern(30_000_000);
    let path = first.begin("a", 30_000_000).await;
    // One slice that counts, and one that waits to be full.
    let mut broken = half_sent_from(first, &path, 0, &body[..SLICE + 4_000_000]).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while second.offset(&path).await < SLICE as u64 {
        assert!(std::time::Instant::now() < deadline, "nothing is kept");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let next = &body[SLICE..2 * SLICE];
    assert_eq!(second.append(&path, SLICE as u64, next).await.status(), 204);
    broken.shutdown().await.unwrap();
    let _ = broken.read_to_end(&mut Vec::new()).await;
    let rest = &body[2 * SLICE..];
    assert_eq!(
        second.append(&path, 2 * SLICE as u64, rest).await.status(),
        204
    );
    assert!(second.get("a").await.bytes().await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn of_two_replicas_at_one_offset_one_goes_on() {
    let Replicas { first, second, .. } = &replicas().await;
    for round in 0..5 {
        let key = format!("race-{round}");
        let path = first.begin(&key, 6_000_000).await;
        let bodies = [vec![1; 6_000_000], vec![2; 6_000_000]];
        let (one, other) = tokio::join!(
            first.append(&path, 0, &bodies[0]),
            second.append(&path, 0, &bodies[1])
        );
        let mut won = Vec::new();
        for (answer, body) in [one, other].into_iter().zip(&bodies) {
            if answer.status() == 204 {
                won.push(body);
                continue;
            }
            let (status, code) = problem(answer).await;
            let expected = [(409, "upload_offset_mismatch"), (423, "upload_locked")];
            let late = (413, "upload_length_exceeded");
            assert!(
                expected.contains(&(status, &*code)) || (status, &*code) == late,
                "round {round}: {status} {code}"
            );
        }
        assert_eq!(won.len(), 1, "round {round}");
        assert!(
            second.get(&key).await.bytes().await.unwrap() == won[0],
            "round {round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn what_another_replica_began_or_completed_counts_as_that() {
    let limits = "[limits]\nuser_quota_bytes = 100\nopen_uploads_per_subject = 2\n";
    let Replicas { first, second, .. } = &replicas_with(limits).await;
    let path = first.begin("a", 60).await;
    first.begin("b", 10).await;
    // It counts what is there, and finds what the first has begun.
    let refused = second.creation("c", 1).send().await.unwrap();
    let many = (429, "too_many_open_uploads".to_owned());
    assert_eq!(problem(refused).await, many);
    let refused = second.put("c", &[b'x'; 31]).await;
    assert_eq!(problem(refused).await, (507, "quota_exceeded".into()));
    assert_eq!(second.append(&path, 0, &[b'x'; 60]).await.status(), 204);
    // The first was told nothing of it, and looks.
    first.begin("c", 10).await;
    let refused = first.put("d", &[b'x'; 21]).await;
    assert_eq!(problem(refused).await, (507, "quota_exceeded".into()));
    let refused = first.creation("d", 1).send().await.unwrap();
    assert_eq!(problem(refused).await, many);
}
