//! A JSON Web Key Set (RFC 7517 section 5), taken in key by key and never changed afterwards.

use std::fmt;

use crate::error::KeySetError;
use crate::text::json::{self, Limits, Text, Value};

use super::jwk::{Jwk, RsaKey};

/// Largest accepted key set in bytes: 64 keys of 4096 bits with some room.
pub const MAX_JWKS_BYTES: usize = 64 * 1024;

/// Most keys in a set. An issuer in the middle of a rotation publishes three.
pub const MAX_KEYS: usize = 64;

/// A key set is flat: an object, an array, keys, and in them at most lists of certificates.
pub(crate) const JWKS_LIMITS: Limits = Limits {
    depth: 8,
    members: 2048,
};

/// The RS256 keys of one issuer, by key id. Immutable and cheap to share.
///
/// ```
/// use dailey_auth::{KeySet, KeySetError};
///
/// let weak = br#"{"keys":[{"kty":"RSA","kid":"1","n":"3q2-7w","e":"AQAB"}]}"#;
/// assert_eq!(KeySet::from_json(weak).unwrap_err(), KeySetError::NoUsableKey);
/// ```
#[derive(Clone)]
pub struct KeySet {
    // A linear search beats a hash table for the few keys that an issuer has.
    keys: Box<[(Box<str>, RsaKey)]>,
}

impl KeySet {
    /// Takes in a JWK Set document of at most [`MAX_JWKS_BYTES`] and [`MAX_KEYS`], in strict JSON.
    ///
    /// A key that cannot be used is skipped and told about, it never spoils the good ones. Two
    /// different keys with one id are both skipped, since nobody can say which one is meant.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] when the document is too large or malformed, or when no key is usable.
    pub fn from_json(json: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetError> {
        let (keys, skipped) = Self::read(json)?;
        Ok((keys.ok_or(KeySetError::NoUsableKey)?, skipped))
    }

    /// The same, which also tells why there is no usable key.
    pub(crate) fn read(json: &[u8]) -> Result<(Option<Self>, Vec<SkippedKey>), KeySetError> {
        let (keys, skipped) = sort_out(Self::judge_json(json)?);
        let keys = (!keys.is_empty()).then(|| Self { keys: keys.into() });
        Ok((keys, skipped))
    }

    /// What becomes of each entry of a document, in its order.
    pub(crate) fn judge_json(json: &[u8]) -> Result<Vec<JudgedKey>, KeySetError> {
        if json.len() > MAX_JWKS_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let mut list = None;
        json::read_object(json, JWKS_LIMITS, |name, value| {
            if name.means("keys") {
                list = Some(value);
            }
        })
        .map_err(|_| KeySetError::Malformed)?;
        let Some(Value::Array(list)) = list else {
            return Err(KeySetError::Malformed);
        };

        let mut entries = Vec::new();
        for entry in list.values() {
            if entries.len() == MAX_KEYS {
                return Err(KeySetError::TooManyKeys);
            }
            entries.push(match entry {
                Value::Object(object) => Jwk::read(object).map_err(|_| KeySetError::Malformed)?,
                _ => Jwk::not_an_object(),
            });
        }
        Ok(judge(entries))
    }

    /// No key at all: for what can be said of a token before its key is looked for.
    #[cfg(feature = "cli")]
    pub(crate) fn empty() -> Self {
        Self { keys: Box::new([]) }
    }

    pub(crate) fn find(&self, kid: &str) -> Option<&RsaKey> {
        self.get(self.position(Text::plain(kid))?)
            .map(|(_, key)| key)
    }

    /// The place of the key with this id.
    pub(crate) fn position(&self, kid: Text<'_>) -> Option<usize> {
        self.keys.iter().position(|(own, _)| kid.means(own))
    }

    /// The id and the key at a place.
    pub(crate) fn get(&self, position: usize) -> Option<(&str, &RsaKey)> {
        self.keys.get(position).map(|(kid, key)| (&**kid, key))
    }

    /// The ids of the keys, in the order of the document.
    pub fn kids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys.iter().map(|(kid, _)| &**kid)
    }

    /// The RFC 7638 thumbprint of the key with this id, base64url.
    pub fn thumbprint(&self, kid: &str) -> Option<String> {
        self.find(kid).map(|key| key.thumbprint().to_string())
    }

    /// The keys as JWKs, for writing the set down.
    #[cfg(feature = "jwks-http")]
    pub(crate) fn to_jwks(&self) -> Vec<serde_json::Value> {
        self.keys.iter().map(|(kid, key)| key.to_jwk(kid)).collect()
    }

