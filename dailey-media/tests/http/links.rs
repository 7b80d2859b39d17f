//! Links that need no token: what they open, for how long, and that nothing of them can be changed.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::service::{APP, Limits, OTHER_APP, START, Service, header, json as body, problem};

const PRESIGN: &str = "/api/media-ops/presign";

async fn link(service: &Service, wanted: &Value) -> Value {
    let answer = service.post(PRESIGN, wanted).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "cache-control"), "no-store");
    body(answer).await
}

async fn url(service: &Service, wanted: &Value) -> String {
    let link = link(service, wanted).await;
    link["url"].as_str().unwrap().to_owned()
}

async fn follow(service: &Service, method: Method, url: &str) -> Response {
    let request = service.at(method.clone(), url);
    let request = match method {
        Method::PUT => request.body("by link"),
        _ => request,
    };
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_reads_and_writes_one_object_without_a_token() {
    let service = Service::start().await;
    let put = link(&service, &json!({ "key": "a/b.txt", "method": "PUT" })).await;
    assert_eq!(
        (&put["method"], &put["headers"]),
        (&json!("PUT"), &json!({}))
    );
    let expires: jiff::Timestamp = put["expires_at"].as_str().unwrap().parse().unwrap();
    let life = expires.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((890..=900).contains(&life), "{life}");

    let stored = service.at(Method::PUT, put["url"].as_str().unwrap());
    let stored = stored
        .header("content-type", "text/html")
        .body("<b>hello</b>");
    let stored = stored.send().await.unwrap();
    assert_eq!(stored.status(), 201);
    let etag = header(&stored, "etag").to_owned();
    assert_eq!(body(stored).await["key"], "a/b.txt");
    assert_eq!(service.get("a/b.txt").await.status(), 200);

    let get = url(&service, &json!({ "key": "a/b.txt", "method": "GET" })).await;
    let got = follow(&service, Method::GET, &get).await;
    assert_eq!(got.status(), 200);
    for (name, value) in [
        ("etag", &*etag),
        ("content-type", "text/html"),
        ("content-length", "12"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-cache, no-transform"),
    ] {
        assert_eq!(header(&got, name), value, "{name}");
    }
    assert!(header(&got, "content-disposition").starts_with("attachment"));
    assert!(header(&got, "content-security-policy").ends_with("sandbox"));
    assert_eq!(got.text().await.unwrap(), "<b>hello</b>");

    let head = follow(&service, Method::HEAD, &get).await;
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-length")),
        (200, "12")
    );
    for (name, value, status) in [
        ("range", "bytes=3-7", 206),
        ("if-none-match", &*etag, 304),
        ("if-match", "\"x\"", 412),
        ("range", "bytes=99-", 416),
    ] {
        let got = service.at(Method::GET, &get).header(name, value);
        assert_eq!(
            got.send().await.unwrap().status(),
            status,
            "{name}: {value}"
        );
    }
    let saved = follow(&service, Method::GET, &format!("{get}&download=x.txt")).await;
    assert!(header(&saved, "content-disposition").contains("filename=\"x.txt\""));

    let absent = url(&service, &json!({ "key": "none", "method": "GET" })).await;
    let absent = follow(&service, Method::GET, &absent).await;
    assert_eq!(problem(absent).await, (404, "object_not_found".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_a_link_can_be_changed() {
    let service = Service::start().await;
    service.put("a", b"mine").await;
    service.put("b", b"mine").await;
    let other = service.token().claim("sub", "user-2");
    let theirs = service.request_as(Method::PUT, "/api/media/a", &other);
    theirs.body("theirs").send().await.unwrap();
    let get = url(&service, &json!({ "key": "a", "method": "GET" })).await;
    assert_eq!(follow(&service, Method::GET, &get).await.status(), 200);
    let expires: u64 = between(&get, "expires=", "&").parse().unwrap();
    let signature = get.rsplit("signature=").next().unwrap().to_owned();
    for changed in [
        get.replace("links/a?", "links/b?"),
        get.replace("sub=user-1", "sub=user-2"),
        get.replace(APP, OTHER_APP),
        get.replace(
            &format!("expires={expires}"),
            &format!("expires={}", expires + 1),
        ),
        get.replace("expires=", "expires=0"),
        get.replace(&signature, &"A".repeat(signature.len())),
        get.replace(&signature, &signature[1..]),
        get.replace(&signature, ""),
        get.replace("&signature", "&x=1&signature"),
        get.replace("app=", "app=x&app="),
        format!("{get}&create_only=1"),
        format!("{get}&signature={signature}"),
        get.split('?').next().unwrap().to_owned(),
    ] {
        let refused = follow(&service, Method::GET, &changed).await;
        assert_eq!(
            problem(refused).await,
            (403, "link_invalid".into()),
            "{changed}"
        );
    }
    for method in [Method::PUT] {
        let refused = follow(&service, method, &get).await;
        assert_eq!(problem(refused).await, (403, "link_invalid".into()));
    }
    for method in [Method::DELETE, Method::POST, Method::PATCH] {
        let refused = follow(&service, method, &get).await;
        assert_eq!(problem(refused).await, (405, "method_not_allowed".into()));
    }
    let put = url(&service, &json!({ "key": "a", "method": "PUT" })).await;
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(follow(&service, method, &put).await.status(), 403);
    }
    assert_eq!(service.get("a").await.text().await.unwrap(), "mine");
    // A link is not a token for anything else.
    let elsewhere = get.replace("/api/links/", "/api/media/");
    assert_eq!(
        follow(&service, Method::GET, &elsewhere).await.status(),
        401
    );
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split(end).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_with_its_time() {
    let service = Service::start().await;
    service.put("a", b"x").await;
    let wanted = json!({ "key": "a", "method": "GET", "expires_in": 2 });
    let get = url(&service, &wanted).await;
    assert_eq!(follow(&service, Method::GET, &get).await.status(), 200);
    let deadline = Instant::now() + Duration::from_secs(10);
    let ended = loop {
        let got = follow(&service, Method::GET, &get).await;
        if got.status() != 200 {
            break got;
        }
        assert!(Instant::now() < deadline, "still good");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(problem(ended).await, (403, "link_expired".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_outlive_a_restart() {
    let mut service = Service::start().await;
    service.put("a", b"x").await;
    let get = url(&service, &json!({ "key": "a", "method": "GET" })).await;
    service.child.stop_at_once(Duration::from_secs(20)).unwrap();
    service.restart();
    assert_eq!(follow(&service, Method::GET, &get).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_can_be_linked_to() {
    let service = Service::start().await;
    let longest = "ü/".repeat(300) + &"z".repeat(100);
    for key in [
        "a b",
        "a+b",
        "a%2fb",
        "a&b=c",
        "a?b",
        "a#b",
        "é/日本語/😀",
        "a\"<'>`{|}^[]",
        "a;b,c:@!$*()~",
        "%",
        ". .",
        "-",
        &longest,
    ] {
        let put = url(&service, &json!({ "key": key, "method": "PUT" })).await;
        assert!(put.is_ascii(), "{put}");
        let stored = follow(&service, Method::PUT, &put).await;
        assert_eq!(stored.status(), 201, "{key}");
        assert_eq!(body(stored).await["key"], *key);
        let get = url(&service, &json!({ "key": key, "method": "GET" })).await;
        let got = follow(&service, Method::GET, &get).await;
        assert_eq!(got.text().await.unwrap(), "by link", "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_laid_down_must_be_sent_and_create_only_holds() {
    let service = Service::start().await;
    let headers = json!({ "Content-Type": "image/png", "if-none-match": "*" });
    let wanted = json!({ "key": "a", "method": "PUT", "headers": headers });
    let link = link(&service, &wanted).await;
    let expected = json!({ "content-type": "image/png", "if-none-match": "*" });
    assert_eq!(link["headers"], expected);
    let url = link["url"].as_str().unwrap();
    for (pairs, expected) in [
        (&[][..], (403, "link_headers_missing")),
        (
            &[("content-type", "image/png")],
            (403, "link_headers_missing"),
        ),
        (
            &[("content-type", "text/html"), ("if-none-match", "*")],
            (403, "link_headers_missing"),
        ),
    ] {
        let mut put = service.at(Method::PUT, url).body("x");
        for (name, value) in pairs {
            put = put.header(*name, *value);
        }
        let (status, code) = problem(put.send().await.unwrap()).await;
        assert_eq!((status, &*code), expected, "{pairs:?}");
    }
    let put = || {
        let put = service.at(Method::PUT, url).header("if-none-match", "*");
        put.header("content-type", "image/png").body("x").send()
    };
    assert_eq!(put().await.unwrap().status(), 201);
    let again = problem(put().await.unwrap()).await;
    assert_eq!(again, (412, "precondition_failed".into()));
    let unsigned = url
        .replace("&create_only=1", "")
        .replace("&content_type=image%2Fpng", "");
    assert_ne!(unsigned, url);
    let refused = follow(&service, Method::PUT, &unsigned).await;
    assert_eq!(problem(refused).await, (403, "link_invalid".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_given_only_for_what_the_token_may_do() {
    let service = Service::start().await;
    let ask = async |scope: &str, wanted: Value| {
        let token = service.token().claim("scope", scope);
        let asked = service.request_as(Method::POST, PRESIGN, &token);
        let asked = asked.header("content-type", "application/json");
        asked.body(wanted.to_string()).send().await.unwrap()
    };
    for (scope, method, status) in [
        ("media:read", "GET", 200),
        ("media:read", "PUT", 403),
        ("media:write", "PUT", 200),
        ("media:write", "GET", 403),
        ("other", "GET", 403),
    ] {
        let answer = ask(scope, json!({ "key": "a", "method": method })).await;
        assert_eq!(answer.status(), status, "{scope} {method}");
        if status == 403 {
            assert!(header(&answer, "www-authenticate").contains("insufficient_scope"));
            assert_eq!(problem(answer).await.1, "insufficient_scope");
        }
    }
    let nobody = service.bare(Method::POST, PRESIGN).send().await.unwrap();
    assert_eq!(problem(nobody).await, (401, "token_missing".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_link_is_told() {
    let service = Service::start().await;
    for (wanted, expected) in [
        (
            json!({ "key": "a", "method": "GET", "expires_in": 0 }),
            (400, "expires_in_invalid"),
        ),
        (
            json!({ "key": "a", "method": "GET", "expires_in": -1 }),
            (400, "expires_in_invalid"),
        ),
        (
            json!({ "key": "a", "method": "GET", "expires_in": 86401 }),
            (400, "expires_in_invalid"),
        ),
        (
            json!({ "key": "a", "method": "GET", "expires_in": "9" }),
            (422, "body_invalid"),
        ),
        (
            json!({ "key": "a", "method": "GET", "expires_in": 1.5 }),
            (422, "body_invalid"),
        ),
        (
            json!({ "key": "a", "method": "DELETE" }),
            (422, "body_invalid"),
        ),
        (
            json!({ "key": "a", "method": "get" }),
            (422, "body_invalid"),
        ),
        (json!({ "key": "a" }), (422, "body_invalid")),
        (json!({ "method": "GET" }), (422, "body_invalid")),
        (
            json!({ "key": "a", "method": "GET", "x": 1 }),
            (422, "body_invalid"),
        ),
        (
            json!({ "key": "../a", "method": "GET" }),
            (400, "key_invalid"),
        ),
        (json!({ "key": "", "method": "GET" }), (400, "key_invalid")),
        (
            json!({ "key": "a", "method": "GET", "headers": { "content-type": "image/png" } }),
            (400, "link_headers_invalid"),
        ),
        (
            json!({ "key": "a", "method": "PUT", "headers": { "content-type": "x\r\ny" } }),
            (400, "link_headers_invalid"),
        ),
        (
            json!({ "key": "a", "method": "PUT", "headers": { "if-none-match": "\"a\"" } }),
            (400, "link_headers_invalid"),
        ),
        (
            json!({ "key": "a", "method": "PUT", "headers": { "x-meta-a": "b" } }),
            (400, "link_headers_invalid"),
        ),
    ] {
        let refused = service.post(PRESIGN, &wanted).await;
        let (status, code) = problem(refused).await;
        assert_eq!((status, &*code), expected, "{wanted}");
    }
    for seconds in [1, 86400] {
        let wanted = json!({ "key": "a", "method": "GET", "expires_in": seconds });
        link(&service, &wanted).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_where_the_client_came_from() {
    let service = Service::start().await;
    for (host, scheme, expected) in [
        (
            "media.dailey.cloud",
            "https",
            "https://media.dailey.cloud/api/links/a?",
        ),
        (
            "media.dailey.cloud",
            "http",
            "http://media.dailey.cloud/api/links/a?",
        ),
        (
            "Media.Dailey.Cloud:8443",
            "https",
            "https://media.dailey.cloud:8443/api/links/a?",
        ),
    ] {
        let asked = service.request(Method::POST, PRESIGN);
        let asked = asked
            .header("host", host)
            .header("x-forwarded-proto", scheme)
            .header("content-type", "application/json")
            .body(json!({ "key": "a", "method": "GET" }).to_string());
        let told = body(asked.send().await.unwrap()).await;
        let url = told["url"].as_str().unwrap();
        assert!(url.starts_with(expected), "{url}");
    }
    let bearer = service.bearer(&service.token());
    let wanted = r#"{"key":"a","method":"GET"}"#;
    let told = service
        .raw(&format!(
            "POST {PRESIGN} HTTP/1.1\r\nhost: evil/x\r\nconnection: close\r\nauthorization: {bearer}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{wanted}",
            wanted.len()
        ))
        .await;
    assert!(told.starts_with("HTTP/1.1 400"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_limited_by_address_and_stay_out_of_the_log() {
    for method in [Method::PUT, Method::GET] {
        let service = Service::start_with(Limits::On).await;
        // Links to read are the bucket's own there.
        if method == Method::GET && service.local("objects").is_none() {
            continue;
        }
        service.put("a", b"x").await;
        let link = url(&service, &json!({ "key": "a", "method": method.as_str() })).await;
        let followed = follow(&service, method.clone(), &link).await;
        assert_eq!(header(&followed, "ratelimit-policy"), "\"link\";q=100;w=10");
        let forged = link.replace("links/a?", "links/b?");
        let mut refused = 0;
        for _ in 0..40 {
            let answer = follow(&service, method.clone(), &forged).await;
            refused += u32::from(answer.status() == 429);
        }
        assert!(refused >= 15, "{refused}");
        let good = follow(&service, method.clone(), &link).await;
        assert_eq!(good.status(), 200);
        let signature = link.rsplit("signature=").next().unwrap();
        let route = "route=\"/api/links/{*key}\"";
        let log = |log: &str| log.matches(route).count() >= 42;
        let log = service.child.log_with(START, log);
        assert!(!log.contains(signature) && !log.contains("signature="));
    }
}
