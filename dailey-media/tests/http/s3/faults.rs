//! A store that stalls, breaks, or loses its answers: a clear problem, nothing half, and recovery by itself.

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use testbed::Traffic;
use testbed::s3::Kind;

use super::bucket::{Bucket, PATIENCE, bytes};
use crate::service::{Service, header, problem};

async fn until_health_is(service: &Service, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = service.bare(Method::GET, "/health").send().await.unwrap();
        if health.status() == status {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "health is not {status}: {}\n{}",
            health.text().await.unwrap(),
            service.child.log_tail(10)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_store_that_stalls_or_breaks_is_a_problem_of_its_own_and_passes() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    assert_eq!(service.put("a", b"old").await.status(), 201);
    for traffic in [Traffic::Breaks, Traffic::Stalls] {
        bucket.set(traffic);
        let put = service.request(Method::PUT, "/api/media/a").body("new");
        let create = service
            .request(Method::PUT, "/api/media/b")
            .header("if-none-match", "*")
            .body("new");
        let (put, create, got, list, deleted) = tokio::join!(
            put.send(),
            create.send(),
            service.request(Method::GET, "/api/media/a").send(),
            service.request(Method::GET, "/api/media").send(),
            // Changes of one object wait for each other, so another one.
            service.request(Method::DELETE, "/api/media/c").send(),
        );
        for answer in [put, create, got, deleted] {
            let answer = answer.unwrap();
            assert_eq!(header(&answer, "retry-after"), "5", "{traffic:?}");
            let said = problem(answer).await;
            assert_eq!(said, (503, "storage_unavailable".into()), "{traffic:?}");
        }
        assert_eq!(problem(list.unwrap()).await.0, 503, "{traffic:?}");
        until_health_is(&service, 503).await;
        bucket.set(Traffic::Flows);
        until_health_is(&service, 200).await;
        assert_eq!(service.get("a").await.text().await.unwrap(), "old");
        assert_eq!(service.get("b").await.status(), 404);
    }
    let log = std::fs::read_to_string(service.child.log()).unwrap();
    for secret in [testbed::s3::SECRET_ACCESS_KEY, "/user-1/a"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_store_that_stalls_has_the_time_and_the_tries_that_are_configured() {
    let bucket = Bucket::on(Kind::Moto);
    let second = "s3_connect_seconds = 1\ns3_request_seconds = 1\n";
    let once = format!("[limits]\n{second}s3_retries = 0\n");
    let mut service = Service::configured_on(bucket.store.clone(), &once).await;
    assert_eq!(service.put("a", b"old").await.status(), 201);
    let waited = async |service: &Service| {
        let asked = Instant::now();
        let said = problem(service.get("a").await).await;
        assert_eq!(said, (503, "storage_unavailable".into()));
        asked.elapsed()
    };
    bucket.set(Traffic::Stalls);
    let took = waited(&service).await;
    // By default 30 s.
    let expected = Duration::from_secs(1)..Duration::from_secs(15);
    assert!(expected.contains(&took), "it took {took:?}");

    // Nobody looks again whether a change was done of which no answer came.
    let told = [
        (Method::PUT, IF_NONE_MATCH, "*", 200),
        (Method::DELETE, IF_MATCH, "*", 404),
    ];
    for (method, name, condition, then) in told {
        bucket.set(match method {
            Method::PUT => Traffic::LosesAnswersTo("PUT", "/b"),
            _ => Traffic::LosesAnswersTo("DELETE", "/b"),
        });
        let change = service.request(method.clone(), "/api/media/b");
        let said = problem(change.header(name, condition).send().await.unwrap()).await;
        assert_eq!(said, (503, "storage_unavailable".into()), "{method}");
        bucket.set(Traffic::Flows);
        assert_eq!(service.get("b").await.status(), then, "{method}");
    }

    let file = service.folder.path().join("dailey-media.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("s3_retries = 0", "s3_retries = 5")).unwrap();
    service.restart();
    bucket.set(Traffic::Stalls);
    let took = waited(&service).await;
    // Once and five times more.
    assert!(took >= Duration::from_secs(6), "it took {took:?}");
    bucket.set(Traffic::Flows);
    until_health_is(&service, 200).await;
    assert_eq!(service.get("a").await.text().await.unwrap(), "old");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_write_whose_answer_was_lost_is_known_as_done() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    for (size, method, text) in [(5, "PUT", ""), (6 * 1024 * 1024, "POST", "?uploadId=")] {
        let key = format!("lost-{size}");
        let path = format!("/api/media/{key}");
        let mut condition = (IF_NONE_MATCH, HeaderValue::from_static("*"));
        for (seed, status) in [(1, 201), (2, 200)] {
            let sent = bytes(size, seed);
            bucket.set(Traffic::LosesAnswersTo(method, text));
            let put = service.request(Method::PUT, &path);
            let put = put.header(condition.0, condition.1).body(sent.clone());
            let put = tokio::spawn(put.send());
            let deadline = Instant::now() + PATIENCE;
            while bucket.get(&key).await.bytes().await.unwrap() != sent {
                assert!(Instant::now() < deadline, "it never arrived");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            bucket.set(Traffic::Flows);
            assert_eq!(put.await.unwrap().unwrap().status(), status, "{size}");
            let got = service.request(Method::GET, &path).send().await.unwrap();
            condition = (IF_MATCH, got.headers()[ETAG].clone());
            assert!(got.bytes().await.unwrap() == sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_removal_whose_answer_was_lost_is_known_as_done() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let until_gone = async |key: &str| {
        let deadline = Instant::now() + PATIENCE;
        while bucket.get(key).await.status() != 404 {
            assert!(Instant::now() < deadline, "{key} is never removed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bucket.set(Traffic::Flows);
    };
    assert_eq!(service.put("from", b"moved").await.status(), 201);
    bucket.set(Traffic::LosesAnswersTo("DELETE", "/from"));
    let moving = service.request(Method::POST, "/api/media-ops/move");
    let moving = moving
        .header(CONTENT_TYPE, "application/json")
        .body(r#"{"from": "from", "to": "to"}"#);
    let moving = tokio::spawn(moving.send());
    until_gone("from").await;
    assert_eq!(moving.await.unwrap().unwrap().status(), 201);
    assert_eq!(service.get("to").await.text().await.unwrap(), "moved");

    let etag = service.get("to").await.headers()[ETAG].clone();
    bucket.set(Traffic::LosesAnswersTo("DELETE", "/to"));
    let removing = service.request(Method::DELETE, "/api/media/to");
    let removing = tokio::spawn(removing.header(IF_MATCH, etag).send());
    until_gone("to").await;
    assert_eq!(removing.await.unwrap().unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn a_store_that_is_killed_in_the_middle_leaves_nothing_half() {
    let mut bucket = Bucket::on(Kind::S3sFs);
    let service = bucket.service().await;
    // More than goes through before the kill.
    let size = 64 * 1024 * 1024;
    let old = bytes(size, 1);
    let put = |key: &str, seed| {
        service
            .request(Method::PUT, &format!("/api/media/{key}"))
            .body(bytes(size, seed))
            .send()
    };
    assert_eq!(put("kept", 1).await.unwrap().status(), 201);
    // Killed while a download is under way, and uploads over the object and beside it.
    bucket.set(Traffic::StallsAfter(1024 * 1024));
    let mut got = service.get("kept").await;
    assert_eq!(got.status(), 200);
    assert!(got.chunk().await.unwrap().is_some());
    let (over, beside) = (put("kept", 2), put("new", 3));
    let killing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bucket.server.kill();
        bucket.proxy.set(Traffic::Breaks);
        let mut read = 0;
        // It ends with an error, not as if it were whole.
        loop {
            match got.chunk().await {
                Ok(Some(piece)) => read += piece.len(),
                Ok(None) => panic!("{read} bytes passed for a whole object"),
                Err(_) => break,
            }
        }
    };
    let (over, beside, ()) = tokio::join!(over, beside, killing);
    for answer in [over, beside] {
        let said = problem(answer.unwrap()).await;
        assert_eq!(said, (503, "storage_unavailable".into()));
    }
    let metrics = service.bare(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted = "dailey_media_storage_errors_total{code=\"read_broken\"} 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    bucket.server.start_again().unwrap();
    bucket.set(Traffic::Flows);
    until_health_is(&service, 200).await;
    assert!(service.get("kept").await.bytes().await.unwrap() == old);
    assert_eq!(service.get("new").await.status(), 404);
    assert_eq!(put("new", 3).await.unwrap().status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn an_upload_in_pieces_goes_on_after_a_store_that_stalled_broke_or_lost_an_answer() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let (size, half) = (12 * 1024 * 1024, 6 * 1024 * 1024);
    let body = bytes(size, 1);
    let path = service.begin("pieces", size as u64).await;
    assert_eq!(service.append(&path, 0, &body[..half]).await.status(), 204);
    let mut at = half;
    for traffic in [Traffic::Breaks, Traffic::Stalls] {
        bucket.set(traffic);
        let refused = service.append(&path, at as u64, &body[at..]).await;
        let said = problem(refused).await;
        assert_eq!(said, (503, "storage_unavailable".into()), "{traffic:?}");
        bucket.set(Traffic::Flows);
        until_health_is(&service, 200).await;
        at = service.offset(&path).await.try_into().unwrap();
        assert!((half..size).contains(&at), "{traffic:?}: {at}");
        assert_eq!(service.get("pieces").await.status(), 404);
    }
    bucket.set(Traffic::LosesAnswersTo("POST", "?uploadId="));
    let until_there = async {
        let deadline = Instant::now() + PATIENCE;
        while bucket.get("pieces").await.status() != 200 {
            assert!(Instant::now() < deadline, "it is never completed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bucket.set(Traffic::Flows);
    };
    let (last, ()) = tokio::join!(service.append(&path, at as u64, &body[at..]), until_there);
    assert_eq!(last.status(), 204);
    assert!(service.get("pieces").await.bytes().await.unwrap() == body);
    bucket.until_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn an_upload_in_pieces_goes_on_after_a_store_that_was_killed() {
    let mut bucket = Bucket::on(Kind::S3sFs);
    let service = bucket.service().await;
    let size = 64 * 1024 * 1024;
    let body = bytes(size, 1);
    let path = service.begin("pieces", size as u64).await;
    let killing = async {
        // Some of it is kept by then, and the most is not.
        let deadline = Instant::now() + PATIENCE;
        while service.offset(&path).await == 0 {
            assert!(Instant::now() < deadline, "nothing is kept");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bucket.server.kill();
    };
    let (refused, ()) = tokio::join!(service.append(&path, 0, &body), killing);
    let said = problem(refused).await;
    assert_eq!(said, (503, "storage_unavailable".into()));
    bucket.server.start_again().unwrap();
    until_health_is(&service, 200).await;
    let at: usize = service.offset(&path).await.try_into().unwrap();
    assert!((1..size).contains(&at), "{at}");
    let last = service.append(&path, at as u64, &body[at..]).await;
    assert_eq!(last.status(), 204);
    assert!(service.get("pieces").await.bytes().await.unwrap() == body);
}
