//! The example as a process, attacked over its socket.

use example_black_box::{Service, suite};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-dmapi");

/// Header lines with a token of this user and these scopes.
fn bearer(service: &Service, user: &str, scope: &str) -> String {
    let token = service.token().claim("scope", scope).claim("sub", user);
    service.bearer(&token)
}

#[test]
fn what_a_user_stores_comes_back_to_that_user_alone() {
    let service = Service::start(PROGRAM);
    let own = bearer(&service, "user-1", "media:read media:write");
    let html = "Content-Type: text/html";
    let path = "/api/media/a/page%20one.html";
    let body = "<script>alert(1)</script>";
    assert_eq!(service.put(path, &[&own, html], body).status, 204);
    let answer = service.get(path, &[&own]);
    assert_eq!((answer.status, answer.body.as_str()), (200, body));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    let attached = answer.header("content-disposition").unwrap();
    assert!(attached.starts_with("attachment"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.ends_with("sandbox"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));

    let other = bearer(&service, "user-2", "media:read");
    assert_eq!(service.get(path, &[&other]).status, 404);
    assert_eq!(service.get("/api/media/a/none", &[&own]).status, 404);
    assert_eq!(service.get("/api/auth/validate", &[&own]).body, "user-1\n");
}

#[test]
fn a_scope_opens_its_own_methods_only() {
    let service = Service::start(PROGRAM);
    let (reader, writer) = (
        bearer(&service, "user-1", "media:read"),
        bearer(&service, "user-1", "media:write"),
    );
    assert_eq!(service.put("/api/media/a", &[&reader], "x").status, 403);
    assert_eq!(service.put("/api/media/a", &[&writer], "x").status, 204);
    assert_eq!(service.get("/api/media/a", &[&writer]).status, 403);
    assert_eq!(service.get("/api/media/a", &[&reader]).body, "x");
}

#[test]
fn no_key_leads_out_of_the_space() {
    let service = Service::start(PROGRAM);
    let own = bearer(&service, "user-1", "media:read media:write");
    for key in [
        "../user-2/a",
        "a/../../user-2/a",
        "%2e%2e/user-2/a",
        "..%2fuser-2%2fa",
        "a%5cb",
        "a%00b",
        "a//b",
        "a/",
        "%",
    ] {
        let path = format!("/api/media/{key}");
        assert_eq!(service.put(&path, &[&own], "x").status, 400, "{key}");
        assert_eq!(service.get(&path, &[&own]).status, 400, "{key}");
    }
}

#[test]
fn a_body_above_the_limit_is_refused() {
    let service = Service::start(PROGRAM);
    let own = bearer(&service, "user-1", "media:read media:write");
    let body = "x".repeat(16 * 1024 * 1024);
    assert_eq!(service.put("/api/media/a", &[&own], &body).status, 204);
    let answer = service.put("/api/media/b", &[&own], &(body + "x"));
    assert_eq!(answer.status, 413);
    assert_eq!(service.get("/api/media/b", &[&own]).status, 404);
}

#[test]
fn tokens_are_refused_as_in_every_example() {
    let service = Service::start(PROGRAM);
    let closed = ["/api/media/a", "/api/auth/validate"];
    suite::refuses_absent_tokens(&service, &closed);
    suite::refuses_bad_tokens(&service, &closed);
}

#[test]
fn nothing_of_a_token_is_printed_and_it_ends_in_order() {
    let mut service = Service::start(PROGRAM);
    let token = service.sign(&service.token().claim("scope", "media:read"));
    service.get("/api/media/a", &[&format!("Authorization: Bearer {token}")]);
    let printed = service.stop();
    assert!(printed.contains("listening"), "it logs: {printed}");
    for segment in token.split('.') {
        assert!(!printed.contains(segment), "{printed}");
    }
}
