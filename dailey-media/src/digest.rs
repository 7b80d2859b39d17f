//! SHA-256 of an object's bytes, and the header fields that carry it (RFC 9530).

use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, HeaderName, header};

/// `Content-Digest`: over the bytes of this message.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// `Repr-Digest`: over the whole representation.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Most entries read from one digest field; registered algorithms are fewer.
const MAX_ENTRIES: usize = 16;

/// A SHA-256 value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// From its 32 bytes; `None` for any other number of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From lower-case hexadecimal.
    pub fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| Self::from_bytes(&bytes))
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        HEXLOWER.encode(&self.0)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The value of a digest field: `sha-256=:…:`.
    pub(crate) fn to_field(self) -> String {
        format!("sha-256=:{}:", BASE64.encode(&self.0))
    }
}

/// Why a digest field cannot be honoured. A sender that gave one wants the bytes checked, so
/// nothing is stored unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DigestError {
    #[error("a digest field is not `sha-256=:<base64>:` (RFC 9530 section 2)")]
    Malformed,
    #[error("a digest field has no sha-256 value, the only algorithm that is checked here")]
    NoSha256,
    #[error(
        "Content-Digest and Repr-Digest of an upload are over the same bytes, but these differ"
    )]
    Contradictory,
    #[error("a digest behind the body (`Trailer`) is not read: send it before the body")]
    Trailer,
}

/// The SHA-256 that an upload must have, by `Content-Digest` or `Repr-Digest`.
pub(crate) fn expected(headers: &HeaderMap) -> Result<Option<Sha256>, DigestError> {
    let trailers = headers.get_all(header::TRAILER).iter();
    let mut trailers = trailers.filter_map(|value| value.to_str().ok());
    if trailers.any(|names| names.to_ascii_lowercase().contains("-digest")) {
        return Err(DigestError::Trailer);
    }
    match (
        field(headers, &CONTENT_DIGEST)?,
        field(headers, &REPR_DIGEST)?,
    ) {
        (Some(content), Some(repr)) if content != repr => Err(DigestError::Contradictory),
        (content, repr) => Ok(content.or(repr)),
    }
}

/// The sha-256 member of a dictionary of byte sequences (RFC 9651 3.2, 3.3.5), if the field is there.
pub(crate) fn field(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Sha256>, DigestError> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    let mut found = None;
    let mut entries = 0;
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| DigestError::Malformed)?;
        for entry in line.split(',') {
            entries += 1;
            let (algorithm, value) = entry
                .trim_matches([' ', '\t'])
                .split_once('=')
                .ok_or(DigestError::Malformed)?;
            if entries > MAX_ENTRIES {
                return Err(DigestError::Malformed);
            }
            if algorithm != "sha-256" {
                continue;
            }
            let bytes = value
                .strip_prefix(':')
                .and_then(|rest| rest.strip_suffix(':'))
                .and_then(|text| BASE64.decode(text.as_bytes()).ok());
            let value = bytes
                .and_then(|bytes| Sha256::from_bytes(&bytes))
                .ok_or(DigestError::Malformed)?;
            if found.replace(value).is_some() {
                return Err(DigestError::Malformed);
            }
        }
    }
    found.ok_or(DigestError::NoSha256).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    const ZERO: &str = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";

    fn read(content: &[&str], repr: &[&str]) -> Result<bool, DigestError> {
        let mut headers = HeaderMap::new();
        for (name, lines) in [(CONTENT_DIGEST, content), (REPR_DIGEST, repr)] {
            for line in lines {
                headers.append(&name, line.parse().unwrap());
            }
        }
        expected(&headers).map(|digest| digest.is_some())
    }

    #[test]
    fn a_digest_field_is_honoured_or_refused_and_never_ignored() {
        assert_eq!(read(&[], &[]), Ok(false));
        assert_eq!(read(&[EMPTY], &[]), Ok(true));
        assert_eq!(read(&[], &[EMPTY]), Ok(true));
        assert_eq!(read(&[EMPTY], &[EMPTY]), Ok(true));
        assert_eq!(read(&[EMPTY], &[ZERO]), Err(DigestError::Contradictory));
        assert_eq!(
            read(
                &["sha-512=:AAAA:, sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"],
                &[]
            ),
            Ok(true)
        );
        assert_eq!(read(&["sha-512=:AAAA:"], &[]), Err(DigestError::NoSha256));
        for malformed in [
            "",
            "sha-256",
            "sha-256=AAAA",
            "sha-256=:AAAA:",
            "sha-256=:!!:",
            "SHA-256",
        ] {
            assert_eq!(
                read(&[malformed], &[]),
                Err(DigestError::Malformed),
                "{malformed}"
            );
        }
        assert_eq!(read(&[EMPTY, EMPTY], &[]), Err(DigestError::Malformed));
        for (trailer, expected) in [
            ("Repr-Digest", Err(DigestError::Trailer)),
            ("expires, content-digest", Err(DigestError::Trailer)),
            ("expires", Ok(None)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::TRAILER, trailer.parse().unwrap());
            assert_eq!(super::expected(&headers), expected, "{trailer}");
        }
    }

    #[test]
    fn the_field_that_is_sent_is_the_field_that_is_read() {
        let empty =
            Sha256::from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
                .unwrap();
        assert_eq!(empty.to_field(), EMPTY);
    }
}
