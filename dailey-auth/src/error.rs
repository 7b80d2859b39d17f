//! Every refusal and every unavailability, with its stable code and what to do about it.
//!
//! Nothing here ever holds a piece of a token: variants carry names from fixed sets only.

use std::fmt;

/// Why [`Verifier::verify`](crate::Verifier::verify) did not return a token.
///
/// The two kinds ask for different answers: a rejected token stays rejected, an unavailable
/// verdict may be had a moment later. Callers retry only the second kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is refused: answer 401.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// No verdict is possible now: answer 503 and let the caller retry.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl VerifyError {
    /// The stable code, the same in every release: `expired`, `kid_unknown`, …
    pub fn code(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.code(),
            Self::Unavailable(unavailable) => unavailable.code(),
        }
    }

    /// What to do about it, in one sentence for the integrator.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection.facts().hint,
            Self::Unavailable(unavailable) => unavailable.hint(),
        }
    }

    /// The claim that [`Rejection::ClaimMissing`] and [`Rejection::ClaimInvalid`] are about.
    pub fn claim(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(Rejection::ClaimMissing(claim) | Rejection::ClaimInvalid(claim)) => {
                Some(claim.as_str())
            }
            _ => None,
        }
    }

    /// The HTTP status to answer with: 401 for a refused token, 503 when no verdict is possible.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Rejected(_) => 401,
            Self::Unavailable(_) => 503,
        }
    }

    /// The value of the `WWW-Authenticate` header (RFC 6750 section 3), `None` for a 503.
    ///
    /// A request without a token gets the bare challenge: RFC 6750 section 3.1 wants no error
    /// code there.
    pub fn www_authenticate(&self) -> Option<String> {
        match self {
            Self::Rejected(Rejection::TokenMissing) => Some("Bearer".to_owned()),
            Self::Rejected(rejection) => Some(format!(
                "Bearer error=\"invalid_token\", error_description=\"{}\"",
                rejection.code()
            )),
            Self::Unavailable(_) => None,
        }
    }
}

/// A token was refused. Every variant has its own stable [`code`](Self::code).
///
/// The variants are in the order in which they are found: size, text form, header, key,
/// signature, claims. A refusal about claims is only ever given for a token whose signature is
/// good (RFC 8725 section 3.3), so it tells a forger nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// There was no token at all.
    TokenMissing,
    /// Longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    TokenTooLarge,
    /// Not three non-empty, canonical base64url segments (RFC 7515 section 7.1, RFC 4648 section 5).
    TokenMalformed,
    /// Five segments: an encrypted token (RFC 7516), which is never accepted.
    TokenEncrypted,
    /// The header or the claims are not a strict JSON object (RFC 8259, RFC 8725 section 3.7).
    JsonInvalid,
    /// An object in the header or the claims names a member twice (RFC 7519 section 4).
    JsonDuplicateMember,
    /// The header or the claims are nested more than 16 levels deep.
    JsonTooDeep,
    /// `alg` is absent or anything but `RS256` (RFC 8725 section 3.1).
    AlgorithmNotAllowed,
    /// `typ` is absent or not an accepted type (RFC 8725 section 3.11, RFC 9068 section 2.1).
    TypeNotAllowed,
    /// The header has a member that no token of this issuer needs (`crit`, `jku`, `jwk`, `zip`, …).
    HeaderNotAllowed,
    /// The header names no key.
    KidMissing,
    /// `kid` is not a string of 1 to 128 printable ASCII characters.
    KidInvalid,
    /// The issuer's key set has no such key.
    KidUnknown,
    /// The signature does not fit the token and the key.
    SignatureInvalid,
    /// A required claim is absent.
    ClaimMissing(ClaimName),
    /// A claim has the wrong type or a value out of its bounds.
    ClaimInvalid(ClaimName),
    /// `iss` is not the configured issuer, byte for byte.
    IssuerMismatch,
    /// `aud` names none of the configured audiences.
    AudienceMismatch,
    /// `exp` has passed, leeway included.
    Expired,
    /// `nbf` has not come yet, leeway included.
    NotYetValid,
    /// `iat` lies in the future, leeway included.
    IssuedInFuture,
    /// `exp - iat` is more than the longest accepted lifetime.
    LifetimeTooLong,
}

/// One row of the table of refusals.
struct Facts {
    code: &'static str,
    wrong: &'static str,
    hint: &'static str,
}

