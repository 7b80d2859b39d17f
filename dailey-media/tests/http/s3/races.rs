//! Several processes on one bucket: the store's conditions decide, not our locks.

use std::time::Instant;

use reqwest::Method;
use testbed::s3::Kind;

use super::bucket::{Bucket, bytes};
use crate::service::{Service, header};
use crate::store::Lie;

const ROUNDS: u32 = 100;

const WRITERS: usize = 64;

/// Two processes. Each has an issuer of its own, but the same app and user are the same objects.
async fn two(bucket: &Bucket) -> [Service; 2] {
    [bucket.racing_service().await, bucket.racing_service().await]
}

/// One that was told that it succeeded.
struct Winner {
    process: usize,
    etag: String,
    body: String,
}

/// All write at once under the condition, each second one at the other process.
async fn race(services: &[Service; 2], path: &str, condition: (&str, &str)) -> Vec<Winner> {
    race_of(WRITERS, 0, services, path, condition).await
}

/// So many, each with so many bytes more.
async fn race_of(
    writers: usize,
    size: usize,
    services: &[Service; 2],
    path: &str,
    (name, value): (&str, &str),
) -> Vec<Winner> {
    // Signing one for each writer would take longer than the race.
    let bearers = services
        .each_ref()
        .map(|service| service.bearer(&service.token()));
    let running: Vec<_> = (0..writers)
        .map(|writer| {
            let process = writer % services.len();
            let body = format!("{name} of writer {writer}");
            let body = body + &"x".repeat(size);
            let put = services[process]
                .bare(Method::PUT, path)
                .header("authorization", &bearers[process])
                .header(name, value)
                .body(body.clone());
            (process, body, tokio::spawn(put.send()))
        })
        .collect();
    let mut winners = Vec::new();
    for (process, body, one) in running {
        let answer = one.await.unwrap().unwrap();
        match answer.status().as_u16() {
            200 | 201 => winners.push(Winner {
                process,
                etag: header(&answer, "etag").to_owned(),
                body,
            }),
            412 => {}
            other => panic!("{path}: {other}\n{}", services[process].child.log_tail(5)),
        }
    }
    winners
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn of_64_writers_at_two_processes_one_creates_and_one_replaces() {
    // It answers one request at a time, so two of them take half as long.
    let buckets = [Bucket::on(Kind::Moto), Bucket::on(Kind::Moto)];
    let started = Instant::now();
    let half = async |bucket: &Bucket| {
        let services = two(bucket).await;
        for round in 0..ROUNDS / 2 {
            one_creates_and_one_replaces(&services, &format!("/api/media/race-{round}")).await;
        }
    };
    tokio::join!(half(&buckets[0]), half(&buckets[1]));
    println!("{ROUNDS} rounds took {:?}", started.elapsed());
}

/// A multipart upload each: what decides is the condition of its completion.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn of_writers_of_large_objects_at_two_processes_one_creates() {
    let bucket = Bucket::on(Kind::Moto);
    let services = two(&bucket).await;
    for round in 0..10 {
        let path = format!("/api/media/large-{round}");
        let condition = ("if-none-match", "*");
        let winners = race_of(8, 6 * 1024 * 1024, &services, &path, condition).await;
        assert_eq!(winners.len(), 1, "{path}");
        let stored = services[1].request(Method::GET, &path).send().await;
        let stored = stored.unwrap();
        assert_eq!(header(&stored, "etag"), winners[0].etag);
        assert!(stored.text().await.unwrap() == winners[0].body, "{path}");
    }
    bucket.until_clean().await;
}

/// The same where only copies are made under a condition; and one replaces.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn of_writers_of_large_objects_that_are_copied_one_creates_and_one_replaces() {
    let bucket = Bucket::with_copies();
    let services = [
        bucket.racing_service_behind_proxy().await,
        bucket.racing_service_behind_proxy().await,
    ];
    for round in 0..5 {
        let path = format!("/api/media/large-{round}");
        let mut condition = ("if-none-match", "*".to_owned());
        for _ in 0..2 {
            let wanted = (condition.0, &*condition.1);
            let winners = race_of(8, 6 * 1024 * 1024, &services, &path, wanted).await;
            assert_eq!(winners.len(), 1, "{path}, {}", condition.0);
            let stored = services[1].request(Method::GET, &path).send().await;
            let stored = stored.unwrap();
            let etag = header(&stored, "etag").to_owned();
            assert_eq!(etag, winners[0].etag);
            assert!(stored.text().await.unwrap() == winners[0].body, "{path}");
            condition = ("if-match", etag);
        }
    }
    bucket.until_clean().await;
}

