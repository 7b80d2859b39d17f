//! Answers links: one object for whoever has one, without a token, and nothing else.

use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use dailey_http::Problem;
use http::{HeaderMap, StatusCode, Uri};

use super::openapi::{LinkRefusals, ObjectBody, PutRefusals, StateRefusals};
use super::{App, key_invalid, reading, writing};
use crate::audit::Via;
use crate::key::ObjectKey;
use crate::link::{LINKS, Link, LinkError};
use crate::storage::LinkMethod;

/// Get an object by a link
///
/// `GET /api/links/{key}?…`: as `GET /api/media/{key}` with the token of whoever made the link.
#[utoipa::path(get, path = "/api/links/{key}", operation_id = "get_by_link", tag = "links", params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("app" = String, Query, description = "As the link has it"),
    ("sub" = String, Query, description = "As the link has it"),
    ("expires" = u64, Query, description = "Seconds since 1970, as the link has it"),
    ("signature" = String, Query, description = "As the link has it"),
    ("If-None-Match" = Option<String>, Header, description = "RFC 9110 13.1.2"),
    ("If-Match" = Option<String>, Header, description = "RFC 9110 13.1.1"),
    ("If-Modified-Since" = Option<String>, Header, description = "RFC 9110 13.1.3: an HTTP date; ignored beside `If-None-Match`"),
    ("If-Unmodified-Since" = Option<String>, Header, description = "RFC 9110 13.1.4: an HTTP date; ignored beside `If-Match`"),
    ("Range" = Option<String>, Header, description = "RFC 9110 14.2"),
    ("If-Range" = Option<String>, Header, description = "RFC 9110 13.1.5"),
), responses(
    LinkRefusals,
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
    let link = followed(&app, LinkMethod::Get, &headers, &uri)?;
    reading::whole_or_part(&app, &link.at, &headers, &uri).await
}

/// Ask about an object by a link
///
/// `HEAD /api/links/{key}?…`.
#[utoipa::path(head, path = "/api/links/{key}", operation_id = "head_by_link", tag = "links", params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("app" = String, Query, description = "As the link has it"),
    ("sub" = String, Query, description = "As the link has it"),
    ("expires" = u64, Query, description = "Seconds since 1970, as the link has it"),
    ("signature" = String, Query, description = "As the link has it"),
    ("If-None-Match" = Option<String>, Header, description = "RFC 9110 13.1.2"),
    ("If-Match" = Option<String>, Header, description = "RFC 9110 13.1.1"),
    ("If-Modified-Since" = Option<String>, Header, description = "RFC 9110 13.1.3: an HTTP date; ignored beside `If-None-Match`"),
    ("If-Unmodified-Since" = Option<String>, Header, description = "RFC 9110 13.1.4: an HTTP date; ignored beside `If-Match`"),
), responses(
    LinkRefusals,
    (status = 200, description = "It is there; its headers"),
    (status = 304, description = "It is as the client has it"),
    StateRefusals,
))]
pub(super) async fn head(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let link = followed(&app, LinkMethod::Get, &headers, &uri)?;
    reading::without_bytes(&app, &link.at, &headers, &uri).await
}

/// Put an object by a link
///
/// `PUT /api/links/{key}?…`.
#[utoipa::path(put, path = "/api/links/{key}", operation_id = "put_by_link", tag = "links", params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes, percent-encoded once; slashes as they are"),
    ("app" = String, Query, description = "As the link has it"),
    ("sub" = String, Query, description = "As the link has it"),
    ("expires" = u64, Query, description = "Seconds since 1970, as the link has it"),
    ("signature" = String, Query, description = "As the link has it"),
), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    LinkRefusals,
    (status = 200, description = "Another object was there", body = ObjectBody),
    (status = 201, description = "It is there", body = ObjectBody),
    PutRefusals,
))]
pub(super) async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let link = followed(&app, LinkMethod::Put, &headers, &uri)?;
    writing::receive_object(&app, link.at, Via::Link, &headers, body).await
}

fn followed(
    app: &App,
    method: LinkMethod,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Link, Problem> {
    let raw = uri.path().strip_prefix(LINKS).unwrap_or_default();
    let key = ObjectKey::from_path(raw).map_err(key_invalid)?;
    let query = uri.query().unwrap_or_default();
    let link = Link::read(&app.link_secret, method, key, query, now_seconds());
    let link = match link {
        // An app that is no longer served is not served by old links either.
        Ok(link) if app.access.knows_app(link.at.space.app_id()) => link,
        Ok(_) | Err(LinkError::Invalid) => {
            app.access.limits().stranger()?;
            return Err(refused(
                "link_invalid",
                "this is not a link as this service gave it, or not for this method: ask for a new one",
            ));
        }
        Err(LinkError::Expired) => {
            app.access.limits().link()?;
            return Err(refused(
                "link_expired",
                "the link's time is over: ask for a new one",
            ));
        }
    };
    app.access.limits().link()?;
    if !link.is_followed_by(headers) {
        return Err(refused(
            "link_headers_missing",
            "the link was given together with headers: send every one of them as it was given",
        ));
    }
    Ok(link)
}

pub(super) fn now_seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn refused(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}
