//! How much may be stored and sent: to the byte, whatever happens at once or in between.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dailey_auth::testing::TokenBuilder;
use http_body::Frame;
use reqwest::{Body, Method, Response};
use serde_json::{Value, json};
use testbed::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{Service, header, json as body, problem};
use crate::uploads::left_behind;

async fn put(service: &Service, token: &TokenBuilder, key: &str, size: usize) -> Response {
    let path = format!("/api/media/{key}");
    let request = service.request_as(Method::PUT, &path, token);
    request.body(vec![b'x'; size]).send().await.unwrap()
}

async fn store(service: &Service, key: &str, size: usize) -> u16 {
    put(service, &service.token(), key, size)
        .await
        .status()
        .as_u16()
}

async fn refusal(response: Response) -> Value {
    assert_eq!(response.status(), 507);
    let told = body(response).await;
    assert_eq!(told["code"], "quota_exceeded");
    told
}

/// Without a declared length.
async fn chunked(service: &Service, key: &str, pieces: usize, size: usize) -> Response {
    let request = service.request(Method::PUT, &format!("/api/media/{key}"));
    let body = Body::wrap(Pieces { left: pieces, size });
    request.body(body).send().await.unwrap()
}

struct Pieces {
    left: usize,
    size: usize,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.size].into()))))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_stores_no_more_than_the_quota_and_gets_back_what_goes() {
    let service = Service::configured("[limits]\nuser_quota_bytes = 1000\n").await;
    let post = async |operation: &str, wanted: Value| {
        let path = format!("/api/media-ops/{operation}");
        service.post(&path, &wanted).await
    };
    assert_eq!(store(&service, "a", 600).await, 201);
    let told = refusal(put(&service, &service.token(), "b", 401).await).await;
    assert_eq!(
        (&told["quota"], &told["limit_bytes"]),
        (&json!("user"), &json!(1000))
    );
    refusal(chunked(&service, "b", 5, 100).await).await;
    assert_eq!(service.get("b").await.status(), 404);
    assert_eq!(
        chunked(&service, "b", 4, 100).await.status(),
        201,
        "to the byte"
    );
    assert_eq!(store(&service, "empty", 0).await, 201);

    // What is replaced counts no more, in either direction.
    refusal(put(&service, &service.token(), "a", 601).await).await;
    assert_eq!(store(&service, "a", 600).await, 200);
    assert_eq!(store(&service, "a", 100).await, 200);
    assert_eq!(chunked(&service, "a", 6, 100).await.status(), 200);
    refusal(chunked(&service, "a", 7, 100).await).await;

    // A copy is one more, a move is not.
    refusal(post("copy", json!({ "from": "a", "to": "c" })).await).await;
    assert_eq!(
        post("move", json!({ "from": "a", "to": "c" }))
            .await
            .status(),
        201
    );
    let over = json!({ "from": "c", "to": "b", "overwrite": true });
    assert_eq!(post("move", over).await.status(), 200);
    assert_eq!(store(&service, "d", 400).await, 201);
    refusal(put(&service, &service.token(), "e", 1).await).await;
    let wanted = json!({ "from": "d", "to": "b", "overwrite": true });
    assert_eq!(post("copy", wanted).await.status(), 200);
    refusal(put(&service, &service.token(), "e", 201).await).await;
    assert_eq!(store(&service, "e", 200).await, 201);

    let gone = service.request(Method::DELETE, "/api/media/e").send().await;
    assert_eq!(gone.unwrap().status(), 204);
    assert_eq!(
        post("delete", json!({ "keys": ["b", "none"] }))
            .await
            .status(),
        200
    );
    refusal(put(&service, &service.token(), "f", 601).await).await;
    assert_eq!(store(&service, "f", 600).await, 201);

    let other = service.token().claim("sub", "user-2");
    assert_eq!(put(&service, &other, "a", 1000).await.status(), 201);
    refusal(put(&service, &other, "b", 1).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_an_app_share_its_quota_and_learn_nothing_of_each_other() {
    let limits = "[limits]\nuser_quota_bytes = 0\napp_quota_bytes = 1000\n";
    let service = Service::configured(limits).await;
    assert_eq!(store(&service, "a", 600).await, 201);
    let other = service.token().claim("sub", "user-2");
    let told = refusal(put(&service, &other, "a", 401).await).await;
    assert_eq!(told["quota"], "app");
    let members: Vec<&String> = told.as_object().unwrap().keys().collect();
    let expected = [
        "code",
        "detail",
        "quota",
        "request_id",
        "status",
        "title",
        "type",
    ];
    assert_eq!(members, expected);
    assert!(!told["detail"].as_str().unwrap().contains(char::is_numeric));
    assert_eq!(put(&service, &other, "a", 400).await.status(), 201);
    let elsewhere = service.token().claim("aud", crate::service::OTHER_APP);
    assert_eq!(put(&service, &elsewhere, "a", 1000).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_hold_however_many_write_at_once() {
    let limits = "[limits]\nuser_quota_bytes = 1000\nuploads_per_subject = 32\n";
    let service = Service::configured(limits).await;
    for round in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..16 {
            let path = format!("/api/media/{number}");
            let request = service.request(Method::PUT, &path).body(vec![b'x'; 300]);
            tasks.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
        let mut ended = tasks.join_all().await;
        ended.sort_unstable();
        let stored = ended.iter().filter(|status| **status == 201).count();
        assert_eq!(stored, 3, "round {round}: {ended:?}");
        assert!(ended[3..].iter().all(|status| *status == 507), "{ended:?}");
        let keys = (0..16).map(|number| number.to_string());
        let keys: Vec<String> = keys.collect();
        let keys = json!({ "keys": keys });
        let gone = service.post("/api/media-ops/delete", &keys).await;
        assert_eq!(gone.status(), 200);
        // Many replace one, and many remove it: nothing is counted twice.
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..24 {
            let (method, size) = match number % 3 {
                0 => (Method::DELETE, 0),
                _ => (Method::PUT, 50),
            };
            let request = service.request(method, "/api/media/one");
            let request = request.body(vec![b'x'; size]);
            tasks.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
        let ended = tasks.join_all().await;
        let known = [200, 201, 204, 404];
        assert!(
            ended.iter().all(|status| known.contains(status)),
            "{ended:?}"
        );
        let gone = service
            .request(Method::DELETE, "/api/media/one")
            .send()
            .await;
        assert!([204, 404].contains(&gone.unwrap().status().as_u16()));
        assert_eq!(store(&service, "all", 1000).await, 201, "round {round}");
        let gone = service
            .request(Method::DELETE, "/api/media/all")
            .send()
            .await;
        assert_eq!(gone.unwrap().status(), 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrives_is_given_back() {
    let service = Service::configured("[limits]\nuser_quota_bytes = 1000\n").await;
    assert_eq!(store(&service, "first", 1).await, 201);
    let bearer = service.bearer(&service.token());
    let head = format!(
        "PUT /api/media/half HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ncontent-length: 900\r\n\
         expect: 100-continue\r\n\r\n"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // Its room is taken before it is asked for its bytes.
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    stream.write_all(b"half").await.unwrap();
    assert_eq!(store(&service, "other", 100).await, 507);
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while store(&service, "other", 100).await != 201 {
        assert!(Instant::now() < deadline, "its room is not given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wrong = service.request(Method::PUT, "/api/media/wrong");
    let wrong = wrong
        .header(
            "repr-digest",
            "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
        )
        .body(vec![b'x'; 800]);
    let expected = (400, "digest_mismatch".into());
    assert_eq!(problem(wrong.send().await.unwrap()).await, expected);
    assert_eq!(store(&service, "rest", 899).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_has_so_many_objects_however_small_they_are() {
    let mut service = Service::configured("[limits]\nuser_quota_objects = 3\n").await;
    for key in ["a", "b"] {
        assert_eq!(store(&service, key, 0).await, 201);
    }
    let path = service.begin("c", 1).await;
    let told = refusal(put(&service, &service.token(), "d", 0).await).await;
    assert_eq!(
        (&told["quota"], &told["limit_objects"]),
        (&json!("user_objects"), &json!(3))
    );
    refusal(service.creation("d", 0).send().await.unwrap()).await;
    let copy = json!({ "from": "a", "to": "d" });
    refusal(service.post("/api/media-ops/copy", &copy).await).await;
    // What is there may change, and move.
    assert_eq!(store(&service, "a", 9).await, 200);
    let rename = json!({ "from": "b", "to": "b2" });
    assert_eq!(
        service.post("/api/media-ops/move", &rename).await.status(),
        201
    );
    assert_eq!(service.append(&path, 0, b"x").await.status(), 204);
    let other = service.token().claim("sub", "user-2");
    assert_eq!(put(&service, &other, "a", 0).await.status(), 201);
    service.child.signal(Signal::Kill).unwrap();
    service.child.stop_at_once(Duration::from_secs(20)).unwrap();
    service.restart();
    refusal(put(&service, &service.token(), "d", 0).await).await;
    let gone = service.request(Method::DELETE, "/api/media/c").send().await;
    assert_eq!(gone.unwrap().status(), 204);
    assert_eq!(store(&service, "d", 0).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_known_after_a_kill() {
    let mut service = Service::configured("[limits]\nuser_quota_bytes = 1000\n").await;
    assert_eq!(store(&service, "a/b", 600).await, 201);
    let bearer = service.bearer(&service.token());
    let head = format!(
        "PUT /api/media/half HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ncontent-length: 400\r\n\r\nhalf"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    service.child.signal(Signal::Kill).unwrap();
    service.child.stop_at_once(Duration::from_secs(20)).unwrap();
    service.restart();
    refusal(put(&service, &service.token(), "c", 401).await).await;
    assert_eq!(store(&service, "c", 400).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_those_of_the_configuration() {
    let limits = "[limits]\nput_max_bytes = 10\nlist_default_objects = 2\nlist_max_objects = 3\nbatch_max_keys = 2\n";
    let service = Service::configured(limits).await;
    for key in ["a", "b", "c", "d"] {
        assert_eq!(store(&service, key, 10).await, 201);
    }
    let large = put(&service, &service.token(), "e", 11).await;
    assert_eq!(problem(large).await, (413, "body_too_large".into()));
    let large = chunked(&service, "e", 3, 4).await;
    assert_eq!(problem(large).await, (413, "body_too_large".into()));
    assert_eq!(service.get("e").await.status(), 404);
    for (query, expected) in [("", Some(2)), ("?limit=3", Some(3)), ("?limit=4", None)] {
        let list = service.request(Method::GET, &format!("/api/media{query}"));
        let list = list.send().await.unwrap();
        match expected {
            Some(count) => assert_eq!(body(list).await["objects"].as_array().unwrap().len(), count),
            None => assert_eq!(problem(list).await, (400, "query_invalid".into())),
        }
    }
    let path = "/api/media-ops/delete";
    let refused = service
        .post(path, &json!({ "keys": ["a", "b", "c"] }))
        .await;
    assert_eq!(problem(refused).await, (400, "batch_invalid".into()));
    assert_eq!(
        service
            .post(path, &json!({ "keys": ["a", "b"] }))
            .await
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_ranges_and_resumable_uploads_have_the_limits_of_the_configuration() {
    let limits = "[limits]\nlink_default_seconds = 5\nlink_max_seconds = 10\nranges_max = 2\n\
                  upload_max_bytes = 20\nupload_chunk_max_bytes = 10\n";
    let service = Service::configured(limits).await;
    let link = async |more: Value| {
        let mut wanted = json!({ "key": "a", "method": "GET" });
        let wanted_too = wanted.as_object_mut().unwrap();
        wanted_too.extend(more.as_object().unwrap().clone());
        service.post("/api/media-ops/presign", &wanted).await
    };
    let left = |link: &Value| {
        let ends: jiff::Timestamp = link["expires_at"].as_str().unwrap().parse().unwrap();
        ends.as_second() - jiff::Timestamp::now().as_second()
    };
    assert!((3..=5).contains(&left(&body(link(json!({})).await).await)));
    assert!((8..=10).contains(&left(&body(link(json!({ "expires_in": 10 })).await).await)));
    let refused = problem(link(json!({ "expires_in": 11 })).await).await;
    assert_eq!(refused, (400, "expires_in_invalid".into()));
    let refused = problem(link(json!({ "expires_in": null })).await).await;
    assert_eq!(refused, (422, "body_invalid".into()));

    assert_eq!(store(&service, "a", 20).await, 201);
    let parts = async |range: &str| {
        let request = service.request(Method::GET, "/api/media/a");
        request.header("range", range).send().await.unwrap()
    };
    assert_eq!(parts("bytes=0-0,2-2").await.status(), 206);
    // More than two, and more than any service gives.
    for count in [3, 9] {
        let ranges: Vec<String> = (0..count).map(|n| format!("{0}-{0}", n * 2)).collect();
        let refused = parts(&format!("bytes={}", ranges.join(","))).await;
        assert_eq!(refused.status(), 416, "{ranges:?}");
        let told = body(refused).await;
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains("at most 2 "), "{detail}");
    }

    let offered = service.tus(Method::OPTIONS, "/api/uploads");
    let offered = offered.send().await.unwrap();
    assert_eq!(header(&offered, "tus-max-size"), "20");
    let refused = service.creation("b", 21).send().await.unwrap();
    assert_eq!(header(&refused, "tus-max-size"), "20");
    assert_eq!(problem(refused).await, (413, "upload_too_large".into()));
    let path = service.begin("b", 20).await;
    let refused = service.append(&path, 0, &[7; 11]).await;
    assert_eq!(problem(refused).await, (413, "body_too_large".into()));
    assert_eq!(service.append(&path, 0, &[7; 10]).await.status(), 204);
}

/// An upload that goes no further.
async fn half_sent(service: &Service, token: &TokenBuilder) -> TcpStream {
    let head = format!(
        "PUT /api/media/slow HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\ncontent-length: 9\r\n\r\nhalf",
        service.bearer(token)
    );
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The first refusal once another upload has its place.
async fn until_refused(service: &Service, token: &TokenBuilder) -> Response {
    let started = Instant::now();
    loop {
        let answer = put(service, token, "a", 1).await;
        if answer.status() == 429 {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "never");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_first_bytes_wait_for_a_place_and_leave_nothing_without_one() {
    let service = Service::configured("[limits]\nuploads_per_subject = 1\n").await;
    let _mine = half_sent(&service, &service.token()).await;
    until_refused(&service, &service.token()).await;
    let copy = json!({ "from": "none", "to": "b" });
    let copied = service.post("/api/media-ops/copy", &copy);
    let upload = service.creation("b", 5);
    let upload = upload.header("content-type", "application/offset+octet-stream");
    let (copied, created) = tokio::join!(copied, upload.body("hello").send());
    for refused in [copied, created.unwrap()] {
        assert_eq!(problem(refused).await, (429, "too_many_uploads".into()));
    }
    assert!(matches!(left_behind(&service).await, None | Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_too_many_uploads_under_way_is_told_to_wait() {
    let limits = "[limits]\nuploads_per_subject = 1\nuploads_per_process = 2\n";
    let service = Service::configured(limits).await;
    let mine = half_sent(&service, &service.token()).await;
    let refused = until_refused(&service, &service.token()).await;
    assert_eq!(header(&refused, "retry-after"), "5");
    assert_eq!(problem(refused).await, (429, "too_many_uploads".into()));
    let (second, third) = (
        service.token().claim("sub", "user-2"),
        service.token().claim("sub", "user-3"),
    );
    assert_eq!(put(&service, &second, "a", 1).await.status(), 201);
    let theirs = half_sent(&service, &second).await;
    let refused = until_refused(&service, &third).await;
    assert_eq!(problem(refused).await.1, "too_many_uploads");
    // Short ones wait for each other.
    drop((mine, theirs));
    for _ in 0..3 {
        let began = Instant::now();
        let puts = (0..8).map(|number| {
            let request = service.request(Method::PUT, &format!("/api/media/{number}"));
            request.body("x").send()
        });
        let mut tasks = tokio::task::JoinSet::new();
        for put in puts {
            tasks.spawn(async move { put.await.unwrap().status().as_u16() });
        }
        let mut ended = tasks.join_all().await;
        ended.retain(|status| !matches!(status, 200 | 201));
        if ended.is_empty() {
            return;
        }
        // Where this machine paused, the last have rightly waited for long enough: all once more.
        let waited = began.elapsed() >= Duration::from_secs(5);
        assert!(
            waited && ended.iter().all(|status| *status == 429),
            "{ended:?}"
        );
    }
    panic!("they do not wait for each other");
}
