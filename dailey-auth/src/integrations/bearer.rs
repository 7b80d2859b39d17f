//! The token in a request's `Authorization` header (RFC 6750 section 2.1) and the answer to a request
//! that does not get through (section 3), for servers without an integration of their own.
//!
//! The token stands in the one `Authorization` header and nowhere else: not in the query (it would end
//! up in logs and histories), not in a cookie (browsers send those unasked), not in the body.
//!
//! ```
//! use dailey_auth::bearer::{self, Refusal};
//! use dailey_auth::{Verified, blocking::Verifier};
//!
//! /// `authorization`: every `Authorization` header of the request.
//! fn admit(verifier: &Verifier, authorization: &[&[u8]]) -> Result<Verified, Refusal> {
//!     let token = bearer::required(authorization.iter().copied())?;
//!     let verified = verifier.verify(token)?;
//!     bearer::require_scopes(&verified, &["reports:read"])?;
//!     Ok(verified)
//! }
//! # use dailey_auth::{KeySet, testing::SigningKey};
//! # let (keys, _) = KeySet::from_json(SigningKey::generate().public_jwks().as_bytes()).unwrap();
//! # let verifier = Verifier::builder("https://core.example", ["app"]).key_set(keys).build().unwrap();
//! let refusal = admit(&verifier, &[]).unwrap_err();
//! assert_eq!((refusal.status(), refusal.code()), (401, "token_missing"));
//! ```

pub use super::refusal::{PROBLEM_JSON, RETRY_AFTER_SECONDS, Refusal};

use crate::error::Rejection;
use crate::token::MAX_TOKEN_BYTES;
use crate::verifier::Verified;

/// The token of a request, `None` when it has no `Authorization` header at all.
///
/// `authorization` are the values of all its `Authorization` headers. The scheme is compared without
/// case (RFC 9110 section 11.1).
///
/// # Errors
///
/// `token_missing` for two headers (they could mean two things to two readers, so they mean nothing) and
/// for a scheme other than `Bearer`; `token_too_large` and `token_malformed` for what cannot be a token.
pub fn optional<'a>(
    authorization: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<&'a str>, Rejection> {
    let mut values = authorization.into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Rejection::TokenMissing);
    }
    let mut parts = value.splitn(2, |byte| *byte == b' ');
    let (Some(scheme), Some(token)) = (parts.next(), parts.next()) else {
        return Err(Rejection::TokenMissing);
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Rejection::TokenMissing);
    }
    // Bytes that are no text are a token all the same: a wrong one. Its size is looked at first.
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Rejection::TokenTooLarge);
    }
    std::str::from_utf8(token)
        .map(Some)
        .map_err(|_| Rejection::TokenMalformed)
}

/// The token of a request that must have one.
///
/// # Errors
///
/// As [`optional`], and `token_missing` when there is no header.
pub fn required<'a>(
    authorization: impl IntoIterator<Item = &'a [u8]>,
) -> Result<&'a str, Rejection> {
    optional(authorization)?.ok_or(Rejection::TokenMissing)
}

/// Demands every one of `scopes` of a token. Without any, each verified token will do.
///
/// # Errors
///
/// 403 `insufficient_scope` (RFC 6750 section 3.1). A scope that is empty or has a space is held by no
/// token.
pub fn require_scopes(token: &Verified, scopes: &[impl AsRef<str>]) -> Result<(), Refusal> {
    if scopes.iter().all(|scope| token.has_scope(scope.as_ref())) {
        Ok(())
    } else {
        Err(Refusal::insufficient_scope(scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(values: &[&'a str]) -> Result<Option<&'a str>, &'static str> {
        optional(values.iter().map(|value| value.as_bytes())).map_err(|error| error.code())
    }

    #[test]
    fn the_scheme_is_compared_without_case() {
        for value in ["Bearer t", "bearer t", "BEARER t", "bEaReR t"] {
            assert_eq!(found(&[value]), Ok(Some("t")), "{value}");
        }
    }

    #[test]
    fn no_header_is_no_token_and_anything_but_one_bearer_is_refused() {
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(required([]).unwrap_err().code(), "token_missing");
        for values in [
            &["Basic dXNlcjpwYXNz"][..],
            &["Bearer"],
            &[""],
            &["t"],
            &["Bearer\tt"],
            &["Bearer t", "Bearer t"],
            &["Bearer t", "Basic t"],
            &["", ""],
        ] {
            assert_eq!(found(values), Err("token_missing"), "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_by_size_and_then_by_text() {
        let big = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES + 1));
        assert_eq!(found(&[&big]), Err("token_too_large"));
        let code = |value: &[u8]| optional([value]).unwrap_err().code();
        assert_eq!(code(b"Bearer \xff"), "token_malformed");
        // Left to the verifier, which takes neither.
        assert_eq!(found(&["Bearer "]), Ok(Some("")));
        assert_eq!(found(&["Bearer  t"]), Ok(Some(" t")));
    }
}
