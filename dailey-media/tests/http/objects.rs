//! What is stored is given back, whole or in part, as it was described, and cannot act.

use reqwest::Method;

use crate::service::{START, Service, header, json, problem};

const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const DIGEST_OF_HELLO: &str = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";

#[tokio::test(flavor = "multi_thread")]
async fn an_object_comes_back_with_all_that_was_said_about_it() {
    let service = Service::start().await;
    let put = service
        .request(Method::PUT, "/api/media/a/hello.txt")
        .header("content-type", "text/plain; charset=utf-8")
        .header("cache-control", "public, max-age=60")
        .header("content-disposition", "inline; filename=\"h.txt\"")
        .header("x-meta-author", "Ada")
        .body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 201);
    let etag = header(&put, "etag").to_owned();
    assert_eq!(header(&put, "repr-digest"), DIGEST_OF_HELLO);
    let described = json(put).await;
    assert_eq!(described["key"], "a/hello.txt");
    assert_eq!(described["size"], 5);
    assert_eq!(described["etag"], etag);
    assert_eq!(described["sha256"], SHA256_OF_HELLO);
    assert_eq!(described["content_type"], "text/plain; charset=utf-8");
    assert!(described["last_modified"].as_str().unwrap().ends_with('Z'));

    for method in [Method::GET, Method::HEAD] {
        let got = service
            .request(method.clone(), "/api/media/a/hello.txt")
            .send()
            .await
            .unwrap();
        assert_eq!(got.status(), 200, "{method}");
        for (name, value) in [
            ("etag", &*etag),
            ("repr-digest", DIGEST_OF_HELLO),
            ("content-length", "5"),
            ("accept-ranges", "bytes"),
            ("content-type", "text/plain; charset=utf-8"),
            ("content-disposition", "inline; filename=\"h.txt\""),
            ("x-meta-author", "Ada"),
            ("cache-control", "private, max-age=60, no-transform"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-site"),
        ] {
            assert_eq!(header(&got, name), value, "{name} of {method}");
        }
        assert!(header(&got, "last-modified").ends_with("GMT"));
        assert_eq!(
            got.text().await.unwrap(),
            if method == Method::GET { "hello" } else { "" }
        );
    }

    assert_eq!(service.put("a/hello.txt", b"other").await.status(), 200);
    assert_eq!(
        service.get("a/hello.txt").await.text().await.unwrap(),
        "other"
    );
    let gone = service
        .request(Method::DELETE, "/api/media/a/hello.txt")
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(
        problem(service.get("a/hello.txt").await).await,
        (404, "object_not_found".into())
    );
    let again = service
        .request(Method::DELETE, "/api/media/a/hello.txt")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(again).await, (404, "object_not_found".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_streams_in_and_out_and_by_ranges() {
    let service = Service::start().await;
    let body: Vec<u8> = (0..5_000_000_u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    let put = service
        .request(Method::PUT, "/api/media/big")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 201);
    let etag = header(&put, "etag").to_owned();
    assert!(
        service.get("big").await.bytes().await.unwrap() == body,
        "the whole"
    );

    for (range, if_range, status, content_range, part) in [
        ("bytes=0-0", None, 206, "bytes 0-0/5000000", &body[..1]),
        (
            "bytes=1000000-1999999",
            None,
            206,
            "bytes 1000000-1999999/5000000",
            &body[1_000_000..2_000_000],
        ),
        (
            "bytes=-300000",
            None,
            206,
            "bytes 4700000-4999999/5000000",
            &body[4_700_000..],
        ),
        (
            "bytes=4999999-",
            Some(&*etag),
            206,
            "bytes 4999999-4999999/5000000",
            &body[4_999_999..],
        ),
        ("bytes=0-0", Some("\"other\""), 200, "", &body[..]),
        ("bytes=2-3,0-1", None, 206, "bytes 0-3/5000000", &body[..4]),
    ] {
        let mut request = service
            .request(Method::GET, "/api/media/big")
            .header("range", range);
        if let Some(if_range) = if_range {
            request = request.header("if-range", if_range);
        }
        let got = request.send().await.unwrap();
        assert_eq!(got.status(), status, "{range} {if_range:?}");
        assert_eq!(
            header(&got, "content-range"),
            content_range,
            "{range} {if_range:?}"
        );
        assert!(got.bytes().await.unwrap() == part, "{range} {if_range:?}");
    }
    let behind = service
        .request(Method::GET, "/api/media/big")
        .header("range", "bytes=5000000-")
        .send()
        .await
        .unwrap();
    assert_eq!(header(&behind, "content-range"), "bytes */5000000");
    assert_eq!(problem(behind).await, (416, "range_not_satisfiable".into()));
    let head = service
        .request(Method::HEAD, "/api/media/big")
        .header("range", "bytes=0-0")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (head.status().as_u16(), header(&head, "content-length")),
        (200, "5000000")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_does_not_fit_stores_nothing() {
    let service = Service::start().await;
    for (name, value, expected) in [
        (
            "content-digest",
            "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
            "digest_mismatch",
        ),
        (
            "repr-digest",
            "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
            "digest_mismatch",
        ),
        ("repr-digest", "sha-512=:AAAA:", "digest_invalid"),
        ("content-digest", "sha-256=hello", "digest_invalid"),
    ] {
        let put = service
            .request(Method::PUT, "/api/media/d")
            .header(name, value)
            .body("hello")
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(put).await,
            (400, expected.into()),
            "{name}: {value}"
        );
        assert_eq!(service.get("d").await.status(), 404);
    }
    let put = service
        .request(Method::PUT, "/api/media/d")
        .header("content-digest", DIGEST_OF_HELLO)
        .body("hello");
    assert_eq!(put.send().await.unwrap().status(), 201);
    if let Some(uploads) = service.local("uploads") {
        let left_over = std::fs::read_dir(uploads).unwrap().count();
        assert_eq!(left_over, 0, "no upload is left over");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_could_act_are_saved_and_sandboxed() {
    let service = Service::start().await;
    for (content_type, disposition) in [
        (
            "text/html",
            "attachment; filename=\"x\"; filename*=UTF-8''x",
        ),
        (
            "image/svg+xml",
            "attachment; filename=\"x\"; filename*=UTF-8''x",
        ),
        (
            "application/xhtml+xml",
            "attachment; filename=\"x\"; filename*=UTF-8''x",
        ),
        (
            "text/javascript",
            "attachment; filename=\"x\"; filename*=UTF-8''x",
        ),
        ("image/png", ""),
        ("application/pdf", ""),
    ] {
        let put = service
            .request(Method::PUT, "/api/media/x")
            .header("content-type", content_type)
            .body("<script>");
        assert!(put.send().await.unwrap().status().is_success());
        let got = service.get("x").await;
        assert_eq!(
            header(&got, "content-disposition"),
            disposition,
            "{content_type}"
        );
        let policy = header(&got, "content-security-policy");
        for directive in [
            "default-src 'none'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(directive), "{content_type}: {policy}");
        }
        // Chromium shows no PDF under it.
        assert_eq!(
            policy.ends_with("sandbox"),
            content_type != "application/pdf",
            "{content_type}: {policy}"
        );
    }
    let saved = service
        .request(Method::GET, "/api/media/x?download=my%20file.png")
        .send()
        .await
        .unwrap();
    assert_eq!(
        header(&saved, "content-disposition"),
        "attachment; filename=\"my file.png\"; filename*=UTF-8''my%20file.png"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_whole_plain_object_of_bounded_size_is_refused() {
    let service = Service::start().await;
    for (name, value, expected) in [
        (
            "content-range",
            "bytes 0-4/10",
            (400, "content_range_not_allowed"),
        ),
        (
            "content-encoding",
            "gzip",
            (415, "content_encoding_not_supported"),
        ),
        ("content-type", "nonsense", (400, "description_invalid")),
        ("if-match", "unquoted", (400, "precondition_malformed")),
    ] {
        let put = service
            .request(Method::PUT, "/api/media/r")
            .header(name, value)
            .body("hello")
            .send()
            .await
            .unwrap();
        let (status, code) = problem(put).await;
        assert_eq!((status, &*code), expected, "{name}: {value}");
    }
    let authorization = service.bearer(&service.token());
    let announced = service
        .raw(&format!(
            "PUT /api/media/r HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\ncontent-length: 99614721\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(
        announced.starts_with("HTTP/1.1 413 ") && announced.contains("body_too_large"),
        "{announced}"
    );
    assert_eq!(service.get("r").await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_description_of_the_same_bytes_is_another_entity_tag() {
    let service = Service::start().await;
    let mut tags = std::collections::BTreeSet::new();
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "image/png"),
        ("cache-control", "max-age=1"),
        ("content-disposition", "inline"),
        ("x-meta-a", "b"),
        ("x-meta-ab", ""),
    ] {
        for _ in 0..2 {
            let put = service
                .request(Method::PUT, "/api/media/e")
                .header(name, value)
                .body("hello");
            tags.insert(header(&put.send().await.unwrap(), "etag").to_owned());
        }
    }
    assert_eq!(tags.len(), 6, "{tags:?}");
    for tag in tags {
        let digits = tag.trim_matches('"');
        assert!(
            tag.len() == 34 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{tag}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_left_out_of_lists_and_can_be_replaced_and_removed() {
    let service = Service::start().await;
    assert_eq!(service.put("a", b"x").await.status(), 201);
    assert_eq!(service.put("secret", b"x").await.status(), 201);
    let file = service
        .folder
        .path()
        .join("data/media/objects")
        .join(format!("{}.d/user-1.d/secret.o", crate::service::APP));
    let damage = || std::fs::write(&file, "cut").unwrap();
    damage();
    assert_eq!(
        problem(service.get("secret").await).await,
        (500, "object_damaged".into())
    );
    for (overwrite, expected) in [(false, 409), (true, 200)] {
        damage();
        let wanted = serde_json::json!({ "from": "a", "to": "secret", "overwrite": overwrite });
        let copied = service.post("/api/media-ops/copy", &wanted).await;
        assert_eq!(copied.status(), expected, "{overwrite}");
    }
    assert_eq!(service.get("secret").await.status(), 200);
    damage();
    let list = service.request(Method::GET, "/api/media");
    let list = json(list.send().await.unwrap()).await;
    assert_eq!(list["objects"].as_array().unwrap().len(), 1, "{list}");
    for (name, value) in [
        ("if-match", "*"),
        ("if-match", "\"x\""),
        ("if-none-match", "*"),
    ] {
        for method in [Method::PUT, Method::DELETE] {
            let refused = service
                .request(method.clone(), "/api/media/secret")
                .header(name, value);
            assert_eq!(
                problem(refused.send().await.unwrap()).await.0,
                412,
                "{method} {name}: {value}"
            );
        }
    }
    assert_eq!(service.put("secret", b"new").await.status(), 200);
    assert_eq!(service.get("secret").await.text().await.unwrap(), "new");
    damage();
    let delete = service.request(Method::DELETE, "/api/media/secret");
    assert_eq!(delete.send().await.unwrap().status(), 204);
    assert_eq!(service.get("secret").await.status(), 404);
    let log = service
        .child
        .log_with(START, |log| log.contains("leaves it out"));
    let mut warnings = log.lines().filter(|line| line.contains("leaves it out"));
    assert!(warnings.all(|line| !line.contains("secret")), "{log}");
}
