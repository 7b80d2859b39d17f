//! Request bodies of Core: what `dailey_http::body` reads, as extractors with Core's bound.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use dailey_http::Problem;
use dailey_http::body::{self, BodyError};
use dailey_http::pace::Pace;
use serde::de::DeserializeOwned;

/// Largest body in bytes: the longest legitimate one is some 5 KB.
pub(super) const MAX_BODY_BYTES: usize = 16 * 1024;

/// Reads a body within its bounds.
pub(super) async fn read(request: Request) -> Result<Bytes, BodyError> {
    body::read(request.into_body(), MAX_BODY_BYTES, Pace::default()).await
}

/// A JSON body: an object with known members, each once.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let read = body::json(&head.headers, body, MAX_BODY_BYTES, Pace::default());
        read.await.map(Self)
    }
}

/// A JSON body, or none at all.
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let read = body::optional_json(&head.headers, body, MAX_BODY_BYTES, Pace::default());
        read.await.map(Self)
    }
}
