//! What every example must do, each a function of the program's path.

use dailey_auth::testing::{Fault, SigningKey};

use crate::{Answer, Service};

const BARE: (&str, &str) = ("www-authenticate", "Bearer");

const TOKEN_MISSING: &str = "{\"code\":\"token_missing\",\"detail\":\"no token was given (send it in one Authorization \
     header: Bearer, a space, the token)\",\"status\":401,\"title\":\"Token missing\",\
     \"type\":\"tag:dailey.cloud,2026:problem:token_missing\"}";

const INSUFFICIENT_SCOPE: &str = "{\"code\":\"insufficient_scope\",\"detail\":\"this needs the scope reports:read: ask \
     for a token that has it\",\"scope\":\"reports:read\",\"status\":403,\"title\":\"Insufficient scope\",\
     \"type\":\"tag:dailey.cloud,2026:problem:insufficient_scope\"}";

const KEYS_UNAVAILABLE: &str = "{\"code\":\"keys_unavailable\",\"detail\":\"the issuer's key set could not be had (retry \
     in a few seconds; if it stays, check that the JWKS address answers)\",\"status\":503,\
     \"title\":\"Keys unavailable\",\"type\":\"tag:dailey.cloud,2026:problem:keys_unavailable\"}";

/// The paths that need a token.
const CLOSED: [&str; 2] = ["/hello", "/reports"];

/// In with a good token, whatever the case of the scheme and of the header's name.
pub fn a_good_token_gets_in(program: &str) {
    let service = Service::start(program);
    let token = service.sign(&service.token());
    for header in [
        "Authorization: Bearer",
        "authorization: bearer",
        "AUTHORIZATION: BEARER",
    ] {
        let answer = service.get("/hello", &[&format!("{header} {token}")]);
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "hello user-1\n")
        );
    }
    let answer = service.get("/reports", &[&service.bearer(&service.token())]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "the reports of user-1\n");
}

/// RFC 6750 section 3.1: no error code where no token was sent.
pub fn a_request_without_a_token_gets_a_bare_challenge(program: &str) {
    refuses_absent_tokens(&Service::start(program), &CLOSED);
}

/// The same at other paths.
pub fn refuses_absent_tokens(service: &Service, paths: &[&str]) {
    for path in paths {
        service
            .get(path, &[])
            .assert_refused(401, BARE, TOKEN_MISSING);
        for line in [
            "Authorization: Basic dXNlcjpwYXNz",
            "Authorization: Bearer",
            "Authorization: Bearer ",
            "Authorization:",
        ] {
            service
                .get(path, &[line])
                .assert_refused(401, BARE, TOKEN_MISSING);
        }
    }
}

/// Garbage, another app's, an expired one, one without an audience, one by another key.
pub fn a_bad_token_is_refused_with_its_code(program: &str) {
    refuses_bad_tokens(&Service::start(program), &CLOSED);
}

/// The same at other paths.
pub fn refuses_bad_tokens(service: &Service, paths: &[&str]) {
    let other_key = SigningKey::generate();
    let long = "a".repeat(8193);
    let token = service.token();
    for (token, code) in [
        ("garbage".to_owned(), "token_malformed"),
        ("a.b.c".to_owned(), "token_malformed"),
        ("a.b.c.d.e".to_owned(), "token_encrypted"),
        (long, "token_too_large"),
        (
            service.sign(&token.clone().header("alg", "none")),
            "algorithm_not_allowed",
        ),
        (
            service.sign(&token.clone().claim("aud", "other")),
            "audience_mismatch",
        ),
        (
            service.sign(&token.clone().without_claim("aud")),
            "claim_missing",
        ),
        (
            service.sign(&token.clone().issued_at(1000).expires_at(1600)),
            "expired",
        ),
        (token.sign(&other_key), "kid_unknown"),
    ] {
        for path in paths {
            let answer = service.get(path, &[&format!("Authorization: Bearer {token}")]);
            let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{code}\"");
            assert!(
                answer.body.contains(&format!("\"code\":\"{code}\"")),
                "{answer:?}"
            );
            let body = answer.body.clone();
            answer.assert_refused(401, ("www-authenticate", &challenge), &body);
            assert!(!answer.body.contains(&token), "{answer:?}");
        }
    }
}

