//! Tells a front end whether its token is good, without its having to know how.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dailey_auth::VerifyError;
use http::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoResponses, ToSchema};

use super::App;
use crate::access;

/// What a good token says.
#[derive(Serialize, ToSchema)]
#[schema(as = Valid)]
pub(super) struct ValidBody {
    valid: bool,
    iss: String,
    sub: String,
    aud: Vec<String>,
    exp: u64,
    iat: u64,
    /// Seconds.
    expires_in: u64,
    scope: Option<String>,
    client_id: Option<String>,
}

/// What can be said of a token.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Verdicts {
    /// It is good.
    #[response(status = 200)]
    Valid(ValidBody),
    /// Why it is not: `token_missing`, `token_too_large`, `token_malformed`, `token_encrypted`,
    /// `json_invalid`, `json_duplicate_member`, `json_too_deep`, `algorithm_not_allowed`,
    /// `type_not_allowed`, `header_not_allowed`, `kid_missing`, `kid_invalid`, `kid_unknown`,
    /// `signature_invalid`, `claim_missing`, `claim_invalid`, `issuer_mismatch`, `audience_mismatch`,
    /// `expired`, `not_yet_valid`, `issued_in_future`, `lifetime_too_long`
    #[response(status = 401)]
    Refused,
    /// `rate_limited`; with `Retry-After`
    #[response(status = 429)]
    Limited,
    /// Nobody can say: `keys_unavailable`, `keys_expired`; with `Retry-After`
    #[response(status = 503)]
    Unknown,
}

/// Say whether a token is good
///
/// `GET` and `POST /api/auth/validate`. The token stands in `Authorization`; nothing else is read.
#[utoipa::path(get, path = "/api/auth/validate", operation_id = "validate", tag = "tokens", security(("bearer" = [])), responses(Verdicts))]
pub(super) async fn validate(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(problem) = app.access.limits().validation() {
        return problem.into_response();
    }
    let token = match app.access.verify(&headers).await {
        Ok(token) => token,
        Err(error @ VerifyError::Rejected(_)) => {
            return access::refused(error).with("valid", false).into_response();
        }
        // A token that nobody has looked at is not called bad.
        Err(error) => return access::refused(error).into_response(),
    };
    let claims = token.claims();
    let audiences: Vec<&str> = claims.audiences().collect();
    let body: Value = json!({
        "valid": true,
        "iss": claims.issuer(),
        "sub": claims.subject(),
        "aud": audiences,
        "exp": claims.expires_at().as_secs(),
        "iat": claims.issued_at().as_secs(),
        "expires_in": token.expires_in().as_secs(),
        "scope": claims.scope(),
        "client_id": claims.client_id(),
    });
    Json(body).into_response()
}
