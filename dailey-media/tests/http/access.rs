//! Who gets in, and what the others are told.

use reqwest::Method;

use crate::service::{APP, ORIGIN, START, Service, header, json, problem};

#[tokio::test(flavor = "multi_thread")]
async fn scopes_open_what_they_name_and_nothing_else() {
    let service = Service::start().await;
    for (method, path, needed) in [
        (Method::GET, "/api/media", "media:read"),
        (Method::GET, "/api/media/a", "media:read"),
        (Method::HEAD, "/api/media/a", "media:read"),
        (Method::PUT, "/api/media/a", "media:write"),
        (Method::DELETE, "/api/media/a", "media:write"),
    ] {
        let other = if needed == "media:read" {
            "media:write"
        } else {
            "media:read"
        };
        for scope in [other, "", "media:readx media", "MEDIA:READ MEDIA:WRITE"] {
            let token = service.token().claim("scope", scope);
            let got = service
                .request_as(method.clone(), path, &token)
                .send()
                .await
                .unwrap();
            assert_eq!(got.status(), 403, "{method} {path} with {scope}");
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
            assert_eq!(header(&got, "www-authenticate"), challenge);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_only_in_the_one_authorization_header() {
    let service = Service::start().await;
    let bearer = service.bearer(&service.token());
    let token = bearer.strip_prefix("Bearer ").unwrap();
    let without = service
        .bare(Method::GET, &format!("/api/media/a?access_token={token}"))
        .send()
        .await
        .unwrap();
    assert_eq!(header(&without, "www-authenticate"), "Bearer");
    assert_eq!(problem(without).await, (401, "token_missing".into()));
    let twice = service
        .bare(Method::GET, "/api/media")
        .header("authorization", &bearer)
        .header("authorization", &bearer);
    assert_eq!(
        problem(twice.send().await.unwrap()).await,
        (401, "token_missing".into())
    );
    let basic = service
        .bare(Method::GET, "/api/media")
        .header("authorization", format!("Basic {token}"));
    assert_eq!(
        problem(basic.send().await.unwrap()).await,
        (401, "token_missing".into())
    );
    let lower = service
        .bare(Method::GET, "/api/media")
        .header("authorization", format!("bearer {token}"));
    assert_eq!(lower.send().await.unwrap().status(), 200);
    let route = "route=\"/api/media/{*key}\"";
    let log = service.child.log_with(START, |log| log.contains(route));
    assert!(
        !log.contains(token) && !log.contains("access_token"),
        "and never the query"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_says_what_a_token_is_or_why_it_is_none() {
    let service = Service::start().await;
    for method in [Method::GET, Method::POST] {
        let token = service.token().claim("client_id", APP);
        let got = service
            .request_as(method, "/api/auth/validate", &token)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (got.status().as_u16(), header(&got, "cache-control")),
            (200, "no-store")
        );
        let body = json(got).await;
        assert_eq!(body["valid"], true);
        assert_eq!(body["iss"], service.issuer.url());
        assert_eq!(body["sub"], "user-1");
        assert_eq!(body["aud"], serde_json::json!([APP]));
        assert_eq!(body["scope"], "media:read media:write");
        assert_eq!(body["client_id"], APP);
        assert!(body["expires_in"].as_u64().unwrap() <= 600);
        assert_eq!(
            body["exp"].as_u64().unwrap() - body["iat"].as_u64().unwrap(),
            600
        );
    }
    for (token, code, claim) in [
        (
            service.token().claim("exp", 1000).claim("iat", 900),
            "expired",
            None,
        ),
        (
            service.token().claim("aud", "elsewhere"),
            "audience_mismatch",
            None,
        ),
        (
            service.token().claim("iss", "https://elsewhere"),
            "issuer_mismatch",
            None,
        ),
        (
            service.token().without_claim("sub"),
            "claim_missing",
            Some("sub"),
        ),
        (
            service.token().header("alg", "none"),
            "algorithm_not_allowed",
            None,
        ),
    ] {
        let got = service
            .request_as(Method::GET, "/api/auth/validate", &token)
            .send()
            .await
            .unwrap();
        assert_eq!(got.status(), 401);
        assert!(header(&got, "www-authenticate").starts_with("Bearer error=\"invalid_token\""));
        let body = json(got).await;
        assert_eq!(
            (&body["valid"], &body["code"]),
            (&false.into(), &code.into())
        );
        assert_eq!(body["claim"].as_str(), claim);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_listed_origin_may_call_and_no_others() {
    let service = Service::start().await;
    let preflight = |origin: &'static str| {
        service
            .bare(Method::OPTIONS, "/api/media/a")
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header(
                "access-control-request-headers",
                "authorization,x-meta-author,x-evil",
            )
            .send()
    };
    let allowed = preflight(ORIGIN).await.unwrap();
    assert_eq!(allowed.status(), 204);
    assert_eq!(header(&allowed, "access-control-allow-origin"), ORIGIN);
    let headers = header(&allowed, "access-control-allow-headers");
    assert!(
        headers.contains("authorization")
            && headers.contains("x-meta-author")
            && !headers.contains("x-evil")
    );
    assert_eq!(header(&allowed, "access-control-allow-credentials"), "");
    let refused = preflight("http://127.0.0.1:5174").await.unwrap();
    assert_eq!(header(&refused, "access-control-allow-origin"), "");
    assert_eq!(problem(refused).await, (403, "origin_not_allowed".into()));

    let answer = service
        .request(Method::GET, "/api/media/none")
        .header("origin", ORIGIN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404, "a page can read why");
    assert_eq!(header(&answer, "access-control-allow-origin"), ORIGIN);
    assert!(
        answer
            .headers()
            .get_all("vary")
            .iter()
            .any(|value| value.to_str().unwrap().eq_ignore_ascii_case("origin"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_problems_too() {
    let service = Service::start().await;
    let nothing = service
        .request(Method::GET, "/api/nothing")
        .send()
        .await
        .unwrap();
    assert_eq!(problem(nothing).await, (404, "not_found".into()));
    let wrong = service
        .request(Method::POST, "/api/media/a")
        .send()
        .await
        .unwrap();
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        assert!(
            header(&wrong, "allow").contains(method),
            "{}",
            header(&wrong, "allow")
        );
    }
    assert_eq!(problem(wrong).await, (405, "method_not_allowed".into()));
}
