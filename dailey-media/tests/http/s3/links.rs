//! Links that the store itself answers, signed for its public endpoint; and those that write, which it never
//! does.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use testbed::Traffic;
use testbed::s3::Kind;

use super::bucket::Bucket;
use crate::service::{Service, header, json as body, problem};

async fn presigned(service: &Service, wanted: Value) -> Value {
    let answer = service.post("/api/media-ops/presign", &wanted).await;
    assert_eq!(answer.status(), 200, "{wanted}");
    body(answer).await
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
