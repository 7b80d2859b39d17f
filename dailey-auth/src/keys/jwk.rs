//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6.3) and the hygiene of taking it in.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use crate::text::base64url;
use crate::text::json::{self, Array, JsonError, Text, Value};
use crate::token::is_kid;

use super::key_set::{JWKS_LIMITS, SkipReason};

/// Moduli in bits. Below 2048 a key is weak (RFC 7518 section 3.3); above 8192 verification is
/// slow enough to be an attack.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The one accepted public exponent, 65537, as base64url.
const EXPONENT: &str = "AQAB";

/// Members that only a private or symmetric key has (RFC 7518 sections 6.3.2 and 6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// An RSA public key, ready to verify RS256 signatures.
#[derive(Clone)]
pub(crate) struct RsaKey {
    key: ParsedPublicKey,
    modulus_bytes: usize,
    thumbprint: Thumbprint,
    /// The modulus as base64url: one text for each key.
    n: Box<str>,
}

impl RsaKey {
    /// Whether `signature` (base64url) is this key's signature of `message`
    /// (RFC 7518 section 3.3, RFC 8017 section 8.2.2).
    pub(crate) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        // RFC 8017 section 8.2.2 step 1: exactly as long as the modulus. Looked at first, so that
        // a long signature costs nothing.
        if signature.len() != encoded_length(self.modulus_bytes) {
            return false;
        }
        let mut bytes = base64url::Buffer::<512>::new();
        base64url::decode_into(&mut bytes, signature)
            .is_some_and(|signature| self.key.verify_sig(message, signature).is_ok())
    }

    /// The modulus as canonical base64url.
    pub(crate) fn modulus(&self) -> &str {
        &self.n
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    fn import(n: Text<'_>, e: Text<'_>) -> Result<Self, SkipReason> {
        let (n, e) = (n.unescaped(), e.unescaped());
        if e != EXPONENT {
            return Err(SkipReason::ExponentNotAllowed);
        }
        let modulus = base64url::decode::<512>(&n).ok_or(SkipReason::Malformed)?;
        // RFC 7518 section 6.3.1.1: as few bytes as the value needs.
        let first = *modulus
            .first()
            .filter(|byte| **byte != 0)
            .ok_or(SkipReason::Malformed)?;
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        if !MODULUS_BITS.contains(&bits) {
            return Err(SkipReason::ModulusSize);
        }
        if modulus.last().is_none_or(|byte| byte & 1 == 0) {
            return Err(SkipReason::Malformed);
        }
        let components = RsaPublicKeyComponents {
            n: &modulus[..],
            e: &[1, 0, 1][..],
        };
        let key = components
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .map_err(|_| SkipReason::Malformed)?;
        let thumbprint = Thumbprint::of(&n);
        Ok(Self {
            key,
            modulus_bytes: modulus.len(),
            thumbprint,
            n: n.into(),
        })
    }

    #[cfg(feature = "jwks-http")]
    /// The key as a JWK with exactly the members that this crate reads.
    pub(crate) fn to_jwk(&self, kid: &str) -> serde_json::Value {
        serde_json::json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": &*self.n, "e": EXPONENT,
        })
    }
}

/// The length of `bytes` bytes in base64url without padding.
const fn encoded_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// A JWK SHA-256 thumbprint (RFC 7638).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of the RSA key with the base64url modulus `n` and exponent 65537.
    fn of(n: &str) -> Self {
        // RFC 7638 section 3.2: the required members in order, without white space.
        let canonical = format!(r#"{{"e":"{EXPONENT}","kty":"RSA","n":"{n}"}}"#);
        let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest.as_ref());
        Self(thumbprint)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(&self.0))
    }
}

/// One entry of a key set: its key id, where it has a fit one, and its key or why there is none.
pub(crate) struct Jwk {
    pub(crate) kid: Option<Box<str>>,
    pub(crate) key: Result<RsaKey, SkipReason>,
    /// What a key is known by whose private half stands in the document.
    pub(crate) betrayed: Option<Betrayed>,
}

/// A key whose private half is public. Whoever writes such an entry may write its modulus
/// carelessly, too, so it is read leniently here, where that refuses more.
pub(crate) struct Betrayed {
    kid: Option<Box<str>>,
    modulus: Option<Vec<u8>>,
}

