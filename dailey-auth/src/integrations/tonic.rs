//! A layer for [tonic](https://docs.rs/tonic) that answers with gRPC statuses.
//!
//! It stands in front of the server or of single services, and verifies before a message is read. A
//! method then asks for the scopes that it needs.
//!
//! ```
//! use dailey_auth::tonic::{AuthLayer, require_scopes, verified};
//! use tonic::{Request, Response, Status};
//!
//! async fn hello(request: Request<()>) -> Result<Response<String>, Status> {
//!     let token = verified(&request)?;
//!     Ok(Response::new(format!("hello {}", token.claims().subject())))
//! }
//!
//! async fn reports(request: Request<()>) -> Result<Response<String>, Status> {
//!     require_scopes(&request, &["reports:read"])?;
//!     Ok(Response::new("the reports".to_owned()))
//! }
//!
//! # fn layer(verifier: dailey_auth::Verifier) -> AuthLayer {
//! // For `tonic::transport::Server::builder().layer(…)`.
//! AuthLayer::new(verifier)
//! # }
//! ```
//!
//! | refusal | gRPC status |
//! | --- | --- |
//! | no token, a refused token | `UNAUTHENTICATED` |
//! | a scope is missing | `PERMISSION_DENIED` |
//! | no verdict now | `UNAVAILABLE`, with `grpc-retry-pushback-ms` (gRFC A6) |
//!
//! The stable code stands in the metadata [`CODE`], and what to do about it in the message.

use std::task::{Context, Poll};

use ::tonic::metadata::{MetadataMap, MetadataValue};
use ::tonic::server::NamedService;
use ::tonic::{Code, Status};
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use super::refusal::Refusal;

use super::bearer;
use super::gate::{Gate, Presence};
use super::refusal::RETRY_AFTER_SECONDS;
use super::service::{Answer, Guarded};
use crate::error::Rejection;
use crate::verifier::{Verified, Verifier};

/// The metadata that holds the stable code of a refusal: `expired`, `insufficient_scope`, …
pub const CODE: &str = "dailey-auth-code";

/// Lets only calls with a verified token through, with [`Verified`] among the extensions of the
/// request; answers all others without reading a message.
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

    /// Also asks for every one of these scopes, and of those of earlier calls. A scope that is empty or
    /// has a space is held by no token.
    #[must_use]
    pub fn require_scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self {
            gate: self.gate.scopes(scopes),
        }
    }

    /// Lets a call without an `authorization` metadata through as nobody: its method decides, and
    /// [`verified`] and [`require_scopes`] refuse it. A bad token is refused all the same.
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
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answer<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0
            .call(request, |refusal| Status::from(refusal).into_http())
    }
}

/// A layered service is routed by the name of the one behind the layer.
impl<S: NamedService> NamedService for AuthService<S> {
    const NAME: &'static str = S::NAME;
}

/// The call's verified token.
///
/// # Errors
///
/// `UNAUTHENTICATED` when there is none, also when no [`AuthLayer`] stands before the method.
pub fn verified<T>(request: &::tonic::Request<T>) -> Result<&Verified, Status> {
    let token = request.extensions().get::<Verified>();
    token.ok_or_else(|| Refusal::from(Rejection::TokenMissing).into())
}

/// The call's verified token, which has every one of `scopes`.
///
/// # Errors
///
/// `UNAUTHENTICATED` as [`verified`], `PERMISSION_DENIED` when a scope is missing.
pub fn require_scopes<'a, T>(
    request: &'a ::tonic::Request<T>,
    scopes: &[impl AsRef<str>],
) -> Result<&'a Verified, Status> {
    let token = verified(request)?;
    bearer::require_scopes(token, scopes)?;
    Ok(token)
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.status() {
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            503 => Code::Unavailable,
            _ => Code::Internal,
        };
        let mut metadata = MetadataMap::new();
        metadata.insert(CODE, MetadataValue::from_static(refusal.code()));
        if code == Code::Unavailable {
            let wait = MetadataValue::from(RETRY_AFTER_SECONDS * 1000);
            metadata.insert("grpc-retry-pushback-ms", wait);
        }
        Self::with_metadata(code, refusal.detail(), metadata)
    }
}
