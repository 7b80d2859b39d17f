//! What an object store's failure means, in words that hold no key, address or secret.

use std::error::Error as _;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

/// Longest code of the store's own that is passed on.
const MAX_CODE_BYTES: usize = 64;

/// Why an object store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No connection.
    #[error("the object store cannot be reached")]
    Unreachable,
    /// Connected, but no answer, or no more of it.
    #[error("the object store did not answer in time")]
    Slow,
    /// It does not take the key, or the key may not do this.
    #[error("the object store does not take the access key for this ({0})")]
    Denied(String),
    /// The bucket is not there.
    #[error("the object store has no such bucket")]
    NoBucket,
    /// Any other answer.
    #[error("the object store answered {0}")]
    Answered(String),
    /// An answer that breaks off or cannot be read.
    #[error("the object store's answer could not be read to its end")]
    Broken,
    /// Something went on beneath: the object is not what it was a moment ago.
    #[error("the object changed while it was read")]
    Changed,
}

impl RemoteError {
    /// Whether another try may go better.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable | Self::Slow | Self::Broken => true,
            // What it does not know today it does not know in a moment.
            Self::Answered(said) if said.starts_with("501") => false,
            Self::Answered(said) => said.starts_with('5') || said.starts_with("429"),
            Self::Denied(_) | Self::NoBucket | Self::Changed => false,
        }
    }
}

/// How a request ended, where not well.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such object (or upload).
    Absent,
    /// The condition did not hold, or others were at it at the same time.
    Condition,
    /// The range lies outside: the object is empty.
    Range,
    /// The store does not know what was asked of it.
    NotSupported,
    Other(RemoteError),
}

impl From<Failure> for RemoteError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Absent => Self::Answered("404".into()),
            Failure::Condition => Self::Changed,
            Failure::Range => Self::Answered("416".into()),
            Failure::NotSupported => Self::Answered("501".into()),
            Failure::Other(error) => error,
        }
    }
}

// Taken by value: the shape that `map_err` wants.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn failure(error: Error) -> Failure {
    let text = error.to_string();
    let code = code(&text);
    match (&error, code) {
        (_, Some("NoSuchBucket")) => Failure::Other(RemoteError::NoBucket),
        (Error::NotFound { .. }, _) => Failure::Absent,
        (
            Error::Precondition { .. } | Error::AlreadyExists { .. } | Error::NotModified { .. },
            _,
        ) => Failure::Condition,
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, code) => {
            Failure::Other(RemoteError::Denied(said(status(&text), code)))
        }
        (_, code) => match status(&text) {
            Some("416") => Failure::Range,
            Some("501") => Failure::NotSupported,
            // Amazon's answer to a key that it does not know, in some regions.
            Some("400")
                if code.is_some_and(|code| code.contains("Key") || code.contains("Token")) =>
            {
                Failure::Other(RemoteError::Denied(said(Some("400"), code)))
            }
            None if code == Some("PreconditionFailed") => Failure::Condition,
            None if code == Some("NotImplemented") => Failure::NotSupported,
            Some(_) => Failure::Other(RemoteError::Answered(said(status(&text), code))),
            None => Failure::Other(transport(&error)),
        },
    }
}

/// What the answer to a request of our own tells, which is no success.
pub(super) fn told(status: http::StatusCode, body: &str) -> Failure {
    let code = code(body);
    let words = said(Some(status.as_str()), code);
    Failure::Other(match (status.as_u16(), code) {
        (_, Some("NoSuchBucket")) => RemoteError::NoBucket,
        (409 | 412, _) | (_, Some("PreconditionFailed" | "ConditionalRequestConflict")) => {
            return Failure::Condition;
        }
        (404, _) | (_, Some("NoSuchKey")) => return Failure::Absent,
        (501, _) | (_, Some("NotImplemented")) => return Failure::NotSupported,
        (401 | 403, _) | (_, Some("AccessDenied")) => RemoteError::Denied(words),
        // The store went on after its first word, and failed: as if it had said so at once.
        (200, Some("InternalError" | "SlowDown" | "RequestTimeout")) => {
            RemoteError::Answered(said(Some("503"), code))
        }
        (200, None) => RemoteError::Broken,
        _ => RemoteError::Answered(words),
    })
}

fn transport(error: &Error) -> RemoteError {
    let mut source = error.source();
    while let Some(one) = source {
        if let Some(error) = one.downcast_ref::<HttpError>() {
            return match error.kind() {
                HttpErrorKind::Connect => RemoteError::Unreachable,
                HttpErrorKind::Timeout => RemoteError::Slow,
                _ => RemoteError::Broken,
            };
        }
        source = one.source();
    }
    RemoteError::Broken
}

fn said(status: Option<&str>, code: Option<&str>) -> String {
    let words: Vec<&str> = [status, code].into_iter().flatten().collect();
    words.join(" ")
}

/// The client keeps an answer's status and body only as text.
fn status(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("status code: ")?;
    after
        .get(..3)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `<Code>` of an S3 error.
fn code(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("<Code>")?;
    let (code, _) = after.split_once("</Code>")?;
    (code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then_some(code)
}