    /// The set without the keys whose thumbprint is not in `pinned`; those come back as skipped.
    #[cfg(feature = "jwks-http")]
    pub(crate) fn pinned(self, pinned: &[String]) -> (Option<Self>, Vec<SkippedKey>) {
        let is_pinned = |key: &RsaKey| pinned.contains(&key.thumbprint().to_string());
        let (keys, others): (Vec<_>, Vec<_>) = self
            .keys
            .into_vec()
            .into_iter()
            .partition(|(_, key)| is_pinned(key));
        let skipped = others
            .into_iter()
            .map(|(kid, _)| SkippedKey {
                kid: Some(kid),
                reason: SkipReason::NotPinned,
            })
            .collect();
        (
            (!keys.is_empty()).then(|| Self { keys: keys.into() }),
            skipped,
        )
    }

    /// Whether both sets hold the same keys under the same ids, in whatever order.
    #[cfg(feature = "jwks-http")]
    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len()
            && self.keys.iter().all(|(kid, key)| {
                other
                    .find(kid)
                    .is_some_and(|other| other.thumbprint() == key.thumbprint())
            })
    }
}

/// An entry of a document: its key id, where it has a fit one, and its key or why there is none.
pub(crate) struct JudgedKey {
    pub(crate) kid: Option<Box<str>>,
    pub(crate) key: Result<RsaKey, SkipReason>,
}

/// Holds the entries against each other.
fn judge(mut entries: Vec<Jwk>) -> Vec<JudgedKey> {
    // A key is its modulus: with its private half published, its public twin is as good as none.
    let betrayed: Vec<_> = entries
        .iter_mut()
        .filter_map(|entry| entry.betrayed.take())
        .collect();
    for entry in &mut entries {
        if let Ok(key) = &entry.key
            && betrayed
                .iter()
                .any(|known| known.is(entry.kid.as_deref(), key))
        {
            entry.key = Err(SkipReason::PrivateKey);
        }
    }
    // The same key twice says nothing new; two keys of one id leave nobody to say which is meant.
    let ambiguous: Vec<bool> = entries
        .iter()
        .map(|entry| {
            entries.iter().any(|other| {
                let moduli = entry.key.as_ref().ok().zip(other.key.as_ref().ok());
                entry.kid == other.kid
                    && moduli.is_some_and(|(own, other)| own.modulus() != other.modulus())
            })
        })
        .collect();
    let judged = entries.into_iter().zip(ambiguous);
    judged
        .map(|(Jwk { kid, key, .. }, ambiguous)| JudgedKey {
            kid,
            key: if ambiguous {
                Err(SkipReason::KidAmbiguous)
            } else {
                key
            },
        })
        .collect()
}

/// Parts the usable keys, each of them once, from the others.
fn sort_out(judged: Vec<JudgedKey>) -> (Vec<(Box<str>, RsaKey)>, Vec<SkippedKey>) {
    let mut keys: Vec<(Box<str>, RsaKey)> = Vec::new();
    let mut skipped = Vec::new();
    for JudgedKey { kid, key } in judged {
        match (kid, key) {
            (Some(kid), Ok(key)) => {
                if !keys.iter().any(|(own, _)| *own == kid) {
                    keys.push((kid, key));
                }
            }
            (None, Ok(_)) => skipped.push(SkippedKey {
                kid: None,
                reason: SkipReason::KidMissing,
            }),
            (kid, Err(reason)) => skipped.push(SkippedKey { kid, reason }),
        }
    }
    (keys, skipped)
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kids()).finish()
    }
}

/// A key of a set that was not taken in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    kid: Option<Box<str>>,
    reason: SkipReason,
}

impl SkippedKey {
    /// The key's id, where it has one of 1 to 128 printable ASCII characters.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Why the key was not taken in.
    pub fn reason(&self) -> SkipReason {
        self.reason
    }
}

/// Why a key of a set was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// Alarming: the issuer publishes a private or symmetric key. It must be taken out of use.
    #[error("it holds private members: the key is compromised and must be replaced")]
    PrivateKey,
    /// `kid` is absent or not 1 to 128 printable ASCII characters.
    #[error("it has no `kid` of 1 to 128 printable ASCII characters")]
    KidMissing,
    /// Two different keys of the set have this id.
    #[error("another key of the set has the same `kid`")]
    KidAmbiguous,
    /// `kty` is not `RSA`.
    #[error("its `kty` is not RSA")]
    KeyTypeNotAllowed,
    /// `alg` is present and not `RS256`.
    #[error("its `alg` is not RS256")]
    AlgorithmNotAllowed,
    /// `use` is present and not `sig`, or `key_ops` is present and not a proper list with `verify`.
    #[error("its `use` or `key_ops` does not allow verifying")]
    UseNotAllowed,
    /// The modulus has fewer than 2048 or more than 8192 bits.
    #[error("its modulus is not of 2048 to 8192 bits")]
    ModulusSize,
    /// The exponent is not 65537.
    #[error("its exponent is not 65537")]
    ExponentNotAllowed,
    /// `n` or `e` is absent, not canonical base64url, or not an RSA key's.
    #[error("its modulus or exponent is malformed")]
    Malformed,
    /// The key is not one of the pinned thumbprints.
    #[error("its thumbprint is not pinned")]
    NotPinned,
}