/// Two headers, the query, a cookie, other headers.
pub fn a_token_anywhere_but_in_the_one_header_is_none(program: &str) {
    let service = Service::start(program);
    let token = service.sign(&service.token());
    let bearer = format!("Authorization: Bearer {token}");
    let basic = "Authorization: Basic dXNlcjpwYXNz";
    for lines in [
        [bearer.as_str(), bearer.as_str()],
        [bearer.as_str(), basic],
        [basic, bearer.as_str()],
    ] {
        service
            .get("/hello", &lines)
            .assert_refused(401, BARE, TOKEN_MISSING);
    }
    for name in ["access_token", "token"] {
        service
            .get(&format!("/hello?{name}={token}"), &[])
            .assert_refused(401, BARE, TOKEN_MISSING);
        service
            .get("/hello", &[&format!("Cookie: {name}={token}")])
            .assert_refused(401, BARE, TOKEN_MISSING);
    }
    for name in ["Proxy-Authorization", "X-Authorization"] {
        service
            .get("/hello", &[&format!("{name}: Bearer {token}")])
            .assert_refused(401, BARE, TOKEN_MISSING);
    }
}

/// 403 with the scope in the challenge.
pub fn a_missing_scope_is_named(program: &str) {
    let service = Service::start(program);
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"reports:read\"";
    for token in [
        service.token().without_claim("scope"),
        service.token().claim("scope", "reports:write"),
        service.token().claim("scope", "reports:read2 Reports:read"),
    ] {
        let bearer = service.bearer(&token);
        assert_eq!(service.get("/hello", &[&bearer]).status, 200);
        let answer = service.get("/reports", &[&bearer]);
        answer.assert_refused(403, ("www-authenticate", challenge), INSUFFICIENT_SCOPE);
    }
}

/// Absent is fine there, bad is not.
pub fn a_public_route_takes_nobody_but_no_bad_token(program: &str) {
    let service = Service::start(program);
    let answer = service.get("/public", &[]);
    assert_eq!((answer.status, answer.body.as_str()), (200, "welcome\n"));
    let answer = service.get("/public", &[&service.bearer(&service.token())]);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "welcome back user-1\n")
    );
    for line in [
        "Authorization: Bearer garbage",
        "Authorization: Basic dXNlcjpwYXNz",
        "Authorization: Bearer",
    ] {
        assert_eq!(service.get("/public", &[line]).status, 401, "{line}");
    }
}

/// A cold start without the issuer: 503, never 401 for a token that may well be good.
pub fn without_keys_there_is_no_verdict(program: &str) {
    let service = Service::start_with(program, Some(Fault::Status(500)));
    let retry = ("retry-after", "5");
    for path in CLOSED {
        let answer = service.get(path, &[&service.bearer(&service.token())]);
        answer.assert_refused(503, retry, KEYS_UNAVAILABLE);
        // Without a token there is nothing to wait for.
        service
            .get(path, &[])
            .assert_refused(401, BARE, TOKEN_MISSING);
    }
}

/// Nothing of a token is in what the program prints, at the highest log level, and it ends in order.
pub fn no_token_is_ever_printed(program: &str) {
    let mut service = Service::start(program);
    let good = service.sign(&service.token());
    let expired = service.sign(&service.token().issued_at(1000).expires_at(1600));
    let short = service.sign(&service.token().without_claim("scope"));
    for token in [&good, &expired, &short] {
        let bearer = format!("Authorization: Bearer {token}");
        let answers: Vec<Answer> = ["/hello", "/reports", "/public", "/nothing"]
            .iter()
            .map(|path| service.get(path, &[&bearer]))
            .collect();
        assert!(
            answers
                .iter()
                .all(|answer| !answer.body.contains(token.as_str()))
        );
        service.get("/hello", &[&bearer, &bearer]);
    }
    let printed = service.stop();
    assert!(printed.contains("listening"), "it logs: {printed}");
    for token in [&good, &expired, &short] {
        for segment in token.split('.') {
            assert!(!printed.contains(segment), "{printed}");
        }
    }
}
