//! What S3 promises and s3s-fs does not keep, shown on the servers themselves, past DMAPI: a version that
//! mends a lie fails here, and then the tests that make allowance for it ([`Lie`]) can be as strict there.
//!
//! [`Lie`]: crate::store::Lie

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::json;
use testbed::s3::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::bucket::{Bucket, PATIENCE};
use crate::service::{APP, header, json as body, problem};
use crate::store::{LONGEST_ON_S3S_FS, Store};

const BOTH: [Kind; 2] = [Kind::Moto, Kind::S3sFs];

async fn put(bucket: &Bucket, key: &str, body: &'static str) -> Response {
    let put = bucket.raw.request(Method::PUT, key).await.body(body);
    put.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn s3s_fs_ignores_the_conditions_of_reads_and_dmapi_tries_them_itself() {
    for kind in BOTH {
        let bucket = Bucket::on(kind);
        let service = bucket.service().await;
        let stored = service.put("a", b"hello").await;
        let ours = header(&stored, "etag").to_owned();
        let got = bucket.raw.request(Method::GET, "a").await;
        let theirs = header(&got.send().await.unwrap(), "etag").to_owned();
        for (name, of_store, of_ours, status) in [
            ("if-none-match", &*theirs, &*ours, 304),
            ("if-match", "\"another\"", "\"another\"", 412),
        ] {
            let get = bucket.raw.request(Method::GET, "a").await;
            let got = get.header(name, of_store).send().await.unwrap();
            let told = if kind == Kind::Moto { status } else { 200 };
            assert_eq!(got.status(), told, "{kind:?}: {name}");
            let get = service.request(Method::GET, "/api/media/a");
            let got = get.header(name, of_ours).send().await.unwrap();
            assert_eq!(got.status(), status, "{kind:?}: {name} at DMAPI");
        }
    }
}

/// Of nothing.
pub(super) const OTHER_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn s3s_fs_replaces_an_objects_bytes_before_its_headers() {
    let bucket = Bucket::on(Kind::S3sFs);
    let service = bucket.service().await;
    let stored = service.put("a", b"old").await;
    let get = bucket.raw.request(Method::GET, "a").await;
    let theirs = header(&get.send().await.unwrap(), "etag").to_owned();
    // The digest is compared in between, so what it refuses is stored by half, and stays so.
    let refused = bucket.raw.request(Method::PUT, "a").await.body("new");
    let refused = refused.header("content-md5", OTHER_MD5);
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("BadDigest"));
    let get = bucket.raw.request(Method::GET, "a").await;
    let got = get.send().await.unwrap();
    assert_eq!(header(&got, "etag"), theirs);
    assert_eq!(got.text().await.unwrap(), "new");
    // Nothing tells DMAPI: it gives the bytes as they come, whole, with the headers that came with them.
    let got = service.get("a").await;
    for name in ["etag", "repr-digest"] {
        assert_eq!(header(&got, name), header(&stored, name), "{name}");
    }
    assert_eq!(got.text().await.unwrap(), "new");
}

/// Sends a create-only PUT but for its last byte.
async fn begun(bucket: &Bucket, body: &str) -> TcpStream {
    let url = bucket.raw.url(Method::PUT, "a").await;
    let authority = format!("127.0.0.1:{}", bucket.server.port());
    let path = url.strip_prefix(&format!("http://{authority}")).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {authority}\r\nif-none-match: *\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let address = ("127.0.0.1", bucket.server.port());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let all_but_one = &body.as_bytes()[..body.len() - 1];
    stream.write_all(all_but_one).await.unwrap();
    stream
}

