//! Conditional requests, and races for the same object.

use std::collections::HashMap;

use reqwest::Method;

use crate::service::{Service, header, problem};
use crate::store::{Lie, Store};

/// As many uploads of one subject as write here.
const ALL_AT_ONCE: &str = "[limits]\nuploads_per_subject = 64\n";

/// At the same moment.
const WRITERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn reading_honours_conditions() {
    let service = Service::start().await;
    let put = service.put("c", b"one").await;
    let (etag, modified) = (
        header(&put, "etag").to_owned(),
        header(&put, "last-modified").to_owned(),
    );
    for (name, value, status) in [
        ("if-none-match", &*etag, 304),
        ("if-none-match", "\"x\"", 200),
        ("if-none-match", "*", 304),
        ("if-match", &etag, 200),
        ("if-match", "\"x\"", 412),
        ("if-modified-since", &modified, 304),
        ("if-unmodified-since", &modified, 200),
        ("if-unmodified-since", "Thu, 01 Jan 1998 00:00:00 GMT", 412),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let got = service
                .request(method.clone(), "/api/media/c")
                .header(name, value)
                .send()
                .await
                .unwrap();
            assert_eq!(got.status(), status, "{method} {name}: {value}");
            if status == 304 {
                assert_eq!(header(&got, "etag"), etag);
                // RFC 9110 8.6: the object's, or none.
                let length = header(&got, "content-length");
                assert!(["", "3"].contains(&length), "{method} {name}: {length}");
                assert!(got.bytes().await.unwrap().is_empty());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_honours_conditions() {
    let service = Service::start().await;
    let first = header(&service.put("c", b"one").await, "etag").to_owned();
    for (method, key, name, value, status) in [
        (Method::PUT, "c", "if-none-match", "*", 412),
        (Method::PUT, "c", "if-match", "\"x\"", 412),
        (Method::DELETE, "c", "if-match", "\"x\"", 412),
        (Method::PUT, "absent", "if-match", "*", 412),
        (Method::DELETE, "absent", "if-match", "*", 404),
        (Method::PUT, "new", "if-none-match", "*", 201),
        (Method::PUT, "c", "if-match", &first, 200),
        (Method::PUT, "c", "if-match", &first, 412),
    ] {
        let path = format!("/api/media/{key}");
        let got = service
            .request(method.clone(), &path)
            .header(name, value)
            .body("two")
            .send()
            .await
            .unwrap();
        assert_eq!(got.status(), status, "{method} {key} {name}: {value}");
    }
    assert_eq!(service.get("c").await.text().await.unwrap(), "two");
    assert_eq!(problem(service.get("absent").await).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_create_or_replace_the_same_state_one_wins() {
    let store = Store::of_this_run();
    // Moto takes some milliseconds for each request: `s3::races` has a hundred rounds on it alone.
    let rounds = if store.is_moto() { 10 } else { 100 };
    let service = Service::racing_on(store, ALL_AT_ONCE).await;
    for round in 0..rounds {
        let path = format!("/api/media/race-{round}");
        let creations = (0..WRITERS).map(|n| {
            service
                .request(Method::PUT, &path)
                .header("if-none-match", "*")
                .body(format!("c{n}"))
        });
        let (winner, losers) = race(creations).await;
        assert_eq!(losers, vec![412; WRITERS - 1], "round {round}");
        let stored = service.request(Method::GET, &path).send().await.unwrap();
        let etag = header(&stored, "etag").to_owned();
        assert_eq!(etag, winner, "what is stored is the winner's");

        let replacements = (0..WRITERS).map(|n| {
            service
                .request(Method::PUT, &path)
                .header("if-match", &etag)
                .body(format!("r{n}"))
        });
        let (_, losers) = race(replacements).await;
        assert_eq!(losers, vec![412; WRITERS - 1], "round {round}");
    }
}

/// The entity tag of the one that succeeded, and what the others got.
async fn race(requests: impl Iterator<Item = reqwest::RequestBuilder>) -> (String, Vec<u16>) {
    let running: Vec<_> = requests
        .map(|request| tokio::spawn(request.send()))
        .collect();
    let (mut winners, mut losers) = (Vec::new(), Vec::new());
    for one in running {
        let response = one.await.unwrap().unwrap();
        if response.status().is_success() {
            winners.push(header(&response, "etag").to_owned());
        } else {
            losers.push(response.status().as_u16());
        }
    }
    assert_eq!(winners.len(), 1);
    (winners.remove(0), losers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_the_state_of_the_object_that_is_there() {
    let service = Service::start().await;
    let put = service.put("c", b"one").await;
    let (etag, modified) = (
        header(&put, "etag").to_owned(),
        header(&put, "last-modified").to_owned(),
    );
    let digest = header(&put, "repr-digest").to_owned();
    for (method, name, value, status) in [
        (Method::GET, "if-none-match", &*etag, 304),
        (Method::HEAD, "if-none-match", &etag, 304),
        (Method::GET, "if-match", "\"x\"", 412),
        (Method::PUT, "if-match", "\"x\"", 412),
        (Method::DELETE, "if-match", "\"x\"", 412),
        (Method::GET, "range", "bytes=3-", 416),
    ] {
        let got = service
            .request(method.clone(), "/api/media/c")
            .header(name, value);
        let got = got.send().await.unwrap();
        assert_eq!(got.status(), status, "{method} {name}");
        for (name, expected) in [
            ("etag", &*etag),
            ("last-modified", &modified),
            ("accept-ranges", "bytes"),
            ("repr-digest", &digest),
        ] {
            assert_eq!(header(&got, name), expected, "{name} of {method} {status}");
        }
    }
    let absent = service
        .request(Method::PUT, "/api/media/absent")
        .header("if-match", "*");
    let absent = absent.send().await.unwrap();
    assert_eq!(
        (absent.status().as_u16(), header(&absent, "etag")),
        (412, "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_an_object_as_it_was_or_as_it_is_and_never_a_mix() {
    let service = Service::start().await;
    // Each of one letter, and more than is read at once.
    let version = |turn: u8| vec![b'a' + turn % 26; 700_000];
    let put = |turn: u8| {
        service
            .request(Method::PUT, "/api/media/mix")
            .body(version(turn))
            .send()
    };
    let first = put(0).await.unwrap();
    assert_eq!(first.status(), 201);
    let mut digests = HashMap::from([(version(0)[0], header(&first, "repr-digest").to_owned())]);
    let in_bucket = service.local("").is_none();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let requests: Vec<_> = (0..15)
                .map(|_| service.request(Method::GET, "/api/media/mix"))
                .collect();
            tokio::spawn(async move {
                let mut whole = Vec::new();
                for request in requests {
                    let answer = request.send().await.unwrap();
                    // Between its removal and the next write.
                    if answer.status() == 404 {
                        continue;
                    }
                    assert_eq!(answer.status(), 200);
                    let digest = header(&answer, "repr-digest").to_owned();
                    match answer.bytes().await {
                        Ok(body) => {
                            assert!(body.iter().all(|letter| *letter == body[0]), "a mix");
                            assert_eq!(body.len(), 700_000);
                            whole.push((body[0], digest));
                        }
                        // In a bucket, one that was replaced while it was read ends early, and says so.
                        Err(error) => assert!(in_bucket, "{error}"),
                    }
                }
                whole
            })
        })
        .collect();
    for turn in 1..30 {
        let stored = put(turn).await.unwrap();
        assert!(stored.status().is_success(), "{}", stored.status());
        digests.insert(version(turn)[0], header(&stored, "repr-digest").to_owned());
        if turn % 5 == 0 {
            let gone = service.request(Method::DELETE, "/api/media/mix");
            assert_eq!(gone.send().await.unwrap().status(), 204);
        }
    }
    let mut whole = 0;
    for reader in readers {
        for (letter, digest) in reader.await.unwrap() {
            whole += 1;
            if service.store.lies_about(Lie::Halves) {
                assert!(digests.values().any(|one| *one == digest), "of none");
            } else {
                assert_eq!(digest, digests[&letter], "of other bytes");
            }
        }
    }
    // How many, depends on how fast the readers are.
    assert!(whole > 0, "no body came whole");
}
