//! The checks in order, and which of them a refusal comes from.
//!
//! Not a second set of rules: the verdict is the verifier's, and this says where in the order
//! (README, "What is checked") each verdict stands.

use crate::error::{Rejection, VerifyError};
use crate::verifier::Examination;

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Size,
    Text,
    HeaderJson,
    Algorithm,
    Type,
    HeaderMembers,
    KeyId,
    KeySet,
    Key,
    Signature,
    ClaimsJson,
    Claims,
    Issuer,
    Audience,
    Expiry,
    NotBefore,
    IssuedAt,
    Lifetime,
}

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Passed,
    Failed,
    NotReached,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
        }
    }
}

impl Check {
    pub(super) const ALL: [Self; 18] = [
        Self::Size,
        Self::Text,
        Self::HeaderJson,
        Self::Algorithm,
        Self::Type,
        Self::HeaderMembers,
        Self::KeyId,
        Self::KeySet,
        Self::Key,
        Self::Signature,
        Self::ClaimsJson,
        Self::Claims,
        Self::Issuer,
        Self::Audience,
        Self::Expiry,
        Self::NotBefore,
        Self::IssuedAt,
        Self::Lifetime,
    ];

    /// The check that a verdict comes from; none for an accepted token.
    pub(super) fn that_failed(examination: &Examination) -> Option<Self> {
        let rejection = match &examination.verdict {
            Ok(_) => return None,
            Err(VerifyError::Unavailable(_)) => return Some(Self::KeySet),
            Err(VerifyError::Rejected(rejection)) => rejection,
        };
        // The key id is known as soon as the header is right.
        let header_is_right = examination.kid.is_some();
        Some(match rejection {
            Rejection::TokenMissing | Rejection::TokenTooLarge => Self::Size,
            Rejection::TokenMalformed | Rejection::TokenEncrypted => Self::Text,
            Rejection::JsonInvalid | Rejection::JsonDuplicateMember | Rejection::JsonTooDeep => {
                if header_is_right {
                    Self::ClaimsJson
                } else {
                    Self::HeaderJson
                }
            }
            Rejection::AlgorithmNotAllowed => Self::Algorithm,
            Rejection::TypeNotAllowed => Self::Type,
            Rejection::HeaderNotAllowed => Self::HeaderMembers,
            Rejection::KidMissing | Rejection::KidInvalid => Self::KeyId,
            Rejection::KidUnknown => Self::Key,
            Rejection::SignatureInvalid => Self::Signature,
            // Claims of the right types that are refused all the same: `exp` is not after `iat`.
            Rejection::ClaimInvalid(_) if examination.claims.is_some() => Self::Lifetime,
            Rejection::ClaimMissing(_) | Rejection::ClaimInvalid(_) => Self::Claims,
            Rejection::IssuerMismatch => Self::Issuer,
            Rejection::AudienceMismatch => Self::Audience,
            Rejection::Expired => Self::Expiry,
            Rejection::NotYetValid => Self::NotBefore,
            Rejection::IssuedInFuture => Self::IssuedAt,
            Rejection::LifetimeTooLong => Self::Lifetime,
        })
    }

    /// What became of this check when `failed` is the one that failed.
    pub(super) fn status(self, failed: Option<Self>) -> Status {
        match failed {
            Some(failed) if self == failed => Status::Failed,
            Some(failed) if self > failed => Status::NotReached,
            _ => Status::Passed,
        }
    }

    /// The stable name in JSON.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Text => "text",
            Self::HeaderJson => "header_json",
            Self::Algorithm => "algorithm",
            Self::Type => "type",
            Self::HeaderMembers => "header_members",
            Self::KeyId => "key_id",
            Self::KeySet => "key_set",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::ClaimsJson => "claims_json",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::IssuedAt => "issued_at",
            Self::Lifetime => "lifetime",
        }
    }

    /// What is asked for, in a few words.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Size => "1 to 8192 bytes",
            Self::Text => "three segments of canonical base64url",
            Self::HeaderJson => "the header is a strict JSON object",
            Self::Algorithm => "`alg` is RS256",
            Self::Type => "`typ` is an accepted type",
            Self::HeaderMembers => "the header has `alg`, `typ`, `kid`, `cty` and nothing else",
            Self::KeyId => "`kid` is 1 to 128 printable ASCII characters",
            Self::KeySet => "the issuer's key set is at hand",
            Self::Key => "the key set has a usable key of that id",
            Self::Signature => "the signature is that key's",
            Self::ClaimsJson => "the claims are a strict JSON object",
            Self::Claims => "iss, sub, aud, exp, iat are there, all claims of their types",
            Self::Issuer => "`iss` is the issuer",
            Self::Audience => "`aud` names an accepted audience",
            Self::Expiry => "`exp` has not passed",
            Self::NotBefore => "`nbf` has come, if there is one",
            Self::IssuedAt => "`iat` is not in the future",
            Self::Lifetime => "`exp` is after `iat`, by 24 hours at most",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unavailable;

    #[test]
    fn every_check_stands_in_the_list_in_its_order() {
        assert!(Check::ALL.is_sorted());
        assert_eq!(Check::ALL.len(), Check::Lifetime as usize + 1);
    }

    #[test]
    fn without_keys_it_is_the_key_set_that_failed() {
        for unavailable in [Unavailable::KeysUnavailable, Unavailable::KeysExpired] {
            let examination = Examination {
                verdict: Err(unavailable.into()),
                kid: None,
                payload: None,
                claims: None,
            };
            assert_eq!(Check::that_failed(&examination), Some(Check::KeySet));
        }
    }
}