/// Sends the last byte: the answer's status.
async fn ended(mut stream: TcpStream, body: &str) -> String {
    let last = &body.as_bytes()[body.len() - 1..];
    stream.write_all(last).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn s3s_fs_tries_the_condition_of_a_write_before_its_last_byte() {
    for (kind, expected) in [(Kind::Moto, ["200", "412"]), (Kind::S3sFs, ["200", "200"])] {
        let bucket = Bucket::on(kind);
        let (first, second) = (
            begun(&bucket, "first").await,
            begun(&bucket, "second").await,
        );
        let deadline = Instant::now() + PATIENCE;
        // It makes a file when the condition has held, and then reads on.
        while kind == Kind::S3sFs && bucket.unfinished_files() < 2 {
            assert!(Instant::now() < deadline, "they never came to that");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told = [ended(first, "first").await, ended(second, "second").await];
        assert_eq!(told, expected, "{kind:?}");
        let get = bucket.raw.request(Method::GET, "a").await;
        let stored = get.send().await.unwrap().text().await.unwrap();
        let last = if kind == Kind::Moto {
            "first"
        } else {
            "second"
        };
        assert_eq!(stored, last, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn on_s3s_fs_a_key_is_a_file_or_a_folder() {
    for kind in BOTH {
        let bucket = Bucket::on(kind);
        let kept = kind == Kind::Moto;
        for key in ["a", "folder/b"] {
            assert_eq!(put(&bucket, key, "x").await.status(), 200, "{key}");
        }
        let get = bucket.raw.request(Method::GET, "folder").await;
        let got = get.send().await.unwrap().status();
        // No answer for what is not there, so DMAPI cannot tell it from a failure.
        assert_eq!(got, if kept { 404 } else { 500 }, "{kind:?}");
        for key in ["a/b", "folder"] {
            let status = put(&bucket, key, "x").await.status();
            assert_eq!(status, if kept { 200 } else { 500 }, "{kind:?}: {key}");
        }
        let delete = bucket.raw.request(Method::DELETE, "folder/b").await;
        assert_eq!(delete.send().await.unwrap().status(), 204);
        // An empty folder stays.
        let status = put(&bucket, "folder", "x").await.status();
        assert_eq!(status, if kept { 200 } else { 500 }, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn s3s_fs_stores_an_object_of_a_long_key_and_says_that_it_failed() {
    for kind in BOTH {
        let bucket = Bucket::on(kind);
        let service = bucket.service().await;
        for (length, kept) in [
            (LONGEST_ON_S3S_FS, true),
            (LONGEST_ON_S3S_FS + 1, kind == Kind::Moto),
        ] {
            let key = "k".repeat(length);
            let put = service.request(Method::PUT, &format!("/api/media/{key}"));
            let put = put.header("content-type", "image/png").body("hello");
            let put = put.send().await.unwrap();
            if kept {
                assert_eq!(put.status(), 201, "{kind:?}: {length}");
            } else {
                let said = problem(put).await;
                assert_eq!(said, (503, "storage_unavailable".into()));
            }
            // Whole, but without its headers: their file's name would be too long.
            let got = service.get(&key).await;
            let described = header(&got, "content-type") == "image/png";
            assert_eq!(described, kept, "{kind:?}: {length}");
            assert_eq!(got.text().await.unwrap(), "hello");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn servers_obey_headers_that_a_link_does_not_sign_so_no_link_to_write_leads_to_them() {
    for kind in BOTH {
        let bucket = Bucket::on(kind);
        let service = bucket.service().await;
        assert_eq!(service.put("secret", b"hello").await.status(), 201);
        let Store::S3 { bucket: name, .. } = &bucket.store else {
            panic!("a bucket is no local folder");
        };
        // What anybody could do with a link of the bucket's own to write `mine`.
        let copy = bucket.raw.request(Method::PUT, "mine").await;
        let source = format!("/{name}/{APP}/user-1/secret");
        let copied = copy.header("x-amz-copy-source", source).send();
        assert_eq!(copied.await.unwrap().status(), 200, "{kind:?}");
        assert_eq!(service.get("mine").await.text().await.unwrap(), "hello");
        let wanted = json!({ "key": "mine", "method": "PUT" });
        let link = service.post("/api/media-ops/presign", &wanted).await;
        let link = body(link).await;
        let url = link["url"].as_str().unwrap();
        let ours = format!("http://127.0.0.1:{}/", service.port);
        assert!(url.starts_with(&ours), "{kind:?}: {url}");
    }
}

/// Where the completion of a multipart upload is not conditional, `large_writes = "copy"` completes it under
/// another key and copies it under the condition. Neither server keeps that one, so a proxy does it for the tests.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto and s3s-fs: `cargo xtask test` sets them up and runs this"]
async fn servers_copy_whatever_the_condition_so_copying_helps_no_completion() {
    for kind in BOTH {
        let bucket = Bucket::on(kind);
        let service = bucket.service().await;
        let Store::S3 { bucket: name, .. } = &bucket.store else {
            panic!("a bucket is no local folder");
        };
        let source = format!("/{name}/{APP}/user-1/from");
        assert_eq!(service.put("from", b"copied").await.status(), 201);
        for condition in [("if-none-match", "*"), ("if-match", "\"0\"")] {
            service.put("to", b"kept").await;
            let copy = bucket.raw.request(Method::PUT, "to").await;
            let copy = copy.header("x-amz-copy-source", &source);
            let copied = copy.header(condition.0, condition.1).send().await;
            assert_eq!(copied.unwrap().status(), 200, "{kind:?}: {condition:?}");
            assert_eq!(service.get("to").await.text().await.unwrap(), "copied");
        }
    }
}
