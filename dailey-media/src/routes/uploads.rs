//! Resumable uploads by tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): creation,
//! creation-with-upload, expiration, checksum, termination. What an upload is, `crate::uploads` knows.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dailey_http::Problem;
use dailey_http::body::is_content_type;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body::Body as _;

use super::openapi::{BytesRefusals, Refusals, UploadRefusals};
use super::{App, Caller, condition_failed, failed, malformed_condition};
use crate::access::Scope;
use crate::digest::{self, CONTENT_DIGEST, REPR_DIGEST};
use crate::preconditions::Preconditions;
use crate::storage::{Location, Target};
use crate::uploads::checksum::{self, Checks, Mismatch};
use crate::uploads::count::{self, LengthError};
use crate::uploads::metadata::{self, MetadataError};
use crate::uploads::{Arrival, Conditions, Progress, UploadError, UploadId, Wanted};

/// Start of every upload's path.
const UPLOADS: &str = "/api/uploads/";

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: HeaderValue =
    HeaderValue::from_static("creation,creation-with-upload,expiration,checksum,termination");

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// The type of an upload's bytes, whatever they become.
const BYTES: &str = "application/offset+octet-stream";

/// tus' own status: the bytes are not those of their checksum.
const CHECKSUM_MISMATCH: u16 = 460;

/// Seconds after which a client may try an upload again that another request was at.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Around every route here: the protocol's version in every answer, and asked for in every request.
pub(super) async fn versioned(request: Request, next: Next) -> Response {
    let mut response = match speaks_ours(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert(TUS_RESUMABLE, VERSION);
    response
}

fn speaks_ours(request: &Request) -> Result<(), Problem> {
    // A client asks with OPTIONS which version to speak.
    if request.method() == Method::OPTIONS {
        return Ok(());
    }
    match one(request.headers(), &TUS_RESUMABLE) {
        Ok(Some("1.0.0")) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "tus_version_unsupported",
            "resumable uploads speak tus 1.0.0: send Tus-Resumable: 1.0.0",
        )
        .header(TUS_VERSION, VERSION)),
    }
}

