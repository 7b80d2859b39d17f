//! Room for uploads that go on: held for all their bytes from the beginning until they have ended, and for
//! no more of them than may be.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use testbed::Signal;
use tokio::task::JoinSet;

use super::{metadata, with_expiry};
use crate::service::{Service, problem};

async fn put(service: &Service, key: &str, size: usize) -> u16 {
    let request = service.request(Method::PUT, &format!("/api/media/{key}"));
    let answer = request.body(vec![b'x'; size]).send().await;
    answer.unwrap().status().as_u16()
}

async fn create(service: &Service, key: &str, length: u64) -> Response {
    service.creation(key, length).send().await.unwrap()
}

async fn end(service: &Service, path: &str) {
    let ended = service.tus(Method::DELETE, path).send().await.unwrap();
    assert_eq!(ended.status(), 204);
}

fn crash(service: &mut Service) {
    service.child.signal(Signal::Kill).unwrap();
    service.child.stop_at_once(Duration::from_secs(20)).unwrap();
    service.restart();
}

/// The statuses of `count` creations at once, sorted.
async fn at_once(service: &Service, count: usize, length: u64) -> Vec<u16> {
    let creations = (0..count).map(|number| service.creation(&number.to_string(), length).send());
    let mut tasks = JoinSet::new();
    for creation in creations {
        tasks.spawn(async move { creation.await.unwrap().status().as_u16() });
    }
    let mut ended = tasks.join_all().await;
    ended.sort_unstable();
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bytes_of_an_upload_count_from_its_beginning_until_it_has_ended() {
    let mut service = Service::configured("[limits]\nuser_quota_bytes = 1000\n").await;
    let full = (507, "quota_exceeded".to_owned());
    let path = service.begin("a", 600).await;
    assert_eq!(problem(create(&service, "b", 401).await).await, full);
    assert_eq!(put(&service, "b", 401).await, 507);
    assert_eq!(put(&service, "b", 400).await, 201, "to the byte");
    // Neither what has come of it nor a crash makes any difference.
    assert_eq!(service.append(&path, 0, b"hello").await.status(), 204);
    assert_eq!(put(&service, "c", 1).await, 507);
    crash(&mut service);
    assert_eq!(put(&service, "c", 1).await, 507);
    assert_eq!(problem(create(&service, "c", 1).await).await, full);
    // It has its room although there is no more.
    assert_eq!(service.append(&path, 5, &[b'x'; 595]).await.status(), 204);
    assert_eq!(put(&service, "c", 1).await, 507);
    let gone = service.request(Method::DELETE, "/api/media/a").send().await;
    assert_eq!(gone.unwrap().status(), 204);

    let path = service.begin("a", 600).await;
    end(&service, &path).await;
    let path = service.begin("a", 600).await;
    assert_eq!(put(&service, "c", 1).await, 507);
    end(&service, &path).await;
    assert_eq!(put(&service, "c", 600).await, 201);
    crash(&mut service);
    assert_eq!(put(&service, "d", 1).await, 507, "what ended is not held");
    assert_eq!(put(&service, "c", 599).await, 200);
    assert_eq!(put(&service, "d", 1).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_in_the_end_holds_nothing() {
    let service = Service::configured("[limits]\nuser_quota_bytes = 1000\n").await;
    let upload = service.creation("a", 5).header("if-none-match", "*").send();
    let path = crate::service::header(&upload.await.unwrap(), "location").to_owned();
    assert_eq!(put(&service, "a", 1).await, 201);
    assert_eq!(service.append(&path, 0, b"hello").await.status(), 412);
    assert_eq!(put(&service, "rest", 999).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_expired_holds_nothing() {
    with_expiry(1, async |service, lifetime| {
        let began = Instant::now();
        // The default is 1 GiB for each user.
        service.begin("a", 1024 * 1024 * 1024).await;
        let full = put(&service, "b", 1).await;
        lifetime.holds(began)?;
        assert_eq!(full, 507);
        let deadline = Instant::now() + Duration::from_secs(100);
        while put(&service, "b", 1).await != 201 {
            assert!(Instant::now() < deadline, "its room is not given back");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_begin_at_once_only_those_have_begun_that_fit() {
    let service = Service::configured("[limits]\nuser_quota_bytes = 1000\n").await;
    let mut expected = vec![201; 3];
    expected.extend([507; 13]);
    assert_eq!(at_once(&service, 16, 300).await, expected);
    assert_eq!(put(&service, "rest", 101).await, 507);
    assert_eq!(put(&service, "rest", 100).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_has_no_more_open_uploads_than_it_may() {
    // Where nothing else is limited as well.
    let limits =
        "[limits]\nuser_quota_bytes = 0\napp_quota_bytes = 0\nopen_uploads_per_subject = 5\n";
    let mut service = Service::configured(limits).await;
    let path = service.begin("first", 9).await;
    let mut expected = vec![201; 4];
    expected.extend([429; 12]);
    assert_eq!(at_once(&service, 16, 10).await, expected);
    let many = (429, "too_many_open_uploads".to_owned());
    assert_eq!(problem(create(&service, "a", 0).await).await, many);
    let other = service.token().claim("sub", "user-2");
    let theirs = service
        .request_as(Method::POST, "/api/uploads", &other)
        .header("tus-resumable", "1.0.0")
        .header("upload-length", 1)
        .header("upload-metadata", metadata("a"));
    assert_eq!(theirs.send().await.unwrap().status(), 201);
    crash(&mut service);
    assert_eq!(problem(create(&service, "a", 0).await).await, many);
    // One that is complete is not open, nor is one of no bytes.
    assert_eq!(service.append(&path, 0, b"123456789").await.status(), 204);
    assert_eq!(create(&service, "a", 0).await.status(), 201);
    let path = service.begin("last", 9).await;
    assert_eq!(problem(create(&service, "a", 0).await).await, many);
    end(&service, &path).await;
    assert_eq!(create(&service, "a", 0).await.status(), 201);
}
