//! The name of a key.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest kid in bytes; verifiers refuse a longer one.
const MAX_BYTES: usize = 128;

/// A key's name: 1 to 128 letters, digits, `-`, `_` and `.`, not beginning with a dot. Any RFC 7638 thumbprint is
/// one, and so each of them can name a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Kid(String);

/// Why a text is not a kid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kid is 1 to 128 letters, digits, `-`, `_` and `.`, and does not begin with a dot")]
pub struct KidError;

impl Kid {
    /// Checks the form.
    pub fn parse(text: &str) -> Result<Self, KidError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty()
            || text.len() > MAX_BYTES
            || text.starts_with('.')
            || !text.bytes().all(allowed)
        {
            return Err(KidError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the key's file.
    pub(super) fn file_name(&self) -> String {
        format!("{}.pem", self.0)
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Kid {
    type Err = KidError;

    fn from_str(text: &str) -> Result<Self, KidError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Kid {
    type Error = KidError;

    fn try_from(text: String) -> Result<Self, KidError> {
        Self::parse(&text)
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kid_can_never_leave_its_folder() {
        for text in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "a b",
            "a\n",
            "ä",
            ".hidden",
            &"k".repeat(129),
        ] {
            assert_eq!(Kid::parse(text), Err(KidError), "{text:?}");
        }
        for text in ["a", "-Zc_9.x", &"k".repeat(128)] {
            assert_eq!(Kid::parse(text).unwrap().as_str(), text);
        }
    }
}
