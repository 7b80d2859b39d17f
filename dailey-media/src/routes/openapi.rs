//! `GET /openapi.json`: what the routes take and answer, from the descriptions at the handlers. The tests hold
//! every answer that they see to it (`tests/http/witness.rs`).

use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::header;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

/// What stands around the routes' own descriptions.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "DMAPI",
        description = "Objects over HTTP, each app's and each user's apart by the claims of their token. \
            JSON bodies have at most 256 KiB by default; unknown members are refused. Pages of listed origins may send \
            every method; preflights (OPTIONS) are answered without a token.",
    ),
    paths(
        super::listing::list,
        super::reading::get,
        super::reading::head,
        super::writing::put,
        super::removing::delete,
        super::copying::copy,
        super::copying::rename,
        super::removing::delete_many,
        super::presigning::presign,
        super::links::get,
        super::links::head,
        super::links::put,
        super::uploads::create,
        super::uploads::head,
        super::uploads::patch,
        super::uploads::delete,
        super::uploads::overridden,
        upload_options,
        one_upload_options,
        super::validate::validate,
        validate_post,
        super::health::health,
        super::health::live,
        metrics,
        openapi,
    ),
    components(schemas(ProblemBody, super::validate::ValidBody)),
    modifiers(&Schemes),
    tags(
        (name = "objects", description = "One object, by its key"),
        (name = "operations", description = "Several objects, or one from another"),
        (name = "links", description = "One object for whoever has the link, without a token"),
        (name = "uploads", description = "Large objects in pieces, by tus 1.0.0"),
        (name = "tokens", description = "What a token is worth"),
        (name = "operation", description = "Health and metrics"),
    )
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", scheme);
    }
}

/// The whole document.
pub(crate) fn document() -> Value {
    // A document of texts and lists always serialises; an empty one would be seen by the first reader.
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    let paths = document["paths"].as_object_mut();
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let takes_key =
                method == "post" && (path.starts_with("/api/media-ops/") || path == "/api/uploads");
            surround(method, takes_key, &mut operation["responses"]);
            if takes_key {
                take_idempotency_key(&mut operation["parameters"]);
            }
        }
    }
    document
}

/// What every route may answer before its handler is asked; and each refusal is a problem unless it says
/// what else it is.
fn surround(method: &str, takes_key: bool, responses: &mut Value) {
    let mut codes = vec![
        ("400", "`malformed_request`, `host_invalid`"),
        ("403", "`https_required`"),
        (
            "405",
            "`method_not_allowed`, with `Allow`: to a method that the path does not have",
        ),
        ("421", "`host_unknown`"),
        ("431", "`head_too_large`"),
        ("500", "`internal_error`"),
    ];
    if takes_key {
        codes.extend([
            ("400", "`idempotency_key_invalid`"),
            (
                "409",
                "`idempotency_in_progress`, `idempotency_answer_not_kept`",
            ),
            ("422", "`idempotency_key_reused`"),
        ]);
    }
    if method == "options" {
        // A preflight comes to the same path.
        codes.push(("403", "`origin_not_allowed`"));
    }
    for (status, codes) in codes {
        let description = &mut responses[status]["description"];
        let said = description.as_str().unwrap_or_default();
        let separator = if said.is_empty() { "" } else { ", " };
        *description = format!("{said}{separator}{codes}").into();
    }
    let refusals = responses.as_object_mut().into_iter().flatten();
    for (_, response) in refusals.filter(|(status, _)| status.as_str() >= "400") {
        if response["content"].is_null() {
            response["content"] = json!({ "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
            }});
        }
    }
    if method == "get" || method == "head" {
        responses["308"] =
            json!({ "description": "It came over plain http: to the public origin" });
    }
}

/// As `idempotency::once` reads it.
fn take_idempotency_key(parameters: &mut Value) {
    if parameters.is_null() {
        *parameters = json!([]);
    }
    let parameter = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "description": "1 to 255 printable ASCII characters, like a new UUID: with the same key the same request \
            is carried out once, and its first answer given again",
        "required": false,
        "schema": { "type": "string" },
    });
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.push(parameter);
    }
}

/// The handler.
pub(super) fn route<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    let body = Bytes::from(document().to_string());
    get(move || async move { ([(header::CONTENT_TYPE, "application/json")], body) })
}

/// Say whether a token is good
///
/// The same as GET, for clients that must not send a GET with a header of theirs.
#[utoipa::path(post, path = "/api/auth/validate", operation_id = "validate_by_post", tag = "tokens",
    security(("bearer" = [])), responses(super::validate::Verdicts))]
#[expect(dead_code, reason = "the same handler as GET; this describes it")]
fn validate_post() {}

/// Ask what uploads can do
///
/// Without a token.
#[utoipa::path(options, path = "/api/uploads", operation_id = "upload_options", tag = "uploads", responses(
    (status = 204, description = "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size`, `Tus-Checksum-Algorithm`"),
))]
#[expect(dead_code, reason = "`uploads::options` answers it; this describes it")]
fn upload_options() {}

/// Ask what an upload can do
///
/// The same as for all of them, whether there is this one or not.
#[utoipa::path(options, path = "/api/uploads/{id}", operation_id = "one_upload_options", tag = "uploads", params(
    ("id" = String, Path, description = "From the `Location` that POST gave"),
), responses(
    (status = 204, description = "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size`, `Tus-Checksum-Algorithm`"),
))]
#[expect(dead_code, reason = "`uploads::options` answers it; this describes it")]
fn one_upload_options() {}

