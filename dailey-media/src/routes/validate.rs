//! Tells a front end whether its token is good, without its having to know how.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde_json::{Value, json};

use super::App;
use crate::access;

/// `GET` and `POST /api/auth/validate`. The token stands in `Authorization`; nothing else is read.
pub(super) async fn validate(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(problem) = app.access.limits().validation() {
        return problem.with("valid", false).into_response();
    }
    let token = match app.access.verify(&headers).await {
        Ok(token) => token,
        Err(error) => return access::refused(error).with("valid", false).into_response(),
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
