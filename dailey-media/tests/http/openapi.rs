//! The document of the API, held to the running service. What every other test of this suite sees is held to
//! it by the [`witness`](crate::witness).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use testbed::schema::holds;

use crate::service::{Service, header, json as body};

/// The routes as they were agreed on.
pub(crate) const ROUTES: [&str; 25] = [
    "DELETE /api/media/{key}",
    "DELETE /api/uploads/{id}",
    "GET /api/auth/validate",
    "GET /api/links/{key}",
    "GET /api/media",
    "GET /api/media/{key}",
    "GET /health",
    "GET /health/live",
    "GET /metrics",
    "GET /openapi.json",
    "HEAD /api/links/{key}",
    "HEAD /api/media/{key}",
    "HEAD /api/uploads/{id}",
    "OPTIONS /api/uploads",
    "OPTIONS /api/uploads/{id}",
    "PATCH /api/uploads/{id}",
    "POST /api/auth/validate",
    "POST /api/media-ops/copy",
    "POST /api/media-ops/delete",
    "POST /api/media-ops/move",
    "POST /api/media-ops/presign",
    "POST /api/uploads",
    "POST /api/uploads/{id}",
    "PUT /api/links/{key}",
    "PUT /api/media/{key}",
];

async fn document(service: &Service) -> Value {
    let asked = service.bare(Method::GET, "/openapi.json").send();
    let answer = asked.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "content-type"), "application/json");
    body(answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_route_and_each_of_them_is_there() {
    let service = Service::start().await;
    let document = document(&service).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let (mut named, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            named.insert(format!("{method} {path}"));
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let described = response["description"].as_str().unwrap();
                assert!(!described.is_empty(), "{method} {path} {status}");
            }
            let path = path.replace("{key}", "some/key");
            let asked = service.bare(method.parse().unwrap(), &path);
            let status = asked.send().await.unwrap().status();
            assert!(status != 404 && status != 405, "{method} {path}");
        }
    }
    assert_eq!(named, ROUTES.map(str::to_owned).into());
    let copy = &document["components"]["schemas"]["CopyOrMove"];
    assert_eq!(copy["required"], json!(["from", "to"]));
    assert_eq!(copy["additionalProperties"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_the_headers_that_a_route_heeds() {
    let service = Service::start().await;
    let document = document(&service).await;
    let conditions = [
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
    ];
    let once = ["Idempotency-Key"];
    for (method, path, headers) in [
        ("get", "/api/media/{key}", &conditions[..]),
        ("head", "/api/media/{key}", &conditions),
        ("get", "/api/links/{key}", &conditions),
        ("get", "/api/links/{key}", &["Range", "If-Range"]),
        ("head", "/api/links/{key}", &conditions),
        ("post", "/api/media-ops/copy", &once),
        ("post", "/api/media-ops/delete", &once),
        ("post", "/api/media-ops/move", &once),
        ("post", "/api/media-ops/presign", &once),
        ("post", "/api/uploads", &once),
    ] {
        let parameters = document["paths"][path][method]["parameters"].as_array();
        for name in headers {
            let mut optional = parameters.into_iter().flatten().filter(|one| {
                one["in"] == "header" && one["required"] == false && one["schema"].is_object()
            });
            let named = optional.any(|one| one["name"] == *name);
            assert!(named, "{name} at {method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_answers_is_what_the_document_says() {
    let service = Service::start().await;
    let document = document(&service).await;
    let scoped = service.token().claim("scope", "media:read");
    let nobody = service.token().without_claim("sub");
    for (method, template, wanted, token, status) in [
        ("PUT", "/api/media/{key}", None, None, 201),
        ("PUT", "/api/media/{key}", None, None, 200),
        ("PUT", "/api/media/{key}", None, Some(&scoped), 403),
        ("PUT", "/api/media/{key}", None, Some(&nobody), 401),
        ("GET", "/api/media", None, None, 200),
        ("GET", "/api/auth/validate", None, None, 200),
        ("POST", "/api/auth/validate", None, None, 200),
        ("POST", "/api/auth/validate", None, Some(&nobody), 401),
        ("GET", "/health", None, None, 200),
        ("GET", "/health/live", None, None, 200),
        (
            "POST",
            "/api/media-ops/copy",
            Some(json!({ "from": "some/key", "to": "b" })),
            None,
            201,
        ),
        (
            "POST",
            "/api/media-ops/copy",
            Some(json!({ "from": "some/key", "to": "b" })),
            None,
            409,
        ),
        (
            "POST",
            "/api/media-ops/move",
            Some(json!({ "from": "b", "to": "some/key", "overwrite": true })),
            None,
            200,
        ),
        (
            "POST",
            "/api/media-ops/delete",
            Some(json!({ "keys": ["b", "some/key"] })),
            None,
            200,
        ),
        ("GET", "/api/media/{key}", None, None, 404),
        (
            "POST",
            "/api/media-ops/delete",
            Some(json!({ "key": "b" })),
            None,
            422,
        ),
    ] {
        let path = template.replace("{key}", "some/key");
        let token = token.cloned().unwrap_or_else(|| service.token());
        let mut asked = service.request_as(method.parse().unwrap(), &path, &token);
        if let Some(wanted) = wanted {
            let wanted: Value = wanted;
            asked = asked.header("content-type", "application/json");
            asked = asked.body(wanted.to_string());
        }
        let answer = asked.send().await.unwrap();
        let name = format!("{method} {template} {status}");
        assert_eq!(answer.status(), status, "{name}");
        let media_type = header(&answer, "content-type").to_owned();
        let answer = body(answer).await;
        let response =
            &document["paths"][template][method.to_lowercase()]["responses"][status.to_string()];
        let schema = &response["content"][&media_type]["schema"];
        assert!(schema.is_object(), "{name} comes as {media_type}");
        holds(&document, schema, &answer)
            .unwrap_or_else(|wrong| panic!("{name}: {wrong} in {answer}"));
    }
}
