//! What a client is told where there is no room.

use dailey_http::Problem;
use http::StatusCode;

use super::RETRY_AFTER_SECONDS;
use crate::quota::{Exceeded, QuotaError};

pub(super) fn refused(error: QuotaError) -> Problem {
    match error {
        QuotaError::Exceeded(error) => exceeded(error),
        QuotaError::Unknown => Problem::unavailable(
            "quota_unknown",
            "what is stored already is still being counted: try again",
            RETRY_AFTER_SECONDS,
        ),
    }
}

/// RFC 4918 11.5. Of the app's quota nothing more is told: others have their part in it.
pub(super) fn exceeded(error: Exceeded) -> Problem {
    let status = StatusCode::INSUFFICIENT_STORAGE;
    match error {
        Exceeded::User { limit_bytes } => Problem::new(
            status,
            "quota_exceeded",
            format!(
                "there is no room for this in the {limit_bytes} bytes that a user may store: remove something first"
            ),
        )
        .with("quota", "user")
        .with("limit_bytes", limit_bytes),
        Exceeded::UserObjects { most } => Problem::new(
            status,
            "quota_exceeded",
            format!(
                "a user may have {most} objects, uploads that have begun among them: remove some first"
            ),
        )
        .with("quota", "user_objects")
        .with("limit_objects", most),
        Exceeded::App => Problem::new(
            status,
            "quota_exceeded",
            "there is no room for this in what the whole app may store: tell its operator",
        )
        .with("quota", "app"),
        Exceeded::Uploads { most } => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_open_uploads",
            format!(
                "{most} uploads of this user have begun and not ended, as many as may: go on with one, or end it"
            ),
        )
        .with("limit", most),
    }
}
