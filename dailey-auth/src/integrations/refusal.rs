//! What a refused request is answered with, the same bytes from every framework.

use std::fmt;

use serde_json::{Map, Value};

use crate::error::{Rejection, Unavailable, VerifyError};

/// Seconds after which a client may ask again when no verdict was possible. A failed fetch of the key
/// set is tried again after one second and then ever less often.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// Media type of the body (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Start of every `type`. A tag (RFC 4151): a name that nobody is meant to fetch.
const TYPE_PREFIX: &str = "tag:dailey.cloud,2026:problem:";

/// The answer to a request that does not get through: status, headers and body.
///
/// | what | status | header |
/// | --- | --- | --- |
/// | no token | 401 | `WWW-Authenticate: Bearer`, without an error code (RFC 6750 section 3.1) |
/// | a refused token | 401 | `WWW-Authenticate: Bearer error="invalid_token", error_description="<code>"` |
/// | a scope is missing | 403 | `WWW-Authenticate: Bearer error="insufficient_scope", scope="<scopes>"` |
/// | no verdict now | 503 | `Retry-After`, [`RETRY_AFTER_SECONDS`] |
/// | no verifier was given to the framework | 500 | |
///
/// The body is [`PROBLEM_JSON`] with `type`, `title`, `status`, `code` and `detail`, and with `claim` or
/// `scope` where there is one. Nothing of the token is in any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<Fields>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    status: u16,
    code: &'static str,
    detail: String,
    /// One more member of the body: the claim or the scope that it is about.
    about: Option<(&'static str, String)>,
    header: Option<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn insufficient_scope(scopes: &[impl AsRef<str>]) -> Self {
        let scopes: Vec<&str> = scopes.iter().map(AsRef::as_ref).collect();
        let list = scopes.join(" ");
        let (noun, pronoun) = match scopes.len() {
            1 => ("scope", "it"),
            _ => ("scopes", "them"),
        };
        // A scope that cannot stand between the quotes is held by no token either: it is left out.
        let challenge = if scopes.iter().all(|scope| is_scope_token(scope)) {
            format!("Bearer error=\"insufficient_scope\", scope=\"{list}\"")
        } else {
            "Bearer error=\"insufficient_scope\"".to_owned()
        };
        Self(Box::new(Fields {
            status: 403,
            code: "insufficient_scope",
            detail: format!("this needs the {noun} {list}: ask for a token that has {pronoun}"),
            about: Some(("scope", list)),
            header: Some(("www-authenticate", challenge)),
        }))
    }

    /// The framework was not told which verifier to use. Nobody gets in.
    #[cfg(feature = "actix")]
    pub(super) fn no_verifier() -> Self {
        Self(Box::new(Fields {
            status: 500,
            code: "internal_error",
            detail: "something went wrong on our side".to_owned(),
            about: None,
            header: None,
        }))
    }

    /// The HTTP status: 401, 403, 503 or 500.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The stable code: that of [`VerifyError::code`], or `insufficient_scope`, or `internal_error`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What is wrong and what to do about it.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The headers of the answer; names in lower case, values in visible ASCII.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let special = self.0.header.as_ref();
        [
            ("content-type", PROBLEM_JSON),
            // Proxies must not give one caller's refusal to the next.
            ("cache-control", "no-store"),
        ]
        .into_iter()
        .chain(special.map(|(name, value)| (*name, value.as_str())))
    }

    /// The body of the answer, JSON (RFC 9457 section 3).
    pub fn body(&self) -> String {
        let Fields {
            status,
            code,
            detail,
            about,
            ..
        } = &*self.0;
        let mut members = Map::new();
        members.insert("type".into(), format!("{TYPE_PREFIX}{code}").into());
        members.insert("title".into(), title(code).into());
        members.insert("status".into(), (*status).into());
        members.insert("code".into(), (*code).into());
        members.insert("detail".into(), detail.as_str().into());
        if let Some((name, value)) = about {
            members.insert((*name).into(), value.as_str().into());
        }
        Value::Object(members).to_string()
    }

    /// The whole answer, in a body of the server's own kind.
    #[cfg(feature = "tower")]
    pub fn into_response<B: From<String>>(self) -> http::Response<B> {
        let mut response = http::Response::new(B::from(self.body()));
        *response.status_mut() = http::StatusCode::from_u16(self.status())
            .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers() {
            if let Ok(value) = http::HeaderValue::from_str(value) {
                response
                    .headers_mut()
                    .insert(http::HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        Self(Box::new(Fields {
            status: error.http_status(),
            code: error.code(),
            detail: error.to_string(),
            about: error.claim().map(|claim| ("claim", claim.to_owned())),
            header: Some(match error.www_authenticate() {
                Some(challenge) => ("www-authenticate", challenge),
                None => ("retry-after", RETRY_AFTER_SECONDS.to_string()),
            }),
        }))
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        VerifyError::from(rejection).into()
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        VerifyError::from(unavailable).into()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status, self.0.code, self.0.detail)
    }
}

impl std::error::Error for Refusal {}

/// RFC 6749 section 3.3: `scope-token`.
fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// `kid_unknown` → `Kid unknown`. RFC 9457 section 3.1.3: the same for every occurrence of the type.
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
    use crate::error::ClaimName;

    fn header<'a>(refusal: &'a Refusal, name: &str) -> Option<&'a str> {
        refusal
            .headers()
            .find(|(one, _)| *one == name)
            .map(|(_, value)| value)
    }

    #[test]
    fn no_token_gets_a_bare_challenge_and_a_bad_one_its_code() {
        let refusal = Refusal::from(Rejection::TokenMissing);
        assert_eq!(refusal.status(), 401);
        assert_eq!(header(&refusal, "www-authenticate"), Some("Bearer"));
        assert_eq!(header(&refusal, "cache-control"), Some("no-store"));
        assert_eq!(header(&refusal, "content-type"), Some(PROBLEM_JSON));
        let refusal = Refusal::from(Rejection::ClaimMissing(ClaimName::Aud));
        assert_eq!(
            header(&refusal, "www-authenticate"),
            Some("Bearer error=\"invalid_token\", error_description=\"claim_missing\"")
        );
        assert_eq!(
            refusal.body(),
            "{\"claim\":\"aud\",\"code\":\"claim_missing\",\
             \"detail\":\"the token has no `aud` claim (the issuer must write iss, sub, aud, exp and iat)\",\
             \"status\":401,\"title\":\"Claim missing\",\"type\":\"tag:dailey.cloud,2026:problem:claim_missing\"}"
        );
    }

    #[test]
    fn no_verdict_is_503_with_a_time_and_without_a_challenge() {
        let refusal = Refusal::from(Unavailable::KeysExpired);
        assert_eq!((refusal.status(), refusal.code()), (503, "keys_expired"));
        assert_eq!(header(&refusal, "retry-after"), Some("5"));
        assert_eq!(header(&refusal, "www-authenticate"), None);
    }

    #[test]
    fn the_scopes_that_are_needed_are_named_unless_they_would_break_the_header() {
        let challenge = |scopes: &[&str]| {
            let refusal = Refusal::insufficient_scope(scopes);
            assert_eq!(refusal.status(), 403);
            header(&refusal, "www-authenticate").map(str::to_owned)
        };
        assert_eq!(
            challenge(&["a:read", "b"]).as_deref(),
            Some("Bearer error=\"insufficient_scope\", scope=\"a:read b\"")
        );
        for scope in ["a\", x=\"", "a\\", "a b", "", "a\r\nx: y", "ä"] {
            assert_eq!(
                challenge(&[scope]).as_deref(),
                Some("Bearer error=\"insufficient_scope\""),
                "{scope:?}"
            );
        }
    }
}
