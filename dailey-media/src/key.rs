//! Where an object lives: a space that follows from a token's claims, and a key in it.
//!
//! Both are parsed once at the edge; whatever holds them may rely on the rules.

use crate::settings::Limits;

/// Longest key in bytes: what S3 and its kin take.
pub const MAX_KEY_BYTES: usize = 1024;

/// Longest part of a key between slashes, in bytes: a file name's limit on common systems.
pub const MAX_SEGMENT_BYTES: usize = 255;

/// One app's and one subject's objects. Nothing outside of it can be named from inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    app_id: String,
    subject: String,
}

impl Space {
    /// The space of `subject` in `app_id`, as both stand in a verified token.
    pub fn new(app_id: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            subject: subject.into(),
        }
    }

    /// A space of the service's own, which no token opens: no audience is empty.
    pub(crate) fn reserved(purpose: &str) -> Self {
        Self::new("", purpose)
    }

    /// The configured audience that the token carries; empty for a space of the service's own.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The token's `sub`.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// An object's key: UTF-8, at most [`MAX_KEY_BYTES`], segments of 1 to [`MAX_SEGMENT_BYTES`]
/// between slashes, none of them `.` or `..`, no control character, no backslash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A `%` without two hexadecimal digits.
    #[error(
        "a percent sign in the path is not followed by two hexadecimal digits: write it as %25"
    )]
    BadEscape,
    /// The decoded bytes are not UTF-8.
    #[error("the key is not UTF-8")]
    NotUtf8,
    /// Longer than [`MAX_KEY_BYTES`], or than new ones may be.
    #[error("the key is longer than {max_bytes} bytes")]
    TooLong {
        /// So many bytes are taken.
        max_bytes: usize,
    },
    /// A segment is longer than [`MAX_SEGMENT_BYTES`], or than new ones may be.
    #[error("a part of the key between slashes is longer than {max_bytes} bytes")]
    SegmentTooLong {
        /// So many bytes are taken.
        max_bytes: usize,
    },
    /// Nothing before, after or between slashes.
    #[error("a part of the key is empty: no slash at its start or end, nor two in a row")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("a part of the key is `.` or `..`")]
    DotSegment,
    /// A control character or a backslash.
    #[error("the key has a control character or a backslash")]
    ForbiddenCharacter,
}

const TOO_LONG: KeyError = KeyError::TooLong {
    max_bytes: MAX_KEY_BYTES,
};

const SEGMENT_TOO_LONG: KeyError = KeyError::SegmentTooLong {
    max_bytes: MAX_SEGMENT_BYTES,
};

impl ObjectKey {
    /// The key in a request's path, decoded exactly once: `%252e` is the text `%2e`, not a dot.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn from_path(raw: &str) -> Result<Self, KeyError> {
        // Three raw bytes make at least one: a longer path cannot be a key.
        if raw.len() > 3 * MAX_KEY_BYTES {
            return Err(TOO_LONG);
        }
        let decoded = percent_decode(raw.as_bytes())?;
        Self::parse(String::from_utf8(decoded).map_err(|_| KeyError::NotUtf8)?)
    }

    /// A key from its plain text.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn parse(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.len() > MAX_KEY_BYTES {
            return Err(TOO_LONG);
        }
        if text.chars().any(|c| c.is_control() || c == '\\') {
            return Err(KeyError::ForbiddenCharacter);
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(KeyError::EmptySegment),
                "." | ".." => return Err(KeyError::DotSegment),
                _ if segment.len() > MAX_SEGMENT_BYTES => return Err(SEGMENT_TOO_LONG),
                _ => {}
            }
        }
        Ok(Self(text))
    }

    /// Whether an object may be given this key. One that has a longer key already is not held to it: else it
    /// could neither be read nor removed.
    pub(crate) fn may_be_given(&self, limits: &Limits) -> Result<(), KeyError> {
        let max_bytes = limits.key_max_bytes;
        if self.0.len() > max_bytes {
            return Err(KeyError::TooLong { max_bytes });
        }
        let max_bytes = limits.key_segment_max_bytes;
        if self.segments().any(|segment| segment.len() > max_bytes) {
            return Err(KeyError::SegmentTooLong { max_bytes });
        }
        Ok(())
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes, at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// What a file manager would call it: the last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn percent_decode(raw: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or(KeyError::BadEscape)?;
        let value = data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits)
            .map_err(|_| KeyError::BadEscape)?;
        decoded.extend(value);
        rest = after;
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_exactly_once_and_can_never_climb() {
        let long = "a".repeat(255);
        let too_long = "a".repeat(256);
        let longest = format!("{}aaaa", "abc/".repeat(255));
        let longer = format!("{longest}a");
        for (raw, expected) in [
            ("a", Ok("a")),
            ("a/b.png", Ok("a/b.png")),
            ("a%2Fb", Ok("a/b")),
            ("%2e%2e", Err(KeyError::DotSegment)),
            ("a/%2E%2e/b", Err(KeyError::DotSegment)),
            ("a%2f..%2fb", Err(KeyError::DotSegment)),
            ("../b", Err(KeyError::DotSegment)),
            (".", Err(KeyError::DotSegment)),
            ("...", Ok("...")),
            ("..a", Ok("..a")),
            ("%252e%252e", Ok("%2e%2e")),
            ("%252F", Ok("%2F")),
            ("%5C", Err(KeyError::ForbiddenCharacter)),
            ("a\\b", Err(KeyError::ForbiddenCharacter)),
            ("%00", Err(KeyError::ForbiddenCharacter)),
            ("a%0Ab", Err(KeyError::ForbiddenCharacter)),
            ("%7F", Err(KeyError::ForbiddenCharacter)),
            ("%C2%85", Err(KeyError::ForbiddenCharacter)),
            ("%FF", Err(KeyError::NotUtf8)),
            // An overlong slash.
            ("%C0%AF", Err(KeyError::NotUtf8)),
            ("%C3%A9", Ok("é")),
            ("é", Ok("é")),
            ("%", Err(KeyError::BadEscape)),
            ("%4", Err(KeyError::BadEscape)),
            ("%zz", Err(KeyError::BadEscape)),
            ("%+1", Err(KeyError::BadEscape)),
            ("", Err(KeyError::EmptySegment)),
            ("/a", Err(KeyError::EmptySegment)),
            ("%2Fa", Err(KeyError::EmptySegment)),
            ("a/", Err(KeyError::EmptySegment)),
            ("a//b", Err(KeyError::EmptySegment)),
            ("a+b", Ok("a+b")),
            (&long, Ok(&*long)),
            (&too_long, Err(SEGMENT_TOO_LONG)),
            (&longest, Ok(&*longest)),
            (&longer, Err(TOO_LONG)),
        ] {
            let key = ObjectKey::from_path(raw);
            assert_eq!(
                key.as_ref().map(ObjectKey::as_str),
                expected.as_ref().map(|text| *text),
                "{raw}"
            );
        }
    }
}
