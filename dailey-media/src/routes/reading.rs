//! Gives objects back: whole, in part, or only what is known of them.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dailey_http::Problem;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::openapi::{ProblemBody, Refusals};
use super::{App, about, absent, condition_failed, failed, key, malformed_condition};
use crate::access::Scope;
use crate::preconditions::{self, Preconditions, ReadVerdict};
use crate::range::{self, Wanted};
use crate::representation::{self, Download};
use crate::storage::{Location, Object, Opened};

/// Get an object
///
/// `GET /api/media/{key}`.
#[utoipa::path(get, path = "/api/media/{key}", operation_id = "get_object", tag = "objects", security(("bearer" = [])), params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("download" = Option<String>, Query, description = "Save it, under this name if there is one"),
    ("If-None-Match" = Option<String>, Header, description = "RFC 9110 13.1.2"),
    ("If-Match" = Option<String>, Header, description = "RFC 9110 13.1.1"),
    ("Range" = Option<String>, Header, description = "RFC 9110 14.2"),
    ("If-Range" = Option<String>, Header, description = "RFC 9110 13.1.5"),
), responses(
    Refusals,
    (status = 200, description = "The object", content_type = "application/octet-stream", body = Vec<u8>),
    (status = 206, description = "A part of it", content_type = "application/octet-stream", body = Vec<u8>),
    (status = 304, description = "It is as the client has it"),
    (status = 400, description = "`key_invalid`, `precondition_malformed`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 404, description = "`object_not_found`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 416, description = "`range_not_satisfiable`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (at, conditions) = target(&app, &headers, &uri).await?;
    let Opened { object, content } = app
        .storage
        .open(&at)
        .await
        .map_err(failed)?
        .ok_or_else(absent)?;
    if let Some(answer) = unneeded(&conditions, &object)? {
        return Ok(answer);
    }
    let mut out = representation::headers(&at.key, &object, &Download::from_query(uri.query()));
    let wanted = if preconditions::if_range_holds(&headers, &object.validators()) {
        range::wanted(&headers, object.size)
    } else {
        Wanted::Whole
    };
    let (status, part) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..object.size),
        Wanted::Part(part) => {
            let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, object.size);
            out.insert(header::CONTENT_RANGE, value(&content_range));
            (StatusCode::PARTIAL_CONTENT, part)
        }
        Wanted::Unsatisfiable => return Err(unsatisfiable(&object)),
    };
    out.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
    Ok((status, out, content.body(part)).into_response())
}

/// Ask about an object
///
/// `HEAD /api/media/{key}`: as GET, but a range means nothing (RFC 9110 14.2).
#[utoipa::path(head, path = "/api/media/{key}", operation_id = "head_object", tag = "objects", security(("bearer" = [])), params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("If-None-Match" = Option<String>, Header, description = "RFC 9110 13.1.2"),
    ("If-Match" = Option<String>, Header, description = "RFC 9110 13.1.1"),
), responses(
    Refusals,
    (status = 200, description = "It is there; its headers"),
    (status = 304, description = "It is as the client has it"),
    (status = 400, description = "`key_invalid`, `precondition_malformed`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 404, description = "`object_not_found`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 412, description = "`precondition_failed`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn head(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (at, conditions) = target(&app, &headers, &uri).await?;
    let object = app
        .storage
        .stat(&at)
        .await
        .map_err(failed)?
        .ok_or_else(absent)?;
    if let Some(answer) = unneeded(&conditions, &object)? {
        return Ok(answer);
    }
    let mut out = representation::headers(&at.key, &object, &Download::from_query(uri.query()));
    out.insert(header::CONTENT_LENGTH, object.size.into());
    Ok((out, Body::empty()).into_response())
}

async fn target(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(Location, Preconditions), Problem> {
    let space = app.access.space(headers, Scope::Read).await?;
    let at = Location {
        space,
        key: key(uri)?,
    };
    Ok((
        at,
        Preconditions::read(headers).map_err(malformed_condition)?,
    ))
}

/// The answer when the conditions make the object itself needless.
fn unneeded(conditions: &Preconditions, object: &Object) -> Result<Option<Response>, Problem> {
    match conditions.read_verdict(&object.validators()) {
        ReadVerdict::Proceed => Ok(None),
        ReadVerdict::NotModified => Ok(Some(
            (
                StatusCode::NOT_MODIFIED,
                representation::cache_headers(object),
            )
                .into_response(),
        )),
        ReadVerdict::Failed => Err(condition_failed(Some(object))),
    }
}

fn unsatisfiable(object: &Object) -> Problem {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        "the range begins behind the object's end; the Content-Range header has its size",
    )
    .header(
        header::CONTENT_RANGE,
        value(&format!("bytes */{}", object.size)),
    );
    about(problem, object)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("digits and ASCII signs")
}
