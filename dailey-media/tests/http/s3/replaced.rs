//! An object that is removed, or that another takes the place of, while it is read: the reader gets the one or
//! the other.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use testbed::Traffic;
use testbed::s3::Kind;
use tokio::task::JoinHandle;

use super::bucket::{Bucket, PATIENCE, bytes};
use super::lies::OTHER_MD5;
use crate::service::Service;

const BOTH: [Kind; 2] = [Kind::Moto, Kind::S3sFs];

const SIZE: usize = 5 * 1024 * 1024;

/// What happens to the object while it is read.
#[derive(Clone, Copy)]
enum Change {
    Replaced,
    Removed,
    /// As s3s-fs has it in the middle of each replacement: the bytes, not yet the headers.
    HalfReplaced,
}

struct Ground {
    bucket: Bucket,
    reader: Service,
    writer: Service,
}

impl Ground {
    async fn with_the_old_one(kind: Kind) -> Self {
        let bucket = Bucket::on(kind);
        let (reader, writer) = (bucket.service().await, bucket.racing_service().await);
        let ground = Self {
            bucket,
            reader,
            writer,
        };
        assert_eq!(ground.put(old()).await, 201);
        ground
    }

    async fn put(&self, body: Vec<u8>) -> u16 {
        let put = self.writer.request(Method::PUT, "/api/media/a").body(body);
        put.send().await.unwrap().status().as_u16()
    }

    async fn change(&self, change: Change) {
        match change {
            Change::Replaced => assert_eq!(self.put(new()).await, 200),
            Change::HalfReplaced => {
                let put = self.bucket.raw.request(Method::PUT, "a").await.body(new());
                let put = put.header("content-md5", OTHER_MD5).send().await.unwrap();
                assert_eq!(put.status(), 400);
            }
            Change::Removed => {
                let gone = self.writer.request(Method::DELETE, "/api/media/a");
                assert_eq!(gone.send().await.unwrap().status(), 204);
            }
        }
    }

    /// Reads while the store's answers stall behind their first bytes, and the object changes.
    async fn read(
        &self,
        stalls_after: u64,
        range: Option<&str>,
        change: Change,
    ) -> (StatusCode, Option<Bytes>) {
        self.bucket.set(Traffic::StallsAfter(stalls_after));
        let mut get = self.reader.request(Method::GET, "/api/media/a");
        if let Some(range) = range {
            get = get.header("range", range);
        }
        let reading: JoinHandle<_> = tokio::spawn(async move {
            let answer = get.send().await.unwrap();
            (answer.status(), answer.bytes().await.ok())
        });
        let started = Instant::now();
        while !self.bucket.proxy.has_stalled() {
            assert!(!reading.is_finished(), "it did not stall");
            assert!(
                started.elapsed() < PATIENCE,
                "it never came to where it stalls"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.change(change).await;
        self.bucket.set(Traffic::Flows);
        reading.await.unwrap()
    }
}

fn old() -> Vec<u8> {
    bytes(SIZE, 1)
}

fn new() -> Vec<u8> {
    bytes(SIZE, 3)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn a_whole_object_is_the_one_that_was_opened() {
    for kind in BOTH {
        let ground = Ground::with_the_old_one(kind).await;
        for change in [Change::Replaced, Change::Removed] {
            ground.put(old()).await;
            let (status, body) = ground.read(0, None, change).await;
            assert_eq!(status, 200, "{kind:?}");
            assert!(body.expect("it ended early") == old(), "{kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn a_part_of_which_nothing_was_sent_is_one_of_the_new_object() {
    let part: Range<usize> = 2_000_000..2_100_000;
    for kind in BOTH {
        let ground = Ground::with_the_old_one(kind).await;
        for range in ["bytes=2000000-2099999", "bytes=2000000-2099999,0-9"] {
            ground.put(old()).await;
            let (status, body) = ground.read(0, Some(range), Change::Replaced).await;
            assert_eq!(status, 206, "{kind:?}: {range}");
            let body = body.expect("it ended early");
            let of = |whole: &[u8]| {
                let part = &whole[part.clone()];
                body.windows(part.len()).any(|window| window == part)
            };
            assert!(of(&new()) && !of(&old()), "{kind:?}: {range}");
            let (status, _) = ground.read(0, Some(range), Change::Removed).await;
            assert_eq!(status, 404, "{kind:?}: {range}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn of_several_parts_none_is_of_another_object_than_the_first() {
    // Stalls in the second part, when the first is sent.
    let parts = "bytes=0-9,1000000-1999999,3000000-3999999";
    for kind in BOTH {
        let ground = Ground::with_the_old_one(kind).await;
        for change in [Change::Replaced, Change::Removed] {
            ground.put(old()).await;
            let (status, body) = ground.read(500_000, Some(parts), change).await;
            assert_eq!(status, 206, "{kind:?}");
            assert_eq!(body, None, "{kind:?}: the third part cannot be had");
        }
    }
}

/// What [`Lie::Halves`] costs.
///
/// [`Lie::Halves`]: crate::store::Lie
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn several_parts_are_mixed_where_the_store_replaces_bytes_before_headers() {
    let ground = Ground::with_the_old_one(Kind::S3sFs).await;
    let parts = "bytes=0-9,1000000-1999999,3000000-3999999";
    let (status, body) = ground
        .read(500_000, Some(parts), Change::HalfReplaced)
        .await;
    assert_eq!(status, 206);
    let body = body.expect("it ended early");
    let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    assert!(has(&old()[..10]) && has(&old()[1_000_000..2_000_000]));
    assert!(has(&new()[3_000_000..4_000_000]));
}
