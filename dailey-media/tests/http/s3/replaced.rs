//! An object that another takes the place of while it is read: the reader gets the one or the other.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode};
use testbed::Traffic;
use testbed::s3::Kind;
use tokio::task::JoinHandle;

use super::bucket::{Bucket, bytes};
use crate::service::Service;

const SIZE: usize = 5 * 1024 * 1024;

/// Long enough for a request to have come to where it stalls.
const A_MOMENT: Duration = Duration::from_millis(700);

struct Ground {
    bucket: Bucket,
    reader: Service,
    writer: Service,
}

impl Ground {
    async fn with_the_old_one() -> Self {
        let bucket = Bucket::on(Kind::Moto);
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

    /// Reads while the store's answers stall behind their first bytes, and the object is replaced.
    async fn read(&self, stalls_after: u64, range: Option<&str>) -> (StatusCode, Option<Bytes>) {
        self.bucket.set(Traffic::StallsAfter(stalls_after));
        let mut get = self.reader.request(Method::GET, "/api/media/a");
        if let Some(range) = range {
            get = get.header("range", range);
        }
        let reading: JoinHandle<_> = tokio::spawn(async move {
            let answer = get.send().await.unwrap();
            (answer.status(), answer.bytes().await.ok())
        });
        tokio::time::sleep(A_MOMENT).await;
        assert!(!reading.is_finished(), "it did not stall");
        assert_eq!(self.put(new()).await, 200);
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
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_whole_object_is_the_one_that_was_opened() {
    let ground = Ground::with_the_old_one().await;
    let (status, body) = ground.read(1, None).await;
    assert_eq!(status, 200);
    assert!(body.expect("it ended early") == old());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_part_of_which_nothing_was_sent_is_one_of_the_new_object() {
    let ground = Ground::with_the_old_one().await;
    let part: Range<usize> = 2_000_000..2_100_000;
    for range in ["bytes=2000000-2099999", "bytes=2000000-2099999,0-9"] {
        assert_eq!(ground.put(old()).await, 200);
        let (status, body) = ground.read(1, Some(range)).await;
        assert_eq!(status, 206, "{range}");
        let body = body.expect("it ended early");
        let of = |whole: &[u8]| {
            let part = &whole[part.clone()];
            body.windows(part.len()).any(|window| window == part)
        };
        assert!(of(&new()) && !of(&old()), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn of_several_parts_none_is_of_another_object_than_the_first() {
    let ground = Ground::with_the_old_one().await;
    // Stalls in the second part, when the first is sent.
    let parts = "bytes=0-9,1000000-1999999,3000000-3999999";
    let (status, body) = ground.read(500_000, Some(parts)).await;
    assert_eq!(status, 206);
    assert_eq!(body, None, "the third part cannot be had");
}
