//! The layer for tonic: refusals as gRPC statuses.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::convert::Infallible;

use dailey_auth::testing::{SigningKey, TokenBuilder};
use dailey_auth::tonic::{AuthLayer, CODE, require_scopes, verified};
use dailey_auth::{KeySet, Verifier};
use http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer as _, ServiceExt as _, service_fn};

const ISSUER: &str = "https://core.example";

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
}

/// The status of a call; the method behind the layer asks for a token and a scope.
async fn call(layer: &AuthLayer, authorization: Option<&str>) -> Option<Status> {
    let method = service_fn(async |request: Request<()>| {
        let request = tonic::Request::from_http(request);
        let verdict = verified(&request).and_then(|_| require_scopes(&request, &["method"]));
        let answer = verdict.map(|_| Response::new(String::new()));
        Ok::<_, Infallible>(answer.unwrap_or_else(Status::into_http))
    });
    let mut request = Request::post("/service/Method");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(()).unwrap();
    let response = layer.layer(method).oneshot(request).await.unwrap();
    // Refusals of gRPC are 200 in HTTP.
    assert_eq!(response.status(), 200);
    Status::from_header_map(response.headers())
}

fn code(status: Option<&Status>) -> (Code, &str) {
    let status = status.unwrap();
    let code = status.metadata().get(CODE).unwrap();
    (status.code(), code.to_str().unwrap())
}

#[tokio::test]
async fn refusals_are_statuses_with_the_stable_code() {
    let house = House::new();
    let layer = AuthLayer::new(house.verifier.clone());
    let status = call(&layer, None).await;
    assert_eq!(
        code(status.as_ref()),
        (Code::Unauthenticated, "token_missing")
    );
    let status = call(&layer, Some("Bearer x.y.z")).await;
    assert_eq!(
        code(status.as_ref()),
        (Code::Unauthenticated, "token_malformed")
    );
    let status = call(&layer, Some(&house.token("other"))).await;
    assert_eq!(
        code(status.as_ref()),
        (Code::PermissionDenied, "insufficient_scope")
    );
    let layer = layer.require_scopes(["layer"]);
    let status = call(&layer, Some(&house.token("method"))).await;
    assert_eq!(
        code(status.as_ref()),
        (Code::PermissionDenied, "insufficient_scope")
    );
    let status = call(&layer, Some(&house.token("method layer"))).await;
    assert!(status.is_none(), "{status:?}");
}

#[tokio::test]
async fn a_method_behind_an_optional_layer_or_none_refuses_by_itself() {
    let house = House::new();
    let layer = AuthLayer::new(house.verifier.clone()).optional();
    let status = call(&layer, None).await;
    assert_eq!(
        code(status.as_ref()),
        (Code::Unauthenticated, "token_missing")
    );
    let status = verified(&tonic::Request::new(())).unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}
