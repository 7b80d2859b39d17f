//! The published keys: from memory, whatever the database does.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Core;

/// How long a verifier may keep the set: short enough for a rotation, long enough to cost nothing.
const CACHE_CONTROL: &str = "public, max-age=300";

/// A key set (RFC 7517).
#[derive(Serialize, ToSchema)]
pub(super) struct JwkSet {
    keys: Vec<Jwk>,
}

/// A public key.
#[derive(Serialize, ToSchema)]
struct Jwk {
    #[schema(pattern = "^RSA$")]
    kty: String,
    #[schema(rename = "use", pattern = "^sig$")]
    r#use: String,
    #[schema(pattern = "^RS256$")]
    alg: String,
    kid: String,
    n: String,
    e: String,
}

/// Every published key
///
/// From memory, whatever the database does.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", responses(
    (status = 200, description = "The keys, with `ETag` and `Cache-Control: public, max-age=300`", body = JwkSet),
    (status = 304, description = "`If-None-Match` names what is published"),
))]
pub(super) async fn jwks(State(core): State<Arc<Core>>, headers: HeaderMap) -> Response {
    let live = core.live();
    let validators = [
        (header::ETAG, live.jwks.etag.as_str()),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    if is_known(&headers, &live.jwks.etag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    (
        validators,
        [(header::CONTENT_TYPE, "application/json")],
        live.jwks.body.clone(),
    )
        .into_response()
}

/// RFC 9110 13.1.2: any of the listed tags, compared weakly, or `*`.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| {
            value
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
        })
}