impl Betrayed {
    fn new(kid: Option<&str>, n: Option<&str>) -> Self {
        Self {
            kid: kid.map(Into::into),
            modulus: n.and_then(modulus_however_written),
        }
    }

    /// Whether the key of this id is the same one, as far as anybody can tell.
    pub(crate) fn is(&self, kid: Option<&str>, key: &RsaKey) -> bool {
        let same_kid = kid.is_some() && kid == self.kid.as_deref();
        same_kid || self.modulus.is_some() && self.modulus == modulus_however_written(key.modulus())
    }
}

/// A number's bytes from base64 with or without padding, of either alphabet, with or without
/// leading zeros.
fn modulus_however_written(n: &str) -> Option<Vec<u8>> {
    let url = n.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let bytes = base64url::decode_vec(&url, 0)?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(first..).map(<[u8]>::to_vec)
}

impl Jwk {
    /// Reads an entry of a key set, already known to be strict JSON.
    pub(crate) fn read(object: &str) -> Result<Self, JsonError> {
        let mut members = Members::default();
        json::read_object(object.as_bytes(), JWKS_LIMITS, |name, value| {
            members.take(name, value);
        })?;
        let kid: Option<Box<str>> = members
            .kid
            .and_then(Value::text)
            .filter(|kid| is_kid(*kid))
            .map(|kid| kid.unescaped().into());
        let key = match &kid {
            _ if members.private => Err(SkipReason::PrivateKey),
            None => Err(SkipReason::KidMissing),
            Some(_) => members.rsa_key(),
        };
        let betrayed = members.private.then(|| {
            let n = members.n.and_then(Value::text).map(Text::unescaped);
            Betrayed::new(kid.as_deref(), n.as_deref())
        });
        Ok(Self { kid, key, betrayed })
    }

    /// An entry that is not even an object.
    pub(crate) fn not_an_object() -> Self {
        Self {
            kid: None,
            key: Err(SkipReason::Malformed),
            betrayed: None,
        }
    }
}

/// The members of a JWK that decide whether it is taken in.
#[derive(Default)]
struct Members<'a> {
    kty: Option<Value<'a>>,
    alg: Option<Value<'a>>,
    usage: Option<Value<'a>>,
    key_ops: Option<Value<'a>>,
    kid: Option<Value<'a>>,
    n: Option<Value<'a>>,
    e: Option<Value<'a>>,
    private: bool,
}

impl<'a> Members<'a> {
    fn take(&mut self, name: Text<'a>, value: Value<'a>) {
        match &*name.unescaped() {
            "kty" => self.kty = Some(value),
            "alg" => self.alg = Some(value),
            "use" => self.usage = Some(value),
            "key_ops" => self.key_ops = Some(value),
            "kid" => self.kid = Some(value),
            "n" => self.n = Some(value),
            "e" => self.e = Some(value),
            private if PRIVATE_MEMBERS.contains(&private) => self.private = true,
            _ => {}
        }
    }

    fn rsa_key(&self) -> Result<RsaKey, SkipReason> {
        let says = |value: Option<Value<'_>>, expected| {
            value
                .and_then(Value::text)
                .is_some_and(|text| text.means(expected))
        };
        if !says(self.kty, "RSA") {
            return Err(SkipReason::KeyTypeNotAllowed);
        }
        if self.alg.is_some() && !says(self.alg, "RS256") {
            return Err(SkipReason::AlgorithmNotAllowed);
        }
        if self.usage.is_some() && !says(self.usage, "sig") {
            return Err(SkipReason::UseNotAllowed);
        }
        match self.key_ops {
            None => {}
            Some(Value::Array(operations)) if allows_verify(operations) => {}
            Some(_) => return Err(SkipReason::UseNotAllowed),
        }
        let parameter =
            |value: Option<Value<'a>>| value.and_then(Value::text).ok_or(SkipReason::Malformed);
        RsaKey::import(parameter(self.n)?, parameter(self.e)?)
    }
}

/// RFC 7517 section 4.3: an array of strings, none of them twice.
fn allows_verify(operations: Array<'_>) -> bool {
    let mut seen = Vec::new();
    for operation in operations.values() {
        let Some(operation) = operation.text().map(Text::unescaped) else {
            return false;
        };
        if seen.contains(&operation) {
            return false;
        }
        seen.push(operation);
    }
    seen.iter().any(|operation| operation == "verify")
}
