//! Errors of the routes that speak RFC 6749.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::routes::openapi::OauthErrorBody;
use crate::store::StoreError;

/// An error as RFC 6749 section 5.2 has it.
pub(in crate::routes) struct OauthError {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

impl OauthError {
    pub(super) const fn new(error: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description,
        }
    }

    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) const fn invalid_client() -> Self {
        let description = "the client is unknown, disabled, or its secret is not right";
        Self {
            status: StatusCode::UNAUTHORIZED,
            error: "invalid_client",
            description,
        }
    }
}

/// The key failed.
pub(super) fn server_error() -> OauthError {
    tracing::error!("a token could not be signed");
    OauthError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        error: "server_error",
        description: "something went wrong on our side",
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = Json(OauthErrorBody {
            error: self.error,
            error_description: self.description,
        });
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"core\", charset=\"UTF-8\""),
            );
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<StoreError> for OauthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database failed");
        let description = "the database does not answer; try again in a few seconds";
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "temporarily_unavailable",
            description,
        }
    }
}
