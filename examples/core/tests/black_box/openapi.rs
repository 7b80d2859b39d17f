//! The document of the API, held to what Core really answers.

use std::collections::BTreeSet;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use testbed::schema::holds;

use crate::core_process::{Home, Running, USER, USER_PASSWORD, text};

/// The routes as they were agreed on.
const ROUTES: [&str; 18] = [
    "DELETE /api/apps/{app_id}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /api/apps",
    "GET /api/apps/{app_id}",
    "GET /health",
    "GET /health/live",
    "GET /metrics",
    "GET /openapi.json",
    "PATCH /api/apps/{app_id}",
    "POST /api/apps",
    "POST /api/apps/{app_id}/secret",
    "POST /api/auth/login",
    "POST /api/auth/logout",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /oauth/revoke",
    "POST /oauth/token",
];

async fn document(core: &Running<'_>) -> Value {
    let response = core.get("/openapi.json").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn the_document_names_every_route_and_each_of_them_is_there() {
    let home = Home::initialised();
    let core = home.serve();
    let document = document(&core).await;
    assert!(text(&document, "openapi").starts_with("3."));
    let mut named = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            named.insert(format!("{method} {path}"));
            assert!(!text(operation, "summary").is_empty(), "{method} {path}");
            if ["POST", "PATCH"].contains(&method.as_str()) {
                let content = operation["requestBody"]["content"].as_object().unwrap();
                let media_type = content.keys().next().unwrap();
                let form = path.starts_with("/oauth/");
                assert_eq!(media_type.contains("form"), form, "{method} {path}");
                let schema = content[media_type]["schema"].to_string();
                assert!(schema.contains("#/components/schemas/"), "{method} {path}");
            }
            let path = path.replace("{app_id}", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff");
            let request = core.request(method.parse().unwrap(), &path);
            let response = request.send().await.unwrap();
            assert_ne!(response.status(), 404, "{method} {path}");
            assert_ne!(response.status(), 405, "{method} {path}");
        }
    }
    assert_eq!(named, ROUTES.map(str::to_owned).into());
    let login = &document["components"]["schemas"]["Login"];
    assert_eq!(login["required"], json!(["app_id", "email", "password"]));
    assert_eq!(login["additionalProperties"], false);
}

/// A document, and the routes of it that were seen answering as it says.
struct Held<'a> {
    core: &'a Running<'a>,
    document: Value,
    seen: BTreeSet<String>,
}

impl Held<'_> {
    /// Sends a request; its answer must be one that the document describes.
    async fn send(
        &mut self,
        method: Method,
        template: &str,
        request: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
        app_id: &str,
    ) -> (u16, Value) {
        let path = template.replace("{app_id}", app_id);
        let response = request(self.core.request(method.clone(), &path))
            .send()
            .await
            .unwrap();
        let (status, media_type) = (response.status().as_u16(), media_type(&response));
        let bytes = response.bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let pointer = template.replace('~', "~0").replace('/', "~1");
        let operation = format!("/paths/{pointer}/{}", method.as_str().to_lowercase());
        let name = format!("{method} {template} {status}");
        let described = self
            .document
            .pointer(&format!("{operation}/responses/{status}"))
            .unwrap_or_else(|| panic!("{name} is not described: {body}"));
        match described.get("content").and_then(Value::as_object) {
            None => assert!(bytes.is_empty(), "{name}: {body}"),
            Some(content) => {
                let schema = content
                    .get(&media_type)
                    .unwrap_or_else(|| panic!("{name} comes as {media_type}"));
                holds(&self.document, &schema["schema"], &body)
                    .unwrap_or_else(|wrong| panic!("{name}: {wrong} in {body}"));
            }
        }
        self.seen.insert(format!("{method} {template}"));
        (status, body)
    }
}

