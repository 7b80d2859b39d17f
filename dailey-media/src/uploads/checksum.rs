//! `Upload-Checksum` (tus 1.0.0, checksum) and `Content-Digest` (RFC 9530): what the bytes of one
//! request must be. Pure.

use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use data_encoding::BASE64;

use crate::digest::Sha256;

/// The algorithms by tus' names, as `Tus-Checksum-Algorithm` lists them. SHA-1 is here because every
/// server of tus must know it; it finds accidents, not forgeries.
pub(crate) const ALGORITHMS: &str = "sha1,sha256";

/// Why an `Upload-Checksum` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Upload-Checksum is not `sha1 <base64>` or `sha256 <base64>`, the algorithms that are checked here"
)]
pub(crate) struct ChecksumError;

/// Which statement about the bytes did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    Checksum,
    ContentDigest,
}

/// What the bytes of one request must be, checked as they come.
#[derive(Default)]
pub(crate) struct Checks(Vec<Check>);

struct Check {
    expected: Vec<u8>,
    digest: Context,
    mismatch: Mismatch,
}

impl Checks {
    /// Whether there is anything to check: then no byte counts before the last has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the value of an `Upload-Checksum`.
    pub(crate) fn add_checksum(&mut self, text: &str) -> Result<(), ChecksumError> {
        let (name, value) = text.split_once(' ').ok_or(ChecksumError)?;
        let algorithm = match name {
            "sha1" => &SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => &SHA256,
            _ => return Err(ChecksumError),
        };
        let expected = BASE64.decode(value.as_bytes()).map_err(|_| ChecksumError)?;
        if expected.len() != algorithm.output_len() {
            return Err(ChecksumError);
        }
        self.add(algorithm, expected, Mismatch::Checksum);
        Ok(())
    }

    /// Adds the value of a `Content-Digest`.
    pub(crate) fn add_content_digest(&mut self, digest: Sha256) {
        self.add(&SHA256, digest.as_bytes().to_vec(), Mismatch::ContentDigest);
    }

    fn add(&mut self, algorithm: &'static Algorithm, expected: Vec<u8>, mismatch: Mismatch) {
        self.0.push(Check {
            expected,
            digest: Context::new(algorithm),
            mismatch,
        });
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for check in &mut self.0 {
            check.digest.update(bytes);
        }
    }

    /// The first statement that does not hold for the bytes so far.
    pub(crate) fn mismatch(&self) -> Option<Mismatch> {
        let wrong = |check: &&Check| check.digest.clone().finish().as_ref() != check.expected;
        self.0.iter().find(wrong).map(|check| check.mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_algorithm_with_a_value_of_its_length_is_taken() {
        // RFC 3174 and FIPS 180-4: the digests of "abc".
        let (sha1, sha256) = (
            "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        );
        for text in [sha1, sha256] {
            let mut checks = Checks::default();
            assert_eq!(checks.add_checksum(text), Ok(()));
            checks.update(b"ab");
            assert_eq!(checks.mismatch(), Some(Mismatch::Checksum));
            checks.update(b"c");
            assert_eq!(checks.mismatch(), None);
        }
        for wrong in [
            "",
            "sha1",
            "sha1 ",
            "sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0",
            "sha1  qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "sha256 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "SHA1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
            "md5 kAFQmDzST7DWlj99KOF/cg==",
            "crc32 NSRBwg==",
        ] {
            assert_eq!(
                Checks::default().add_checksum(wrong),
                Err(ChecksumError),
                "{wrong}"
            );
        }
    }
}
