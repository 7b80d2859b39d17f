//! How uploads end: by their client, by time, and what a restart does to them.

use std::time::{Duration, Instant};

use reqwest::Method;

use super::{left_behind, pattern, with_expiry};
use crate::service::{Service, header, problem};

/// For what is swept once it has expired.
const DEADLINE: Duration = Duration::from_secs(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_upload_is_gone_with_its_bytes() {
    let service = Service::start().await;
    let path = service.begin("a", 10).await;
    assert_eq!(service.append(&path, 0, b"hello").await.status(), 204);
    assert!(matches!(left_behind(&service).await, None | Some(2)));
    let ended = service.tus(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    // The bytes are gone; that it was there is known.
    assert!(matches!(left_behind(&service).await, None | Some(1)));
    let head = service.tus(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), 410);
    for refused in [
        service.append(&path, 5, b"hello").await,
        service.tus(Method::DELETE, &path).send().await.unwrap(),
    ] {
        assert_eq!(problem(refused).await, (410, "upload_gone".into()));
    }
    assert_eq!(service.get("a").await.status(), 404);

    // One in parts, and a rest behind them.
    let path = service.begin("large", 20_000_000).await;
    let large = pattern(12_000_000);
    assert_eq!(service.append(&path, 0, &large).await.status(), 204);
    assert_eq!(service.append(&path, 12_000_000, b"x").await.status(), 204);
    let ended = service.tus(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    assert!(matches!(left_behind(&service).await, None | Some(2)));

    let path = service.begin("b", 5).await;
    assert_eq!(service.append(&path, 0, b"hello").await.status(), 204);
    let ended = service.tus(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    assert_eq!(
        service.get("b").await.text().await.unwrap(),
        "hello",
        "what it became stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_goes_on_with_expires_and_is_swept() {
    with_expiry(2, async |service, lifetime| {
        let began = Instant::now();
        let forgotten = service.begin("forgotten", 10).await;
        let kept = service.begin("kept", 1000).await;
        let done = service.begin("done", 5).await;
        for path in [&forgotten, &done] {
            let appended = service.append(path, 0, b"hello").await;
            lifetime.holds(began)?;
            assert_eq!(appended.status(), 204);
        }
        let deadline = Instant::now() + DEADLINE;
        let (mut offset, mut last) = (0, began);
        // Each byte lets it live longer.
        let mut go_on = async || {
            let now = Instant::now();
            let appended = service.append(&kept, offset, b"x").await;
            if appended.status() != 204 {
                lifetime.holds(last)?;
            }
            assert_eq!(appended.status(), 204);
            (offset, last) = (offset + 1, now);
            Ok(offset)
        };
        loop {
            go_on().await?;
            let head = service.tus(Method::HEAD, &forgotten).send().await.unwrap();
            match head.status().as_u16() {
                200 | 410 => assert!(Instant::now() < deadline, "never swept"),
                404 => break,
                status => panic!("{status}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Of the one that lives: its state and its bytes, in a bucket the rest before as well.
        let most = if service.local("").is_some() { 2 } else { 3 };
        while left_behind(&service).await.is_some_and(|left| left > most) {
            assert!(Instant::now() < deadline, "something is left");
            go_on().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let now = Instant::now();
        let offset = go_on().await?;
        let head = service.tus(Method::HEAD, &kept).send().await.unwrap();
        lifetime.holds(now)?;
        assert_eq!(header(&head, "upload-offset"), offset.to_string());
        assert_eq!(
            service.get("done").await.status(),
            200,
            "the object is no upload"
        );
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_expired_while_nothing_ran_are_swept_at_the_start() {
    with_expiry(1, async |mut service, lifetime| {
        let began = Instant::now();
        let path = service.begin("a", 10).await;
        let appended = service.append(&path, 0, b"hello").await;
        service.child.signal(testbed::Signal::Kill).unwrap();
        // Else it was swept before.
        lifetime.holds(began)?;
        assert_eq!(appended.status(), 204);
        tokio::time::sleep(lifetime.0 + Duration::from_millis(100)).await;
        // By itself it would sweep in a day.
        service.restart_with_env(&[]);
        let deadline = Instant::now() + DEADLINE;
        while left_behind(&service).await.is_some_and(|left| left > 0) {
            assert!(Instant::now() < deadline, "something is left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    })
    .await;
}

/// Puts bytes where a store keeps those of the upload at `path`, where a test can.
async fn leave_a_rest(service: &Service, path: &str) {
    let id = path.rsplit('/').next().unwrap();
    if let Some(bytes) = service.local("resumable") {
        std::fs::write(bytes.join(id), "rest").unwrap();
    }
    if let Some(bucket) = service.store.open_bucket() {
        let rest = service.at(Method::PUT, &format!("{bucket}/.dailey/rests/{id}/rest"));
        assert_eq!(rest.body("rest").send().await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_completed_upload_left_goes_with_it_and_the_object_stays() {
    let service = Service::start_with_env(&[("UPLOAD_EXPIRY_SECONDS", "2")]).await;
    let (small, large) = (pattern(5), pattern(6_000_000));
    let mut paths = Vec::new();
    for (key, bytes) in [("small", &small), ("large", &large), ("ended", &small)] {
        let path = service.begin(key, bytes.len() as u64).await;
        assert_eq!(service.append(&path, 0, bytes).await.status(), 204);
        leave_a_rest(&service, &path).await;
        paths.push(path);
    }
    let ended = service.tus(Method::DELETE, &paths[2]).send().await.unwrap();
    assert_eq!(ended.status(), 204);
    let deadline = Instant::now() + Duration::from_secs(30);
    for path in &paths {
        while service
            .tus(Method::HEAD, path)
            .send()
            .await
            .unwrap()
            .status()
            != 404
        {
            assert!(Instant::now() < deadline, "never swept");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert!(matches!(left_behind(&service).await, None | Some(0)));
    for (key, bytes) in [("small", &small), ("large", &large), ("ended", &small)] {
        let got = service.get(key).await.bytes().await.unwrap();
        assert!(got == bytes.as_slice(), "the object {key} stays");
    }
}
