//! What is refused, with which code, and that nothing comes of it.

use reqwest::Method;

use super::{left_behind, metadata};
use crate::service::{OTHER_APP, Service, header, problem};

const BYTES: (&str, &str) = ("content-type", "application/offset+octet-stream");

type Fields<'a> = &'a [(&'a str, &'a str)];

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_creation_is_refused_by_name() {
    let service = Service::start().await;
    let key = metadata("a");
    let many: Vec<String> = (0..40).map(|n| format!("x-meta-{n} eA==")).collect();
    let many = many.join(",");
    let version = ("tus-resumable", "1.0.0");
    let one = ("upload-length", "1");
    let named = ("upload-metadata", &*key);
    let with = |value: &str| format!("{key},{value}");
    let cases: &[(Fields<'_>, u16, &str)] = &[
        (&[one, named], 412, "tus_version_unsupported"),
        (
            &[("tus-resumable", "0.2.2"), one, named],
            412,
            "tus_version_unsupported",
        ),
        (
            &[version, version, one, named],
            412,
            "tus_version_unsupported",
        ),
        (&[version, named], 400, "upload_length_required"),
        (
            &[version, ("upload-defer-length", "1"), named],
            400,
            "upload_length_required",
        ),
        (
            &[version, ("upload-length", ""), named],
            400,
            "upload_length_invalid",
        ),
        (
            &[version, ("upload-length", "-1"), named],
            400,
            "upload_length_invalid",
        ),
        (
            &[version, ("upload-length", "+1"), named],
            400,
            "upload_length_invalid",
        ),
        (
            &[version, ("upload-length", "1.0"), named],
            400,
            "upload_length_invalid",
        ),
        (
            &[version, ("upload-length", "0x1"), named],
            400,
            "upload_length_invalid",
        ),
        (&[version, one, one, named], 400, "header_invalid"),
        (
            &[version, ("upload-length", "5368709121"), named],
            413,
            "upload_too_large",
        ),
        (
            &[
                version,
                ("upload-length", "99999999999999999999999999"),
                named,
            ],
            413,
            "upload_too_large",
        ),
        (
            &[version, one, named, ("upload-concat", "partial")],
            400,
            "upload_concat_unsupported",
        ),
        (&[version, one], 400, "upload_metadata_invalid"),
        (
            &[version, one, ("upload-metadata", "")],
            400,
            "upload_metadata_invalid",
        ),
        (&[version, one, named, named], 400, "header_invalid"),
        (
            &[version, one, ("upload-metadata", "key YQ")],
            400,
            "upload_metadata_invalid",
        ),
        (
            &[version, one, ("upload-metadata", &with("key YQ=="))],
            400,
            "upload_metadata_invalid",
        ),
        (
            &[version, one, ("upload-metadata", &with("owner YQ=="))],
            400,
            "upload_metadata_invalid",
        ),
        (
            &[version, one, ("upload-metadata", &metadata("../a"))],
            400,
            "key_invalid",
        ),
        (
            &[version, one, ("upload-metadata", &metadata(""))],
            400,
            "key_invalid",
        ),
        (
            &[
                version,
                one,
                ("upload-metadata", &metadata(&"k".repeat(1025))),
            ],
            400,
            "key_invalid",
        ),
        (
            &[version, one, ("upload-metadata", "key gA==")],
            400,
            "key_invalid",
        ),
        (
            // "text/html, image/png"
            &[
                version,
                one,
                (
                    "upload-metadata",
                    &with("filetype dGV4dC9odG1sLCBpbWFnZS9wbmc="),
                ),
            ],
            400,
            "description_invalid",
        ),
        (
            // "image/png\r\nx: y"
            &[
                version,
                one,
                ("upload-metadata", &with("filetype aW1hZ2UvcG5nDQp4OiB5")),
            ],
            400,
            "upload_metadata_invalid",
        ),
        (
            &[version, one, ("upload-metadata", &format!("{key},{many}"))],
            400,
            "description_invalid",
        ),
        (
            &[version, one, named, ("if-none-match", "x")],
            400,
            "precondition_malformed",
        ),
        (
            &[version, one, named, ("if-match", "*")],
            412,
            "precondition_failed",
        ),
        (
            &[version, one, named, ("repr-digest", "sha-512=:AAAA:")],
            400,
            "digest_invalid",
        ),
        (
            &[version, one, named, ("upload-checksum", "md5 AAAA")],
            400,
            "checksum_invalid",
        ),
    ];
    for (headers, status, code) in cases {
        let mut request = service.request(Method::POST, "/api/uploads");
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let refused = request.send().await.unwrap();
        assert_eq!(header(&refused, "tus-resumable"), "1.0.0");
        if *status == 412 && code.starts_with("tus") {
            assert_eq!(header(&refused, "tus-version"), "1.0.0");
        }
        assert_eq!(
            problem(refused).await,
            (*status, (*code).to_owned()),
            "{headers:?}"
        );
    }
    for (body, content_type, status, code) in [
        ("x", "text/plain", 415, "unsupported_media_type"),
        ("xy", BYTES.1, 413, "upload_length_exceeded"),
    ] {
        let request = service
            .creation("a", 1)
            .header("content-type", content_type);
        let refused = request.body(body).send().await.unwrap();
        assert_eq!(problem(refused).await, (status, code.to_owned()));
    }
    assert!(
        matches!(left_behind(&service).await, None | Some(0)),
        "states of refused uploads"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wrong_patch_is_refused_by_name_and_moves_nothing() {
    let service = Service::start().await;
    let path = service.begin("a", 10).await;
    assert_eq!(service.append(&path, 0, b"he").await.status(), 204);
    let version = ("tus-resumable", "1.0.0");
    let two = ("upload-offset", "2");
    let own = path.clone();
    let unknown = "/api/uploads/0123456789abcdef0123456789abcdef";
    let cases: &[(&str, Fields<'_>, &str, u16, &str)] = &[
        (&path, &[two, BYTES], "l", 412, "tus_version_unsupported"),
        (&path, &[version, BYTES], "l", 400, "upload_offset_invalid"),
        (
            &path,
            &[version, BYTES, ("upload-offset", "-2")],
            "l",
            400,
            "upload_offset_invalid",
        ),
        (
            &path,
            &[version, BYTES, ("upload-offset", "2 ")],
            "",
            204,
            "",
        ),
        (
            &path,
            &[version, BYTES, two, two],
            "l",
            400,
            "header_invalid",
        ),
        (
            &path,
            &[version, BYTES, ("upload-offset", "0")],
            "l",
            409,
            "upload_offset_mismatch",
        ),
        (
            &path,
            &[version, BYTES, ("upload-offset", "3")],
            "l",
            409,
            "upload_offset_mismatch",
        ),
        (
            &path,
            &[version, BYTES, ("upload-offset", "99999999999999999999999")],
            "l",
            409,
            "upload_offset_mismatch",
        ),
        (&path, &[version, two], "l", 415, "unsupported_media_type"),
        (
            &path,
            &[version, two, ("content-type", "text/plain")],
            "l",
            415,
            "unsupported_media_type",
        ),
        (
            &path,
            &[version, two, BYTES, ("content-encoding", "gzip")],
            "l",
            415,
            "unsupported_media_type",
        ),
        (
            &path,
            &[version, two, BYTES],
            "too many by one",
            413,
            "upload_length_exceeded",
        ),
        (
            &path,
            &[version, two, BYTES, ("upload-checksum", "sha1")],
            "l",
            400,
            "checksum_invalid",
        ),
        (
            &path,
            &[version, two, BYTES, ("upload-checksum", "md5 AA==")],
            "l",
            400,
            "checksum_invalid",
        ),
        (
            &path,
            &[version, two, BYTES, ("content-digest", "x")],
            "l",
            400,
            "digest_invalid",
        ),
        (
            unknown,
            &[version, two, BYTES],
            "l",
            404,
            "upload_not_found",
        ),
        (
            "/api/uploads/..%2Fa",
            &[version, two, BYTES],
            "l",
            404,
            "upload_not_found",
        ),
        (
            "/api/uploads/%FF",
            &[version, two, BYTES],
            "l",
            404,
            "upload_not_found",
        ),
    ];
    for (path, headers, body, status, code) in cases {
        let mut request = service.request(Method::PATCH, path);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let refused = request.body(*body).send().await.unwrap();
        assert_eq!(header(&refused, "tus-resumable"), "1.0.0");
        if *status == 409 {
            assert_eq!(header(&refused, "upload-offset"), "2");
        }
        if *status != 204 {
            assert_eq!(
                problem(refused).await,
                (*status, (*code).to_owned()),
                "{headers:?}"
            );
        }
        assert_eq!(service.offset(&own).await, 2, "{headers:?}");
    }
    assert_eq!(service.append(&path, 2, b"llo tus!").await.status(), 204);
    assert_eq!(service.get("a").await.text().await.unwrap(), "hello tus!");
    let more = service.append(&path, 10, b"x").await;
    assert_eq!(problem(more).await, (413, "upload_length_exceeded".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_brings_64_mib_at_most() {
    let service = Service::start().await;
    let path = service.begin("a", 70 * 1024 * 1024).await;
    let body = super::pattern(64 * 1024 * 1024 + 1);
    let announced = service.append(&path, 0, &body).await;
    assert_eq!(problem(announced).await, (413, "body_too_large".into()));
    assert_eq!(service.offset(&path).await, 0);
    let whole = service.append(&path, 0, &body[..body.len() - 1]).await;
    assert_eq!(whole.status(), 204);
    assert_eq!(service.offset(&path).await, 64 * 1024 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_nobody_elses() {
    let service = Service::start().await;
    let path = service.begin("a", 5).await;
    let others = [
        service.token().claim("sub", "user-2"),
        service.token().claim("aud", OTHER_APP),
        // The reserved space itself.
        service.token().claim("sub", "uploads"),
    ];
    for other in others {
        for method in [Method::HEAD, Method::PATCH, Method::DELETE] {
            let refused = service
                .request_as(method.clone(), &path, &other)
                .header("tus-resumable", "1.0.0")
                .header("upload-offset", 0)
                .header(BYTES.0, BYTES.1)
                .body(if method == Method::PATCH { "hello" } else { "" })
                .send()
                .await
                .unwrap();
            assert_eq!(refused.status(), 404, "{method}");
        }
        let list = service
            .request_as(Method::GET, "/api/media", &other)
            .send()
            .await
            .unwrap();
        let list = crate::service::json(list).await;
        assert_eq!(list["objects"].as_array().unwrap().len(), 0);
    }
    for (scope, allowed) in [
        ("media:read", &[Method::HEAD][..]),
        (
            "media:write",
            &[Method::HEAD, Method::PATCH, Method::DELETE],
        ),
        ("other", &[]),
    ] {
        let token = service.token().claim("scope", scope);
        for method in [Method::HEAD, Method::PATCH, Method::DELETE] {
            let path = service.begin("b", 5).await;
            let answer = service
                .request_as(method.clone(), &path, &token)
                .header("tus-resumable", "1.0.0")
                .header("upload-offset", 0)
                .header(BYTES.0, BYTES.1)
                .send()
                .await
                .unwrap();
            assert_eq!(
                answer.status() != 403,
                allowed.contains(&method),
                "{scope}: {method}"
            );
        }
    }
    let nobody = service
        .bare(Method::HEAD, &path)
        .header("tus-resumable", "1.0.0")
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), 401);
    assert_eq!(service.append(&path, 0, b"hello").await.status(), 204);
}
