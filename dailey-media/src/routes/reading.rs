//! Gives objects back: whole, in part, or only what is known of them.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dailey_http::Problem;
use futures_util::stream::{self, TryStreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::links::now_seconds;
use super::openapi::{Refusals, StateRefusals};
use super::{App, about, absent, condition_failed, failed, key, malformed_condition};
use crate::access::Scope;
use crate::multipart::{Multipart, content_range};
use crate::preconditions::{self, Preconditions, ReadVerdict};
use crate::range::{self, Wanted};
use crate::representation::{self, Download};
use crate::storage::{Content, Location, Object, Opened, StorageError};

/// How often an object is looked at that others replace while it is looked at.
const MAX_LOOKS: usize = 8;

/// Largest object that a store reads as a whole when it is opened.
const IN_MEMORY_BYTES: u64 = 64 * 1024;

/// Get an object
///
/// `GET /api/media/{key}`.
#[utoipa::path(get, path = "/api/media/{key}", operation_id = "get_object", tag = "objects", security(("bearer" = [])), params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("download" = Option<String>, Query, description = "Save it, under this name if there is one"),
    ("If-None-Match" = Option<String>, Header, description = "RFC 9110 13.1.2"),
    ("If-Match" = Option<String>, Header, description = "RFC 9110 13.1.1"),
    ("If-Modified-Since" = Option<String>, Header, description = "RFC 9110 13.1.3: an HTTP date; ignored beside `If-None-Match`"),
    ("If-Unmodified-Since" = Option<String>, Header, description = "RFC 9110 13.1.4: an HTTP date; ignored beside `If-Match`"),
    ("Range" = Option<String>, Header, description = "RFC 9110 14.2"),
    ("If-Range" = Option<String>, Header, description = "RFC 9110 13.1.5"),
), responses(
    Refusals,
    (status = 200, description = "The object", content_type = "application/octet-stream", body = Vec<u8>),
    (status = 206, description = "A part of it", content_type = "application/octet-stream", body = Vec<u8>),
    (status = 304, description = "It is as the client has it"),
    StateRefusals,
    (status = 416, description = "`range_not_satisfiable`"),
))]
pub(super) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let at = target(&app, &headers, &uri).await?;
    whole_or_part(&app, &at, &headers, &uri).await
}

/// The object at `at` for whoever may read it.
pub(super) async fn whole_or_part(
    app: &App,
    at: &Location,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Problem> {
    let conditions = Preconditions::read(headers).map_err(malformed_condition)?;
    let in_part = headers.contains_key(header::RANGE);
    for look in 0..MAX_LOOKS {
        // Who has it already mostly needs nothing of it.
        let opening = if in_part || (look == 0 && !conditions.is_empty()) {
            app.storage.open_in_part(at)
        } else {
            app.storage.open(at)
        };
        let opened = opening.await.map_err(failed)?.ok_or_else(absent)?;
        let size = opened.object.size;
        if let Some(answer) = answer(app, at, headers, uri, &conditions, opened).await? {
            // Of a small object all bytes are here already.
            return Ok(if size <= IN_MEMORY_BYTES {
                answer
            } else {
                answer.map(|body| app.metrics.watched(body))
            });
        }
    }
    Err(failed(StorageError::Busy))
}

/// What is sent of an opened object; `None` where another has taken its place before it could begin.
async fn answer(
    app: &App,
    at: &Location,
    headers: &HeaderMap,
    uri: &Uri,
    conditions: &Preconditions,
    Opened { object, content }: Opened,
) -> Result<Option<Response>, Problem> {
    if let Some(answer) = unneeded(conditions, &object)? {
        return Ok(Some(answer));
    }
    let mut out = representation::headers(&at.key, &object, &Download::from_query(uri.query()));
    let now = now_seconds();
    let wanted = if preconditions::if_range_holds(headers, &object.validators(), now) {
        range::wanted(headers, object.size)
    } else {
        Wanted::Whole
    };
    let (status, part) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..object.size),
        Wanted::Part(part) => {
            let content_range = content_range(&part, object.size);
            out.insert(header::CONTENT_RANGE, value(&content_range));
            (StatusCode::PARTIAL_CONTENT, part)
        }
        Wanted::Parts(parts) if parts.len() > app.limits.ranges_max as usize => {
            return Err(too_many(app, &object));
        }
        Wanted::Parts(parts) => match several(app, at, &object, &parts).await? {
            Some(others) => {
                let mut parts = parts.into_iter();
                let first = parts.next().unwrap_or_default();
                let Some(body) = content.body(first.clone()).await.map_err(failed)? else {
                    return Ok(None);
                };
                let later = parts.zip(others);
                let later = later.map(|(part, content)| (part.clone(), later_body(content, part)));
                let parts = [(first, body)].into_iter().chain(later).collect();
                let content_type = &object.description.content_type;
                let body = Multipart::new(content_type, object.size, parts);
                out.insert(header::CONTENT_TYPE, value(&body.content_type()));
                out.insert(header::CONTENT_LENGTH, body.content_length().into());
                let answer = (StatusCode::PARTIAL_CONTENT, out, Body::new(body));
                return Ok(Some(answer.into_response()));
            }
            // It was replaced in this moment: what was opened first is given whole, if it can be had.
            None => (StatusCode::OK, 0..object.size),
        },
        Wanted::Unsatisfiable => return Err(unsatisfiable(&object, BEHIND_THE_END)),
        Wanted::TooMany => return Err(too_many(app, &object)),
    };
    out.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
    let body = content.body(part).await.map_err(failed)?;
    Ok(body.map(|body| (status, out, body).into_response()))
}

