//! Takes objects in: streamed, bounded in size and time, checked, and visible only when complete.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dailey_http::Problem;
use dailey_http::pace::{Ended, Paced};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use http_body::Body as _;

use super::openapi::{ObjectBody, PutRefusals, Refusals};
use super::{App, condition_failed, failed, key, listing, malformed_condition, refuse_longer_key};
use crate::access::Scope;
use crate::audit::Via;
use crate::changes::Room;
use crate::description::Description;
use crate::digest::{self, REPR_DIGEST};
use crate::preconditions::Preconditions;
use crate::storage::{
    Commit, Committed, Location, Object, Replaced, Target, Tried, Upload, try_conditions,
};

/// Put an object
///
/// `PUT /api/media/{key}`.
#[utoipa::path(put, path = "/api/media/{key}", operation_id = "put_object", tag = "objects", security(("bearer" = [])), params(
    ("key" = String, Path, description = "UTF-8 of at most 1024 bytes by default, percent-encoded once; slashes as they are"),
    ("If-None-Match" = Option<String>, Header, description = "`*`: only if it is not there"),
    ("If-Match" = Option<String>, Header, description = "Only if it is in this state"),
    ("Content-Digest" = Option<String>, Header, description = "RFC 9530, sha-256"),
    ("Repr-Digest" = Option<String>, Header, description = "RFC 9530, sha-256"),
    ("Cache-Control" = Option<String>, Header, description = "Kept"),
    ("Content-Disposition" = Option<String>, Header, description = "Kept"),
), request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "At most 95 MiB by default, of any type"), responses(
    Refusals,
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
    let space = app.access.space(&headers, Scope::Write).await?;
    let at = Location {
        space,
        key: key(&uri)?,
    };
    receive_object(&app, at, Via::Token, &headers, body).await
}

/// Stores the body at `at` for whoever may write there.
pub(super) async fn receive_object(
    app: &App,
    at: Location,
    via: Via,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    refuse_longer_key(app, &at.key)?;
    refuse_parts(headers)?;
    let description = Description::read_within(&app.limits, headers)
        .map_err(|error| bad_request("description_invalid", error.to_string()))?;
    let expected = digest::expected(headers)
        .map_err(|error| bad_request("digest_invalid", error.to_string()))?;
    let conditions = Preconditions::read(headers).map_err(malformed_condition)?;
    let most = app.limits.put_max_bytes;
    if body.size_hint().lower() > most {
        return Err(Problem::body_too_large(most));
    }
    // Tried again at the commit, which decides; here it spares the client a useless upload.
    if !conditions.is_empty()
        && let Tried::Fail(current) = try_conditions(&*app.storage, &at, &conditions)
            .await
            .map_err(failed)?
    {
        return Err(condition_failed(current.as_ref()));
    }
    let slot = app.upload_slots.take(&at.space).await?;
    let mut room = app.changes.room(&at, via).await?;
    room.make(body.size_hint().lower()).await?;
    let name = at.key.as_str().to_owned();
    let target = Target { at, description };
    let mut upload = app.storage.upload(target).await.map_err(failed)?;
    let body = Paced::new(body, app.limits.pace());
    let size = receive(body, most, &mut room, &mut *upload).await?;
    let commit = Commit {
        conditions,
        expected,
    };
    let commit = async move {
        // Until it is done, even when the client is gone.
        let _slot = slot;
        upload.commit(commit).await.map(Some)
    };
    match room.fill(size, commit).await? {
        Some(Committed::Stored { object, replaced }) => Ok(stored(&name, &object, replaced)),
        Some(Committed::ConditionFailed(current)) => Err(condition_failed(current.as_ref())),
        Some(Committed::DigestMismatch) => Err(bad_request(
            "digest_mismatch",
            "the bytes that arrived are not those of the digest; nothing was stored: send them again",
        )),
        None => Err(Problem::internal()),
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

/// Writes the body to `upload`, `most` bytes at most; how many they were.
async fn receive(
    mut body: Paced,
    most: u64,
    room: &mut Room,
    upload: &mut dyn Upload,
) -> Result<u64, Problem> {
    while let Some(bytes) = body.next().await.map_err(ended)? {
        if body.came() > most {
            return Err(Problem::body_too_large(most));
        }
        room.make(body.came()).await?;
        upload.write(bytes).await.map_err(failed)?;
    }
    Ok(body.came())
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
