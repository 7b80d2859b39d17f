//! An extractor and a layer for [axum](https://docs.rs/axum).
//!
//! The router's state is, or gives (`FromRef`), the [`Verifier`]. A handler that takes
//! [`Authenticated`] runs for verified tokens only; one that takes `Option<Authenticated>` also runs
//! without a token, but never with a bad one; [`RequireScopes`] asks for scopes, too.
//!
//! ```
//! use axum::{Router, routing::get};
//! use dailey_auth::{Verifier, axum::{Authenticated, RequireScopes}};
//!
//! async fn hello(Authenticated(token): Authenticated) -> String {
//!     format!("hello {}", token.claims().subject())
//! }
//!
//! async fn public(token: Option<Authenticated>) -> &'static str {
//!     if token.is_some() { "hello again" } else { "hello" }
//! }
//!
//! fn app(verifier: Verifier) -> Router {
//!     let reports = get(|| async { "the reports" });
//!     Router::new()
//!         .route("/hello", get(hello))
//!         .route("/reports", reports.layer(RequireScopes::new(verifier.clone(), ["reports:read"])))
//!         .route("/public", get(public))
//!         .with_state(verifier)
//! }
//! ```
//!
//! For whole routers there is [`AuthLayer`], which puts [`Verified`] among the request's extensions.
//! An extractor behind a layer of the same verifier takes over its verdict.

use std::ops::Deref;

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use tower_layer::Layer;

pub use super::refusal::Refusal;
pub use super::tower::AuthLayer;

use super::gate::{Gate, Presence};
use super::service::admit;
use super::tower::AuthService;
use crate::error::Rejection;
use crate::verifier::{Verified, Verifier};

/// The verified token of the request; without one the handler does not run and a [`Refusal`] is the
/// answer.
#[derive(Debug, Clone)]
pub struct Authenticated(pub Verified);

impl Deref for Authenticated {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.0
    }
}

impl<S> FromRequestParts<S> for Authenticated
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let gate = Gate::new(Verifier::from_ref(state));
        match admit(&gate, parts).await? {
            Some(token) => Ok(Self(token)),
            None => Err(Rejection::TokenMissing.into()),
        }
    }
}

impl<S> OptionalFromRequestParts<S> for Authenticated
where
    Verifier: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        let gate = Gate::new(Verifier::from_ref(state)).presence(Presence::Optional);
        Ok(admit(&gate, parts).await?.map(Self))
    }
}

/// A layer that lets only verified tokens with all of its scopes through: 401 without a verified token,
/// 403 `insufficient_scope` (RFC 6750 section 3.1) without a scope.
///
/// It verifies by itself, so it is closed wherever it stands, with or without an [`AuthLayer`]; behind
/// one of the same verifier it takes over its verdict.
#[derive(Debug, Clone)]
pub struct RequireScopes(AuthLayer);

impl RequireScopes {
    /// Asks for every one of `scopes`. None at all still asks for a verified token; a scope that is
    /// empty or has a space is held by no token.
    pub fn new<S: Into<String>>(verifier: Verifier, scopes: impl IntoIterator<Item = S>) -> Self {
        Self(AuthLayer::new(verifier).require_scopes(scopes))
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        self.0.layer(inner)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Refusal::into_response(self)
    }
}
