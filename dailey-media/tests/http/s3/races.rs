//! Several processes on one bucket: the store's conditions decide, not our locks.

use reqwest::Method;
use testbed::s3::Kind;

use super::bucket::{Bucket, bytes};
use crate::service::{Service, header};

/// Moto takes some milliseconds for each request.
const ROUNDS: u32 = 10;

const WRITERS: usize = 64;

/// Two processes. Each has an issuer of its own, but the same app and user are the same objects.
async fn two(bucket: &Bucket) -> (Service, Service) {
    (bucket.racing_service().await, bucket.racing_service().await)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn of_64_writers_at_two_processes_one_creates_and_one_replaces() {
    let bucket = Bucket::on(Kind::Moto);
    let (first, second) = two(&bucket).await;
    for round in 0..ROUNDS {
        let path = format!("/api/media/race-{round}");
        let mut condition = ("if-none-match", "*".to_owned());
        for _ in 0..2 {
            let running: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let service = if writer % 2 == 0 { &first } else { &second };
                    let put = service
                        .request(Method::PUT, &path)
                        .header(condition.0, &condition.1)
                        .body(format!("{} of writer {writer}", condition.0));
                    tokio::spawn(put.send())
                })
                .collect();
            let mut winners = Vec::new();
            for one in running {
                let answer = one.await.unwrap().unwrap();
                match answer.status().as_u16() {
                    200 | 201 => winners.push(header(&answer, "etag").to_owned()),
                    412 => {}
                    other => panic!(
                        "round {round}: {other}\n{}\n{}",
                        first.child.log_tail(5),
                        second.child.log_tail(5)
                    ),
                }
            }
            assert_eq!(winners.len(), 1, "round {round}, {}", condition.0);
            let stored = second.request(Method::GET, &path).send().await.unwrap();
            assert_eq!(header(&stored, "etag"), winners[0]);
            condition = ("if-match", winners.remove(0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_reader_sees_an_object_as_it_was_or_as_it_is_and_never_a_mix() {
    let bucket = Bucket::on(Kind::Moto);
    let (first, second) = two(&bucket).await;
    let size = 700_000;
    let versions: Vec<Vec<u8>> = (0..4).map(|seed| bytes(size, seed * 2 + 1)).collect();
    let put = |service: &Service, version: usize| {
        service
            .request(Method::PUT, "/api/media/mix")
            .body(versions[version].clone())
            .send()
    };
    assert_eq!(put(&first, 0).await.unwrap().status(), 201);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let requests: Vec<_> = (0..20)
                .map(|_| second.request(Method::GET, "/api/media/mix"))
                .collect();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for request in requests {
                    let answer = request.send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                    seen.push(answer.bytes().await.unwrap());
                }
                seen
            })
        })
        .collect();
    for turn in 0..20 {
        let status = put(&first, turn % versions.len()).await.unwrap().status();
        assert_eq!(status, 200);
    }
    for reader in readers {
        for body in reader.await.unwrap() {
            assert!(versions.iter().any(|version| body == *version), "a mix");
        }
    }
}
