//! Requests that could be read in two ways: nginx reads them in one, and the service gets only that one.

use deploy_tests::edge::Edge;
use deploy_tests::recorder::{Manner, Recorder, values};
use deploy_tests::wire::statuses;
use deploy_tests::world::in_a_world;

use crate::ways_in::{from, get};

/// Hidden behind a request; must never become one.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: core.dailey.cloud\r\n\r\n";

/// A name, and a head after `METHOD / HTTP/1.1` and `Host`; what is hidden follows as its body.
const PROBES: [(&str, &str); 18] = [
    (
        "CL.TE",
        "Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE.CL",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n",
    ),
    (
        "TE.TE",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    ("TE unknown", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (
        "TE list",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "TE with a tab",
        "Transfer-Encoding:\tchunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "space before the colon",
        "Transfer-Encoding : chunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    (
        "two lengths",
        "Content-Length: 0\r\nContent-Length: LENGTH\r\n\r\n",
    ),
    (
        "two equal lengths",
        "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    ),
    ("a list of lengths", "Content-Length: 0, LENGTH\r\n\r\n"),
    ("a signed length", "Content-Length: +0\r\n\r\n"),
    ("a negative length", "Content-Length: -1\r\n\r\n"),
    ("obs-fold", "X-A: b\r\n Content-Length: 0\r\n\r\n"),
    (
        "obs-fold of TE",
        "Transfer-Encoding:\r\n chunked\r\nContent-Length: LENGTH\r\n\r\n0\r\n\r\n",
    ),
    ("bare LF", "X-A: b\nContent-Length: 0\n\n"),
    ("bare CR", "X-A: b\rContent-Length: LENGTH\r\n\r\n"),
    ("a NUL", "X-A: b\0c\r\nContent-Length: 0\r\n\r\n"),
    ("a length in hexadecimal", "Content-Length: 0x0\r\n\r\n"),
];

/// One way to read it: lines end in CR LF, none is folded, one length at most, and no coding beside it.
fn assert_unambiguous(name: &str, head: &str) {
    let clean = head.replace("\r\n", "");
    assert!(!clean.contains(['\r', '\n', '\0']), "{name}: {head:?}");
    for line in head.split("\r\n") {
        assert!(!line.starts_with([' ', '\t']), "{name}: {head:?}");
        let (field, _) = line.split_once(':').unwrap_or((line, ""));
        assert!(
            line.starts_with("POST ") || line.starts_with("GET ") || !field.ends_with([' ', '\t']),
            "{name}: {head:?}"
        );
    }
    let lengths: Vec<&str> = values(head, "Content-Length").collect();
    let codings: Vec<&str> = values(head, "Transfer-Encoding").collect();
    assert!(lengths.len() + codings.len() <= 1, "{name}: {head:?}");
    assert!(
        codings.iter().all(|coding| *coding == "chunked"),
        "{name}: {head:?}"
    );
    assert!(
        lengths
            .iter()
            .all(|length| length.bytes().all(|byte| byte.is_ascii_digit())),
        "{name}: {head:?}"
    );
}

#[test]
#[ignore = "needs nginx: `cargo xtask test` sets it up and runs this"]
fn a_request_with_two_readings_is_refused_or_handed_on_with_one() {
    in_a_world(|world| {
        let edge = Edge::start(world);
        let core = Recorder::start(world, 4000, Manner::Answers);
        let media = Recorder::start(world, 4100, Manner::Answers);
        // With and without buffering of bodies in nginx.
        for (host, path, recorder) in [
            ("core.dailey.cloud", "/", &core),
            ("media.dailey.cloud", "/api/media/a", &media),
        ] {
            let way = from(&edge, host);
            for (name, rest) in PROBES {
                let rest = rest.replace("LENGTH", &(HIDDEN.len() + 5).to_string());
                let bytes = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{rest}{HIDDEN}");
                // Some wait for more of a body, and are cut.
                let mut wire = way.open().unwrap();
                wire.send(&bytes).unwrap();
                wire.send(&get(host, "/last")).unwrap();
                let answer = wire.rest();
                let heads = recorder.heads();
                let answered = statuses(&answer);
                let passed = answered.iter().filter(|status| **status == 200).count();
                for head in &heads {
                    assert_unambiguous(name, head);
                }
                // As many answers as the service had requests: none is left over for somebody else.
                assert!(heads.len() <= answered.len(), "{name}: {heads:?} {answer}");
                assert_eq!(heads.len(), passed, "{name}: {heads:?} {answer}");
                let hidden = heads.iter().any(|head| head.starts_with("GET /hidden "));
                let first = heads
                    .first()
                    .map(|head| head.split("\r\n").next().unwrap_or_default());
                // Only where the first request has, by the one reading, no body at all, is what follows a request.
                let ended = first.is_some()
                    && bytes.contains(": 0\r\n")
                        | bytes.contains(": 0\n")
                        | bytes.contains("\r\n0\r\n\r\n");
                assert!(!hidden || ended, "{name}: {heads:?}");
                eprintln!("{host} {name}: {answered:?}");
                // The next connection is clean.
                let answer = way.ask(&get(host, "/clean")).unwrap();
                assert_eq!(statuses(&answer), [200], "after {name}");
                let head = recorder.heads().pop().unwrap();
                assert!(
                    head.starts_with("GET /clean HTTP/1.1\r\n"),
                    "after {name}: {head}"
                );
            }
        }
        // What must not even be read.
        let way = from(&edge, "core.dailey.cloud");
        for (bytes, expected) in [
            // Without a name it is not the server that was shaken hands with.
            (
                "GET / HTTP/1.1\r\nHost: core.dailey.cloud\r\nHost: core.dailey.cloud\r\n\r\n",
                400,
            ),
            ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 421),
            (
                "GET / HTTP/1.1\r\nHost: core.dailey.cloud\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (
                "POST / HTTP/1.0\r\nHost: core.dailey.cloud\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400,
            ),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
            (
                "CONNECT core.dailey.cloud:443 HTTP/1.1\r\nHost: core.dailey.cloud\r\n\r\n",
                405,
            ),
            ("TRACE / HTTP/1.1\r\nHost: core.dailey.cloud\r\n\r\n", 405),
            (
                "GET / HTTP/1.1\r\nHost: core.dailey.cloud@evil.example\r\n\r\n",
                400,
            ),
            (
                "GET http://evil.example/ HTTP/1.1\r\nHost: core.dailey.cloud\r\n\r\n",
                421,
            ),
        ] {
            let answer = way.ask(bytes).unwrap();
            assert_eq!(statuses(&answer), [expected], "{bytes:?}: {answer}");
            assert_eq!(core.heads(), Vec::<String>::new(), "{bytes:?}");
        }
    });
}
