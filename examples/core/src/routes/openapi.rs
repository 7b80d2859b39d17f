//! `GET /openapi.json`: what the routes take and answer, made from the routes themselves. A handler that is not described
//! does not compile into the router; what it answers is held to its description by `tests/black_box/openapi.rs`.

use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use http::header;
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

/// What stands around the routes' own descriptions.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Core",
        description = "Issues RS256 access tokens (RFC 9068) and publishes the keys to verify them. \
            Bodies are JSON of at most 16 KiB; unknown and duplicate members are refused.",
    ),
    paths(metrics, openapi),
    components(schemas(OauthErrorBody)),
    modifiers(&Schemes),
    tags(
        (name = "keys", description = "What verifiers read"),
        (name = "accounts", description = "Users: register, log in, refresh, log out"),
        (name = "oauth", description = "RFC 6749, RFC 7009, RFC 8414"),
        (name = "apps", description = "Managing apps, with a token for Core itself that has the scope core:admin"),
        (name = "operation", description = "Health and metrics"),
    )
)]
pub(super) struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in [
            ("bearer", HttpAuthScheme::Bearer),
            ("client", HttpAuthScheme::Basic),
        ] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
        }
    }
}

/// The handler for a finished document.
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    document: &utoipa::openapi::OpenApi,
) -> MethodRouter<S> {
    // A document of texts and lists always serialises; an empty one would be seen by the first reader.
    let body = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
    get(move || async move { ([(header::CONTENT_TYPE, "application/json")], body) })
}

/// Counts and durations.
///
/// For a direct loopback peer; 404 for everybody else.
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "`OpenMetrics` text", content_type = "application/openmetrics-text", body = String),
    (status = 404, description = "`not_found`: not asked from this machine", body = ProblemBody, content_type = "application/problem+json"),
))]
#[expect(dead_code, reason = "dailey-http answers it; this describes it")]
fn metrics() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value),
))]
#[expect(dead_code, reason = "the router answers it; this describes it")]
fn openapi() {}

/// An error outside of `/oauth/*` (RFC 9457).
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
    /// With `body_too_large`: the most that is taken.
    limit_bytes: Option<u64>,
}

/// An error of `/oauth/*` (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OauthError)]
pub(super) struct OauthErrorBody {
    pub(super) error: &'static str,
    pub(super) error_description: &'static str,
}

/// What every route that takes a body may refuse it with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum BodyRefusals {
    /// `body_incomplete`
    #[response(status = 400, content_type = "application/problem+json")]
    Incomplete(ProblemBody),
    /// `body_too_slow`
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(ProblemBody),
    /// `body_too_large`
    #[response(status = 413, content_type = "application/problem+json")]
    Large(ProblemBody),
    /// `unsupported_media_type`
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody),
}

/// What every route that asks the database may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Unavailable {
    /// `busy`, `database_busy`, `database_unavailable`; with `Retry-After`
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// Who does not manage apps.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum NotAdministrator {
    /// `token_missing`, or why the token was refused
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemBody),
    /// `insufficient_scope`
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody),
}
