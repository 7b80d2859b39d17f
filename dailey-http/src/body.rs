//! Small request bodies: of the declared type, bounded in size and time, understood as a whole or
//! refused.

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::pace::{Ended, Pace, Paced};
use crate::problem::Problem;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It has more than this many bytes.
    TooLarge(usize),
    /// It came more slowly than its [`Pace`] allows.
    TooSlow,
    /// It ended before it was complete.
    Broken,
}

/// Reads a body of at most `limit_bytes`, which comes at this pace.
///
/// # Errors
/// [`BodyError`], which becomes the fitting [`Problem`].
pub async fn read(body: Body, limit_bytes: usize, pace: Pace) -> Result<Bytes, BodyError> {
    let mut body = Paced::new(body, pace);
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        if body.came() > limit_bytes as u64 {
            return Err(BodyError::TooLarge(limit_bytes));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// Whether the one `Content-Type` is this one, whatever its parameters.
pub fn is_content_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

impl From<Ended> for BodyError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Broken => Self::Broken,
            Ended::TooSlow => Self::TooSlow,
        }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(limit_bytes) => Self::body_too_large(limit_bytes as u64),
            BodyError::TooSlow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                "the body came too slowly: send it again on a better connection",
            )
            .header(header::CONNECTION, HeaderValue::from_static("close")),
            BodyError::Broken => Self::new(
                StatusCode::BAD_REQUEST,
                "body_incomplete",
                "the body ended before it was complete",
            ),
        }
    }
}

/// Reads a JSON body: one object, which `T` takes as a whole. For members that `T` does not know to be
/// refused, it must say so (`deny_unknown_fields`).
///
/// # Errors
/// 415 for another `Content-Type`, 413, 408 and 400 as [`read`], 422 `body_invalid` for anything else.
pub async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limit_bytes: usize,
    pace: Pace,
) -> Result<T, Problem> {
    require_json(headers)?;
    parse(&read(body, limit_bytes, pace).await?)
}

/// The same where there may be no body at all, which is `T`'s default.
///
/// # Errors
/// As [`json`].
pub async fn optional_json<T: DeserializeOwned + Default>(
    headers: &HeaderMap,
    body: Body,
    limit_bytes: usize,
    pace: Pace,
) -> Result<T, Problem> {
    let type_checked = require_json(headers);
    let bytes = read(body, limit_bytes, pace).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    type_checked?;
    parse(&bytes)
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_content_type(headers, "application/json") {
        return Ok(());
    }
    let detail = "send the body as JSON, with Content-Type: application/json";
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    ))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // RFC 8259 section 2. serde takes an array for an object whose members come in order.
    let first = bytes.iter().find(|byte| !b" \t\n\r".contains(byte));
    if first != Some(&b'{') {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "body_invalid",
            "the body is not a JSON object",
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // serde's own text may repeat input, so only the place is told.
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                "the body is JSON, but not the object that this route takes \
                (a member is unknown, missing, given twice or of the wrong type)"
            }
            _ => "the body is not JSON",
        };
        let detail = format!("{what}: line {}, column {}", error.line(), error.column());
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "body_invalid", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct One {
        #[serde(rename = "a")]
        _a: u8,
    }

    #[test]
    fn an_array_is_not_taken_for_an_object() {
        assert!(parse::<One>(b" \r\n\t{\"a\":1}").is_ok());
        for body in ["[1]", " [1]", "1", "", "\u{feff}{\"a\":1}"] {
            let problem = parse::<One>(body.as_bytes()).unwrap_err();
            let text = format!("{problem:?}");
            assert!(text.contains("body_invalid"), "{body:?}: {text}");
        }
    }
}
