//! Objects of one part and of several.

use reqwest::Method;
use testbed::s3::Kind;
use testbed::{Signal, Traffic};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::bucket::{Bucket, bytes};
use crate::service::{header, json, problem};

const PART: usize = 5 * 1024 * 1024;

/// With the headers in one request.
const START: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn an_object_of_any_size_comes_back_whole_and_in_ranges() {
    any_size(&Bucket::on(Kind::Moto)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn so_does_one_that_is_copied_to_its_place() {
    any_size(&Bucket::with_copies()).await;
}

async fn any_size(bucket: &Bucket) {
    let service = bucket.service().await;
    for (size, in_parts) in [
        (0, false),
        (1, false),
        (START, false),
        (START + 1, false),
        (PART, false),
        (PART + 1, true),
        (2 * PART, true),
        (2 * PART + 77, true),
    ] {
        let path = "/api/media/a/large one";
        let sent = bytes(size, 7);
        let put = service
            .request(Method::PUT, path)
            .header("content-type", "image/png")
            .body(sent.clone());
        let put = put.send().await.unwrap();
        assert!(put.status().is_success(), "{size}: {}", put.status());
        let (etag, digest) = (
            header(&put, "etag").to_owned(),
            header(&put, "repr-digest").to_owned(),
        );
        let modified = header(&put, "last-modified").to_owned();
        let records = bucket.count(".dailey/digests/").await;
        assert_eq!(records, usize::from(in_parts), "{size}: records");
        let got = service.request(Method::GET, path).send().await.unwrap();
        assert_eq!(got.status(), 200);
        for (name, expected) in [
            ("etag", &*etag),
            ("repr-digest", &digest),
            ("last-modified", &modified),
            ("content-type", "image/png"),
        ] {
            assert_eq!(header(&got, name), expected, "{size}: {name}");
        }
        assert!(got.bytes().await.unwrap() == sent, "{size}: other bytes");
        for (from, to) in [
            (0, 0),
            (START - 2, START + 2),
            (START, START + 10),
            (PART - 1, PART + 1),
        ] {
            let range = format!("bytes={from}-{to}");
            let got = service.request(Method::GET, path).header("range", &range);
            let got = got.send().await.unwrap();
            if from >= size {
                assert_eq!(got.status(), 416, "{size}: {range}");
                continue;
            }
            assert_eq!(got.status(), 206, "{size}: {range}");
            let expected = &sent[from..size.min(to + 1)];
            assert!(got.bytes().await.unwrap() == expected, "{size}: {range}");
        }
        let list = service.request(Method::GET, "/api/media").send().await;
        let list = json(list.unwrap()).await;
        assert_eq!(list["objects"][0]["etag"], etag, "{list}");
        assert_eq!(list["objects"][0]["size"], size);
        bucket.until_clean().await;
    }
    let path = "/api/media/a/large%20one";
    let deleted = service.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(
        bucket.count(".dailey/digests/").await,
        0,
        "its record goes with it"
    );
}

/// What stands between the tags of this name.
fn texts<'t>(xml: &'t str, tag: &str) -> Vec<&'t str> {
    let tag = format!("<{tag}>");
    let rest = xml.split(&*tag).skip(1);
    rest.filter_map(|rest| rest.split('<').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn parts_of_a_resumable_upload_are_of_one_size_however_its_bytes_come() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    let body = bytes(4 * PART + 77, 5);
    let path = service.begin("pieces", body.len() as u64).await;
    let mut offset = 0;
    for size in [1, PART, 2 * PART - 7, 10] {
        let piece = &body[offset..offset + size];
        let appended = service.append(&path, offset as u64, piece).await;
        assert_eq!(appended.status(), 204);
        offset += size;
    }
    let ask = async |query: &str| {
        let answer = bucket.request(Method::GET, query).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let uploads = ask("?uploads").await;
    let (key, id) = (texts(&uploads, "Key")[0], texts(&uploads, "UploadId")[0]);
    let parts = ask(&format!("/{key}?uploadId={id}")).await;
    let part = PART.to_string();
    assert_eq!(texts(&parts, "Size"), [&*part; 3], "{parts}");
    let rest = service.append(&path, offset as u64, &body[offset..]).await;
    assert_eq!(rest.status(), 204);
    assert!(service.get("pieces").await.bytes().await.unwrap() == body);
    bucket.until_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn no_upload_begins_that_could_never_become_an_object() {
    let bucket = Bucket::on(Kind::Moto);
    let service = bucket.service().await;
    // With the names of app and subject before it, longer than the bucket takes.
    let long = format!("{}/{}", "k".repeat(250), "k/".repeat(374) + "k");
    for length in [0, 5] {
        let refused = service.creation(&long, length).send().await.unwrap();
        assert_eq!(problem(refused).await, (400, "key_invalid".into()));
    }
    assert_eq!(bucket.count(".dailey/uploads/").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn conditions_hold_for_large_objects_too() {
    conditions_hold(&Bucket::on(Kind::Moto)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn conditions_hold_for_those_that_are_copied_to_their_place() {
    conditions_hold(&Bucket::with_copies()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn a_resumable_upload_that_is_copied_to_its_place_survives_a_kill() {
    let bucket = Bucket::with_copies();
    let mut service = bucket.service().await;
    let body = bytes(3 * PART + 77, 5);
    let path = service.begin("resumed", body.len() as u64).await;
    let offset = 2 * PART + 1;
    let appended = service.append(&path, 0, &body[..offset]).await;
    assert_eq!(appended.status(), 204);
    let uploads = bucket.request(Method::GET, "?uploads").send().await;
    let uploads = uploads.unwrap().text().await.unwrap();
    assert!(
        texts(&uploads, "Key")[0].starts_with(".dailey/staging/"),
        "{uploads}"
    );
    service.child.signal(Signal::Kill).unwrap();
    while service.child.exited().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    service.restart();
    // The copy is made, but the store's answer is lost.
    bucket.set(Traffic::LosesAnswersTo("PUT", "/resumed"));
    let rest = service.append(&path, offset as u64, &body[offset..]).await;
    assert_eq!(rest.status(), 204);
    bucket.set(Traffic::CopiesUnderConditions);
    assert!(service.get("resumed").await.bytes().await.unwrap() == body);
    bucket.until_clean().await;
}

async fn conditions_hold(bucket: &Bucket) {
    let service = bucket.service().await;
    let put = |name: &'static str, value: &str, seed| {
        service
            .request(Method::PUT, "/api/media/c")
            .header(name, value)
            .body(bytes(PART + 10, seed))
            .send()
    };
    let first = put("if-none-match", "*", 1).await.unwrap();
    assert_eq!(first.status(), 201);
    let etag = header(&first, "etag").to_owned();
    assert_eq!(put("if-none-match", "*", 2).await.unwrap().status(), 412);
    assert_eq!(put("if-match", "\"x\"", 2).await.unwrap().status(), 412);
    let mismatch = put("content-digest", crate::s3::descriptions::OTHER_DIGEST, 2);
    let mismatch = problem(mismatch.await.unwrap()).await;
    assert_eq!(mismatch, (400, "digest_mismatch".into()));
    let got = service.get("c").await.bytes().await.unwrap();
    assert!(
        got == bytes(PART + 10, 1),
        "what was refused changed nothing"
    );
    assert_eq!(put("if-match", &etag, 3).await.unwrap().status(), 200);
    assert_eq!(put("if-match", &etag, 4).await.unwrap().status(), 412);
    let got = service.get("c").await.bytes().await.unwrap();
    assert!(got == bytes(PART + 10, 3));
    bucket.until_clean().await;
    let records = bucket.count(".dailey/digests/").await;
    assert_eq!(records, 1, "one record, that of the object that is there");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
async fn an_upload_that_ends_early_leaves_nothing() {
    let bucket = Bucket::on(Kind::Moto);
    let mut service = bucket.service().await;
    for killed in [false, true] {
        let bearer = service.bearer(&service.token());
        let mut stream = TcpStream::connect(("127.0.0.1", service.port))
            .await
            .unwrap();
        let length = 4 * PART;
        let head = format!(
            "PUT /api/media/half HTTP/1.1\r\nhost: a\r\nauthorization: {bearer}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes(3 * PART, 5)).await.unwrap();
        while bucket.uploads().await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        if killed {
            service.child.signal(Signal::Kill).unwrap();
        }
        drop(stream);
        if killed {
            while service.child.exited().is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            // For the sweep, a day later.
            assert_eq!(bucket.count(".dailey/multiparts/").await, 1);
            service.restart();
        } else {
            bucket.until_clean().await;
        }
        assert_eq!(service.get("half").await.status(), 404);
    }
}

/// Parts of 5 MiB, at most two under way and one being gathered, and what an allocator keeps.
const MOST_MEMORY: u64 = 24 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
async fn a_large_upload_takes_little_memory() {
    let bucket = Bucket::on(Kind::S3sFs);
    let service = bucket.service().await;
    let peak = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.child.id()));
        let status = status.unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    };
    assert_eq!(service.put("small", b"x").await.status(), 201);
    let before = peak();
    let size = 95 * 1024 * 1024;
    let put = service
        .request(Method::PUT, "/api/media/large")
        .body(bytes(size, 3));
    assert_eq!(put.send().await.unwrap().status(), 201);
    let grown = peak() - before;
    println!("a PUT of 95 MiB took {grown} bytes of memory");
    assert!(grown <= MOST_MEMORY, "it took {grown} bytes");
    let got = service.get("large").await.bytes().await.unwrap();
    assert!(got == bytes(size, 3));
    let grown = peak() - before;
    assert!(grown <= MOST_MEMORY, "with a download {grown} bytes");
}
