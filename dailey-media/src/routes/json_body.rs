//! JSON bodies: of the declared type, bounded in size and time, understood as a whole or refused.

use std::time::Duration;

use axum::body::Body;
use dailey_http::Problem;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

/// Largest JSON body: a batch of 1000 keys of 255 bytes.
const MAX_JSON_BYTES: usize = 256 * 1024;

/// How long it may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// Reads a body that is a `T` and nothing else; `T` refuses unknown members.
pub(super) async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let essence = match (types.next(), types.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default().split(';').next(),
        _ => None,
    };
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content_type_not_supported",
            "this route takes JSON: send Content-Type: application/json",
        ));
    }
    let body = Limited::new(body, MAX_JSON_BYTES).collect();
    let bytes = match tokio::time::timeout(DEADLINE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(Problem::body_too_large(MAX_JSON_BYTES as u64));
        }
        Ok(Err(_)) => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "body_incomplete",
                "the body ended before it was complete; nothing was done",
            ));
        }
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "the body did not arrive within 10 seconds; nothing was done",
            ));
        }
    };
    // serde takes an array for an object whose members come in order.
    let first = bytes.iter().find(|byte| !b" \t\n\r".contains(byte));
    let object = (first == Some(&b'{')).then(|| serde_json::from_slice(&bytes).ok());
    // The error's own words may quote what was sent.
    object.flatten().ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "body_invalid",
            "the body is not the JSON object that this route takes: its members, of their types, and no others",
        )
    })
}
