//! Gives objects back: whole, in part, or only what is known of them.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dailey_http::Problem;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::{App, about, absent, condition_failed, failed, key, malformed_condition};
use crate::access::Scope;
use crate::preconditions::{self, Preconditions, ReadVerdict};
use crate::range::{self, Wanted};
use crate::representation::{self, Download};
use crate::storage::{Location, Object, Opened};

/// `GET /api/media/{key}`.
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
    let Opened { object, content } = app
        .storage
        .open(at)
        .await
        .map_err(failed)?
        .ok_or_else(absent)?;
    if let Some(answer) = unneeded(&conditions, &object)? {
        return Ok(answer);
    }
    let mut out = representation::headers(&at.key, &object, &Download::from_query(uri.query()));
    let wanted = if preconditions::if_range_holds(headers, &object.validators()) {
        range::wanted(headers, object.size)
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

/// `HEAD /api/media/{key}`: as GET, but a range means nothing (RFC 9110 14.2).
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
    if let Some(answer) = unneeded(&conditions, &object)? {
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