impl Rejection {
    /// The stable code, the same in every release.
    pub fn code(&self) -> &'static str {
        self.facts().code
    }

    fn facts(self) -> Facts {
        let (code, wrong, hint) = match self {
            Self::TokenMissing => (
                "token_missing",
                "no token was given",
                "send it in one Authorization header: Bearer, a space, the token",
            ),
            Self::TokenTooLarge => (
                "token_too_large",
                "the token is longer than 8192 bytes",
                "ask the issuer for fewer or smaller claims",
            ),
            Self::TokenMalformed => (
                "token_malformed",
                "the token is not three segments of canonical base64url",
                "pass the token exactly as the issuer gave it: no quotes, spaces, line breaks or padding",
            ),
            Self::TokenEncrypted => (
                "token_encrypted",
                "the token is encrypted (five segments)",
                "ask the issuer for a signed token",
            ),
            Self::JsonInvalid => (
                "json_invalid",
                "the token's header or claims are not a strict JSON object",
                "the issuer must write RFC 8259 JSON in UTF-8, with at most 256 members and nothing around the object",
            ),
            Self::JsonDuplicateMember => (
                "json_duplicate_member",
                "the token's header or claims name a member twice",
                "the issuer must write each member once",
            ),
            Self::JsonTooDeep => (
                "json_too_deep",
                "the token's header or claims are nested more than 16 levels deep",
                "the issuer must write flatter claims",
            ),
            Self::AlgorithmNotAllowed => (
                "algorithm_not_allowed",
                "the token's algorithm is not RS256",
                "have the issuer sign with RS256 and say so in `alg`",
            ),
            Self::TypeNotAllowed => (
                "type_not_allowed",
                "the token's type is not an access token's",
                "send the access token, not an ID or refresh token; its header must say `typ`: `at+jwt`",
            ),
            Self::HeaderNotAllowed => (
                "header_not_allowed",
                "the token's header has a member that is not allowed",
                "the issuer must write only `alg`, `kid`, `typ` and `cty`",
            ),
            Self::KidMissing => (
                "kid_missing",
                "the token does not say which key signed it",
                "the issuer must write `kid` into the header",
            ),
            Self::KidInvalid => (
                "kid_invalid",
                "the token's key id is not 1 to 128 printable ASCII characters",
                "the issuer must use a plain key id, such as the key's RFC 7638 thumbprint",
            ),
            Self::KidUnknown => (
                "kid_unknown",
                "the issuer's key set has no key with the token's key id",
                "check that the token comes from the configured issuer; after a rotation, sign in again",
            ),
            Self::SignatureInvalid => (
                "signature_invalid",
                "the token's signature is not valid",
                "check that the token arrived unchanged and comes from the configured issuer",
            ),
            Self::ClaimMissing(_) => (
                "claim_missing",
                "a required claim is missing",
                "the issuer must write iss, sub, aud, exp and iat",
            ),
            Self::ClaimInvalid(_) => (
                "claim_invalid",
                "a claim has the wrong type or is out of bounds",
                "the issuer must write the claim as RFC 7519 section 4.1 defines it",
            ),
            Self::IssuerMismatch => (
                "issuer_mismatch",
                "the token was issued by another issuer",
                "set JWT_ISSUER to the exact `iss` of the tokens, down to a final slash",
            ),
            Self::AudienceMismatch => (
                "audience_mismatch",
                "the token's audience is not this service",
                "set CORE_APP_ID to the app id that the token was issued for",
            ),
            Self::Expired => (
                "expired",
                "the token has expired",
                "get a new token; if it is new, check the clocks of both machines",
            ),
            Self::NotYetValid => (
                "not_yet_valid",
                "the token is not valid yet",
                "check the clocks of both machines",
            ),
            Self::IssuedInFuture => (
                "issued_in_future",
                "the token says it was issued in the future",
                "check the clocks of both machines",
            ),
            Self::LifetimeTooLong => (
                "lifetime_too_long",
                "the token lives longer than this service accepts",
                "have the issuer issue tokens of a shorter life (24 hours at most by default)",
            ),
        };
        Facts { code, wrong, hint }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.facts();
        match self {
            Self::ClaimMissing(claim) => {
                write!(f, "the token has no `{claim}` claim ({})", facts.hint)
            }
            Self::ClaimInvalid(claim) => write!(
                f,
                "the token's `{claim}` claim has the wrong type or is out of bounds ({})",
                facts.hint
            ),
            _ => write!(f, "{} ({})", facts.wrong, facts.hint),
        }
    }
}

