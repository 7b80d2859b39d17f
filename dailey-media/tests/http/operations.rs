//! Copies, moves and batches of removals.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::service::{APP, Service, header, json as body, problem};
use dailey_auth::testing::TokenBuilder;

async fn post(service: &Service, operation: &str, wanted: &Value) -> Response {
    service
        .request(Method::POST, &format!("/api/media-ops/{operation}"))
        .header("content-type", "application/json")
        .body(wanted.to_string())
        .send()
        .await
        .unwrap()
}

async fn status(service: &Service, key: &str) -> u16 {
    service.get(key).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_bytes_and_the_description_and_overwrites_only_when_told() {
    let service = Service::start().await;
    let put = service.request(Method::PUT, "/api/media/a/b.png");
    let put = put
        .header("content-type", "image/png")
        .header("x-meta-by", "me");
    let put = put.header("cache-control", "max-age=60").body("picture");
    assert_eq!(put.send().await.unwrap().status(), 201);

    let wanted = json!({ "from": "a/b.png", "to": "c d/é.png" });
    let copied = post(&service, "copy", &wanted).await;
    assert_eq!(copied.status(), 201);
    let etag = header(&copied, "etag").to_owned();
    assert!(header(&copied, "repr-digest").starts_with("sha-256=:"));
    let told = body(copied).await;
    assert_eq!(
        (&told["key"], &told["size"]),
        (&json!("c d/é.png"), &json!(7))
    );
    assert_eq!(told["content_type"], "image/png");

    let got = service.get("c%20d/%C3%A9.png").await;
    assert_eq!((got.status().as_u16(), header(&got, "etag")), (200, &*etag));
    assert_eq!(header(&got, "x-meta-by"), "me");
    assert!(header(&got, "cache-control").contains("max-age=60"));
    assert_eq!(got.text().await.unwrap(), "picture");
    assert_eq!(status(&service, "a/b.png").await, 200);

    let refused = post(&service, "copy", &wanted).await;
    assert_eq!(problem(refused).await, (409, "object_exists".into()));
    service.put("c%20d/%C3%A9.png", b"other").await;
    let told = json!({ "from": "a/b.png", "to": "c d/é.png", "overwrite": true });
    assert_eq!(post(&service, "copy", &told).await.status(), 200);
    let got = service.get("c%20d/%C3%A9.png").await;
    assert_eq!(got.text().await.unwrap(), "picture");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_leaves_nothing_behind_and_a_refused_one_everything() {
    let service = Service::start().await;
    service.put("a", b"one").await;
    service.put("b", b"two").await;
    let refused = post(&service, "move", &json!({ "from": "a", "to": "b" })).await;
    assert_eq!(problem(refused).await, (409, "object_exists".into()));
    assert_eq!(service.get("a").await.text().await.unwrap(), "one");
    assert_eq!(service.get("b").await.text().await.unwrap(), "two");
    let moved = post(&service, "move", &json!({ "from": "a", "to": "c/d" })).await;
    assert_eq!(moved.status(), 201);
    assert_eq!(status(&service, "a").await, 404);
    assert_eq!(service.get("c/d").await.text().await.unwrap(), "one");
    let absent = post(&service, "move", &json!({ "from": "a", "to": "e" })).await;
    assert_eq!(problem(absent).await, (404, "object_not_found".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_move_one_object_one_wins() {
    let service = Service::start().await;
    for round in 0..5 {
        let from = format!("from-{round}");
        service.put(&from, b"x").await;
        let tries = (0..8).map(|number| {
            let wanted = json!({ "from": from, "to": format!("to-{round}-{number}") });
            let service = &service;
            async move { post(service, "copy", &wanted).await.status().as_u16() }
        });
        for copied in futures_all(tries).await {
            assert_eq!(copied, 201);
        }
        let tries = (0..8).map(|_| {
            let wanted = json!({ "from": from, "to": format!("one-{round}") });
            let service = &service;
            async move { post(service, "move", &wanted).await.status().as_u16() }
        });
        let mut ended = futures_all(tries).await;
        ended.sort_unstable();
        assert_eq!(
            ended.iter().filter(|status| **status == 201).count(),
            1,
            "{ended:?}"
        );
        assert!(
            ended.iter().all(|status| [201, 404, 409].contains(status)),
            "{ended:?}"
        );
        assert_eq!(status(&service, &from).await, 404);
        assert_eq!(status(&service, &format!("one-{round}")).await, 200);
    }
}

/// All of them at once.
async fn futures_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_tells_the_fate_of_each_key() {
    let service = Service::start().await;
    for key in ["a", "b", "p/1", "p/2", "p/q/3", "px"] {
        service.put(key, b"x").await;
    }
    let told = post(
        &service,
        "delete",
        &json!({ "keys": ["b", "../a", "a", "nobody", "a", ""] }),
    )
    .await;
    assert_eq!(told.status(), 200);
    let expected = json!({ "more": false, "results": [
        { "key": "b", "status": "deleted" },
        { "key": "../a", "status": "failed", "code": "key_invalid" },
        { "key": "a", "status": "deleted" },
        { "key": "nobody", "status": "absent" },
        { "key": "", "status": "failed", "code": "key_invalid" },
    ]});
    assert_eq!(body(told).await, expected);
    let told = body(post(&service, "delete", &json!({ "prefix": "p/" })).await).await;
    assert_eq!(told["results"].as_array().unwrap().len(), 3);
    assert_eq!(told["more"], false);
    assert_eq!(status(&service, "px").await, 200);
    assert_eq!(status(&service, "p/q/3").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_of_more_than_a_batch_is_removed_batch_by_batch_and_says_when_none_is_left() {
    let service = Service::configured("[limits]\nbatch_max_keys = 2\n").await;
    for key in ["p/1", "p/2", "p/q/3", "p/q/4", "p/r", "px", "q/1", "q/2"] {
        assert_eq!(service.put(key, b"x").await.status(), 201);
    }
    for (prefix, keys, more) in [
        ("p/", &["p/1", "p/2"][..], true),
        ("p/", &["p/q/3", "p/q/4"], true),
        ("p/", &["p/r"], false),
        ("p/", &[], false),
        // Exactly as many as one batch takes.
        ("q/", &["q/1", "q/2"], false),
    ] {
        let told = post(&service, "delete", &json!({ "prefix": prefix })).await;
        assert_eq!(told.status(), 200);
        let results = keys.iter();
        let results = results.map(|key| json!({ "key": key, "status": "deleted" }));
        let expected = json!({ "more": more, "results": results.collect::<Vec<_>>() });
        assert_eq!(body(told).await, expected);
        for key in keys {
            assert_eq!(status(&service, key).await, 404);
        }
    }
    assert_eq!(status(&service, "px").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_as_a_whole_does_nothing() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    for (operation, wanted, code) in [
        ("copy", json!({ "from": "a" }), "body_invalid"),
        (
            "copy",
            json!({ "from": "a", "to": "b", "more": 1 }),
            "body_invalid",
        ),
        ("copy", json!({ "from": "a", "to": 7 }), "body_invalid"),
        ("copy", json!({ "from": "a", "to": "a" }), "same_key"),
        ("copy", json!({ "from": "a", "to": "../b" }), "key_invalid"),
        (
            "copy",
            json!({ "from": "a/../a", "to": "b" }),
            "key_invalid",
        ),
        ("move", json!({ "from": "a", "to": "b//c" }), "key_invalid"),
        ("delete", json!({}), "batch_invalid"),
        ("delete", json!({ "keys": [] }), "batch_invalid"),
        (
            "delete",
            json!({ "keys": ["a"], "prefix": "a" }),
            "batch_invalid",
        ),
        ("delete", json!({ "prefix": "" }), "batch_invalid"),
        (
            "delete",
            json!({ "keys": vec!["a"; 1001] }),
            "batch_invalid",
        ),
        ("delete", json!([]), "body_invalid"),
        ("copy", json!(["a", "b", true]), "body_invalid"),
        ("delete", json!([["a"], null]), "body_invalid"),
    ] {
        let refused = post(&service, operation, &wanted).await;
        let status = if code == "body_invalid" { 422 } else { 400 };
        assert_eq!(
            problem(refused).await,
            (status, code.into()),
            "{operation} {wanted}"
        );
    }
    // A percent sign in a body is a percent sign.
    let told = post(&service, "copy", &json!({ "from": "%61", "to": "b" })).await;
    assert_eq!(problem(told).await, (404, "object_not_found".into()));
    let large = json!({ "keys": [ "k".repeat(300 * 1024) ] });
    let refused = post(&service, "delete", &large).await;
    assert_eq!(problem(refused).await, (413, "body_too_large".into()));
    let untyped = service.request(Method::POST, "/api/media-ops/delete");
    let untyped = untyped.body(r#"{"keys":["a"]}"#).send().await.unwrap();
    let expected = (415, "unsupported_media_type".into());
    assert_eq!(problem(untyped).await, expected);
    assert_eq!(status(&service, "a").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_another_space_or_writes_with_a_readers_token() {
    let service = Service::start().await;
    service.put("mine", b"x").await;
    let other = TokenBuilder::new(&service.issuer.url(), APP)
        .claim("sub", "user-2")
        .claim("scope", "media:read media:write");
    let reader = TokenBuilder::new(&service.issuer.url(), APP).claim("scope", "media:read");
    for (operation, wanted) in [
        ("copy", json!({ "from": "mine", "to": "taken" })),
        ("move", json!({ "from": "mine", "to": "taken" })),
        ("delete", json!({ "keys": ["mine"] })),
        ("delete", json!({ "prefix": "m" })),
    ] {
        let path = format!("/api/media-ops/{operation}");
        let ask = |token: &TokenBuilder| {
            let asked = service.request_as(Method::POST, &path, token);
            let asked = asked.header("content-type", "application/json");
            asked.body(wanted.to_string()).send()
        };
        let foreign = ask(&other).await.unwrap();
        if operation == "delete" {
            let told = body(foreign).await.to_string();
            assert!(!told.contains("deleted"), "{told}");
        } else {
            assert_eq!(foreign.status(), 404);
        }
        let (status, code) = problem(ask(&reader).await.unwrap()).await;
        assert_eq!((status, &*code), (403, "insufficient_scope"));
        let nobody = service.bare(Method::POST, &path).send().await.unwrap();
        assert_eq!(nobody.status(), 401);
    }
    assert_eq!(status(&service, "mine").await, 200);
}