async fn one_creates_and_one_replaces(services: &[Service; 2], path: &str) {
    let mut condition = ("if-none-match", "*".to_owned());
    for _ in 0..2 {
        let mut winners = race(services, path, (condition.0, &condition.1)).await;
        assert_eq!(winners.len(), 1, "{path}, {}", condition.0);
        let winner = winners.remove(0);
        let stored = services[1].request(Method::GET, path).send().await;
        let stored = stored.unwrap();
        assert_eq!(header(&stored, "etag"), winner.etag);
        assert_eq!(stored.text().await.unwrap(), winner.body);
        condition = ("if-match", winner.etag);
    }
}

/// How two processes fare where the store looks first and writes then ([`Lie::Races`]): each lets one
/// through. `conditions` has one process there, which keeps the promise by itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn two_processes_on_a_store_whose_conditions_race_have_a_winner_each_at_most() {
    let bucket = Bucket::on(Kind::S3sFs);
    assert!(bucket.store.lies_about(Lie::Races));
    let services = two(&bucket).await;
    let mut both = 0;
    for round in 0..ROUNDS {
        let path = format!("/api/media/race-{round}");
        let mut condition = ("if-none-match", "*".to_owned());
        for _ in 0..2 {
            let winners = race(&services, &path, (condition.0, &condition.1)).await;
            let of = |process| winners.iter().filter(|one| one.process == process).count();
            let (first, second) = (of(0), of(1));
            assert!(first + second > 0, "{path}, {}: none", condition.0);
            assert!(first <= 1 && second <= 1, "{path}, {}", condition.0);
            both += usize::from(winners.len() == 2);
            let stored = services[1].request(Method::GET, &path).send().await;
            let stored = stored.unwrap();
            let etag = header(&stored, "etag").to_owned();
            let body = stored.text().await.unwrap();
            // Of two that succeeded it may have the bytes of one and the headers of the other, but
            // nothing of anybody else, and the bytes of one only.
            assert!(winners.iter().any(|winner| winner.etag == etag), "{path}");
            assert!(winners.iter().any(|winner| winner.body == body), "{path}");
            condition = ("if-match", etag);
        }
    }
    println!("of {} races {both} had two winners", ROUNDS * 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn a_reader_sees_an_object_as_it_was_or_as_it_is_and_never_a_mix() {
    for kind in [Kind::Moto, Kind::S3sFs] {
        let bucket = Bucket::on(kind);
        let [first, second] = two(&bucket).await;
        let versions: Vec<Vec<u8>> = (0..4).map(|seed| bytes(700_000, seed * 2 + 1)).collect();
        let put = |version: usize| {
            first
                .request(Method::PUT, "/api/media/mix")
                .body(versions[version].clone())
                .send()
        };
        let mut digests = Vec::new();
        for version in 0..versions.len() {
            let stored = put(version).await.unwrap();
            digests.push(header(&stored, "repr-digest").to_owned());
        }
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let requests: Vec<_> = (0..20)
                    .map(|_| second.request(Method::GET, "/api/media/mix"))
                    .collect();
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    for request in requests {
                        let answer = request.send().await.unwrap();
                        // Between its removal and the next write.
                        if answer.status() == 404 {
                            continue;
                        }
                        assert_eq!(answer.status(), 200);
                        let digest = header(&answer, "repr-digest").to_owned();
                        seen.push((digest, answer.bytes().await.unwrap()));
                    }
                    seen
                })
            })
            .collect();
        for turn in 0..20 {
            let status = put(turn % versions.len()).await.unwrap().status();
            assert!(status.is_success(), "{status}");
            if turn % 5 == 4 {
                let gone = first.request(Method::DELETE, "/api/media/mix");
                assert_eq!(gone.send().await.unwrap().status(), 204);
            }
        }
        for reader in readers {
            let seen = reader.await.unwrap();
            assert!(!seen.is_empty(), "it was never there");
            for (digest, body) in seen {
                let of_body = versions.iter().position(|version| body == *version);
                let of_body = of_body.expect("bytes of two versions");
                let of_head = digests.iter().position(|one| *one == digest);
                let of_head = of_head.expect("a digest of none");
                if !bucket.store.lies_about(Lie::Halves) {
                    assert_eq!(of_head, of_body, "headers of another version");
                }
            }
        }
    }
}
