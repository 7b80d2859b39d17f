//! Who is believed about where a request came from, and what browsers are told.

use dailey_auth::Environment;
use dailey_http::client::TrustedProxies;
use dailey_http::cors::{Cors, Origins};
use dailey_http::edge::{Edge, PublicOrigin};
use dailey_http::listen::Limits;

use crate::server::{Server, body, header};

#[tokio::test]
async fn a_forwarded_address_is_believed_from_a_trusted_proxy_only() {
    let trusting = Server::plain().await;
    let distrusting = Server::that_trusts_nobody().await;
    let lines = "x-forwarded-for: 10.9.9.9, 203.0.113.7\r\n";
    assert_eq!(body(&trusting.get("/client", lines).await), "203.0.113.7");
    assert_eq!(body(&distrusting.get("/client", lines).await), "127.0.0.1");
}

#[tokio::test]
async fn hsts_needs_an_https_client_behind_a_trusted_proxy() {
    let server = Server::plain().await;
    let distrusting = Server::that_trusts_nobody().await;
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