impl std::error::Error for Rejection {}

/// The verifier cannot decide now. The token may well be good: answer 503, never 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// No key set could be had, or not in time.
    KeysUnavailable,
    /// The last key set is older than the hard trust age; nothing is accepted any more.
    KeysExpired,
}

impl Unavailable {
    /// The stable code, the same in every release.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeysUnavailable => "keys_unavailable",
            Self::KeysExpired => "keys_expired",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::KeysUnavailable => {
                "retry in a few seconds; if it stays, check that the JWKS address answers"
            }
            Self::KeysExpired => {
                "the issuer has been out of reach for too long: check that the JWKS address answers"
            }
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self {
            Self::KeysUnavailable => "the issuer's key set could not be had",
            Self::KeysExpired => "the issuer's key set is too old to be trusted",
        };
        write!(f, "{wrong} ({})", self.hint())
    }
}

impl std::error::Error for Unavailable {}

/// The claims that a refusal can be about (RFC 7519 section 4.1, RFC 9068 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClaimName {
    /// `iss`, the issuer.
    Iss,
    /// `sub`, the subject.
    Sub,
    /// `aud`, the audiences.
    Aud,
    /// `exp`, the time from which the token is refused.
    Exp,
    /// `iat`, the time at which it was issued.
    Iat,
    /// `nbf`, the time before which it is refused.
    Nbf,
    /// `jti`, the token's own id.
    Jti,
    /// `client_id`, the OAuth client that asked for it.
    ClientId,
    /// `scope`, the granted scopes separated by spaces.
    Scope,
}

impl ClaimName {
    /// The claim's name as it stands in the token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Exp => "exp",
            Self::Iat => "iat",
            Self::Nbf => "nbf",
            Self::Jti => "jti",
            Self::ClientId => "client_id",
            Self::Scope => "scope",
        }
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A setting of the verifier is missing or wrong: nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct ConfigError {
    setting: &'static str,
    problem: String,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self {
            setting,
            problem: problem.into(),
        }
    }

    /// The same problem, under the name of the setting that the caller knows.
    pub(crate) fn about(self, setting: &'static str) -> Self {
        Self { setting, ..self }
    }

    /// The environment key or builder method to change: `JWT_ISSUER`, `leeway`, …
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

/// A JSON Web Key Set cannot be used (RFC 7517 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than [`MAX_JWKS_BYTES`](crate::MAX_JWKS_BYTES).
    #[error("the key set is longer than 65536 bytes")]
    TooLarge,
    /// Not a strict JSON object with one `keys` array of objects.
    #[error("the key set is not a strict JSON object with a `keys` array of objects")]
    Malformed,
    /// More than [`MAX_KEYS`](crate::MAX_KEYS) keys.
    #[error("the key set holds more than 64 keys")]
    TooManyKeys,
    /// Not one key of the set can verify RS256 tokens.
    #[error("the key set holds no usable RS256 key")]
    NoUsableKey,
}

/// Why a fetch brought no key set. Holds nothing of what the server sent.
#[cfg(feature = "jwks-http")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No connection, or it broke: name, network, TLS.
    #[error("the issuer could not be reached")]
    Connection,
    /// More than 2 seconds to connect, or 5 seconds in all.
    #[error("the issuer took too long")]
    Timeout,
    /// A redirect, which is never followed.
    #[error("the issuer answered with a redirect: set the final address")]
    Redirect,
    /// Any status but 200 and 304.
    #[error("the issuer answered with status {0}")]
    Status(u16),
    /// Neither `application/json` nor another JSON type.
    #[error("the issuer's answer is not of a JSON content type")]
    ContentType,
    /// The answer is compressed, which was not asked for.
    #[error("the issuer's answer is compressed")]
    ContentEncoding,
    /// "Not modified" (304) although nothing was asked on a condition.
    #[error("the issuer answered 304 to a request without a condition")]
    NotModifiedUnasked,
    /// The document is not a usable key set.
    #[error(transparent)]
    KeySet(KeySetError),
    /// The file is not there, not a plain file, or cannot be read.
    #[error("the key set file cannot be read")]
    File,
    /// The fetch itself failed, or the runtime on which the verifier was built has ended.
    #[error("the fetch ended unexpectedly")]
    Internal,
}
