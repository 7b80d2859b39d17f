//! What a client says about an object comes back byte for byte, also where S3's own fields would change it.

use reqwest::Method;
use testbed::s3::Kind;

use super::bucket::Bucket;
use crate::service::header;

/// Of nothing that is sent here.
pub(super) const OTHER_DIGEST: &str = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_description_comes_back_as_it_was() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let long = "v".repeat(2000);
    let described = [
        &[
            ("content-type", "image/png"),
            ("x-meta-author", "Ada"),
            ("cache-control", "max-age=60"),
        ][..],
        // Names and values that something between here and there would mend.
        &[("x-meta-a_b", "c")],
        &[("x-meta-a", "two  spaces")],
        &[("content-type", "text/plain; a=\"x  y\"")],
        // Names that are ours.
        &[("x-meta-dailey-id", "0123456789abcdef0123456789abcdef")],
        &[("x-meta-dailey-sha256", "x")],
        // More than S3 takes besides what we add.
        &[("x-meta-long", &*long)],
    ];
    for fields in described {
        let mut put = service.request(Method::PUT, "/api/media/d").body("hello");
        for (name, value) in fields {
            put = put.header(*name, *value);
        }
        let put = put.send().await.unwrap();
        assert!(put.status().is_success(), "{fields:?}");
        let etag = header(&put, "etag").to_owned();
        for method in [Method::GET, Method::HEAD] {
            let got = service
                .request(method, "/api/media/d")
                .send()
                .await
                .unwrap();
            assert_eq!(header(&got, "etag"), etag, "{fields:?}");
            for (name, value) in fields {
                let value = match *name {
                    "cache-control" => "private, max-age=60, no-transform",
                    _ => value,
                };
                assert_eq!(header(&got, name), value, "{name}");
            }
        }
    }
    let delete = service.request(Method::DELETE, "/api/media/d");
    assert_eq!(delete.send().await.unwrap().status(), 204);
    assert_eq!(
        bucket.count(".dailey/digests/").await,
        0,
        "records go with their objects"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn another_tool_reads_what_we_wrote() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let put = service
        .request(Method::PUT, "/api/media/a%20b/%C3%A9+%2525.png")
        .header("content-type", "image/png")
        .header("cache-control", "max-age=60")
        .header("content-disposition", "inline; filename=\"x.png\"")
        .header("x-meta-author", "Ada");
    assert_eq!(put.body("hello").send().await.unwrap().status(), 201);
    let got = bucket.get("a%20b/%C3%A9%2B%2525.png").await;
    for (name, value) in [
        ("content-type", "image/png"),
        ("cache-control", "max-age=60"),
        ("content-disposition", "inline; filename=\"x.png\""),
        ("x-amz-meta-author", "Ada"),
    ] {
        assert_eq!(header(&got, name), value, "{name}");
    }
    assert_eq!(got.text().await.unwrap(), "hello");
}
