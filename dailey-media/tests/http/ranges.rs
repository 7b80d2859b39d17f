//! Parts of an object: one, several, and which state they are of.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};

use crate::service::{Service, header, problem};
use crate::store::Lie;

/// Each part's `Content-Range` and bytes; every framing byte is accounted for.
async fn parts(answer: Response) -> Vec<(String, Vec<u8>)> {
    assert_eq!(answer.status(), 206);
    assert_eq!(header(&answer, "content-range"), "");
    let content_type = header(&answer, "content-type").to_owned();
    let length: usize = header(&answer, "content-length").parse().unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=");
    let delimiter = format!("\r\n--{}", boundary.unwrap()).into_bytes();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), length);
    let mut rest = body.strip_prefix(&*delimiter).unwrap();
    let mut parts = Vec::new();
    while rest != b"--\r\n" {
        let part = rest.strip_prefix(b"\r\n").unwrap();
        let end = find(part, b"\r\n\r\n");
        let head = std::str::from_utf8(&part[..end]).unwrap();
        let range = head
            .strip_prefix("Content-Type: text/plain\r\nContent-Range: ")
            .unwrap();
        let bytes = &part[end + 4..];
        let next = find(bytes, &delimiter);
        parts.push((range.to_owned(), bytes[..next].to_vec()));
        rest = &bytes[next + delimiter.len()..];
    }
    parts
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut windows = bytes.windows(wanted.len());
    windows.position(|window| window == wanted).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_come_in_one_answer() {
    let service = Service::start().await;
    // Small ones are read whole, large ones piece by piece.
    for size in [1000_usize, 3_000_000] {
        let body: Vec<u8> = (0..size)
            .map(|n| b'a' + u8::try_from(n % 23).unwrap())
            .collect();
        let put = service.request(Method::PUT, "/api/media/a");
        let put = put.header("content-type", "text/plain").body(body.clone());
        let etag = header(&put.send().await.unwrap(), "etag").to_owned();
        let get = async |range: &str| {
            let get = service.request(Method::GET, "/api/media/a");
            get.header("range", range).send().await.unwrap()
        };
        let got = get("bytes=10-19, 0-4, -3").await;
        for (name, value) in [
            ("etag", &*etag),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(&got, name), value, "{name}");
        }
        assert!(header(&got, "repr-digest").starts_with("sha-256="));
        let expected = [
            (format!("bytes 10-19/{size}"), body[10..20].to_vec()),
            (format!("bytes 0-4/{size}"), body[..5].to_vec()),
            (
                format!("bytes {}-{}/{size}", size - 3, size - 1),
                body[size - 3..].to_vec(),
            ),
        ];
        assert_eq!(parts(got).await, expected);
        let wide = format!("bytes=0-{0},{1}-", size / 2 - 2, size / 2);
        let got = parts(get(&wide).await).await;
        assert!(got[0].1 == body[..size / 2 - 1] && got[1].1 == body[size / 2..]);

        // What overlaps is one part, and one part needs no framing.
        let got = get("bytes=0-10,5-20,21-30").await;
        assert_eq!(header(&got, "content-range"), format!("bytes 0-30/{size}"));
        assert_eq!(header(&got, "content-type"), "text/plain");
        assert!(got.bytes().await.unwrap() == body[..31]);
        let all = vec!["0-"; 1000].join(",");
        let got = get(&format!("bytes={all}")).await;
        assert!(got.bytes().await.unwrap() == body);

        let eight: Vec<String> = (0..8).map(|n| format!("{0}-{0}", n * 2)).collect();
        assert_eq!(
            parts(get(&format!("bytes={}", eight.join(","))).await)
                .await
                .len(),
            8
        );
        let nine: Vec<String> = (0..9).map(|n| format!("{0}-{0}", n * 2)).collect();
        for range in [
            format!("bytes={}", nine.join(",")),
            format!("bytes={size}-,{size}-"),
        ] {
            let refused = get(&range).await;
            assert_eq!(header(&refused, "content-range"), format!("bytes */{size}"));
            assert_eq!(
                problem(refused).await,
                (416, "range_not_satisfiable".into())
            );
        }
        // One that cannot be read makes the field mean nothing.
        assert_eq!(get("bytes=0-1,x").await.status(), 200);
        let head = service.request(Method::HEAD, "/api/media/a");
        let head = head.header("range", "bytes=0-1,5-6").send().await.unwrap();
        assert_eq!(head.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_in_if_range_counts_once_its_second_is_over() {
    let service = Service::start().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let put = service.put("a", b"hello").await;
        let modified = header(&put, "last-modified").to_owned();
        let get = async || {
            let get = service.request(Method::GET, "/api/media/a");
            let get = get
                .header("range", "bytes=0-0")
                .header("if-range", &modified);
            get.send().await.unwrap()
        };
        let at_once = get().await;
        let same_second = header(&at_once, "date") == modified;
        if !same_second {
            // The second ended in between: once more.
            assert!(Instant::now() < deadline);
            continue;
        }
        assert_eq!(at_once.status(), 200, "the date is weak");
        while get().await.status() != 206 {
            assert!(Instant::now() < deadline, "never strong");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        return;
    }
}

/// What a bucket is asked for at first where a part may be enough.
const START: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_parts_see_one_state() {
    let service = Service::start().await;
    let states = [vec![b'a'; 200_000], vec![b'b'; 200_000]];
    let put = |state: usize| {
        let put = service.request(Method::PUT, "/api/media/a");
        put.header("content-type", "text/plain")
            .body(states[state].clone())
    };
    assert_eq!(put(0).send().await.unwrap().status(), 201);
    for round in 0..60 {
        let get = service.request(Method::GET, "/api/media/a");
        let get = get.header("range", "bytes=0-9,100-109,1000-1009,10000-10009");
        let (stored, got) = tokio::join!(put(round % 2).send(), get.send());
        assert_eq!(stored.unwrap().status(), 200);
        let got = got.unwrap();
        let parts: Vec<Vec<u8>> = match got.status().as_u16() {
            // Replaced in this very moment. A bucket was asked for the start, and then for the rest.
            200 => {
                let body = got.bytes().await.unwrap();
                let (start, rest) = body.split_at(START);
                vec![start.to_vec(), rest.to_vec()]
            }
            _ => parts(got)
                .await
                .into_iter()
                .map(|(_, bytes)| bytes)
                .collect(),
        };
        let one_state = |bytes: &[u8]| bytes.iter().all(|byte| *byte == bytes[0]);
        // A store that replaces bytes before headers hides which of its answers belong together: then each
        // is of one state, but two may be of two.
        let whole = if service.store.lies_about(Lie::Halves) {
            parts.iter().all(|part| one_state(part))
        } else {
            one_state(&parts.concat())
        };
        assert!(whole, "a mix in round {round}");
    }
}