fn media_type(response: &Response) -> String {
    let header = response.headers().get("content-type");
    let text = header.map_or("", |value| value.to_str().unwrap());
    text.split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_core_answers_is_what_the_document_says() {
    let mut home = Home::initialised();
    home.set("ALLOW_REGISTRATION", "true");
    let (app_id, secret) = home.app("photos");
    home.user();
    let core = home.serve();
    let admin = core.admin_token().await;
    let document = document(&core).await;
    let mut held = Held {
        core: &core,
        document,
        seen: BTreeSet::new(),
    };
    let json = |body: Value| {
        move |request: reqwest::RequestBuilder| {
            request
                .header("content-type", "application/json")
                .body(body.to_string())
        }
    };
    let as_admin = |body: Option<Value>| {
        let admin = admin.clone();
        move |request: reqwest::RequestBuilder| match body {
            None => request.bearer_auth(admin),
            Some(body) => json(body)(request.bearer_auth(admin)),
        }
    };
    let as_client = |form: String| {
        let (app_id, secret) = (app_id.clone(), secret.clone());
        move |request: reqwest::RequestBuilder| {
            request
                .basic_auth(app_id, Some(secret))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form)
        }
    };
    let plain = |request| request;
    let (get, post) = (Method::GET, Method::POST);

    for path in [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/health",
        "/health/live",
    ] {
        assert_eq!(held.send(get.clone(), path, plain, "").await.0, 200);
    }
    let unchanged = |request: reqwest::RequestBuilder| request.header("if-none-match", "*");
    assert_eq!(
        held.send(get.clone(), "/.well-known/jwks.json", unchanged, "")
            .await
            .0,
        304
    );

    // Accounts: what is granted, and what is refused.
    let (register, login) = ("/api/auth/register", "/api/auth/login");
    let new = json!({ "email": "new@example.com", "password": "new password" });
    for status in [201, 409] {
        let answer = held
            .send(post.clone(), register, json(new.clone()), "")
            .await;
        assert_eq!(answer.0, status);
    }
    let credentials = json!({ "app_id": app_id, "email": USER, "password": USER_PASSWORD });
    let with = |member: &str, value: Value| {
        let mut body = credentials.clone();
        body[member] = value;
        json(body)
    };
    for (request, status) in [
        (with("scope", json!("core:admin")), 400),
        (with("password", json!("wrong password")), 401),
        (with("password", json!("x".repeat(20_000))), 413),
        (with("email", json!(1)), 422),
    ] {
        assert_eq!(held.send(post.clone(), login, request, "").await.0, status);
    }
    assert_eq!(held.send(post.clone(), login, plain, "").await.0, 415);
    let (_, pair) = held
        .send(post.clone(), login, json(credentials.clone()), "")
        .await;
    let token = json!({ "refresh_token": text(&pair, "refresh_token") });
    for status in [200, 409] {
        let answer = held
            .send(post.clone(), "/api/auth/refresh", json(token.clone()), "")
            .await;
        assert_eq!(answer.0, status);
    }
    let nonsense = json!({ "refresh_token": "nonsense" });
    let answer = held
        .send(post.clone(), "/api/auth/refresh", json(nonsense), "")
        .await;
    assert_eq!(answer.0, 401);
    let answer = held
        .send(post.clone(), "/api/auth/logout", json(token), "")
        .await;
    assert_eq!(answer.0, 204);

    // OAuth.
    let (_, pair) = held
        .send(post.clone(), login, json(credentials.clone()), "")
        .await;
    let refresh_token = text(&pair, "refresh_token");
    for (form, status) in [
        ("grant_type=client_credentials".to_owned(), 200),
        (
            format!("grant_type=refresh_token&refresh_token={refresh_token}"),
            200,
        ),
        ("grant_type=password".to_owned(), 400),
        ("x".repeat(20_000), 413),
    ] {
        let answer = held
            .send(post.clone(), "/oauth/token", as_client(form), "")
            .await;
        assert_eq!(answer.0, status);
    }
    let anonymous = |request: reqwest::RequestBuilder| {
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
    };
    assert_eq!(
        held.send(post.clone(), "/oauth/token", anonymous, "")
            .await
            .0,
        401
    );
    let form = as_client("token=unknown".to_owned());
    assert_eq!(
        held.send(post.clone(), "/oauth/revoke", form, "").await.0,
        200
    );

    // Apps.
    let new = json!({ "name": "pictures", "scopes": ["media:read"] });
    let (_, made) = held
        .send(post.clone(), "/api/apps", as_admin(Some(new.clone())), "")
        .await;
    let made = text(&made, "app_id");
    let answer = held
        .send(post.clone(), "/api/apps", as_admin(Some(new)), "")
        .await;
    assert_eq!(answer.0, 409);
    assert_eq!(
        held.send(get.clone(), "/api/apps", as_admin(None), "")
            .await
            .0,
        200
    );
    assert_eq!(held.send(get.clone(), "/api/apps", plain, "").await.0, 401);
    let one = "/api/apps/{app_id}";
    for (method, body, status) in [
        (Method::GET, None, 200),
        (Method::PATCH, Some(json!({ "disabled": true })), 200),
        (Method::PATCH, Some(json!({ "name": "" })), 422),
        (Method::DELETE, None, 204),
        (Method::DELETE, None, 404),
    ] {
        assert_eq!(
            held.send(method, one, as_admin(body), &made).await.0,
            status
        );
    }
    let secret = "/api/apps/{app_id}/secret";
    assert_eq!(
        held.send(post.clone(), secret, as_admin(None), &app_id)
            .await
            .0,
        200
    );
    let ordinary = text(&pair, "access_token");
    let as_user = |request: reqwest::RequestBuilder| request.bearer_auth(ordinary);
    assert_eq!(held.send(get, "/api/apps", as_user, "").await.0, 401);

    let unseen: Vec<_> = ROUTES
        .into_iter()
        .filter(|route| !held.seen.contains(*route))
        .collect();
    assert_eq!(unseen, ["GET /metrics", "GET /openapi.json"]);
}
