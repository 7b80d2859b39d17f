//! A POST with an `Idempotency-Key` is carried out once, however often it is sent.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::raw::Raw;
use crate::service::{APP, Limits, Service, header, json as body, problem};
use crate::uploads::metadata;

async fn post(service: &Service, operation: &str, key: &str, wanted: &Value) -> Response {
    service
        .request(Method::POST, &format!("/api/media-ops/{operation}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(wanted.to_string())
        .send()
        .await
        .unwrap()
}

fn replayed(response: &Response) -> bool {
    header(response, "idempotency-replayed") == "true"
}

/// How many tokens were verified and accepted.
async fn accepted(service: &Service) -> u64 {
    let metrics = service.bare(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let series = "dailey_auth_verifications_total{code=\"accepted\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(series));
    value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_verified_once_for_a_request_with_a_key() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    for (operation, wanted, status) in [
        ("copy", json!({ "from": "a", "to": "b" }), 201),
        ("move", json!({ "from": "b", "to": "c" }), 201),
        ("delete", json!({ "keys": ["c"] }), 200),
        ("presign", json!({ "key": "a", "method": "GET" }), 200),
    ] {
        let before = accepted(&service).await;
        let answer = post(&service, operation, operation, &wanted).await;
        assert_eq!(answer.status(), status, "{operation}");
        assert_eq!(accepted(&service).await, before + 1, "{operation}");
    }
    let before = accepted(&service).await;
    let upload = service.creation("d", 5).header("idempotency-key", "upload");
    assert_eq!(upload.send().await.unwrap().status(), 201);
    assert_eq!(accepted(&service).await, before + 1, "upload");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_is_given_again_and_nothing_is_done_twice() {
    let mut service = Service::start().await;
    for key in ["a", "b", "c", "p/1"] {
        service.put(key, b"x").await;
    }
    let operations = [
        ("copy", json!({ "from": "a", "to": "a2" }), 201),
        ("move", json!({ "from": "b", "to": "b2" }), 201),
        ("delete", json!({ "keys": ["c"] }), 200),
        ("presign", json!({ "key": "a", "method": "GET" }), 200),
        ("copy", json!({ "from": "none", "to": "x" }), 404),
        ("copy", json!({ "from": "a" }), 422),
    ];
    let mut first = Vec::new();
    for (number, (operation, wanted, status)) in operations.iter().enumerate() {
        let answer = post(&service, operation, &format!("key-{number}"), wanted).await;
        assert_eq!(answer.status(), *status, "{operation}");
        assert!(!replayed(&answer));
        let kept = ["etag", "content-type", "repr-digest", "cache-control"];
        let kept = kept.map(|name| header(&answer, name).to_owned());
        first.push((kept, answer.text().await.unwrap()));
    }
    for restarted in [false, true] {
        if restarted {
            service.child.signal(testbed::Signal::Kill).unwrap();
            service.child.stop_at_once(Duration::from_secs(20)).unwrap();
            service.restart();
        }
        for (number, (operation, wanted, status)) in operations.iter().enumerate() {
            let again = post(&service, operation, &format!("key-{number}"), wanted).await;
            assert_eq!(again.status(), *status, "{operation}");
            assert!(replayed(&again), "{operation}");
            let (kept, text) = &first[number];
            let names = ["etag", "content-type", "repr-digest", "cache-control"];
            assert_eq!(&names.map(|name| header(&again, name).to_owned()), kept);
            assert_eq!(&again.text().await.unwrap(), text, "{operation}");
        }
    }
    // Without the key it is another request.
    let again = service.post("/api/media-ops/copy", &operations[0].1).await;
    assert_eq!(problem(again).await, (409, "object_exists".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_request_of_one_subject() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    let wanted = json!({ "from": "a", "to": "b" });
    assert_eq!(post(&service, "copy", "k", &wanted).await.status(), 201);
    for (operation, wanted) in [
        ("copy", json!({ "from": "a", "to": "c" })),
        ("move", wanted.clone()),
        ("copy", json!({ "to": "b", "from": "a", "overwrite": true })),
    ] {
        let other = post(&service, operation, "k", &wanted).await;
        let expected = (422, "idempotency_key_reused".into());
        assert_eq!(problem(other).await, expected, "{operation} {wanted}");
    }
    // The quotes of a structured field are not part of the key.
    assert!(replayed(&post(&service, "copy", "\"k\"", &wanted).await));
    let theirs = service.token().claim("sub", "user-2");
    let theirs = service
        .request_as(Method::POST, "/api/media-ops/copy", &theirs)
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(wanted.to_string());
    assert_eq!(theirs.send().await.unwrap().status(), 404);
    for key in ["", "a b", &"k".repeat(256), "\"a", "\u{e9}"] {
        let refused = post(&service, "copy", key, &wanted).await;
        let expected = (400, "idempotency_key_invalid".into());
        assert_eq!(problem(refused).await, expected, "{key}");
    }
    let nobody = service.bare(Method::POST, "/api/media-ops/copy");
    let nobody = nobody.header("idempotency-key", "k").send().await.unwrap();
    assert_eq!(nobody.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_not_for_a_token_that_may_do_less() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    let wanted = json!({ "key": "a", "method": "PUT" });
    assert_eq!(post(&service, "presign", "k", &wanted).await.status(), 200);
    for scope in ["media:read", "media:write", "profile:read"] {
        let less = service.token().claim("scope", scope);
        let asked = service
            .request_as(Method::POST, "/api/media-ops/presign", &less)
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(wanted.to_string());
        let refused = problem(asked.send().await.unwrap()).await;
        assert_eq!(refused, (422, "idempotency_key_reused".into()), "{scope}");
    }
    let more = service
        .token()
        .claim("scope", "profile:read media:write media:read");
    let asked = service
        .request_as(Method::POST, "/api/media-ops/presign", &more)
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(wanted.to_string());
    assert!(replayed(&asked.send().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_other_bytes_is_another_request() {
    let service = Service::start().await;
    let begin = |key: &str, bytes: &'static [u8], more: &[(&'static str, &'static str)]| {
        let mut request = service.creation("a", 5).header("idempotency-key", key);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request
            .header("content-type", "application/offset+octet-stream")
            .body(bytes)
            .send()
    };
    let of_12345 = (
        "upload-checksum",
        "sha256 WZRHGrsBESr8wYFZ9sx0tPURuZgG2lmzyvWpwXPKz8U=",
    );
    let of_99999 = (
        "upload-checksum",
        "sha256 /V9WtAp5o4VwhCjnsyq5lqaBCAoWaiIG51DrSBkYYUU=",
    );
    let created = begin("k", b"12345", &[of_12345]).await.unwrap();
    assert_eq!(created.status(), 201);
    assert!(replayed(&begin("k", b"12345", &[of_12345]).await.unwrap()));
    for (bytes, more) in [
        (&b"99999"[..], &[of_99999][..]),
        (b"1234", &[of_12345]),
        (b"12345", &[of_12345, ("if-match", "\"a\"")]),
        (
            b"12345",
            &[
                of_12345,
                ("if-unmodified-since", "Mon, 30 Nov 2026 12:00:00 GMT"),
            ],
        ),
    ] {
        let other = begin("k", bytes, more).await.unwrap();
        let expected = (422, "idempotency_key_reused".into());
        assert_eq!(problem(other).await, expected, "{more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_broke_off_may_be_sent_again() {
    // Room for one: nothing of the first may be left.
    let service = Service::configured("[limits]\nuser_quota_bytes = 10\n").await;
    let head = format!(
        "POST /api/uploads HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\nidempotency-key: k\r\ntus-resumable: 1.0.0\r\n\
         upload-length: 10\r\nupload-metadata: {}\r\ncontent-type: application/offset+octet-stream\r\ncontent-length: 10\r\n\r\n",
        service.bearer(&service.token()),
        metadata("a"),
    );
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"012").await.unwrap();
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(60);
    let answer = loop {
        let again = service.creation("a", 10).header("idempotency-key", "k");
        let again = again
            .header("content-type", "application/offset+octet-stream")
            .body("0123456789");
        let answer = again.send().await.unwrap();
        if answer.status() != 409 {
            break answer;
        }
        assert!(Instant::now() < deadline, "still under way");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((answer.status().as_u16(), replayed(&answer)), (201, false));
    let stored = service.request(Method::GET, "/api/media/a");
    assert_eq!(
        stored.send().await.unwrap().text().await.unwrap(),
        "0123456789"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_is_carried_out() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    for round in 0..5 {
        let wanted = json!({ "from": "a", "to": format!("to-{round}") });
        let key = format!("key-{round}");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let asked = service
                .request(Method::POST, "/api/media-ops/copy")
                .header("content-type", "application/json")
                .header("idempotency-key", &key)
                .body(wanted.to_string());
            tasks.spawn(async move { asked.send().await.unwrap() });
        }
        let mut first = 0;
        while let Some(answer) = tasks.join_next().await {
            let answer = answer.unwrap();
            if answer.status() == 201 {
                first += u32::from(!replayed(&answer));
                continue;
            }
            assert_eq!(header(&answer, "retry-after"), "1");
            let expected = (409, "idempotency_in_progress".into());
            assert_eq!(problem(answer).await, expected);
        }
        assert_eq!(first, 1);
        assert!(replayed(&post(&service, "copy", &key, &wanted).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_before_the_answer_finds_it_later() {
    let service = Service::start().await;
    let large = service.request(Method::PUT, "/api/media/large");
    let large = large.body(vec![7; 60_000_000]).send().await.unwrap();
    assert_eq!(large.status(), 201);
    let wanted = json!({ "from": "large", "to": "copy" });
    let text = wanted.to_string();
    let head = format!(
        "POST /api/media-ops/copy HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        service.bearer(&service.token()),
        text.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let raw = Raw::of(&service.store);
    let began = async || match (&raw, service.local("objects/.d/idempotency.d")) {
        (Some(raw), _) => raw.count(".dailey/idempotency").await > 0,
        (None, folder) => folder.is_some_and(|folder| folder.exists()),
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !began().await {
        assert!(Instant::now() < deadline, "the request never began");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(stream);
    let answer = loop {
        let answer = post(&service, "copy", "k", &wanted).await;
        if header(&answer, "retry-after").is_empty() {
            break answer;
        }
        assert!(Instant::now() < deadline, "still under way");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(replayed(&answer));
    assert_eq!(answer.status(), 201);
    assert_eq!(body(answer).await["size"], 60_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_kept_until_a_subject_has_too_many_of_them() {
    // Nothing to speak of comes back while this runs.
    let limits = "[limits]\nwrites_per_minute = 1\nwrites_at_once = 1000\n";
    let service = Service::limited(limits).await;
    let keys: Vec<String> = (0..1000)
        .map(|n| format!("../{n}{}", "k".repeat(235)))
        .collect();
    let large = json!({ "keys": keys });
    // 16 MiB at once, of more than a quarter of a MiB each; no store is asked for what is no key.
    let mut kept = 0;
    let told = loop {
        let key = format!("large-{kept}");
        let first = post(&service, "delete", &key, &large).await;
        assert_eq!(first.status(), 200);
        let again = post(&service, "delete", &key, &large).await;
        if !replayed(&again) {
            break again;
        }
        kept += 1;
        assert!(kept < 80, "without an end");
    };
    assert!(kept > 40, "{kept}");
    let told = body(told).await;
    assert_eq!(told["code"], "idempotency_answer_not_kept");
    assert_eq!(told["first_status"], 200);
    let other = service.token().claim("sub", "user-2");
    let ask = || {
        let path = "/api/media-ops/delete";
        let ask = service.request_as(Method::POST, path, &other);
        let ask = ask.header("content-type", "application/json");
        ask.header("idempotency-key", "k")
            .body(large.to_string())
            .send()
    };
    ask().await.unwrap();
    assert!(replayed(&ask().await.unwrap()), "of another subject");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_service_is_not_kept() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    let objects = service.folder.path().join("data/media/objects");
    let file = objects.join(format!("{APP}.d/user-1.d/a.o"));
    std::fs::write(&file, "no object").unwrap();
    let wanted = json!({ "from": "a", "to": "b" });
    let failed = post(&service, "copy", "k", &wanted).await;
    assert_eq!(problem(failed).await, (500, "object_damaged".into()));
    service.put("a", b"x").await;
    let copied = post(&service, "copy", "k", &wanted).await;
    assert_eq!((copied.status().as_u16(), replayed(&copied)), (201, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_counts_once() {
    let service = Service::start_with(Limits::On).await;
    service.put("a", b"x").await;
    let wanted = json!({ "from": "a", "to": "b" });
    let mut written = 1;
    for number in 0..12 {
        let answer = post(&service, "copy", &format!("k{number}"), &wanted).await;
        written += 1;
        let limit = header(&answer, "ratelimit").to_owned();
        let left = limit.strip_prefix("\"write\";r=").unwrap();
        let left: u32 = left.split(';').next().unwrap().parse().unwrap();
        // Two are given back in each second, and that is all that a slow store changes.
        assert!((30 - written..30).contains(&left), "{number}: {limit}");
    }
}
