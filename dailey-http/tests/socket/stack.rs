//! What the stack does around every route: ids, metrics, problems.

use tokio::io::AsyncWriteExt;

use crate::server::{LARGE_BYTES, Server, body, header, rest};

#[tokio::test]
async fn a_request_id_is_ours_unless_a_trusted_proxy_sent_a_well_formed_one() {
    let trusting = Server::plain().await;
    let distrusting = Server::that_trusts_nobody().await;
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
