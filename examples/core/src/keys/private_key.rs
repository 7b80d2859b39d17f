//! RSA private keys: reading, making, signing. The key is parsed once and kept.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use zeroize::Zeroizing;

use super::der::{self, Algorithm};
use super::public_key::{KeyProblem, MAX_BITS, MIN_BITS, PublicKey};

/// A key that signs.
pub struct PrivateKey {
    pair: KeyPair,
    public: PublicKey,
}

/// The signature could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key failed to sign")]
pub struct SigningFailed;

impl PrivateKey {
    /// A new 2048-bit key.
    ///
    /// # Panics
    /// When the operating system has no randomness.
    pub fn generate() -> Self {
        let pair =
            KeyPair::generate(KeySize::Rsa2048).expect("the operating system has randomness");
        let public = PublicKey::from_parsed(pair.public_key())
            .expect("a generated key is within our bounds");
        Self { pair, public }
    }

    /// Reads PEM: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyProblem> {
        let (label, der) = pem_rfc7468::decode_vec(pem).map_err(|error| match error {
            // PKCS#1 says `Proc-Type: 4,ENCRYPTED` in a header (RFC 1421), which RFC 7468 forbids.
            pem_rfc7468::Error::HeaderDisallowed => KeyProblem::Encrypted,
            _ => KeyProblem::NotPem,
        })?;
        let der = Zeroizing::new(der);
        let parsed = match label {
            "PRIVATE KEY" => match der::algorithm(&der) {
                Some(Algorithm::Rsa) => KeyPair::from_pkcs8(&der),
                Some(Algorithm::Other(name)) => return Err(KeyProblem::NotRsa(name)),
                None => return Err(KeyProblem::Damaged),
            },
            "RSA PRIVATE KEY" => KeyPair::from_der(&der),
            "ENCRYPTED PRIVATE KEY" => return Err(KeyProblem::Encrypted),
            "EC PRIVATE KEY" => return Err(KeyProblem::NotRsa("an elliptic-curve (EC) key")),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(KeyProblem::PublicGiven),
            "CERTIFICATE" => return Err(KeyProblem::NotRsa("a certificate")),
            _ => return Err(KeyProblem::NotRsa("another kind of PEM file")),
        };
        let pair = parsed.map_err(|_| match der::rsa_private_key_bits(&der) {
            Some(bits) if bits < MIN_BITS => KeyProblem::TooSmall,
            Some(bits) if bits > MAX_BITS => KeyProblem::TooLarge,
            _ => KeyProblem::Damaged,
        })?;
        let public = PublicKey::from_parsed(pair.public_key())?;
        Ok(Self { pair, public })
    }

    /// PEM (PKCS#8), wiped from memory when dropped.
    ///
    /// # Panics
    /// Never: the key was generated or parsed by the same library.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der: Pkcs8V1Der<'_> = self
            .pair
            .as_der()
            .expect("a parsed key can be written again");
        let pem =
            pem_rfc7468::encode_string("PRIVATE KEY", pem_rfc7468::LineEnding::LF, der.as_ref());
        Zeroizing::new(pem.expect("a private key of at most 4096 bits fits into PEM"))
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 3.3). Some 0.6 ms of pure computing at 2048 bits.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| SigningFailed)?;
        Ok(signature)
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({})", self.public.thumbprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_being_written_and_read() {
        let key = PrivateKey::generate();
        let again = PrivateKey::from_pem(key.to_pem().as_bytes()).unwrap();
        assert_eq!(again.public(), key.public());
        assert_eq!(
            PublicKey::from_pem(key.public().to_pem().as_bytes()).unwrap(),
            *key.public()
        );
    }

    #[test]
    fn each_half_is_refused_in_the_place_of_the_other() {
        let key = PrivateKey::generate();
        assert_eq!(
            PrivateKey::from_pem(key.public().to_pem().as_bytes()).unwrap_err(),
            KeyProblem::PublicGiven
        );
        assert_eq!(
            PublicKey::from_pem(key.to_pem().as_bytes()).unwrap_err(),
            KeyProblem::PrivateGiven
        );
    }
}