/// `OPTIONS`, without a token: what is offered.
pub(super) async fn options(State(app): State<App>) -> Response {
    let headers = [
        (TUS_VERSION, VERSION),
        (TUS_EXTENSION, EXTENSIONS),
        (TUS_MAX_SIZE, app.limits.upload_max_bytes.into()),
        (
            TUS_CHECKSUM_ALGORITHM,
            HeaderValue::from_static(checksum::ALGORITHMS),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begin an upload
///
/// `POST /api/uploads`: with bytes or without.
#[utoipa::path(post, path = "/api/uploads", operation_id = "begin_upload", tag = "uploads", security(("bearer" = [])), params(
    ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
    ("Upload-Length" = u64, Header, description = "Bytes in all, at most 5 GiB by default"),
    ("Upload-Metadata" = String, Header, description = "`key` and what is said of the object, each value in base64"),
    ("Upload-Checksum" = Option<String>, Header, description = "Of the bytes of this request: `sha256` or `sha1`, and base64"),
    ("If-None-Match" = Option<String>, Header, description = "`*`: only if the object is not there in the end"),
), request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"), responses(
    Refusals,
    (status = 201, description = "It has begun, at `Location`"),
    (status = 400, description = "`key_invalid`, `description_invalid`, `upload_metadata_invalid`, `upload_length_required`, `upload_length_invalid`, `upload_concat_unsupported`, `digest_invalid`, `digest_mismatch`, `checksum_invalid`, `header_invalid`, `precondition_malformed`, `body_incomplete`"),
    (status = 408, description = "`body_too_slow`"),
    (status = 409, description = "`upload_offset_mismatch`"),
    (status = 410, description = "`upload_gone`"),
    (status = 412, description = "`tus_version_unsupported`, `precondition_failed`"),
    (status = 413, description = "`upload_too_large`, `upload_length_exceeded`, `body_too_large`"),
    (status = 415, description = "`unsupported_media_type`"),
    (status = 423, description = "`upload_locked`"),
    (status = 429, description = "`too_many_open_uploads`; `rate_limited`, `too_many_uploads`, with `Retry-After`"),
    (status = 460, description = "`checksum_mismatch`"),
))]
pub(super) async fn create(
    State(app): State<App>,
    Caller(token): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let space = app.access.open(&token, Scope::Write)?;
    let length = length(&headers, app.limits.upload_max_bytes)?;
    let text = one(&headers, &UPLOAD_METADATA)?.unwrap_or_default();
    let metadata = metadata::read(&app.limits, text).map_err(metadata_invalid)?;
    Preconditions::read(&headers).map_err(malformed_condition)?;
    let expected = digest::field(&headers, &REPR_DIGEST)
        .map_err(|error| bad_request("digest_invalid", error.to_string()))?;
    let with_bytes = !body.is_end_stream();
    let checks = checks(&headers)?;
    if with_bytes {
        require_bytes(&headers)?;
        // Refused before anything is made that the client would not hear of.
        if body.size_hint().lower() > length {
            return Err(refused(UploadError::TooMany { length }));
        }
        let limit = app.limits.upload_chunk_max_bytes;
        if body.size_hint().lower() > limit {
            return Err(refused(UploadError::ChunkTooLarge { limit }));
        }
    }
    let wanted = Wanted {
        target: Target {
            at: Location {
                space: space.clone(),
                key: metadata.key,
            },
            description: metadata.description,
        },
        metadata: text.to_owned(),
        conditions: Conditions::of(&headers),
        expected,
        length,
    };
    // Before anything is made as well.
    let slot = if with_bytes {
        Some(app.upload_slots.take(&space).await?)
    } else {
        None
    };
    let (id, mut progress) = app.uploads.create(wanted).await.map_err(refused)?;
    let location = location(&id);
    if let Some(slot) = slot {
        let arrival = Arrival {
            offset: 0,
            checks,
            body,
            is_first: true,
            slot,
        };
        let received = app.uploads.receive(&space, &id, arrival).await;
        progress = received.map_err(|error| match error {
            UploadError::NeverBegun => refused(error),
            error => refused(error).header(header::LOCATION, location.clone()),
        })?;
    }
    let mut answer = (StatusCode::CREATED, told(&progress)).into_response();
    answer.headers_mut().insert(header::LOCATION, location);
    Ok(answer)
}

/// Ask how far an upload is
///
/// `HEAD /api/uploads/{id}`.
#[utoipa::path(head, path = "/api/uploads/{id}", operation_id = "head_upload", tag = "uploads", security(("bearer" = [])), params(
    ("id" = String, Path, description = "From the `Location` that POST gave"),
    ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
), responses(
    Refusals, UploadRefusals,
    (status = 200, description = "`Upload-Offset`, `Upload-Length`"),
    (status = 400, description = "`header_invalid`, `digest_mismatch`"),
))]
pub(super) async fn head(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let space = app.access.space(&headers, Scope::Progress).await?;
    let id = id_of(&uri)?;
    let progress = app.uploads.progress(&space, &id).await.map_err(refused)?;
    let mut headers = told(&progress);
    headers.insert(UPLOAD_LENGTH, progress.length.into());
    if let Ok(metadata) = HeaderValue::from_str(&progress.metadata) {
        headers.insert(UPLOAD_METADATA, metadata);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((StatusCode::OK, headers).into_response())
}

/// Send more bytes of an upload
///
/// `PATCH /api/uploads/{id}`.
#[utoipa::path(patch, path = "/api/uploads/{id}", operation_id = "append_to_upload", tag = "uploads", security(("bearer" = [])), params(
    ("id" = String, Path, description = "From the `Location` that POST gave"),
    ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
    ("Upload-Offset" = u64, Header, description = "Where the bytes begin"),
    ("Upload-Checksum" = Option<String>, Header, description = "`sha256` or `sha1`, and base64"),
), request_body(content = Vec<u8>, content_type = "application/offset+octet-stream", description = "At most 64 MiB by default"), responses(
    Refusals, UploadRefusals, BytesRefusals,
    (status = 204, description = "The bytes are kept; with the last ones the object is there"),
))]
pub(super) async fn patch(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let space = app.access.space(&headers, Scope::Append).await?;
    let id = id_of(&uri)?;
    require_bytes(&headers)?;
    let offset = one(&headers, &UPLOAD_OFFSET)?.and_then(count::offset);
    let offset = offset.ok_or_else(|| {
        bad_request(
            "upload_offset_invalid",
            "Upload-Offset is not one number of bytes: send the offset that HEAD tells",
        )
    })?;
    let checks = checks(&headers)?;
    let arrival = Arrival {
        offset,
        checks,
        body,
        is_first: false,
        slot: app.upload_slots.take(&space).await?,
    };
    let received = app.uploads.receive(&space, &id, arrival).await;
    let progress = received.map_err(refused)?;
    Ok((StatusCode::NO_CONTENT, told(&progress)).into_response())
}

