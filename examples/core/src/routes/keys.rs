//! The published keys: from memory, whatever the database does.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};

use crate::service::Core;

/// How long a verifier may keep the set: short enough for a rotation, long enough to cost nothing.
const CACHE_CONTROL: &str = "public, max-age=300";

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
