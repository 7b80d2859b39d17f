//! Public keys: what of an issuer's key set is taken in, and finding a key by its id.
//!
//! A key is imported as an RS256 verification key or not at all, so that nothing later can use
//! it for anything else (RFC 8725 section 3.1).

mod jwk;
mod key_set;
mod served;
#[cfg(test)]
mod vectors;

pub use key_set::{KeySet, MAX_JWKS_BYTES, MAX_KEYS, SkipReason, SkippedKey};

pub(crate) use jwk::{RsaKey, Thumbprint};
#[cfg(feature = "cli")]
pub(crate) use key_set::{JWKS_LIMITS, JudgedKey};
pub(crate) use served::ServedKeys;
