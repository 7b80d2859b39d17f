//! What the accept loop and the stack promise to those who mean well.

use std::time::{Duration, Instant};

use dailey_auth::Environment;
use dailey_http::client::TrustedProxies;
use dailey_http::cors::{Cors, Origins};
use dailey_http::edge::{Edge, PublicOrigin};
use dailey_http::listen::{self, Drained, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{LARGE_BYTES, Server, body, header, rest, short};

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::plain().await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        let head =
            format!("POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: {LARGE_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; LARGE_BYTES]).await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 404");
        // The rest of the answer, so that the next one is read from its start.
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            answer.push(stream.read_u8().await.unwrap());
        }
    }
    // Who waits to be asked is not asked for what nobody wants.
    let mut waiting = server.connect().await;
    let head =
        "POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    waiting.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut waiting).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_in_time_closes_the_connection() {
    let server = Server::start(short(), |stack| stack).await;
    for start in ["", "GET /id HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut stream = server.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        let began = Instant::now();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains(" 200 "), "{answer}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{start:?} took {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn a_head_that_began_behind_a_request_has_no_more_time_than_another() {
    let mut limits = short();
    limits.keep_alive_timeout = Duration::from_secs(75);
    let server = Server::start(limits, |stack| stack).await;
    for (request, later) in [
        ("GET /id HTTP/1.1\r\nhost: a\r\n\r\nGET /i", ""),
        ("GET /id HTTP/1.1\nhost: a\n\nG", ""),
        ("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", "GET /i"),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(later.as_bytes()).await.unwrap();
        // Within 20 s, or `rest` fails.
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_time_for_a_head() {
    let mut limits = short();
    limits.keep_alive_timeout = Duration::from_secs(75);
    let server = Server::start(limits, |stack| stack).await;
    let get = "GET /id HTTP/1.1\r\nhost: a\r\n\r\n";
    for (start, end) in [
        (get, ""),
        // Two at once, and an end that comes in two steps.
        (&get.repeat(2), ""),
        (&get[..get.len() - 1], "\n"),
        ("GET /id HTTP/1.1\nhost: a\n\n", ""),
        // The body's end is no empty line.
        (
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
            "",
        ),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(start.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(end.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        let last = b"GET /client HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(last).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with("127.0.0.1"), "{start:?}: {answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_too() {
    let server = Server::start(short(), |stack| stack).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /id HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_loses_the_connection() {
    let mut limits = short();
    limits.max_connections = 1;
    let server = Server::start(limits, |stack| stack).await;
    let mut stalled = server.connect().await;
    stalled
        .write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    // Answered as soon as the only place is free again.
    assert!(server.get("/id", "").await.starts_with("HTTP/1.1 200 "));
    let mut taken = Vec::new();
    let _ = stalled.read_to_end(&mut taken).await;
    assert!(taken.len() < LARGE_BYTES, "cut in the middle");
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused() {
    let server = Server::plain().await;
    let many = |count: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("x-{n}: 1\r\n")).collect();
        lines.concat()
    };
    // `host` and `connection` count.
    assert!(
        server
            .get("/id", &many(62))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        server
            .get("/id", &many(63))
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    let long = |bytes: usize| format!("x-long: {}\r\n", "a".repeat(bytes));
    assert!(
        server
            .get("/id", &long(16_000))
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(
        server
            .get("/id", &long(17_000))
            .await
            .starts_with("HTTP/1.1 431 ")
    );
}

#[tokio::test]
async fn more_connections_than_the_limit_wait_their_turn() {
    let mut limits = Limits::default();
    limits.max_connections = 1;
    let server = Server::start(limits, |stack| stack).await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET /id HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let mut second = server.connect().await;
    second
        .write_all(b"GET /id HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut buffer)).await;
    assert!(early.is_err(), "answered beside the first");
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn shutdown_lets_a_request_finish_and_refuses_new_connections() {
    let server = Server::plain().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        .await
        .unwrap();
    // Once another connection is answered, the first was accepted before it.
    server.get("/id", "").await;
    server.shutdown.send(()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(server.address).await.is_ok() {
        assert!(Instant::now() < deadline, "still listening");
        tokio::task::yield_now().await;
    }
    stream.write_all(b"cd").await.unwrap();
    let answer = rest(&mut stream).await;
    assert_eq!(body(&answer), "abcd");
    assert_eq!(server.serving.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_is_cut() {
    let server = Server::start(short(), |stack| stack).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        .await
        .unwrap();
    server.get("/id", "").await;
    server.shutdown.send(()).unwrap();
    assert_eq!(
        server.serving.await.unwrap(),
        Drained::Cut { connections: 1 }
    );
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_taken_port_is_said_in_plain_words() {
    let server = Server::plain().await;
    let error = listen::bind(server.address).await.unwrap_err();
    let expected = format!(
        "port {} is taken: stop what listens there or set PORT",
        server.address.port()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_request_id_is_ours_unless_a_trusted_proxy_sent_a_well_formed_one() {
    let trusting = Server::plain().await;
    let distrusting = Server::start(Limits::default(), |stack| {
        stack.trusted_proxies(TrustedProxies::none())
    })
    .await;
    let sixty_four = "a".repeat(64);
    for (server, lines, kept) in [
        (
            &trusting,
            "x-request-id: from-nginx_1.2\r\n".to_owned(),
            Some("from-nginx_1.2"),
        ),
        (
            &trusting,
            format!("x-request-id: {sixty_four}\r\n"),
            Some(&*sixty_four),
        ),
        (&trusting, format!("x-request-id: {sixty_four}a\r\n"), None),
        (&trusting, "x-request-id: a b\r\n".to_owned(), None),
        (&trusting, "x-request-id: {\"a\"}\r\n".to_owned(), None),
        (
            &trusting,
            "x-request-id: a\r\nx-request-id: b\r\n".to_owned(),
            None,
        ),
        (&trusting, String::new(), None),
        (
            &distrusting,
            "x-request-id: from-nginx_1.2\r\n".to_owned(),
            None,
        ),
    ] {
        let answer = server.get("/id", &lines).await;
        let id = body(&answer);
        assert_eq!(header(&answer, "x-request-id"), Some(id));
        match kept {
            Some(kept) => assert_eq!(id, kept),
            None => assert_eq!(
                (id.len(), id.as_bytes()[14]),
                (36, b'7'),
                "a UUID v7 for {lines:?}, not {id}"
            ),
        }
    }
}

#[tokio::test]
async fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
    let trusting = Server::plain().await;
    let distrusting = Server::start(Limits::default(), |stack| {
        stack.trusted_proxies(TrustedProxies::none())
    })
    .await;
    let lines = "x-forwarded-for: 10.9.9.9, 203.0.113.7\r\n";
    assert_eq!(body(&trusting.get("/client", lines).await), "203.0.113.7");
    assert_eq!(body(&distrusting.get("/client", lines).await), "127.0.0.1");
}

#[tokio::test]
async fn metrics_are_only_for_a_direct_loopback_peer() {
    let server = Server::plain().await;
    server.get("/id?token=hush", "").await;
    server
        .send("BREW /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await;
    let answer = server.get("/metrics", "").await;
    assert!(
        answer.contains("http_requests_total{route=\"/id\",method=\"GET\",status=\"200\"} 1"),
        "{answer}"
    );
    assert!(
        answer.contains("http_requests_total{route=\"none\",method=\"other\",status=\"404\"} 1"),
        "{answer}"
    );
    assert!(
        answer.contains("http_request_duration_seconds_count{route=\"/id\"} 1"),
        "{answer}"
    );
    assert!(!answer.contains("hush"));
    for line in [
        "x-forwarded-for: 127.0.0.1",
        "forwarded: for=127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "via: 1.1 a",
        "cf-connecting-ip: 127.0.0.1",
        "true-client-ip: 127.0.0.1",
        "x-client-ip: 127.0.0.1",
        "x-cluster-client-ip: 127.0.0.1",
        "x-forwarded: for=127.0.0.1",
        "X-Forwarded-Port: 443",
        "x-forwarded-prefix: /media",
        "x-forwarded-server: a",
    ] {
        assert!(
            server
                .get("/metrics", &format!("{line}\r\n"))
                .await
                .starts_with("HTTP/1.1 404 "),
            "{line}"
        );
    }
}

#[tokio::test]
async fn bytes_are_counted_by_route_and_refusals_by_code() {
    let server = Server::plain().await;
    let echo = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    for body in [
        "content-length: 4\r\n\r\nabcd",
        "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
        server.send(&format!("{echo}{body}")).await;
    }
    let mut large = server.connect().await;
    let request = b"GET /large HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    large.write_all(request).await.unwrap();
    rest(&mut large).await;
    server.get("/nothing", "").await;
    let metrics = server.get("/metrics", "").await;
    for line in [
        "http_request_body_bytes_total{route=\"/echo\"} 7",
        "http_response_body_bytes_total{route=\"/echo\"} 7",
        &format!("http_response_body_bytes_total{{route=\"/large\"}} {LARGE_BYTES}"),
        "http_problems_total{code=\"not_found\"} 1",
        "# UNIT http_request_body_bytes bytes",
    ] {
        let found = metrics.lines().any(|found| found == line);
        assert!(found, "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_for_its_own_request_alone() {
    let server = Server::plain().await;
    let answer = server.get("/panic", "").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(problem["code"], "internal_error");
    assert_eq!(
        problem["request_id"].as_str(),
        header(&answer, "x-request-id")
    );
    assert!(!answer.contains("secret"));
    assert!(server.get("/id", "").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_with_every_header() {
    let server = Server::plain().await;
    for (request, status, code) in [
        ("GET /nothing HTTP/1.1", 404, "not_found"),
        ("DELETE /id HTTP/1.1", 405, "method_not_allowed"),
    ] {
        let answer = server
            .send(&format!(
                "{request}\r\nhost: a\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert_eq!(
            header(&answer, "content-type"),
            Some("application/problem+json")
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(body(&answer)).unwrap()["code"],
            code
        );
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(header(&answer, name), Some(value), "{name}");
        }
        assert!(
            header(&answer, "content-security-policy")
                .unwrap()
                .starts_with("default-src 'none'")
        );
        if status == 405 {
            assert_eq!(header(&answer, "allow"), Some("GET,HEAD"));
        }
    }
}

#[tokio::test]
async fn hsts_needs_an_https_client_behind_a_trusted_proxy() {
    let server = Server::plain().await;
    let distrusting = Server::start(Limits::default(), |stack| {
        stack.trusted_proxies(TrustedProxies::none())
    })
    .await;
    let https = "x-forwarded-proto: https\r\n";
    for (server, lines, expected) in [
        (&server, https, Some("max-age=63072000; includeSubDomains")),
        (&server, "x-forwarded-proto: http\r\n", None),
        (
            &server,
            "x-forwarded-proto: https\r\nx-forwarded-proto: http\r\n",
            None,
        ),
        (&server, "", None),
        (&distrusting, https, None),
    ] {
        assert_eq!(
            header(&server.get("/id", lines).await, "strict-transport-security"),
            expected,
            "{lines}"
        );
    }
}

#[tokio::test]
async fn cors_answers_exactly_the_listed_origins() {
    let origins = Origins::parse("https://app.example", Environment::Production).unwrap();
    let server = Server::start(Limits::default(), |stack| stack.cors(Cors::new(origins))).await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("https://app.example.evil", false),
        ("https://xapp.example", false),
        ("https://APP.example", false),
        ("http://app.example", false),
        ("null", false),
    ] {
        let answer = server.get("/id", &format!("origin: {origin}\r\n")).await;
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            allowed.then_some(origin),
            "{origin}"
        );
        assert_eq!(header(&answer, "vary"), Some("origin"), "{origin}");
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        let preflight = format!(
            "OPTIONS /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\norigin: {origin}\r\naccess-control-request-method: POST\r\n\r\n"
        );
        let answer = server.send(&preflight).await;
        assert!(
            answer.starts_with(if allowed {
                "HTTP/1.1 204 "
            } else {
                "HTTP/1.1 403 "
            }),
            "{origin}: {answer}"
        );
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            allowed.then_some(origin),
            "{origin}"
        );
    }
    assert_eq!(header(&server.get("/id", "").await, "vary"), Some("origin"));
}

#[tokio::test]
async fn production_wants_a_host_that_is_ours_and_never_replays_what_came_in_the_clear() {
    let origin = PublicOrigin::parse("https://media.example").unwrap();
    let bound = "127.0.0.1".parse().unwrap();
    let closed = Server::start(Limits::default(), |stack| {
        stack.edge(Edge::at(origin.clone(), bound))
    })
    .await;
    let nowhere = Server::start(Limits::default(), |stack| {
        stack.edge(Edge::below("example", None, bound))
    })
    .await;
    let distrusting = Server::start(Limits::default(), |stack| {
        let stack = stack.trusted_proxies(TrustedProxies::none());
        stack.edge(Edge::at(origin, bound))
    })
    .await;
    let open = Server::plain().await;
    let ours = "host: media.example\r\n";
    let http = "host: media.example\r\nx-forwarded-proto: http\r\n";
    let https = "host: media.example\r\nx-forwarded-proto: https\r\n";
    let both = "host: media.example\r\nx-forwarded-proto: https, http\r\n";
    for (server, request, lines, status, told) in [
        (&closed, "GET /id HTTP/1.1", ours, 200, ""),
        (&closed, "GET /id HTTP/1.1", https, 200, ""),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: media.example:443\r\n",
            200,
            "",
        ),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: 127.0.0.1:9\r\n",
            200,
            "",
        ),
        (&closed, "GET /id HTTP/1.1", "host: localhost\r\n", 200, ""),
        // Who came through a proxy did not come to this machine's own name.
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: 127.0.0.1\r\nx-forwarded-for: 203.0.113.7\r\n",
            421,
            "host_unknown",
        ),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: [::1]\r\nx-real-ip: 203.0.113.7\r\n",
            421,
            "host_unknown",
        ),
        (
            &nowhere,
            "POST /echo HTTP/1.1",
            "host: localhost\r\nx-forwarded-for: 203.0.113.7\r\n",
            421,
            "host_unknown",
        ),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: evil.example\r\n",
            421,
            "host_unknown",
        ),
        (
            &closed,
            "POST /echo HTTP/1.1",
            "host: evil.example\r\n",
            421,
            "host_unknown",
        ),
        // RFC 9112 3.2.2: the target's authority counts.
        (
            &closed,
            "GET http://evil.example/id HTTP/1.1",
            ours,
            421,
            "host_unknown",
        ),
        (
            &closed,
            "GET http://media.example/id HTTP/1.1",
            "host: evil.example\r\n",
            200,
            "",
        ),
        (&closed, "GET /id HTTP/1.1", "", 400, "host_invalid"),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: media.example\r\nhost: evil.example\r\n",
            400,
            "host_invalid",
        ),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: media.example@evil.example\r\n",
            400,
            "host_invalid",
        ),
        (&closed, "GET /id HTTP/1.0", "", 200, ""),
        (
            &closed,
            "GET /id?a=b%20c HTTP/1.1",
            http,
            308,
            "https://media.example/id?a=b%20c",
        ),
        (
            &closed,
            "HEAD //evil.example/ HTTP/1.1",
            http,
            308,
            "https://media.example//evil.example/",
        ),
        // Who cannot make up their mind is taken at the worse word.
        (
            &closed,
            "GET /id HTTP/1.1",
            both,
            308,
            "https://media.example/id",
        ),
        (&closed, "POST /echo HTTP/1.1", http, 403, "https_required"),
        (&closed, "PUT /id HTTP/1.1", http, 403, "https_required"),
        (
            &closed,
            "GET /id HTTP/1.1",
            "host: evil.example\r\nx-forwarded-proto: http\r\n",
            421,
            "host_unknown",
        ),
        (&nowhere, "GET /id HTTP/1.1", ours, 200, ""),
        (&nowhere, "GET /id HTTP/1.1", http, 403, "https_required"),
        (&distrusting, "GET /id HTTP/1.1", http, 200, ""),
        (&open, "GET /id HTTP/1.1", http, 200, ""),
        (&open, "GET /id HTTP/1.1", "host: evil.example\r\n", 200, ""),
        (&open, "GET /id HTTP/1.1", "", 400, "host_invalid"),
    ] {
        let answer = server
            .send(&format!(
                "{request}\r\nconnection: close\r\ncontent-length: 0\r\n{lines}\r\n"
            ))
            .await;
        assert!(
            answer.split(' ').nth(1) == Some(&status.to_string()),
            "{request} {lines:?}: {answer}"
        );
        assert!(header(&answer, "x-request-id").is_some(), "{answer}");
        match status {
            308 => assert_eq!(header(&answer, "location"), Some(told)),
            _ => assert!(body(&answer).contains(told), "{answer}"),
        }
        assert_eq!(
            header(&answer, "strict-transport-security").is_some(),
            lines == https,
            "{lines:?}"
        );
    }
}
