//! What `[limits]` says of heads, JSON, keys, own metadata and the end is obeyed. Bodies that come slowly are in
//! `slow_bodies`, rates in `rates`, room and pages in `quotas`.

use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::{Method, Response};
use serde_json::json;
use testbed::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::service::{Service, header, json as body, problem};
use crate::uploads as tus;

#[tokio::test(flavor = "multi_thread")]
async fn a_json_body_is_as_large_as_configured() {
    let service = Service::configured("[limits]\njson_max_bytes = 4096\n").await;
    let text = json!({ "keys": ["none"] }).to_string();
    let remove = |bytes: usize| {
        let request = service.request(Method::POST, "/api/media-ops/delete");
        let request = request.header("content-type", "application/json");
        request.body(format!("{text:<bytes$}"))
    };
    let refused = remove(4097).send().await.unwrap();
    assert_eq!(problem(refused).await, (413, "body_too_large".into()));
    assert_eq!(remove(4096).send().await.unwrap().status(), 200);

    // What is not even read takes no key.
    let once = |bytes| remove(bytes).header("idempotency-key", "once").send();
    let refused = once(4097).await.unwrap();
    assert_eq!(problem(refused).await, (413, "body_too_large".into()));
    assert_eq!(once(4096).await.unwrap().status(), 200);
}

/// Stores an object with these pairs, by a PUT and by a resumable upload.
async fn described(service: &Service, pairs: &[(&str, &str)]) -> [Response; 2] {
    let mut put = service.request(Method::PUT, "/api/media/put").body("x");
    let mut metadata = vec![tus::metadata("upload")];
    for (name, value) in pairs {
        put = put.header(*name, *value);
        metadata.push(format!("{name} {}", BASE64.encode(value.as_bytes())));
    }
    let begin = service.tus(Method::POST, "/api/uploads");
    let begin = begin.header("upload-length", 0);
    let begin = begin.header("upload-metadata", metadata.join(","));
    [put.send().await.unwrap(), begin.send().await.unwrap()]
}

