//! Links that the store itself answers, signed for its public endpoint; and those to write an object of any
//! length, which it never does.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
use testbed::Traffic;
use testbed::s3::Kind;

use super::bucket::{Bucket, PATIENCE};
use crate::service::{Service, header, json as body, problem};

async fn presigned(service: &Service, wanted: Value) -> Value {
    let answer = service.post("/api/media-ops/presign", &wanted).await;
    let status = answer.status();
    let answer = body(answer).await;
    assert_eq!(status, 200, "{wanted}: {answer}");
    answer
}

async fn link(service: &Service, wanted: Value) -> String {
    let link = presigned(service, wanted).await;
    link["url"].as_str().unwrap().to_owned()
}

async fn send(service: &Service, method: Method, url: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = service.at(method.clone(), url);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    if method == Method::PUT {
        request = request.body("hello");
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn a_link_opens_what_it_names_and_nothing_else() {
    let bucket = Bucket::on(Kind::S3sFs);
    let service = bucket.service().await;
    assert_eq!(service.put("a b/\u{e9}.txt", b"hello").await.status(), 201);
    assert_eq!(service.put("other", b"hello").await.status(), 201);
    let get = link(&service, json!({"key": "a b/\u{e9}.txt", "method": "GET"})).await;
    let public = bucket.server.url();
    assert!(get.starts_with(&public), "signed for the public endpoint");
    // Bytes go past the service and its way to the store.
    bucket.set(Traffic::Breaks);
    let got = send(&service, Method::GET, &get, &[]).await;
    assert_eq!(
        (got.status().as_u16(), &*got.text().await.unwrap()),
        (200, "hello")
    );
    bucket.set(Traffic::Flows);
    for (from, to) in [
        ("a%20b/%C3%A9.txt", "other"),
        ("attachment", "inline"),
        ("text%2Fplain", "text%2Fhtml"),
        ("application%2Foctet-stream", "text%2Fhtml"),
        ("X-Amz-Expires=900", "X-Amz-Expires=86400"),
    ] {
        if !get.contains(from) {
            continue;
        }
        let tampered = send(&service, Method::GET, &get.replace(from, to), &[]).await;
        assert_eq!(tampered.status(), 403, "{from} as {to}");
    }
    assert!(get.contains("response-content-disposition="), "{get}");
    let used = send(&service, Method::PUT, &get, &[]).await;
    assert_eq!(used.status(), 403, "a link to read does not write");
}

/// A PUT with what the link says must be sent, where one of its headers is sent otherwise.
async fn put_with(
    service: &Service,
    link: &Value,
    other: (&str, &str),
    bytes: &'static str,
) -> Response {
    let mut request = service.at(Method::PUT, link["url"].as_str().unwrap());
    for (name, value) in link["headers"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        let value = if other.0 == name { other.1 } else { value };
        if name != "content-length" {
            request = request.header(name, value);
        }
    }
    request.body(bytes).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn a_link_to_write_so_many_bytes_takes_these_and_no_others() {
    let bucket = Bucket::on(Kind::S3sFs);
    let service = bucket.service().await;
    let headers = json!({"content-type": "image/png", "content-length": "5"});
    let wanted = json!({"key": "new", "method": "PUT", "headers": headers});
    let link = presigned(&service, wanted).await;
    assert_eq!(link["headers"], headers);
    let url = link["url"].as_str().unwrap();
    let public = bucket.server.url();
    assert!(url.starts_with(&public), "signed for the public endpoint");
    // Bytes go past the service and its way to the store.
    bucket.set(Traffic::Breaks);
    let as_given = ("", "");
    for (other, bytes) in [
        (as_given, "hello!"),
        (as_given, "hell"),
        (as_given, ""),
        (("content-type", "text/html"), "hello"),
    ] {
        let refused = put_with(&service, &link, other, bytes).await;
        assert_eq!(refused.status(), 403, "{other:?} {bytes}");
    }
    let elsewhere = json!({"url": url.replace("/new?", "/old?"), "headers": headers});
    let refused = put_with(&service, &elsewhere, as_given, "hello").await;
    assert_eq!(refused.status(), 403);
    let put = put_with(&service, &link, as_given, "hello").await;
    assert_eq!(put.status(), 200);
    bucket.set(Traffic::Flows);
    let got = service.get("new").await;
    assert_eq!(header(&got, "content-type"), "image/png");
    assert!(header(&got, "repr-digest").starts_with("sha-256=:LPJNul"));
    assert_eq!(got.text().await.unwrap(), "hello");
    assert_eq!(service.get("old").await.status(), 404);
}

/// The one state of an upload that lies in the bucket.
async fn state(bucket: &Bucket) -> Option<String> {
    let list = "?list-type=2&prefix=.dailey/uploads/";
    let list = bucket.request(Method::GET, list).send().await.unwrap();
    let list = list.text().await.unwrap();
    let (_, key) = list.split_once("<Key>")?;
    let (key, more) = key.split_once("</Key>").unwrap();
    assert!(!more.contains("<Key>"), "{list}");
    Some(format!("/{key}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn room_for_what_a_link_may_write_is_held_until_it_cannot() {
    let bucket = Bucket::on(Kind::Moto);
    let limits =
        "[limits]\nuser_quota_bytes = 8\nupload_max_bytes = 7\nopen_uploads_per_subject = 1\n";
    let mut service = Service::audited_on(bucket.store.clone(), limits).await;
    // Swept every second.
    let log = service.audit_log();
    let log = log.to_str().unwrap();
    service.restart_with_env(&[("AUDIT_LOG_FILE", log), ("UPLOAD_EXPIRY_SECONDS", "1")]);
    let presign = async |service: &Service, length: &str| {
        let headers = json!({"content-length": length});
        let wanted = json!({"key": "new", "method": "PUT", "headers": headers});
        service.post("/api/media-ops/presign", &wanted).await
    };
    assert_eq!(
        problem(presign(&service, "8").await).await,
        (413, "body_too_large".into())
    );
    assert_eq!(service.put("small", b"ab").await.status(), 201);
    assert_eq!(
        problem(presign(&service, "7").await).await,
        (507, "quota_exceeded".into())
    );
    let link = presign(&service, "5").await;
    assert_eq!(link.status(), 200);
    let link = body(link).await;
    let many = (429, "too_many_open_uploads".into());
    assert_eq!(problem(presign(&service, "1").await).await, many);
    assert_eq!(service.put("other", b"ab").await.status(), 507);
    assert_eq!(service.put("other", b"a").await.status(), 201);
    let put = put_with(&service, &link, ("", ""), "hello").await;
    assert_eq!(put.status(), 200);
    assert_eq!(service.get("new").await.text().await.unwrap(), "hello");

    // It is nobody's upload.
    let at = state(&bucket).await.unwrap();
    let id = at.rsplit('/').next().unwrap();
    let asked = service.tus(Method::HEAD, &format!("/api/uploads/{id}"));
    assert_eq!(asked.send().await.unwrap().status(), 404);
    // Its time comes.
    let kept = bucket.request(Method::GET, &at).send().await.unwrap();
    let mut kept = body(kept).await;
    let now = jiff::Timestamp::now().as_millisecond();
    let lasts = kept["expires_ms"].as_i64().unwrap() - now;
    assert!((940_000..=960_000).contains(&lasts), "{lasts}");
    kept["expires_ms"] = json!(now);
    let put = bucket.request(Method::PUT, &at).body(kept.to_string());
    assert_eq!(put.send().await.unwrap().status(), 200);
    let deadline = Instant::now() + PATIENCE;
    while state(&bucket).await.is_some() {
        assert!(Instant::now() < deadline, "never swept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let log = std::fs::read_to_string(service.audit_log()).unwrap();
    for said in [
        r#""via":"token","action":"give_link","key":"new","size":5,"outcome":"given""#,
        r#""via":"link","action":"put","key":"new","size":5,"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","outcome":"found""#,
    ] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    assert_eq!(service.put("other", b"ab").await.status(), 507, "it counts");
    let gone = service.request(Method::DELETE, "/api/media/new");
    assert_eq!(gone.send().await.unwrap().status(), 204);
    // Counted anew meanwhile.
    while service.put("other", b"abcdef").await.status() != 200 {
        assert!(Instant::now() < deadline, "its room is not free");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn what_a_link_writes_is_bounded_counted_and_written_down() {
    let bucket = Bucket::on(Kind::Moto);
    let limits = "[limits]\nuser_quota_bytes = 7\nput_max_bytes = 6\n";
    let service = Service::audited_on(bucket.store.clone(), limits).await;
    let wanted = json!({"key": "new", "method": "PUT", "headers": {"content-type": "image/png"}});
    let link = presigned(&service, wanted).await;
    let url = link["url"].as_str().unwrap();
    let put = async |body: &'static str| {
        let mut request = service.at(Method::PUT, url).body(body);
        for (name, value) in link["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.send().await.unwrap()
    };
    assert_eq!(problem(put("hello w").await).await.1, "body_too_large");
    assert_eq!(put("hello").await.status(), 201);
    let got = service.get("new").await;
    assert_eq!(header(&got, "content-type"), "image/png");
    assert_eq!(got.text().await.unwrap(), "hello");
    let log = std::fs::read_to_string(service.audit_log()).unwrap();
    let last = log.lines().last().unwrap();
    assert!(
        last.contains("\"via\":\"link\",\"action\":\"put\",\"key\":\"new\""),
        "{last}"
    );
    assert_eq!(service.put("other", b"abc").await.status(), 507);
    assert_eq!(service.put("other", b"ab").await.status(), 201);
    assert_eq!(put("hello!").await.status(), 507);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn what_could_act_is_saved_also_through_a_link() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let page = service
        .request(Method::PUT, "/api/media/page.html")
        .header("content-type", "text/html")
        .header("content-disposition", "inline");
    assert_eq!(page.body("<script>").send().await.unwrap().status(), 201);
    let picture = service
        .request(Method::PUT, "/api/media/a.png")
        .header("content-type", "image/png");
    assert_eq!(picture.body("png").send().await.unwrap().status(), 201);
    for (key, content_type, disposition) in [
        ("page.html", "text/html", "attachment"),
        ("a.png", "image/png", ""),
    ] {
        let url = link(&service, json!({"key": key, "method": "GET"})).await;
        let got = send(&service, Method::GET, &url, &[]).await;
        assert_eq!(header(&got, "content-type"), content_type, "{key}");
        assert_eq!(header(&got, "content-disposition"), disposition, "{key}");
        assert!(header(&got, "cache-control").starts_with("private"));
    }
    // Put there by a link that lays no type down, and read by one made before.
    let early = link(&service, json!({"key": "later", "method": "GET"})).await;
    let create = json!({"key": "later", "method": "PUT", "headers": {"if-none-match": "*"}});
    let put = link(&service, create).await;
    let fields = [("content-type", "text/html"), ("if-none-match", "*")];
    let created = send(&service, Method::PUT, &put, &fields).await;
    assert_eq!(created.status(), 201);
    let again = send(&service, Method::PUT, &put, &fields).await;
    assert_eq!(again.status(), 412, "create-only holds");
    let got = send(&service, Method::GET, &early, &[]).await;
    assert_eq!(header(&got, "content-type"), "application/octet-stream");
    assert_eq!(header(&got, "content-disposition"), "attachment");
    // This server takes any signature: that it is looked at is shown on the other one.
    let tampered = early.replace("later", "a.png");
    let got = send(&service, Method::GET, &tampered, &[]).await;
    assert_eq!(got.status(), 200);
}
