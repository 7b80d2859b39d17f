//! Keys reach exactly the object that they name, and nothing outside of the space.

use std::path::Path;

use futures_util::future::join_all;
use reqwest::Method;

use crate::service::{Service, header, json, problem};
use crate::store::{LONGEST_ON_S3S_FS, Lie};

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_names_no_key_is_refused_as_it_stands_on_the_wire() {
    let service = Service::start().await;
    let authorization = service.bearer(&service.token());
    for path in [
        "/api/media/../x",
        "/api/media/a/../../x",
        "/api/media/%2e%2e/x",
        "/api/media/a%2f%2e%2e%2fx",
        "/api/media/..%5Cx",
        "/api/media/a%5Cb",
        "/api/media/a%00b",
        "/api/media/%FF",
        "/api/media/%C0%AE%C0%AE/x",
        "/api/media/a//b",
        "/api/media//etc/passwd",
        "/api/media/%2Fetc%2Fpasswd",
        "/api/media/a/",
        "/api/media/%zz",
        &format!("/api/media/{}", "a".repeat(256)),
        &format!("/api/media/{}", "a/".repeat(600)),
    ] {
        let answer = service
            .raw(&format!(
                "PUT {path} HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\ncontent-length: 1\r\nconnection: close\r\n\r\nx"
            ))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"key_invalid\""),
            "{path}: {answer}"
        );
    }
    if let Some(objects) = service.local("objects") {
        assert_eq!(files(&objects), 0);
    }
    let list = service.request(Method::GET, "/api/media").send().await;
    assert_eq!(json(list.unwrap()).await["objects"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_look_alike_are_different_objects() {
    let service = Service::start().await;
    let segment = "s".repeat(255);
    let wide = "é".repeat(127);
    let keys = [
        "a",
        "a/b",
        "a/b/c",
        "a.o",
        "a.d",
        "a.d/b",
        "a.c",
        "A",
        "%252e%252e",
        "%252F",
        "...",
        "-",
        "a%20b",
        "a+b",
        &segment,
        &segment[..180],
        &format!("{segment}/x"),
        &format!("{}/x", &segment[..180]),
        &wide,
        &format!("{wide}/{wide}/{wide}/{wide}"),
        &"z/".repeat(511),
        &"%C3%A9/".repeat(340),
    ]
    .map(|key| key.trim_end_matches('/').to_owned());
    let in_bucket = service.local("objects").is_none();
    let (too_long, keys): (Vec<String>, Vec<String>) = keys.into_iter().partition(|key| {
        // App and subject are part of a bucket's key, which takes no more bytes.
        in_bucket && key.len() > 1024 - "/user-1/".len() - crate::service::APP.len()
    });
    assert_eq!(too_long.len(), if in_bucket { 3 } else { 0 });
    for key in &too_long {
        let put = service
            .request(Method::PUT, &format!("/api/media/{key}"))
            .body("x");
        let refused = problem(put.send().await.unwrap()).await;
        assert_eq!(refused, (400, "key_invalid".into()), "{key}");
    }
    let below_another = |key: &String| {
        let mut others = keys.iter();
        others.any(|other| {
            key.strip_prefix(other.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let (below, keys): (Vec<String>, Vec<String>) = keys
        .iter()
        .cloned()
        .partition(|key| service.store.lies_about(Lie::Folders) && below_another(key));
    let (without_headers, with_headers): (Vec<String>, Vec<String>) =
        keys.iter().cloned().partition(|key| {
            let decoded = key.replace("%20", " ");
            service.store.lies_about(Lie::LongKeys) && decoded.len() > LONGEST_ON_S3S_FS
        });
    let put = async |key: &String| {
        let put = service.request(Method::PUT, &format!("/api/media/{key}"));
        let put = put.header("content-type", "text/plain").body(key.clone());
        put.send().await.unwrap()
    };
    for key in &with_headers {
        assert_eq!(put(key).await.status(), 201, "{key}");
    }
    // Where a server can store it by half, or not at all, that is told as a failure of the store.
    for lot in [&without_headers, &below] {
        for answer in join_all(lot.iter().map(put)).await {
            let told = problem(answer).await;
            assert_eq!(told, (503, "storage_unavailable".into()));
        }
    }
    for key in &below {
        assert_eq!(problem(service.get(key).await).await.0, 404, "{key}");
    }
    for key in &keys {
        let got = service.get(key).await;
        let described = header(&got, "content-type") == "text/plain";
        assert_eq!(described, with_headers.contains(key), "{key}");
        assert_eq!(got.text().await.unwrap(), *key);
    }
    let list = json(
        service
            .request(Method::GET, "/api/media?limit=1000")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(list["objects"].as_array().unwrap().len(), keys.len());
    for key in &keys {
        let gone = service
            .request(Method::DELETE, &format!("/api/media/{key}"))
            .send()
            .await
            .unwrap();
        assert_eq!(gone.status(), 204, "{key}");
        assert_eq!(problem(service.get(key).await).await.0, 404, "{key}");
    }
    if let Some(objects) = service.local("objects") {
        let left = objects.join(format!("{}.d", crate::service::APP)).exists();
        assert!(!left, "empty folders go with their last object");
    }
}

/// Files anywhere below.
fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}
