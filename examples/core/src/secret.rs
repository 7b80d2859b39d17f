//! Client secrets and refresh tokens: 256 random bits, of which the database only ever holds the SHA-256.
//! A plain hash is enough because there is nothing to guess: the input is uniformly random.

use std::fmt;

use aws_lc_rs::{digest, rand};
use data_encoding::BASE64URL_NOPAD;

/// Length of a secret as text: 32 bytes in base64url.
const TEXT_LENGTH: usize = 43;

/// The SHA-256 of a secret, as it is stored.
pub type SecretHash = [u8; 32];

/// A fresh secret. Shown once, to the one who asked for it.
pub struct Secret(String);

impl Secret {
    /// 256 bits from the operating system.
    pub fn generate() -> Self {
        Self(BASE64URL_NOPAD.encode(&random_bytes::<32>()))
    }

    /// The text to hand out.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What to store.
    pub fn hash(&self) -> SecretHash {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The stored form of a presented secret; `None` when it cannot be one of ours whatever the database holds.
pub fn hash_of_presented(text: &str) -> Option<SecretHash> {
    (text.len() == TEXT_LENGTH && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok())
        .then(|| sha256(text.as_bytes()))
}

/// SHA-256 of some bytes.
#[expect(clippy::missing_panics_doc, reason = "a SHA-256 digest is 32 bytes")]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("a SHA-256 digest is 32 bytes")
}

/// Random bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness: nothing this program does would be safe then.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}
