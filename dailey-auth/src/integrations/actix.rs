//! Extractors and a middleware for [Actix Web](https://docs.rs/actix-web).
//!
//! The application's data holds the [`Verifier`]. A handler that takes [`Authenticated`] runs for
//! verified tokens only; one that takes [`MaybeAuthenticated`] also runs without a token, but never with
//! a bad one; [`RequireScopes`] asks for scopes, too.
//!
//! ```
//! use actix_web::{App, web};
//! use dailey_auth::{Verifier, actix::{Authenticated, MaybeAuthenticated, RequireScopes}};
//!
//! async fn hello(Authenticated(token): Authenticated) -> String {
//!     format!("hello {}", token.claims().subject())
//! }
//!
//! async fn public(MaybeAuthenticated(token): MaybeAuthenticated) -> &'static str {
//!     if token.is_some() { "hello again" } else { "hello" }
//! }
//!
//! fn routes(config: &mut web::ServiceConfig, verifier: Verifier) {
//!     let scopes = RequireScopes::new(verifier.clone(), ["reports:read"]);
//!     let reports = web::get().to(|| async { "the reports" });
//!     config
//!         .app_data(web::Data::new(verifier))
//!         .route("/hello", web::get().to(hello))
//!         .route("/reports", reports.wrap(scopes))
//!         .route("/public", web::get().to(public));
//! }
//!
//! # fn start(verifier: Verifier) {
//! let app = App::new().configure(|config| routes(config, verifier));
//! # }
//! ```
//!
//! Without a verifier in the application's data nobody gets in: 500, and an error in the log.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};

pub use super::refusal::Refusal;

use super::gate::{Admitted, Gate, Presence};
use crate::error::Rejection;
use crate::verifier::{Verified, Verifier};

/// A future of the worker's own thread.
type Local<T> = Pin<Box<dyn Future<Output = T>>>;

/// The verified token of the request; without one the handler does not run and a [`Refusal`] is the
/// answer.
///
/// Not inside an `Option`: there Actix Web makes nobody of a bad token. See [`MaybeAuthenticated`].
#[derive(Debug, Clone)]
pub struct Authenticated(pub Verified);

impl Deref for Authenticated {
    type Target = Verified;

    fn deref(&self) -> &Verified {
        &self.0
    }
}

impl FromRequest for Authenticated {
    type Error = Refusal;
    type Future = Local<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match extract(&request, Presence::Required).await? {
                Some(token) => Ok(Self(token)),
                None => Err(Rejection::TokenMissing.into()),
            }
        })
    }
}

/// The verified token of the request, `None` when it has no `Authorization` header. A bad token is
/// refused all the same.
#[derive(Debug, Clone)]
pub struct MaybeAuthenticated(pub Option<Verified>);

impl FromRequest for MaybeAuthenticated {
    type Error = Refusal;
    type Future = Local<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { extract(&request, Presence::Optional).await.map(Self) })
    }
}

/// A middleware that lets only verified tokens with all of its scopes through: 401 without a verified
/// token, 403 `insufficient_scope` (RFC 6750 section 3.1) without a scope.
///
/// It verifies by itself, so it is closed wherever it stands. [`Verified`] is among the request's
/// extensions behind it, and extractors of the same verifier take over its verdict.
#[derive(Debug, Clone)]
pub struct RequireScopes {
    gate: Gate,
}

impl RequireScopes {
    /// Asks for every one of `scopes`. None at all still asks for a verified token; a scope that is
    /// empty or has a space is held by no token.
    pub fn new<S: Into<String>>(verifier: Verifier, scopes: impl IntoIterator<Item = S>) -> Self {
        Self {
            gate: Gate::new(verifier).scopes(scopes),
        }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireScopes
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Guarded {
            gate: self.gate.clone(),
            inner: Rc::new(inner),
        }))
    }
}

/// A service behind [`RequireScopes`].
#[derive(Debug)]
pub struct Guarded<S> {
    gate: Gate,
    inner: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Local<Result<Self::Response, Error>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let gate = self.gate.clone();
        let inner = Rc::clone(&self.inner);
        Box::pin(async move {
            // An answer and no error, so that what stands around this one (CORS, logs) sees to it.
            match admit(&gate, request.request()).await {
                Ok(_) => inner
                    .call(request)
                    .await
                    .map(ServiceResponse::map_into_left_body),
                Err(refusal) => {
                    let response = refusal.error_response();
                    Ok(request.into_response(response).map_into_right_body())
                }
            }
        })
    }
}

async fn extract(request: &HttpRequest, presence: Presence) -> Result<Option<Verified>, Refusal> {
    let verifier = request
        .app_data::<web::Data<Verifier>>()
        .map(web::Data::get_ref)
        .or_else(|| request.app_data::<Verifier>());
    let Some(verifier) = verifier else {
        tracing::error!("the application's data holds no dailey_auth::Verifier: nobody gets in");
        return Err(Refusal::no_verifier());
    };
    let gate = Gate::new(verifier.clone()).presence(presence);
    admit(&gate, request).await
}

/// The verdict on a request, which goes on with it: `Verified` among its extensions.
async fn admit(gate: &Gate, request: &HttpRequest) -> Result<Option<Verified>, Refusal> {
    let before = {
        let mut extensions = request.extensions_mut();
        // Never the verdict of another gate under this one's name.
        extensions.remove::<Verified>();
        extensions.remove::<Admitted>()
    };
    let Some(admitted) = gate.admit(authorization(request.headers()), before).await? else {
        return Ok(None);
    };
    let token = admitted.token().clone();
    let mut extensions = request.extensions_mut();
    extensions.insert(token.clone());
    extensions.insert(admitted);
    Ok(Some(token))
}

/// The values of all `Authorization` headers.
fn authorization(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(AUTHORIZATION).map(HeaderValue::as_bytes)
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        for header in self.headers() {
            response.insert_header(header);
        }
        response.body(self.body())
    }
}
