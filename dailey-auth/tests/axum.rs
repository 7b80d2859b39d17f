//! axum's extractor and layer.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::FromRef;
use axum::routing::{get, post};
use axum::{Extension, Router};
use dailey_auth::axum::{AuthLayer, Authenticated, RequireScopes};
use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verified, Verifier};
use http::Request;
use tower::ServiceExt as _;

const ISSUER: &str = "https://core.example";

#[derive(Clone)]
struct State {
    verifier: Verifier,
}

impl FromRef<State> for Verifier {
    fn from_ref(state: &State) -> Self {
        state.verifier.clone()
    }
}

struct House {
    key: SigningKey,
    verifier: Verifier,
}

impl House {
    fn new() -> Self {
        let key = SigningKey::generate();
        let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
        let builder = Verifier::builder(ISSUER, ["app"]).key_set(keys);
        let verifier = builder.build().unwrap();
        Self { key, verifier }
    }

    fn token(&self, scope: &str) -> String {
        let token = TokenBuilder::new(ISSUER, "app").claim("scope", scope);
        format!("Bearer {}", token.sign(&self.key))
    }

    fn state(&self) -> State {
        State {
            verifier: self.verifier.clone(),
        }
    }
}

async fn answer(app: Router, method: &str, authorization: Option<&str>) -> (u16, String) {
    let mut request = Request::builder().method(method).uri("/");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    // A body that fails whoever reads it.
    let body = Body::new(Never);
    let response = app.oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 4096).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A body that must not be read.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        panic!("the body was read")
    }
}

async fn hello(token: Authenticated) -> String {
    token.claims().subject().to_owned()
}

async fn public(token: Option<Authenticated>) -> String {
    token.map_or("nobody".to_owned(), |Authenticated(token)| {
        token.claims().subject().to_owned()
    })
}

#[tokio::test]
async fn a_handler_that_takes_a_token_runs_for_verified_ones_only() {
    let house = House::new();
    let app = || {
        Router::new()
            .route("/", get(hello))
            .with_state(house.state())
    };
    let good = house.token("a");
    assert_eq!(
        answer(app(), "GET", Some(&good)).await,
        (200, "user-1".to_owned())
    );
    let (status, body) = answer(app(), "GET", None).await;
    assert!(status == 401 && body.contains("token_missing"), "{body}");
    let (status, body) = answer(app(), "GET", Some("Bearer x.y.z")).await;
    assert!(status == 401 && body.contains("token_malformed"), "{body}");
}

#[tokio::test]
async fn an_optional_token_may_be_absent_but_never_bad() {
    let house = House::new();
    let app = || {
        Router::new()
            .route("/", get(public))
            .with_state(house.state())
    };
    let good = house.token("a");
    assert_eq!(answer(app(), "GET", None).await, (200, "nobody".to_owned()));
    assert_eq!(
        answer(app(), "GET", Some(&good)).await,
        (200, "user-1".to_owned())
    );
    for bad in ["Bearer garbage", "Basic dXNlcjpwYXNz", "Bearer", ""] {
        let (status, _) = answer(app(), "GET", Some(bad)).await;
        assert_eq!(status, 401, "{bad:?}");
    }
}

#[tokio::test]
async fn required_scopes_are_closed_wherever_they_stand() {
    let house = House::new();
    let scopes = || RequireScopes::new(house.verifier.clone(), ["a", "b"]);
    let alone = || Router::new().route("/", get(|| async { "in" }).layer(scopes()));
    let behind = || alone().layer(AuthLayer::new(house.verifier.clone()));
    let before = || {
        let auth = AuthLayer::new(house.verifier.clone());
        Router::new()
            .route("/", get(|| async { "in" }).layer(auth))
            .layer(scopes())
    };
    let places: [&dyn Fn() -> Router; 3] = [&alone, &behind, &before];
    for app in places {
        let (status, body) = answer(app(), "GET", None).await;
        assert!(status == 401 && body.contains("token_missing"), "{body}");
        let (status, body) = answer(app(), "GET", Some(&house.token("a"))).await;
        assert!(
            status == 403 && body.contains("insufficient_scope"),
            "{body}"
        );
        let (status, body) = answer(app(), "GET", Some(&house.token("b a"))).await;
        assert!(status == 200 && body == "in", "{body}");
    }
}

#[tokio::test]
async fn no_body_is_read_before_the_verdict() {
    let house = House::new();
    // The extractor stands before the body, and the layer before the handler.
    let reads = post(async |_: Authenticated, body: String| body);
    let app = Router::new().route("/", reads).with_state(house.state());
    let (status, _) = answer(app, "POST", None).await;
    assert_eq!(status, 401);
    let scopes = RequireScopes::new(house.verifier.clone(), ["a"]);
    let reads = post(|body: String| async { body }).layer(scopes);
    let (status, _) = answer(
        Router::new().route("/", reads),
        "POST",
        Some(&house.token("b")),
    )
    .await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn the_layer_gives_the_token_as_an_extension() {
    let house = House::new();
    let handler = get(|Extension(token): Extension<Verified>| async move {
        token.claims().subject().to_owned()
    });
    let app = || {
        let layer = AuthLayer::new(house.verifier.clone());
        Router::new().route("/", handler.clone()).layer(layer)
    };
    assert_eq!(
        answer(app(), "GET", Some(&house.token("a"))).await,
        (200, "user-1".to_owned())
    );
    assert_eq!(answer(app(), "GET", None).await.0, 401);
}
