//! Errors as `application/problem+json` (RFC 9457): what was wrong, and what to do.
//!
//! Each has a stable `code`; `type` and `title` follow from it. The request's id is filled in
//! from [`request_id::current`].

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::request_id;

/// Media type of every error body.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Start of every `type`. A tag (RFC 4151): a name that nobody is meant to fetch.
pub const TYPE_PREFIX: &str = "tag:dailey.cloud,2026:problem:";

/// An error answer.
///
/// ```
/// use dailey_http::Problem;
/// use http::StatusCode;
///
/// let problem = Problem::new(StatusCode::CONFLICT, "name_taken", "choose another name");
/// assert_eq!(problem.code(), "name_taken");
/// ```
#[derive(Clone, Debug)]
pub struct Problem(Box<Fields>);

#[derive(Clone, Debug)]
struct Fields {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem with its stable code and what to do about it.
    ///
    /// `detail` must not hold a secret, a token or an unbounded piece of input.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Fields {
            status,
            code,
            detail: detail.into(),
            headers: Vec::new(),
            extensions: Map::new(),
        }))
    }

    /// 413 `body_too_large`.
    pub fn body_too_large(limit_bytes: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body is larger than {limit_bytes} bytes, the most that this route takes"),
        )
        .with("limit_bytes", limit_bytes)
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        retry_after_seconds: u32,
    ) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .header(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds))
    }

    /// 500 `internal_error`. The cause belongs into the log, under the same request id.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "something went wrong on our side; ask the operator to look up this request_id in the log",
        )
    }

    /// The same with one more member (RFC 9457 3.2). A member of the standard set is not replaced.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(member.to_owned(), value.into());
        self
    }

    /// The same with one more header in the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What was wrong and what to do.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    fn body(&self) -> Value {
        let mut members = self.0.extensions.clone();
        members.insert(
            "type".into(),
            format!("{TYPE_PREFIX}{}", self.0.code).into(),
        );
        members.insert("title".into(), title(self.0.code).into());
        members.insert("status".into(), self.0.status.as_u16().into());
        members.insert("code".into(), self.0.code.into());
        members.insert("detail".into(), self.0.detail.as_ref().into());
        if let Some(id) = request_id::current() {
            members.insert("request_id".into(), id.as_str().into());
        }
        Value::Object(members)
    }
}

/// The code of the problem that a response holds, in its extensions: for metrics and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemCode(pub &'static str);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, self.body().to_string()).into_response();
        response.extensions_mut().insert(ProblemCode(self.0.code));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.0.headers {
            headers.append(name, value);
        }
        response
    }
}

/// Handler for paths that no route has: 404 `not_found`.
pub async fn not_found() -> Problem {
    absent()
}

/// Handler for methods that a route does not have: 405 `method_not_allowed`. The router adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not have this method; the Allow header lists those it has",
    )
}

pub(crate) fn absent() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path",
    )
}

/// `name_taken` → `Name taken`. RFC 9457 3.1.3: the same for every occurrence of the type.
fn title(code: &str) -> String {
    let text = code.replace('_', " ");
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_never_replaces_a_standard_member() {
        let problem = Problem::new(StatusCode::CONFLICT, "name_taken", "choose another")
            .with("status", 200)
            .with("hint", "x");
        let body = problem.body();
        assert_eq!(body["status"], 409);
        assert_eq!(body["hint"], "x");
        assert_eq!(body["title"], "Name taken");
        assert_eq!(body["type"], "tag:dailey.cloud,2026:problem:name_taken");
        assert!(
            body.get("request_id").is_none(),
            "outside of a request there is no id"
        );
    }
}
