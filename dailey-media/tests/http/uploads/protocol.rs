//! What a client of tus may rely on.

use reqwest::Method;

use super::{metadata, pattern};
use crate::service::{ORIGIN, Service, header, json, problem};

const FIVE_GIB: &str = "5368709120";

#[tokio::test(flavor = "multi_thread")]
async fn options_tells_what_is_offered_to_anybody() {
    let service = Service::start().await;
    for path in [
        "/api/uploads",
        "/api/uploads/0123456789abcdef0123456789abcdef",
    ] {
        let options = service.bare(Method::OPTIONS, path).send().await.unwrap();
        assert_eq!(options.status(), 204);
        for (name, value) in [
            ("tus-resumable", "1.0.0"),
            ("tus-version", "1.0.0"),
            ("tus-max-size", FIVE_GIB),
            (
                "tus-extension",
                "creation,creation-with-upload,expiration,checksum,termination",
            ),
            ("tus-checksum-algorithm", "sha1,sha256"),
        ] {
            assert_eq!(header(&options, name), value, "{name} of {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_there_is_not_is_refused_in_the_protocols_version() {
    let service = Service::start().await;
    for (path, allowed) in [
        ("/api/uploads", "POST,OPTIONS"),
        (
            "/api/uploads/0123456789abcdef0123456789abcdef",
            "HEAD,PATCH,DELETE,POST,OPTIONS",
        ),
    ] {
        let refused = service.request(Method::GET, path).send().await.unwrap();
        assert_eq!(header(&refused, "tus-resumable"), "1.0.0", "{path}");
        assert_eq!(header(&refused, "allow"), allowed);
        assert_eq!(
            problem(refused).await,
            (405, "method_not_allowed".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_may_send_and_read_all_that_tus_needs() {
    let service = Service::start().await;
    let asked = "authorization,content-type,tus-resumable,upload-length,upload-metadata,upload-offset,upload-checksum,x-http-method-override";
    let preflight = service
        .bare(Method::OPTIONS, "/api/uploads")
        .header("origin", ORIGIN)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", asked)
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    let allowed = header(&preflight, "access-control-allow-headers").to_owned();
    for name in asked.split(',') {
        assert!(
            allowed.split(", ").any(|one| one == name),
            "{name} in {allowed}"
        );
    }
    assert!(header(&preflight, "access-control-allow-methods").contains("PATCH"));
    let created = service
        .creation("a", 1)
        .header("origin", ORIGIN)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&created, "access-control-allow-origin"), ORIGIN);
    // Fetch 3.2.5: all of them, without credentials.
    assert_eq!(header(&created, "access-control-expose-headers"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_name_in_another_script_is_kept_as_it_is() {
    let service = Service::start().await;
    // Percent-encoded it is longer than a client's own header may be.
    let name = "\u{6587}".repeat(80);
    let named = metadata(&name).replacen("key ", "filename ", 1);
    let text = format!("{},{named}", metadata("a"));
    let created = service.tus(Method::POST, "/api/uploads");
    let created = created
        .header("upload-length", 4)
        .header("upload-metadata", &text);
    let created = created.send().await.unwrap();
    assert_eq!(created.status(), 201);
    let path = header(&created, "location").to_owned();
    let stored = service.append(&path, 0, b"text").await;
    let got = service.get("a").await;
    for name in ["etag", "repr-digest"] {
        assert_eq!(header(&got, name), header(&stored, name), "{name}");
    }
    let said = header(&got, "content-disposition");
    assert!(said.ends_with(&"%E6%96%87".repeat(80)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_pieces_becomes_the_object_with_its_last_byte() {
    let service = Service::start().await;
    let body = pattern(20_000_000);
    let text = format!(
        "{},filename w6kucG5n,filetype aW1hZ2UvcG5n,cache-control bWF4LWFnZT02MA==,x-meta-author QWRh",
        metadata("a/é.png")
    );
    let created = service
        .tus(Method::POST, "/api/uploads")
        .header("upload-length", body.len())
        .header("upload-metadata", &text)
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(header(&created, "tus-resumable"), "1.0.0");
    assert!(header(&created, "upload-expires").ends_with("GMT"));
    let path = header(&created, "location").to_owned();
    assert!(path.starts_with("/api/uploads/"), "{path}");

    let mut offset = 0;
    for piece in [1, 9_000_000, 17_000_000, body.len()] {
        let head = service.tus(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(head.status(), 200);
        for (name, value) in [
            ("upload-offset", &*offset.to_string()),
            ("upload-length", "20000000"),
            ("upload-metadata", &text),
            ("cache-control", "no-store"),
            ("tus-resumable", "1.0.0"),
        ] {
            assert_eq!(header(&head, name), value, "{name}");
        }
        assert_eq!(
            service.get("a/%C3%A9.png").await.status(),
            404,
            "not before the last byte"
        );
        let patched = service
            .append(&path, offset as u64, &body[offset..piece])
            .await;
        assert_eq!(patched.status(), 204);
        assert_eq!(header(&patched, "upload-offset"), piece.to_string());
        assert!(header(&patched, "upload-expires").ends_with("GMT"));
        offset = piece;
        if piece == body.len() {
            assert!(header(&patched, "repr-digest").starts_with("sha-256=:"));
            let got = service.get("a/%C3%A9.png").await;
            for name in ["etag", "repr-digest"] {
                assert_eq!(header(&got, name), header(&patched, name), "{name}");
            }
            for (name, value) in [
                ("content-type", "image/png"),
                (
                    "content-disposition",
                    "inline; filename=\"_.png\"; filename*=UTF-8''%C3%A9.png",
                ),
                ("cache-control", "private, max-age=60, no-transform"),
                ("x-meta-author", "Ada"),
                ("content-length", "20000000"),
            ] {
                assert_eq!(header(&got, name), value, "{name}");
            }
            assert!(got.bytes().await.unwrap() == body, "the bytes");
        }
    }
    assert_eq!(service.offset(&path).await, 20_000_000, "still told");
    let again = service.append(&path, 20_000_000, b"").await;
    assert_eq!(again.status(), 204, "nothing more is no mistake");
    let list = service
        .request(Method::GET, "/api/media")
        .send()
        .await
        .unwrap();
    let list = json(list).await;
    assert_eq!(list["objects"][0]["size"], 20_000_000);
    assert_eq!(list["objects"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_may_bring_the_first_bytes_or_all() {
    let service = Service::start().await;
    for (key, length, body, offset) in [
        ("part", 10, "hello", "5"),
        ("all", 5, "hello", "5"),
        ("none", 0, "", "0"),
    ] {
        let created = service
            .creation(key, length)
            .header("content-type", "application/offset+octet-stream")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(created.status(), 201, "{key}");
        assert_eq!(header(&created, "upload-offset"), offset, "{key}");
        let path = header(&created, "location").to_owned();
        assert_eq!(service.offset(&path).await.to_string(), offset, "{key}");
    }
    assert_eq!(service.get("part").await.status(), 404);
    assert_eq!(service.get("all").await.text().await.unwrap(), "hello");
    let empty = service.get("none").await;
    assert_eq!(
        (empty.status().as_u16(), empty.content_length()),
        (200, Some(0))
    );
    let content = service.get("all").await;
    assert_eq!(header(&content, "content-type"), "application/octet-stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_may_stand_for_another_method_and_nothing_else_may() {
    let service = Service::start().await;
    let path = service.begin("a", 5).await;
    let post = |method: &'static str| {
        service
            .tus(Method::POST, &path)
            .header("x-http-method-override", method)
            .header("upload-offset", 0)
            .header("content-type", "application/offset+octet-stream")
    };
    assert_eq!(
        post("PATCH").body("hello").send().await.unwrap().status(),
        204
    );
    assert_eq!(service.get("a").await.text().await.unwrap(), "hello");
    let head = post("HEAD").send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), header(&head, "upload-offset")),
        (200, "5")
    );
    let other = service.begin("b", 5).await;
    for (method, name) in [
        (Method::HEAD, "DELETE"),
        (Method::POST, "GET"),
        (Method::POST, "delete"),
    ] {
        let sent = service
            .tus(method, &other)
            .header("x-http-method-override", name)
            .send()
            .await
            .unwrap();
        assert_ne!(sent.status(), 204);
        assert_eq!(service.offset(&other).await, 0);
    }
    assert_eq!(post("DELETE").send().await.unwrap().status(), 204);
    assert_eq!(post("HEAD").send().await.unwrap().status(), 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_count_only_when_their_checksum_holds() {
    let service = Service::start().await;
    let path = service.begin("a", 5).await;
    // Of "hello", by sha1sum and sha256sum.
    let (sha1, sha256) = (
        "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
        "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    );
    for (name, value, status) in [
        ("upload-checksum", sha1.to_owned(), 460),
        ("upload-checksum", sha256.to_owned(), 460),
        ("content-digest", format!("sha-256=:{}:", &sha256[7..]), 400),
    ] {
        let wrong = service
            .patch(&path, 0)
            .header(name, value)
            .body("hellO")
            .send()
            .await
            .unwrap();
        assert_eq!(wrong.status().as_u16(), status, "{name}");
        assert_eq!(header(&wrong, "content-type"), "application/problem+json");
        assert_eq!(service.offset(&path).await, 0, "{name}");
        assert_eq!(service.get("a").await.status(), 404, "{name}");
    }
    let right = service.patch(&path, 0).header("upload-checksum", sha1);
    assert_eq!(right.body("hello").send().await.unwrap().status(), 204);
    assert_eq!(service.get("a").await.text().await.unwrap(), "hello");

    // Over more than one slice: what came before the mismatch does not count either.
    let body = pattern(20_000_000);
    let path = service.begin("big", 20_000_000).await;
    let wrong = service.patch(&path, 0).header("upload-checksum", sha256);
    assert_eq!(wrong.body(body.clone()).send().await.unwrap().status(), 460);
    assert_eq!(service.offset(&path).await, 0);
    assert_eq!(service.append(&path, 0, &body).await.status(), 204);
    assert!(service.get("big").await.bytes().await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_the_whole_digest_are_tried_when_the_upload_is_complete() {
    let service = Service::start().await;
    let only = service.creation("a", 5).header("if-none-match", "*");
    let created = only.send().await.unwrap();
    assert_eq!(created.status(), 201);
    let path = header(&created, "location").to_owned();
    assert_eq!(service.put("a", b"other").await.status(), 201);
    let late = service.append(&path, 0, b"hello").await;
    assert_eq!(late.status(), 412);
    let etag = header(&late, "etag").to_owned();
    assert_eq!(json(late).await["code"], "precondition_failed");
    assert_eq!(service.get("a").await.text().await.unwrap(), "other");
    let ended = service.tus(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(ended.status(), 410);
    let soon = service.creation("a", 5).header("if-none-match", "*");
    assert_eq!(
        soon.send().await.unwrap().status(),
        412,
        "already at the creation"
    );

    let still = service.creation("a", 5).header("if-match", &etag);
    let created = still.send().await.unwrap();
    let path = header(&created, "location").to_owned();
    assert_eq!(service.append(&path, 0, b"hello").await.status(), 204);
    assert_eq!(service.get("a").await.text().await.unwrap(), "hello");

    let digest = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    for (bytes, status) in [(b"hellO", 400), (b"hello", 204)] {
        let whole = service.creation("digest", 5).header("repr-digest", digest);
        let created = whole.send().await.unwrap();
        let path = header(&created, "location").to_owned();
        assert_eq!(service.append(&path, 0, b"he").await.status(), 204);
        assert_eq!(service.append(&path, 2, &bytes[2..]).await.status(), status);
        let found = service.get("digest").await.status().as_u16();
        assert_eq!(found, if status == 204 { 200 } else { 404 });
    }
}
