//! The layer before a tower service: who gets through, and what the service sees.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::tower::AuthLayer;
use dailey_auth::{KeySet, Verified, Verifier};
use http::{HeaderMap, Request, Response};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

const ISSUER: &str = "https://core.example";

fn verifier(key: &SigningKey, audience: &str) -> Verifier {
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
    let builder = Verifier::builder(ISSUER, [audience]).key_set(keys);
    builder.build().unwrap()
}

fn token(key: &SigningKey, audience: &str) -> String {
    let token = TokenBuilder::new(ISSUER, audience).claim("scope", "reports:read a");
    format!("Bearer {}", token.sign(key))
}

fn request(authorization: &[&str]) -> Request<String> {
    let mut request = Request::new("the body".to_owned());
    for value in authorization {
        let value = value.parse().unwrap();
        request.headers_mut().append("authorization", value);
    }
    request
}

/// Says who is there.
async fn who(request: Request<String>) -> Result<Response<String>, Infallible> {
    let token = request.extensions().get::<Verified>();
    let subject = token.map_or("nobody", |token| token.claims().subject());
    Ok(Response::new(format!("{subject}: {}", request.body())))
}

async fn answer(layer: &AuthLayer, request: Request<String>) -> (u16, HeaderMap, String) {
    let response = layer.layer(service_fn(who)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status.as_u16(), parts.headers, body)
}

#[tokio::test]
async fn a_verified_token_goes_on_with_the_request_and_its_body() {
    let key = SigningKey::generate();
    let layer = AuthLayer::new(verifier(&key, "app"));
    let (status, _, body) = answer(&layer, request(&[&token(&key, "app")])).await;
    assert_eq!((status, body.as_str()), (200, "user-1: the body"));
}

#[tokio::test]
async fn what_is_not_one_good_token_never_reaches_the_service() {
    let key = SigningKey::generate();
    let good = token(&key, "app");
    let foreign = token(&key, "other");
    let layer = AuthLayer::new(verifier(&key, "app"));
    for layer in [layer.clone(), layer.optional()] {
        for (authorization, code) in [
            (&[good.as_str(), good.as_str()][..], "token_missing"),
            (&["Basic dXNlcjpwYXNz"], "token_missing"),
            (&["Bearer"], "token_missing"),
            (&["Bearer "], "token_missing"),
            (&["Bearer garbage"], "token_malformed"),
            (&[foreign.as_str()], "audience_mismatch"),
        ] {
            let (status, headers, body) = answer(&layer, request(authorization)).await;
            assert_eq!(status, 401, "{authorization:?}");
            assert!(body.contains(code), "{body}");
            let challenge = match code {
                "token_missing" => "Bearer".to_owned(),
                code => format!("Bearer error=\"invalid_token\", error_description=\"{code}\""),
            };
            assert_eq!(headers["www-authenticate"], challenge);
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(headers["cache-control"], "no-store");
        }
    }
}

#[tokio::test]
async fn only_an_optional_layer_without_scopes_lets_nobody_through() {
    let key = SigningKey::generate();
    let layer = AuthLayer::new(verifier(&key, "app"));
    let (status, ..) = answer(&layer, request(&[])).await;
    assert_eq!(status, 401);
    let optional = layer.optional();
    let (status, _, body) = answer(&optional, request(&[])).await;
    assert_eq!((status, body.as_str()), (200, "nobody: the body"));
    let scoped = optional.require_scopes(["a"]);
    let (status, ..) = answer(&scoped, request(&[])).await;
    assert_eq!(status, 401, "nobody holds a scope");
}

#[tokio::test]
async fn every_scope_is_required_whatever_call_asked_for_it() {
    let key = SigningKey::generate();
    let layer = AuthLayer::new(verifier(&key, "app")).require_scopes(["reports:read"]);
    let good = token(&key, "app");
    let (status, ..) = answer(&layer, request(&[&good])).await;
    assert_eq!(status, 200);
    let (status, headers, body) = answer(&layer.require_scopes(["b"]), request(&[&good])).await;
    assert_eq!(status, 403);
    assert_eq!(
        headers["www-authenticate"],
        "Bearer error=\"insufficient_scope\", scope=\"reports:read b\""
    );
    assert!(body.contains("insufficient_scope"), "{body}");
}

#[tokio::test]
async fn a_scope_that_no_token_can_hold_keeps_everybody_out() {
    let key = SigningKey::generate();
    for scope in ["", "reports:read a", "Reports:read"] {
        let layer = AuthLayer::new(verifier(&key, "app")).require_scopes([scope]);
        let (status, ..) = answer(&layer, request(&[&token(&key, "app")])).await;
        assert_eq!(status, 403, "{scope:?}");
    }
}

#[tokio::test]
async fn the_verdict_of_one_verifier_never_counts_for_another() {
    let key = SigningKey::generate();
    let (outer, inner) = (verifier(&key, "outer"), verifier(&key, "inner"));
    let service = AuthLayer::new(inner).layer(service_fn(who));
    let service = AuthLayer::new(outer).layer(service);
    let token = token(&key, "outer");
    let response = service.oneshot(request(&[&token])).await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.body().contains("audience_mismatch"));
}

#[tokio::test]
async fn an_earlier_verified_token_is_not_taken_for_the_request_s_own() {
    let key = SigningKey::generate();
    let ours = verifier(&key, "app");
    let text = token(&key, "app");
    let stale = ours.verify(text.strip_prefix("Bearer ").unwrap()).await;
    let mut request = request(&[]);
    request.extensions_mut().insert(stale.unwrap());
    let (status, _, body) = answer(&AuthLayer::new(ours).optional(), request).await;
    assert_eq!((status, body.as_str()), (200, "nobody: the body"));
}

#[tokio::test]
async fn the_token_is_marked_as_sensitive_for_whoever_logs_headers() {
    let key = SigningKey::generate();
    let layer = AuthLayer::new(verifier(&key, "app"));
    let service = layer.layer(service_fn(async |request: Request<String>| {
        Ok::<_, Infallible>(Response::new(format!("{:?}", request.headers())))
    }));
    let token = token(&key, "app");
    let response = service.oneshot(request(&[&token])).await.unwrap();
    assert_eq!(response.body(), "{\"authorization\": Sensitive}");
}

/// Panics when it is called without having been polled ready, as a service may.
#[derive(Debug)]
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            calls: Arc::clone(&self.calls),
        }
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert!(self.ready, "called without having been ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(who(request))
    }
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_that_is_called() {
    let key = SigningKey::generate();
    let calls = Arc::default();
    let strict = Strict {
        ready: false,
        calls: Arc::clone(&calls),
    };
    let mut service = AuthLayer::new(verifier(&key, "app")).layer(strict);
    let token = token(&key, "app");
    for _ in 0..2 {
        let ready = service.ready().await.unwrap();
        let response = ready.call(request(&[&token])).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    let ready = service.ready().await.unwrap();
    let response = ready.call(request(&[])).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}