#[tokio::test(flavor = "multi_thread")]
async fn new_objects_have_as_much_metadata_as_configured_and_older_ones_what_they_have() {
    let wide = "metadata_max_pairs = 3\nmetadata_max_bytes = 30\n";
    let narrow = "metadata_max_pairs = 2\nmetadata_max_bytes = 10\n";
    let mut service = Service::configured(&format!("[limits]\n{wide}")).await;
    let three = [("x-meta-a", "1"), ("x-meta-b", "2"), ("x-meta-c", "3")];
    for answer in described(&service, &three).await {
        assert_eq!(answer.status(), 201);
    }

    let file = service.folder.path().join("dailey-media.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(wide, narrow)).unwrap();
    service.restart();
    let long = [("x-meta-a", "12345"), ("x-meta-b", "1234")];
    for pairs in [&three[..], &long] {
        for answer in described(&service, pairs).await {
            let told = body(answer).await;
            assert_eq!(told["code"], "description_invalid", "{told}");
            let detail = told["detail"].as_str().unwrap();
            assert!(detail.contains("at most 2 pairs, and 10 bytes"), "{detail}");
        }
    }
    for key in ["put", "upload"] {
        assert_eq!(header(&service.get(key).await, "x-meta-c"), "3", "{key}");
    }
    let ten = [("x-meta-a", "1234"), ("x-meta-b", "1234")];
    let [put, _] = described(&service, &ten).await;
    assert_eq!(put.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_given_keys_as_long_as_configured_and_older_ones_keep_theirs() {
    let wide = "key_max_bytes = 24\nkey_segment_max_bytes = 12\n";
    let narrow = "key_max_bytes = 12\nkey_segment_max_bytes = 8\n";
    let mut service = Service::configured(&format!("[limits]\n{wide}")).await;
    let (long, long_segment) = ("older/of-24-bytes/in-all", "of-9-byte");
    for key in [long, long_segment] {
        assert_eq!(service.put(key, b"old").await.status(), 201, "{key}");
    }
    let wanted = json!({ "key": long, "method": "PUT" });
    let link = service.post("/api/media-ops/presign", &wanted).await;
    let link = body(link).await["url"].as_str().unwrap().to_owned();
    let begun = service.begin(long, 3).await;

    let file = service.folder.path().join("dailey-media.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(wide, narrow)).unwrap();
    service.restart();
    let operation = async |name: &str, from: &str, to: &str| {
        let wanted = json!({ "from": from, "to": to, "overwrite": true });
        let path = format!("/api/media-ops/{name}");
        service.post(&path, &wanted).await
    };
    let presign = async |key: &str, method: &str| {
        let wanted = json!({ "key": key, "method": method });
        service.post("/api/media-ops/presign", &wanted).await
    };
    assert_eq!(service.put("new", b"new").await.status(), 201);
    for (key, said) in [
        (long, "the key is longer than 12 bytes"),
        (long_segment, "between slashes is longer than 8 bytes"),
    ] {
        for (way, refused) in [
            ("PUT", service.put(key, b"new").await),
            ("copy", operation("copy", "new", key).await),
            ("move", operation("move", "new", key).await),
            ("creation", service.creation(key, 3).send().await.unwrap()),
            ("presign", presign(key, "PUT").await),
        ] {
            assert_eq!(refused.status(), 400, "{way} of {key}");
            let told = body(refused).await;
            assert_eq!(told["code"], "key_invalid", "{way} of {key}: {told}");
            let detail = told["detail"].as_str().unwrap();
            assert!(detail.contains(said), "{way} of {key}: {detail}");
        }
    }
    // A link of before is no way around it, and no byte of a body is waited for.
    let put = service.at(Method::PUT, &link).body("new").send();
    let refused = problem(put.await.unwrap()).await;
    assert_eq!(refused, (400, "key_invalid".into()));
    let mut unsent = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    let head = format!(
        "PUT /api/media/{long} HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        service.bearer(&service.token())
    );
    unsent.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 12];
    unsent.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 400");

    // What has a longer key is as before.
    let list = service.request(Method::GET, "/api/media").send().await;
    let list = body(list.unwrap()).await;
    let keys = list["objects"].as_array().unwrap().iter();
    let keys: Vec<&str> = keys.map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["new", long_segment, long]);
    for key in [long, long_segment] {
        assert_eq!(service.get(key).await.text().await.unwrap(), "old", "{key}");
        let link = body(presign(key, "GET").await).await;
        let got = service.at(Method::GET, link["url"].as_str().unwrap());
        let got = got.send().await.unwrap();
        assert_eq!(got.text().await.unwrap(), "old", "{key}");
    }
    // An upload that had begun is an object that has its key.
    assert_eq!(service.append(&begun, 0, b"end").await.status(), 204);
    assert_eq!(service.get(long).await.text().await.unwrap(), "end");
    let path = format!("/api/media/{long}");
    let removed = service.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(removed.status(), 204);
    let moved = operation("move", long_segment, "12345678/0ab").await;
    assert_eq!(moved.status(), 201);
    assert_eq!(service.get(long_segment).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_as_large_as_configured() {
    let service = Service::configured("[limits]\nheaders_max = 16\nhead_max_bytes = 4096\n").await;
    let asked = async |more: String| {
        let head =
            format!("GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n");
        service.raw(&head).await
    };
    let headers = |count| "x: y\r\n".repeat(count);
    let long = |bytes| format!("x: {}\r\n", "y".repeat(bytes));
    for fine in [headers(14), long(3900)] {
        let answer = asked(fine).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    for too_large in [headers(15), long(4096)] {
        let answer = asked(too_large).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("head_too_large"), "{answer}");
    }
}

/// How long the service keeps a connection on which these bytes were sent and nothing else.
async fn kept_for(service: &Service, bytes: &str) -> Duration {
    // The service's clock may run before the connection is known here.
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_pauses_between_requests_have_the_time_that_is_configured() {
    let service = Service::configured("[limits]\nhead_seconds = 1\nkeep_alive_seconds = 8\n").await;
    let whole = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
    // By default 10 s, but no longer than a pause, and 75 s.
    for (bytes, from, to) in [("GET /hea", 1, 7), (whole, 8, 40)] {
        let kept = kept_for(&service, bytes).await;
        let expected = Duration::from_secs(from)..Duration::from_secs(to);
        assert!(expected.contains(&kept), "{bytes:?} was kept for {kept:?}");
    }
}

/// How long the service goes on when it is asked to end while a request is under way.
async fn goes_on_for(service: &mut Service) -> Duration {
    let mut under_way = TcpStream::connect(("127.0.0.1", service.port))
        .await
        .unwrap();
    let head = format!(
        "PUT /api/media/slow HTTP/1.1\r\nhost: a\r\nauthorization: {}\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        service.bearer(&service.token())
    );
    under_way.write_all(head.as_bytes()).await.unwrap();
    // Its head was read, and its body is waited for.
    let mut told = [0; 12];
    under_way.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    let asked = Instant::now();
    service.child.signal(Signal::Terminate).unwrap();
    let ended = loop {
        if let Some(status) = service.child.exited() {
            break status;
        }
        assert!(asked.elapsed() < Duration::from_secs(60), "still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(ended.success(), "{}", service.child.log_tail(20));
    asked.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_comes_as_soon_as_configured() {
    let mut service =
        Service::configured("[limits]\nlame_duck_seconds = 0\ndrain_seconds = 2\n").await;
    // By default 5 s, and then 25 s: 7 s where only one of them was heeded. A pause of this machine comes on top,
    // but hardly each time.
    let mut took = Vec::new();
    for _ in 0..3 {
        let one = goes_on_for(&mut service).await;
        assert!(one >= Duration::from_secs(2), "it took {one:?}");
        if one < Duration::from_secs(7) {
            return;
        }
        took.push(one);
        service.restart();
    }
    panic!("it took {took:?}");
}
