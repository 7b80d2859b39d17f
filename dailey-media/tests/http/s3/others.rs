//! Objects that somebody else put into the bucket, with another tool.

use reqwest::Method;
use reqwest::header::HeaderMap;
use testbed::s3::Kind;

use super::bucket::{Bucket, bytes};
use crate::service::{header, json};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().unwrap());
    }
    headers
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn an_object_of_somebody_else_is_served_as_any_other() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let said = headers(&[("content-type", "text/html"), ("x-amz-meta-author", "Bob")]);
    bucket.put("page", "hello", said).await;
    let large = bytes(6 * 1024 * 1024, 9);
    bucket.put("large", large.clone(), HeaderMap::new()).await;
    // Lies about us are nobody's digest.
    let lies = headers(&[
        ("content-type", "image/png, text/html"),
        ("x-amz-meta-dailey-id", "../../other"),
        ("x-amz-meta-dailey-sha256", "00"),
    ]);
    bucket.put("lies", "hello", lies).await;
    let list = service.request(Method::GET, "/api/media").send().await;
    let list = json(list.unwrap()).await;
    assert_eq!(list["objects"].as_array().unwrap().len(), 3, "{list}");
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(list["objects"][2]["sha256"], hello, "{list}");
    let got = service.get("page").await;
    assert_eq!(header(&got, "x-meta-author"), "Bob");
    assert_eq!(header(&got, "content-type"), "text/html");
    assert!(header(&got, "content-disposition").starts_with("attachment"));
    assert!(header(&got, "repr-digest").starts_with("sha-256=:LPJNul+wow4m6Dsqxbninhs"));
    let etag = header(&got, "etag").to_owned();
    assert_eq!(got.text().await.unwrap(), "hello");
    let lies = service.get("lies").await;
    assert_eq!(header(&lies, "content-type"), "application/octet-stream");
    assert!(header(&lies, "content-disposition").starts_with("attachment"));
    assert!(service.get("large").await.bytes().await.unwrap() == large);
    let changed = service
        .request(Method::PUT, "/api/media/page")
        .header("if-match", etag)
        .body("new");
    assert_eq!(changed.send().await.unwrap().status(), 200);
    // Replaced behind our back: the new bytes, and their digest.
    bucket.put("page", "newer", HeaderMap::new()).await;
    let got = service.get("page").await;
    let digest = header(&got, "repr-digest").to_owned();
    assert_eq!(got.text().await.unwrap(), "newer");
    assert!(!digest.contains("LPJNul"), "{digest}");
    for key in ["page", "large", "lies"] {
        let deleted = service.request(Method::DELETE, &format!("/api/media/{key}"));
        assert_eq!(deleted.send().await.unwrap().status(), 204);
    }
    let left = bucket.count(".dailey/digests/").await;
    assert!(
        left <= 1,
        "only that of the object replaced behind our back: {left}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn keys_of_others_that_are_none_of_ours_spoil_no_list() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    for key in ["a", "c/x", "z"] {
        assert_eq!(service.put(key, b"x").await.status(), 201);
    }
    // As consoles and other tools make them: a folder's mark, an empty part, a control character.
    for key in ["c/", "b//x", "b%5Cx", "folder/"] {
        bucket.put(key, "x", HeaderMap::new()).await;
    }
    for (query, objects, prefixes) in [
        ("", &["a", "c/x", "z"][..], &[][..]),
        ("?delimiter=/", &["a", "z"], &["c/"]),
        ("?prefix=b", &[], &[]),
    ] {
        let list = service.request(Method::GET, &format!("/api/media{query}"));
        let list = json(list.send().await.unwrap()).await;
        let keys: Vec<&str> = list["objects"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {list}"))
            .iter()
            .map(|object| object["key"].as_str().unwrap())
            .collect();
        assert_eq!(keys, objects, "{query}");
        for prefix in prefixes {
            assert!(
                list["prefixes"]
                    .as_array()
                    .unwrap()
                    .contains(&(*prefix).into()),
                "{list}"
            );
        }
    }
}