/// End an upload
///
/// `DELETE /api/uploads/{id}`.
#[utoipa::path(delete, path = "/api/uploads/{id}", operation_id = "end_upload", tag = "uploads", security(("bearer" = [])), params(
    ("id" = String, Path, description = "From the `Location` that POST gave"),
    ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
), responses(
    Refusals, UploadRefusals,
    (status = 204, description = "It is gone"),
    (status = 400, description = "`header_invalid`"),
))]
pub(super) async fn delete(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let space = app.access.space(&headers, Scope::Write).await?;
    let id = id_of(&uri)?;
    app.uploads.terminate(&space, &id).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Send another method as POST
///
/// `POST /api/uploads/{id}`: for clients whose way lets no other method through. Only POST can stand
/// for another: what passes a GET on takes it for harmless.
#[utoipa::path(post, path = "/api/uploads/{id}", operation_id = "override_upload", tag = "uploads", security(("bearer" = [])), params(
    ("id" = String, Path, description = "From the `Location` that POST gave"),
    ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
    ("X-HTTP-Method-Override" = String, Header, description = "`PATCH`, `DELETE` or `HEAD`"),
), request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"), responses(
    Refusals, UploadRefusals, BytesRefusals,
    (status = 200, description = "As HEAD"),
    (status = 204, description = "The bytes are kept; with the last ones the object is there"),
))]
pub(super) async fn overridden(
    app: State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    match one(&headers, &METHOD_OVERRIDE)? {
        Some("PATCH") => patch(app, uri, headers, body).await,
        Some("DELETE") => delete(app, uri, headers).await,
        Some("HEAD") => head(app, uri, headers).await,
        _ => Err(dailey_http::problem::method_not_allowed().await.header(
            header::ALLOW,
            HeaderValue::from_static("HEAD, PATCH, DELETE, OPTIONS"),
        )),
    }
}

fn location(id: &UploadId) -> HeaderValue {
    HeaderValue::try_from(format!("{UPLOADS}{}", id.as_str())).expect("an id is hexadecimal")
}

/// An id of another form is one that nobody was ever given.
fn id_of(uri: &Uri) -> Result<UploadId, Problem> {
    let text = uri.path().strip_prefix(UPLOADS).unwrap_or_default();
    UploadId::parse(text).ok_or_else(|| refused(UploadError::NotFound))
}

/// What every answer about an upload tells.
fn told(progress: &Progress) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(UPLOAD_OFFSET, progress.offset.into());
    let expires = httpdate::fmt_http_date(progress.expires);
    let object = progress.object.as_ref().map(|object| {
        [
            (header::ETAG, object.validators().etag),
            (REPR_DIGEST, object.sha256.to_field()),
        ]
    });
    let fields = object.into_iter().flatten();
    for (name, text) in fields.chain([(UPLOAD_EXPIRES, expires)]) {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    headers
}

fn length(headers: &HeaderMap, most: u64) -> Result<u64, Problem> {
    if headers.contains_key(UPLOAD_CONCAT) {
        return Err(bad_request(
            "upload_concat_unsupported",
            "uploads are not joined here: send the bytes of one object in one upload, without Upload-Concat",
        ));
    }
    let text = match one(headers, &UPLOAD_LENGTH)? {
        Some(text) => text,
        None if headers.contains_key(UPLOAD_DEFER_LENGTH) => {
            return Err(bad_request(
                "upload_length_required",
                "an upload's length must be known at its start: send Upload-Length in place of Upload-Defer-Length",
            ));
        }
        None => {
            return Err(bad_request(
                "upload_length_required",
                "Upload-Length is missing: send the number of bytes that there will be",
            ));
        }
    };
    count::length(text, most).map_err(|error| match error {
        LengthError::TooLarge => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "upload_too_large",
            format!("an upload has at most {most} bytes (Tus-Max-Size)"),
        )
        .with("limit_bytes", most)
        .header(TUS_MAX_SIZE, most.into()),
        LengthError::NotANumber => bad_request(
            "upload_length_invalid",
            "Upload-Length is not a number of bytes",
        ),
    })
}

