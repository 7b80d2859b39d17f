//! More objects than the store tells in one answer.

use futures_util::{StreamExt, stream};
use reqwest::Method;
use testbed::Traffic;
use testbed::s3::Kind;

use super::bucket::Bucket;
use crate::service::{Service, json, problem};

/// S3 tells a thousand.
const MANY: usize = 1010;

const LIMITS: &str =
    "[limits]\nuploads_per_subject = 64\nuser_quota_objects = 1010\nlist_max_objects = 1000\n";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn they_are_all_listed_and_all_counted_without_a_question_about_each() {
    let bucket = Bucket::on(Kind::Moto);
    let mut service = Service::racing_on(bucket.store.clone(), LIMITS).await;
    let bearer = service.bearer(&service.token());
    let put = |key: String| {
        let put = service.bare(Method::PUT, &format!("/api/media/{key}"));
        put.header("authorization", &bearer).body("x").send()
    };
    let written = stream::iter(0..MANY).map(|n| put(format!("many-{n:04}")));
    let written: Vec<_> = written.buffer_unordered(16).collect().await;
    for answer in written {
        assert_eq!(answer.unwrap().status(), 201);
    }

    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("/api/media?limit=1000{cursor}");
        let page = service.request(Method::GET, &query).send().await.unwrap();
        let page = json(page).await;
        let objects = page["objects"].as_array().unwrap();
        assert!(!objects.is_empty() && objects.len() <= 1000);
        listed.extend(
            objects
                .iter()
                .map(|object| object["key"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<String> = (0..MANY).map(|n| format!("many-{n:04}")).collect();
    assert_eq!(listed, expected);

    // A process that has counted nothing yet, and would wait for ever for what one of them is.
    service.restart();
    bucket.set(Traffic::StallsAt("HEAD", "/many-"));
    let one_more = service.put("one-more", b"x").await;
    assert_eq!(problem(one_more).await, (507, "quota_exceeded".into()));
}
