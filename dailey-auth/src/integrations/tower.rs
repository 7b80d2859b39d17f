//! A layer for tower services over HTTP: axum, hyper, warp and whatever else speaks [`http`].
//!
//! ```
//! use dailey_auth::{Verified, Verifier, tower::AuthLayer};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! # use dailey_auth::{KeySet, testing::{SigningKey, TokenBuilder}};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! # let key = SigningKey::generate();
//! # let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes())?;
//! # let verifier = Verifier::builder("https://core.example", ["app"]).key_set(keys).build()?;
//! # let token = TokenBuilder::new("https://core.example", "app").claim("scope", "reports:read").sign(&key);
//! let hello = service_fn(|request: Request<String>| async move {
//!     // Put there by the layer, and only for a token that was verified.
//!     let name = request.extensions().get::<Verified>().map(|token| token.claims().subject().to_owned());
//!     Ok::<_, std::convert::Infallible>(Response::new(format!("hello {}", name.unwrap_or_default())))
//! });
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(verifier).require_scopes(["reports:read"]))
//!     .service(hello);
//!
//! let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new())?;
//! assert_eq!(service.clone().oneshot(request).await?.body(), "hello user-1");
//!
//! let refused = service.oneshot(Request::get("/").body(String::new())?).await?;
//! assert_eq!(refused.status(), 401);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use super::refusal::Refusal;

use super::gate::{Gate, Presence};
use super::service::{Answer, Guarded};
use crate::verifier::Verifier;

/// Lets only requests with a verified token through, with [`Verified`](crate::Verified) among their
/// extensions; answers all others with a [`Refusal`] without reading their body.
///
/// The service's response body must be one that can be made of a [`String`], as axum's and
/// `http_body_util`'s `Full` can.
#[derive(Debug, Clone)]
pub struct AuthLayer {
    gate: Gate,
}

impl AuthLayer {
    /// A layer that asks for a token.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            gate: Gate::new(verifier),
        }
    }

    /// Also asks for every one of these scopes, and of those of earlier calls: 403
    /// `insufficient_scope`. A scope that is empty or has a space is held by no token.
    #[must_use]
    pub fn require_scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self {
            gate: self.gate.scopes(scopes),
        }
    }

    /// Lets a request without an `Authorization` header through as nobody, without
    /// [`Verified`](crate::Verified) among its extensions. A bad token is refused all the same, and
    /// required scopes still need a token.
    #[must_use]
    pub fn optional(self) -> Self {
        Self {
            gate: self.gate.presence(Presence::Optional),
        }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService(Guarded::new(self.gate.clone(), inner))
    }
}

/// A service behind an [`AuthLayer`].
#[derive(Debug, Clone)]
pub struct AuthService<S>(Guarded<S>);

impl<S, B, R> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String> + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answer<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request, Refusal::into_response)
    }
}