fn require_bytes(headers: &HeaderMap) -> Result<(), Problem> {
    if is_content_type(headers, BYTES) && !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send the bytes as they are, with Content-Type: application/offset+octet-stream and no Content-Encoding",
    ))
}

fn checks(headers: &HeaderMap) -> Result<Checks, Problem> {
    let mut checks = Checks::default();
    if let Some(text) = one(headers, &UPLOAD_CHECKSUM)? {
        let added = checks.add_checksum(text);
        added.map_err(|error| bad_request("checksum_invalid", error.to_string()))?;
    }
    let digest = digest::field(headers, &CONTENT_DIGEST)
        .map_err(|error| bad_request("digest_invalid", error.to_string()))?;
    if let Some(digest) = digest {
        checks.add_content_digest(digest);
    }
    Ok(checks)
}

/// The field's one value; two would mean what each reader likes.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(bad_request(
            "header_invalid",
            format!("{name} stands there twice, or is not visible ASCII"),
        )),
    }
}

#[allow(clippy::needless_pass_by_value)]
fn metadata_invalid(error: MetadataError) -> Problem {
    let code = match error {
        MetadataError::Key(_) | MetadataError::KeyNotUtf8 => "key_invalid",
        MetadataError::Description(_) => "description_invalid",
        _ => "upload_metadata_invalid",
    };
    bad_request(code, error.to_string())
}

fn refused(error: UploadError) -> Problem {
    match error {
        UploadError::NotFound => Problem::new(
            StatusCode::NOT_FOUND,
            "upload_not_found",
            "there is no upload of this name in this token's space: begin a new one",
        ),
        UploadError::Gone => Problem::new(
            StatusCode::GONE,
            "upload_gone",
            "this upload has ended or expired: begin a new one",
        ),
        UploadError::Locked => Problem::new(
            StatusCode::LOCKED,
            "upload_locked",
            "another request is at this upload: ask for its offset again and go on from there",
        )
        .header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into()),
        UploadError::OffsetMismatch { offset } => Problem::new(
            StatusCode::CONFLICT,
            "upload_offset_mismatch",
            "the upload goes on at another offset: go on from the one in Upload-Offset",
        )
        .with("offset", offset)
        .header(UPLOAD_OFFSET, offset.into()),
        UploadError::TooMany { length } => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "upload_length_exceeded",
            "more bytes came than Upload-Length had said: what was too many was not kept",
        )
        .with("length", length),
        UploadError::ChunkTooLarge { limit } => Problem::body_too_large(limit),
        UploadError::Mismatch(Mismatch::Checksum) => Problem::new(
            StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST),
            "checksum_mismatch",
            "the bytes that arrived are not those of Upload-Checksum; none was kept: send them again",
        ),
        UploadError::Mismatch(Mismatch::ContentDigest) => bad_request(
            "digest_mismatch",
            "the bytes that arrived are not those of Content-Digest; none was kept: send them again",
        ),
        UploadError::Broken => bad_request(
            "body_incomplete",
            "the body ended too early: ask for the upload's offset and go on from there",
        ),
        UploadError::NeverBegun => bad_request(
            "body_incomplete",
            "the body ended too early, and nothing of the upload is kept: begin it again",
        ),
        UploadError::TooSlow => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the body came too slowly: ask for the upload's offset and go on from there",
        )
        .header(header::CONNECTION, HeaderValue::from_static("close")),
        UploadError::Condition(current) => condition_failed(current.as_ref()),
        UploadError::DigestMismatch => bad_request(
            "digest_mismatch",
            "the bytes that arrived are not those of the Repr-Digest that the upload began with; nothing was stored: \
             begin a new one",
        ),
        UploadError::Refused(problem) => problem,
        UploadError::Storage(error) => failed(error),
    }
}

fn bad_request(code: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}
