//! RSA public keys: what a verifier gets to know of a key.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::der::{self, Algorithm};
use super::kid::Kid;
use crate::secret::sha256;

/// Smallest and largest modulus in bits (RFC 7518 3.3; larger ones only cost verifiers time).
pub(super) const MIN_BITS: usize = 2048;
pub(super) const MAX_BITS: usize = 4096;

/// Why some PEM is not a key for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// No PEM at all.
    #[error("it is not PEM: it should begin with a line like `-----BEGIN PRIVATE KEY-----`")]
    NotPem,
    /// A private key behind a passphrase.
    #[error("the key is encrypted: store it without a passphrase, readable by its owner only")]
    Encrypted,
    /// The public half where the private one is needed.
    #[error("it holds a public key: the private one is needed here")]
    PublicGiven,
    /// The private half where everyone may read.
    #[error(
        "it holds a private key, and this folder is for public ones: move it away and consider it disclosed"
    )]
    PrivateGiven,
    /// Another kind of key.
    #[error("it is {0}: an RSA key is needed (RS256)")]
    NotRsa(&'static str),
    /// A short modulus.
    #[error("the RSA key is shorter than 2048 bits")]
    TooSmall,
    /// A long modulus.
    #[error("the RSA key is longer than 4096 bits")]
    TooLarge,
    /// Another public exponent.
    #[error("the RSA key's public exponent is not 65537")]
    Exponent,
    /// It does not parse.
    #[error("the key is damaged: its parts do not fit together")]
    Damaged,
}

/// A public key within our bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    modulus: Vec<u8>,
    /// X.509 `SubjectPublicKeyInfo`.
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads a PEM public key (`PUBLIC KEY` or `RSA PUBLIC KEY`).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyProblem> {
        let (label, der) = pem_rfc7468::decode_vec(pem).map_err(|error| match error {
            pem_rfc7468::Error::HeaderDisallowed => KeyProblem::Encrypted,
            _ => KeyProblem::NotPem,
        })?;
        match label {
            "PUBLIC KEY" => match der::algorithm(&der) {
                Some(Algorithm::Rsa) => {}
                Some(Algorithm::Other(name)) => return Err(KeyProblem::NotRsa(name)),
                None => return Err(KeyProblem::Damaged),
            },
            "RSA PUBLIC KEY" => {}
            _ if label.ends_with("PRIVATE KEY") => return Err(KeyProblem::PrivateGiven),
            _ => return Err(KeyProblem::NotRsa("no public key")),
        }
        let key = aws_lc_rs::rsa::PublicKey::from_der(&der).map_err(|_| KeyProblem::Damaged)?;
        Self::from_parsed(&key)
    }

    pub(super) fn from_parsed(key: &aws_lc_rs::rsa::PublicKey) -> Result<Self, KeyProblem> {
        use aws_lc_rs::encoding::AsDer as _;
        let (modulus, exponent) = der::rsa_public_key(key.as_ref()).ok_or(KeyProblem::Damaged)?;
        match der::bits(modulus) {
            bits if bits < MIN_BITS => return Err(KeyProblem::TooSmall),
            bits if bits > MAX_BITS => return Err(KeyProblem::TooLarge),
            _ => {}
        }
        if exponent != [1, 0, 1] {
            return Err(KeyProblem::Exponent);
        }
        let spki = key
            .as_der()
            .map_err(|_| KeyProblem::Damaged)?
            .as_ref()
            .to_vec();
        Ok(Self {
            modulus: modulus.to_vec(),
            spki,
        })
    }

    /// PEM, as published files hold it.
    ///
    /// # Panics
    /// Never: the label and the length are within PEM's bounds.
    pub fn to_pem(&self) -> String {
        pem_rfc7468::encode_string("PUBLIC KEY", pem_rfc7468::LineEnding::LF, &self.spki)
            .expect("a public key of at most 4096 bits fits into PEM")
    }

    /// The JWK (RFC 7517) under a kid.
    pub fn jwk(&self, kid: &Kid) -> Value {
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": kid,
            "n": BASE64URL_NOPAD.encode(&self.modulus),
            "e": "AQAB",
        })
    }

    /// The RFC 7638 thumbprint.
    ///
    /// # Panics
    /// Never: base64url of 32 bytes is a kid.
    pub fn thumbprint(&self) -> Kid {
        // RFC 7638 3.2: the required members, in lexicographic order, without white space.
        let canonical = format!(
            r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#,
            BASE64URL_NOPAD.encode(&self.modulus)
        );
        Kid::parse(&BASE64URL_NOPAD.encode(&sha256(canonical.as_bytes())))
            .expect("base64url of 32 bytes is a kid")
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint())
    }
}
