//! The compact form of a token (RFC 7515 section 7.1), its header and its claims.
//!
//! This module says whether a token is well formed and what it says; whether that is acceptable
//! is the policy's business, and whether it is true is the key's.

mod claims;
mod compact;
mod header;

pub use claims::{Audiences, Claims, Header, MAX_AUDIENCES, MAX_SUBJECT_BYTES, NumericDate};
pub use compact::MAX_TOKEN_BYTES;
pub use header::MAX_KID_BYTES;

pub(crate) use claims::Payload;
pub(crate) use compact::Compact;
pub(crate) use header::{HeaderBytes, TokenHeader, is_kid};

use crate::error::Rejection;
use crate::text::json::{JsonError, Limits};

/// Levels of nesting in a token's header or claims. Access tokens need two or three.
const MAX_DEPTH: usize = 16;

/// Members of all objects of a token's header, or of its claims. Access tokens need about a dozen.
const MAX_MEMBERS: usize = 256;

const LIMITS: Limits = Limits {
    depth: MAX_DEPTH,
    members: MAX_MEMBERS,
};

impl From<JsonError> for Rejection {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Invalid => Self::JsonInvalid,
            JsonError::DuplicateMember => Self::JsonDuplicateMember,
            JsonError::TooDeep => Self::JsonTooDeep,
        }
    }
}
