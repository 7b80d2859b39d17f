//! `Upload-Length` and `Upload-Offset` (tus 1.0.0): numbers of bytes. Pure.

use crate::digits::number;

/// Why an `Upload-Length` cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthError {
    NotANumber,
    TooLarge,
}

/// The length that an upload will have, `most` bytes at most.
pub(crate) fn length(text: &str, most: u64) -> Result<u64, LengthError> {
    match number(text) {
        Some(length) if length <= most => Ok(length),
        Some(_) => Err(LengthError::TooLarge),
        None => Err(LengthError::NotANumber),
    }
}

/// Where bytes begin; whether that is where an upload is, the upload knows.
pub(crate) fn offset(text: &str) -> Option<u64> {
    number(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 5_368_709_120;

    fn length(text: &str) -> Result<u64, LengthError> {
        super::length(text, MOST)
    }

    #[test]
    fn only_digits_are_a_number_and_no_length_is_above_the_largest_upload() {
        assert_eq!(length("0"), Ok(0));
        assert_eq!(length("0005"), Ok(5));
        assert_eq!(length("5368709120"), Ok(MOST));
        assert_eq!(length("5368709121"), Err(LengthError::TooLarge));
        assert_eq!(length(&"9".repeat(40)), Err(LengthError::TooLarge));
        assert_eq!(offset(&"9".repeat(40)), Some(u64::MAX));
        for text in ["", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x1", "1,1", "١"] {
            assert_eq!(length(text), Err(LengthError::NotANumber), "{text}");
            assert_eq!(offset(text), None, "{text}");
        }
    }
}