/// Counts and durations
///
/// For a direct loopback peer; 404 for everybody else.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operation", responses(
    (status = 200, description = "`OpenMetrics` text", content_type = "application/openmetrics-text", body = String),
    (status = 404, description = "`not_found`: not asked from this machine"),
))]
#[expect(dead_code, reason = "dailey-http answers it; this describes it")]
fn metrics() {}

/// This document
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operation", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value),
))]
#[expect(dead_code, reason = "the router answers it; this describes it")]
fn openapi() {}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    r#type: String,
    title: String,
    status: u16,
    /// Stable: what programs decide on.
    code: String,
    detail: String,
    request_id: String,
    /// With `claim_missing` and `claim_invalid`: which one.
    claim: Option<String>,
    /// With `body_too_large`: the most that is taken.
    limit_bytes: Option<u64>,
    /// With `rate_limited`: which rate.
    policy: Option<String>,
    /// With `insufficient_scope`: the one that is missing.
    scope: Option<String>,
    /// From `/api/auth/validate`: always false.
    valid: Option<bool>,
}

/// An object without its bytes.
#[derive(Serialize, ToSchema)]
#[schema(as = Object)]
pub(super) struct ObjectBody {
    key: String,
    size: u64,
    /// With its quotes, as in `ETag`.
    etag: String,
    /// In hexadecimal digits.
    sha256: String,
    content_type: String,
    /// RFC 3339.
    last_modified: Option<String>,
}

/// Why a token does not open the route, and what the store may fail with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Refusals {
    /// `token_missing`, `token_too_large`, `token_malformed`, `token_encrypted`, `json_invalid`,
    /// `json_duplicate_member`, `json_too_deep`, `algorithm_not_allowed`, `type_not_allowed`,
    /// `header_not_allowed`, `kid_missing`, `kid_invalid`, `kid_unknown`, `signature_invalid`,
    /// `claim_missing`, `claim_invalid`, `issuer_mismatch`, `audience_mismatch`, `expired`,
    /// `not_yet_valid`, `issued_in_future`, `lifetime_too_long`
    #[response(status = 401)]
    Unauthorized,
    /// `insufficient_scope`, `audience_ambiguous`
    #[response(status = 403)]
    Forbidden,
    /// `rate_limited`, `too_many_uploads`; with `Retry-After`
    #[response(status = 429)]
    Limited,
    /// `object_damaged`
    #[response(status = 500)]
    Damaged,
    /// `keys_unavailable`, `keys_expired`, `storage_unavailable`, `storage_busy`, `quota_unknown`,
    /// `audit_unavailable`; with `Retry-After`
    #[response(status = 503)]
    Unavailable,
    /// `storage_full`, `quota_exceeded`
    #[response(status = 507)]
    Full,
}

/// What a link may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum LinkRefusals {
    /// `link_invalid`, `link_expired`, `link_headers_missing`
    #[response(status = 403)]
    Forbidden,
    /// `rate_limited`, `too_many_uploads`; with `Retry-After`
    #[response(status = 429)]
    Limited,
    /// `object_damaged`
    #[response(status = 500)]
    Damaged,
    /// `storage_unavailable`, `storage_busy`, `quota_unknown`, `audit_unavailable`; with `Retry-After`
    #[response(status = 503)]
    Unavailable,
    /// `storage_full`, `quota_exceeded`
    #[response(status = 507)]
    Full,
}

/// What asking about one object in one state may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum StateRefusals {
    /// `key_invalid`, `precondition_malformed`
    #[response(status = 400)]
    Malformed,
    /// `object_not_found`
    #[response(status = 404)]
    Absent,
    /// `precondition_failed`
    #[response(status = 412)]
    Failed,
}

/// What an object that is sent whole may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum PutRefusals {
    /// `key_invalid`, `description_invalid`, `digest_invalid`, `digest_mismatch`, `precondition_malformed`,
    /// `content_range_not_allowed`, `body_incomplete`
    #[response(status = 400)]
    Malformed,
    /// `body_too_slow`
    #[response(status = 408)]
    Slow,
    /// `precondition_failed`
    #[response(status = 412)]
    Failed,
    /// `body_too_large`
    #[response(status = 413)]
    Large,
    /// `content_encoding_not_supported`
    #[response(status = 415)]
    Coded,
}

/// What asking for an upload that was begun may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum UploadRefusals {
    /// `upload_not_found`
    #[response(status = 404)]
    Absent,
    /// `upload_gone`
    #[response(status = 410)]
    Gone,
    /// `tus_version_unsupported`, `precondition_failed`
    #[response(status = 412)]
    Failed,
    /// `upload_locked`
    #[response(status = 423)]
    Locked,
}

/// What more bytes of an upload may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum BytesRefusals {
    /// `upload_offset_invalid`, `digest_invalid`, `digest_mismatch`, `checksum_invalid`, `header_invalid`,
    /// `body_incomplete`
    #[response(status = 400)]
    Malformed,
    /// `body_too_slow`
    #[response(status = 408)]
    Slow,
    /// `upload_offset_mismatch`
    #[response(status = 409)]
    Elsewhere,
    /// `upload_length_exceeded`, `body_too_large`
    #[response(status = 413)]
    Large,
    /// `unsupported_media_type`
    #[response(status = 415)]
    MediaType,
    /// `checksum_mismatch`
    #[response(status = 460)]
    Mismatch,
}

/// What every route that takes a JSON body may refuse it with, beside its own 400.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum BodyRefusals {
    /// `body_too_slow`
    #[response(status = 408)]
    Slow,
    /// `body_too_large`
    #[response(status = 413)]
    Large,
    /// `unsupported_media_type`
    #[response(status = 415)]
    MediaType,
    /// `body_invalid`
    #[response(status = 422)]
    Invalid,
}
