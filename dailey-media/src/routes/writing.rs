//! Takes objects in: streamed, bounded in size and time, checked, and visible only when complete.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dailey_http::Problem;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use http_body::Body as _;

use super::{App, condition_failed, failed, key, listing, malformed_condition};
use crate::access::Scope;
use crate::description::Description;
use crate::digest::{self, REPR_DIGEST};
use crate::pace::{Ended, Paced};
use crate::preconditions::Preconditions;
use crate::storage::{Commit, Committed, Location, Object, Replaced, StorageError, Target, Upload};

/// Largest body: below the 100 MB at which the edge in front cuts.
const MAX_BODY_BYTES: u64 = 95 * 1024 * 1024;

/// `PUT /api/media/{key}`.
pub(super) async fn put(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let space = app.access.space(&headers, Scope::Write).await?;
    let at = Location {
        space,
        key: key(&uri)?,
    };
    refuse_parts(&headers)?;
    let description = Description::read(&headers)
        .map_err(|error| bad_request("description_invalid", error.to_string()))?;
    let expected = digest::expected(&headers)
        .map_err(|error| bad_request("digest_invalid", error.to_string()))?;
    let conditions = Preconditions::read(&headers).map_err(malformed_condition)?;
    if body.size_hint().lower() > MAX_BODY_BYTES {
        return Err(Problem::body_too_large(MAX_BODY_BYTES));
    }
    // Tried again at the commit, which decides; here it spares the client a useless upload.
    if !conditions.is_empty() {
        let (allowed, current) = match app.storage.stat(&at).await {
            Ok(current) => {
                let validators = current.as_ref().map(Object::validators);
                (conditions.allow_change(validators.as_ref()), current)
            }
            Err(StorageError::Damaged(_)) => (conditions.allow_change_of_unknown(), None),
            Err(error) => return Err(failed(error)),
        };
        if !allowed {
            return Err(condition_failed(current.as_ref()));
        }
    }
    let name = at.key.as_str().to_owned();
    let target = Target { at, description };
    let mut upload = app.storage.upload(target).await.map_err(failed)?;
    receive(body, &mut *upload).await?;
    let commit = Commit {
        conditions,
        expected,
    };
    match upload.commit(commit).await.map_err(failed)? {
        Committed::Stored { object, replaced } => Ok(stored(&name, &object, replaced)),
        Committed::ConditionFailed(current) => Err(condition_failed(current.as_ref())),
        Committed::DigestMismatch => Err(bad_request(
            "digest_mismatch",
            "the bytes that arrived are not those of the digest; nothing was stored: send them again",
        )),
    }
}

/// A body that is only a part, or coded, would be stored as something that it is not.
fn refuse_parts(headers: &HeaderMap) -> Result<(), Problem> {
    // RFC 9110 14.5.
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(bad_request(
            "content_range_not_allowed",
            "an upload is the whole object: remove Content-Range",
        ));
    }
    let coded = headers.get_all(header::CONTENT_ENCODING).iter();
    if coded
        .into_iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_encoding_not_supported",
            "objects are stored as they are: send the bytes without Content-Encoding",
        ));
    }
    Ok(())
}

async fn receive(body: Body, upload: &mut dyn Upload) -> Result<(), Problem> {
    let mut body = Paced::new(body);
    while let Some(bytes) = body.next().await.map_err(ended)? {
        if body.came() > MAX_BODY_BYTES {
            return Err(Problem::body_too_large(MAX_BODY_BYTES));
        }
        upload.write(bytes).await.map_err(failed)?;
    }
    Ok(())
}

fn ended(why: Ended) -> Problem {
    match why {
        Ended::Broken => bad_request(
            "body_incomplete",
            "the body ended too early; nothing was stored",
        ),
        Ended::TooSlow => too_slow(),
    }
}

pub(super) fn stored(name: &str, object: &Object, replaced: Replaced) -> Response {
    let status = match replaced {
        Replaced::Nothing => StatusCode::CREATED,
        Replaced::Object => StatusCode::OK,
    };
    let headers = [
        (header::ETAG, object.validators().etag),
        (
            header::LAST_MODIFIED,
            httpdate::fmt_http_date(object.modified()),
        ),
        (REPR_DIGEST, object.sha256.to_field()),
    ];
    (status, headers, Json(listing::describe(name, object))).into_response()
}

fn bad_request(code: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_too_slow",
        "the body came too slowly; nothing was stored: send it again on a better connection",
    )
    .header(header::CONNECTION, HeaderValue::from_static("close"))
}
