//! base64url without padding (RFC 4648 section 5, RFC 7515 section 2), canonical form only.

use data_encoding::BASE64URL_NOPAD;
use smallvec::SmallVec;

#[cfg(test)]
mod properties;

/// Whether every byte is of the base64url alphabet or a dot: the only bytes of a compact token.
pub(crate) fn is_compact_alphabet(bytes: &[u8]) -> bool {
    // Without branches inside a chunk, so that the compiler makes vector instructions of it.
    let strangers = |chunk: &[u8]| chunk.iter().fold(0, |found, byte| found | stranger(*byte));
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| strangers(chunk) == 0) && strangers(rest) == 0
}

/// 0 for a byte of the alphabet, something else for any other: how far it is from the nearest
/// range, in steps that vector instructions have.
fn stranger(byte: u8) -> u8 {
    let beyond =
        |byte: u8, first: u8, last: u8| byte.wrapping_sub(first).saturating_sub(last - first);
    // `| 0x20` folds upper case onto lower case and nothing else onto a letter.
    beyond(byte | 0x20, b'a', b'z')
        .min(beyond(byte, b'0', b'9'))
        .min(beyond(byte, b'-', b'.'))
        .min(byte ^ b'_')
}

/// Whether a text without dots can be decoded: the alphabet, a possible length, and unused bits of
/// zero, so that no other text decodes to the same bytes.
pub(crate) fn is_well_formed(text: &[u8]) -> bool {
    is_canonical(text) && is_compact_alphabet(text)
}

/// Whether text of the right alphabet is also of a possible length with its unused bits zero.
fn is_canonical(text: &[u8]) -> bool {
    let unused_bits = match text.len() % 4 {
        0 => return true,
        1 => return false,
        2 => 0b1111,
        _ => 0b11,
    };
    text.last()
        .and_then(|byte| value(*byte))
        .is_some_and(|value| value & unused_bits == 0)
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

/// Room for decoded bytes: on the stack up to `N`. The caller has it, so that it is never moved.
pub(crate) type Buffer<const N: usize> = SmallVec<[u8; N]>;

/// Decodes into an empty buffer; `None` unless canonical.
pub(crate) fn decode_into<'b, const N: usize>(
    buffer: &'b mut Buffer<N>,
    text: &str,
) -> Option<&'b [u8]> {
    let length = BASE64URL_NOPAD.decode_len(text.len()).ok()?;
    buffer.resize(length, 0);
    let written = BASE64URL_NOPAD.decode_mut(text.as_bytes(), buffer).ok()?;
    buffer.get(..written)
}

/// Decodes into a buffer of its own; `None` unless canonical.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<Buffer<N>> {
    let mut buffer = Buffer::new();
    let written = decode_into(&mut buffer, text)?.len();
    buffer.truncate(written);
    Some(buffer)
}

/// Decodes onto the heap with room for `spare` further bytes; `None` unless canonical.
pub(crate) fn decode_vec(text: &str, spare: usize) -> Option<Vec<u8>> {
    let length = BASE64URL_NOPAD.decode_len(text.len()).ok()?;
    let mut bytes = Vec::with_capacity(length + spare);
    bytes.resize(length, 0);
    let written = BASE64URL_NOPAD
        .decode_mut(text.as_bytes(), &mut bytes)
        .ok()?;
    bytes.truncate(written);
    Some(bytes)
}

/// The one base64url text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_exactly_letters_digits_dash_underscore_and_dot() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            assert_eq!(is_compact_alphabet(&[byte]), expected, "byte {byte:#04x}");
            // The same in the vectorised part.
            assert_eq!(
                is_compact_alphabet(&[byte; 64]),
                expected,
                "64 bytes {byte:#04x}"
            );
        }
    }

    #[test]
    fn canonical_is_exactly_what_the_decoder_takes() {
        let alphabet: Vec<u8> = (0..=u8::MAX).filter(|b| value(*b).is_some()).collect();
        assert_eq!(alphabet.len(), 64);
        for length in 1..=4 {
            for last in &alphabet {
                let mut text = vec![b'A'; length];
                text[length - 1] = *last;
                let text = String::from_utf8(text).unwrap();
                let decoded = decode::<8>(&text);
                assert_eq!(is_canonical(text.as_bytes()), decoded.is_some(), "{text}");
                if let Some(bytes) = decoded {
                    assert_eq!(encode(&bytes), text);
                }
            }
        }
    }
}