/// A part whose turn comes when the ones before it are sent. Where another object has taken its place by
/// then, the connection is cut: the client is not given a mix.
fn later_body(content: Box<dyn Content>, part: Range<u64>) -> Body {
    let asked = async move {
        let body = content.body(part).await.map_err(io::Error::other)?;
        let body = body.ok_or_else(|| io::Error::other("the object was replaced"))?;
        Ok::<_, io::Error>(body.into_data_stream().map_err(io::Error::other))
    };
    Body::from_stream(stream::once(asked).try_flatten())
}

/// The same object once more for each part but the first; `None` where another has taken its place.
async fn several(
    app: &App,
    at: &Location,
    object: &Object,
    parts: &[Range<u64>],
) -> Result<Option<Vec<Box<dyn Content>>>, Problem> {
    let mut others = Vec::new();
    for _ in 1..parts.len() {
        match app.storage.open_in_part(at).await.map_err(failed)? {
            Some(opened) if opened.object == *object => others.push(opened.content),
            _ => return Ok(None),
        }
    }
    Ok(Some(others))
}

/// Ask about an object
///
/// `HEAD /api/media/{key}`: as GET, but a range means nothing (RFC 9110 14.2).
#[utoipa::path(head, path = "/api/media/{key}", operation_id = "head_object", tag = "objects", security(("bearer" = [])), params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("If-None-Match" = Option<String>, Header, description = "RFC 9110 13.1.2"),
    ("If-Match" = Option<String>, Header, description = "RFC 9110 13.1.1"),
    ("If-Modified-Since" = Option<String>, Header, description = "RFC 9110 13.1.3: an HTTP date; ignored beside `If-None-Match`"),
    ("If-Unmodified-Since" = Option<String>, Header, description = "RFC 9110 13.1.4: an HTTP date; ignored beside `If-Match`"),
), responses(
    Refusals,
    (status = 200, description = "It is there; its headers"),
    (status = 304, description = "It is as the client has it"),
    StateRefusals,
))]
pub(super) async fn head(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let at = target(&app, &headers, &uri).await?;
    without_bytes(&app, &at, &headers, &uri).await
}

/// What [`whole_or_part`] would send, without the bytes.
pub(super) async fn without_bytes(
    app: &App,
    at: &Location,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Response, Problem> {
    let conditions = Preconditions::read(headers).map_err(malformed_condition)?;
    let object = app
        .storage
        .stat(at)
        .await
        .map_err(failed)?
        .ok_or_else(absent)?;
    if let Some(mut answer) = unneeded(&conditions, &object)? {
        // Without it the router would tell the length of the answer's own, empty body (RFC 9110 8.6).
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_LENGTH, object.size.into());
        return Ok(answer);
    }
    let mut out = representation::headers(&at.key, &object, &Download::from_query(uri.query()));
    out.insert(header::CONTENT_LENGTH, object.size.into());
    Ok((out, Body::empty()).into_response())
}

async fn target(app: &App, headers: &HeaderMap, uri: &Uri) -> Result<Location, Problem> {
    let space = app.access.space(headers, Scope::Read).await?;
    let key = key(uri)?;
    Ok(Location { space, key })
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

const BEHIND_THE_END: &str =
    "the range begins behind the object's end; the Content-Range header has its size";

fn too_many(app: &App, object: &Object) -> Problem {
    let most = app.limits.ranges_max;
    let detail = format!(
        "of ranges that lie apart at most {most} are given at once: ask for fewer, or for one that spans them"
    );
    unsatisfiable(object, detail)
}

fn unsatisfiable(object: &Object, detail: impl Into<Cow<'static, str>>) -> Problem {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        detail,
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
