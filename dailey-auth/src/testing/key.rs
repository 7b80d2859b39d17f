//! RSA keys that sign.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::keys::KeySet;
use crate::text::base64url;

/// An RSA key pair with a key id.
#[derive(Debug)]
pub struct SigningKey {
    pair: RsaKeyPair,
    n: String,
    kid: String,
}

/// A PEM text is not an RSA private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA private key in PEM (PKCS#8 or PKCS#1)")]
pub struct InvalidKey;

impl SigningKey {
    /// A new key of 2048 bits; its id is its RFC 7638 thumbprint.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    pub fn generate() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("the system has randomness");
        Self::new(pair).expect("a generated key of 2048 bits is one that we import")
    }

    /// A key from a PEM file's text (PKCS#8 or PKCS#1); its id is its RFC 7638 thumbprint.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidKey> {
        let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidKey)? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(InvalidKey),
        };
        Self::new(pair.map_err(|_| InvalidKey)?)
    }

    /// The same key under another id.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = kid.into();
        self
    }

    fn new(pair: RsaKeyPair) -> Result<Self, InvalidKey> {
        let n = base64url::encode(
            pair.public_key()
                .modulus()
                .big_endian_without_leading_zero(),
        );
        let key = Self {
            pair,
            n,
            kid: "key".to_owned(),
        };
        // What is published must be what is taken in.
        let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).map_err(|_| InvalidKey)?;
        let thumbprint = keys.thumbprint(&key.kid).ok_or(InvalidKey)?;
        Ok(key.with_kid(thumbprint))
    }

    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK (RFC 7517).
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256",
            "kid": self.kid, "n": self.n, "e": "AQAB",
        })
    }

    /// A JWK Set that holds the public key alone.
    pub fn public_jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    /// The RS256 signature of `message` (RFC 7518 section 3.3), as base64url.
    ///
    /// # Panics
    ///
    /// When the system has no memory.
    pub fn signature(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .expect("the buffer has the modulus' length");
        base64url::encode(&signature)
    }
}
