//! The header of a token (RFC 7515 section 4): an allow list of four members.

use crate::error::Rejection;
use crate::text::base64url;
use crate::text::json::{self, Text, Value};

use super::LIMITS;

/// Longest accepted key id in bytes. An RFC 7638 thumbprint has 43.
pub const MAX_KID_BYTES: usize = 128;

/// Room for a decoded header on the stack. Longer ones are read from the heap.
pub(crate) const HEADER_BYTES_ON_STACK: usize = 512;

/// A decoded header's bytes.
pub(crate) type HeaderBytes = base64url::Buffer<HEADER_BYTES_ON_STACK>;

/// An acceptable header: `alg` is RS256, nothing unknown is in it, and the key is named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenHeader<'a> {
    kid: Text<'a>,
    typ: Text<'a>,
}

impl<'a> TokenHeader<'a> {
    /// What reading this header once more would give: `kid` and `typ` come from a reading of it.
    pub(crate) fn known(kid: &'a str, typ: &'a str) -> Self {
        Self {
            kid: Text::plain(kid),
            typ: Text::plain(typ),
        }
    }

    /// Decodes a header segment into an empty buffer.
    pub(crate) fn decode<'b>(
        segment: &str,
        buffer: &'b mut HeaderBytes,
    ) -> Result<&'b [u8], Rejection> {
        // An object begins with `{` or white space. Its first six bits tell most garbage from it
        // before that is decoded.
        if !segment.starts_with(['e', 'C', 'D', 'I']) {
            return Err(Rejection::JsonInvalid);
        }
        base64url::decode_into(buffer, segment).ok_or(Rejection::TokenMalformed)
    }

    /// Reads a decoded header, accepting the types for which `accepts_type` says so.
    pub(crate) fn read(
        bytes: &'a [u8],
        accepts_type: impl FnOnce(Text<'a>) -> bool,
    ) -> Result<Self, Rejection> {
        let (mut alg, mut kid, mut typ) = (None, None, None);
        let mut not_allowed = false;
        json::read_object(bytes, LIMITS, |name, value| {
            name.read_as(|name| match name {
                "alg" => alg = Some(value),
                "kid" => kid = Some(value),
                "typ" => typ = Some(value),
                "cty" => {}
                // crit, b64, zip, enc, jku, jwk, x5u, x5c, x5t, x5t#S256 and whatever else: a
                // member that is not understood is not ignored.
                _ => not_allowed = true,
            });
        })?;
        // RFC 8725 section 3.1: exactly the one algorithm, compared case-sensitively.
        if !alg
            .and_then(Value::text)
            .is_some_and(|alg| alg.means("RS256"))
        {
            return Err(Rejection::AlgorithmNotAllowed);
        }
        // No `ok_or` on values: a result that holds one is moved in pieces of odd sizes, which costs a
        // third of the time of reading a header.
        let Some(typ) = typ.and_then(Value::text) else {
            return Err(Rejection::TypeNotAllowed);
        };
        if !accepts_type(typ) {
            return Err(Rejection::TypeNotAllowed);
        }
        if not_allowed {
            return Err(Rejection::HeaderNotAllowed);
        }
        let Some(kid) = kid else {
            return Err(Rejection::KidMissing);
        };
        match kid.text() {
            Some(kid) if is_kid(kid) => Ok(Self { kid, typ }),
            _ => Err(Rejection::KidInvalid),
        }
    }

    /// The key id: at most [`MAX_KID_BYTES`] printable ASCII characters.
    pub(crate) fn kid(&self) -> Text<'a> {
        self.kid
    }

    /// The type as it was accepted.
    pub(crate) fn typ(&self) -> Text<'a> {
        self.typ
    }
}

/// Whether a text is a key id: 1 to [`MAX_KID_BYTES`] printable ASCII characters, so that it can
/// be logged and compared without a thought (RFC 8725 section 3.10).
pub(crate) fn is_kid(text: Text<'_>) -> bool {
    if text.is_escaped() {
        let length = text.chars().take(MAX_KID_BYTES + 1).count();
        return (1..=MAX_KID_BYTES).contains(&length)
            && text.chars().all(|character| matches!(character, ' '..='~'));
    }
    // Most are written plainly: bytes and characters are the same where all of them are ASCII.
    let bytes = text.raw().as_bytes();
    (1..=MAX_KID_BYTES).contains(&bytes.len())
        // Without a branch for each byte, so that the compiler makes vector instructions of it.
        && bytes
            .iter()
            .fold(true, |printable, byte| printable & matches!(byte, b' '..=b'~'))
}
