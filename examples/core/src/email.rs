//! Email addresses: the one form in which two spellings of an account are the same.

use unicode_normalization::UnicodeNormalization as _;

/// Longest address in bytes (RFC 5321 4.5.3.1.3, less the angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;

/// Why a text is not an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmailError {
    /// No `@`, or nothing on one side of it.
    #[error("an email address has one @ with something on each side")]
    Form,
    /// Longer than any mail system accepts.
    #[error("an email address is at most 254 bytes")]
    TooLong,
    /// Spaces or control characters inside.
    #[error("an email address has no spaces or control characters")]
    Character,
}

/// An address as it was given and in its canonical form (trimmed, NFC, lower case).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    given: String,
    canonical: String,
}

impl Email {
    /// Checks and canonicalises an address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let given = text.trim();
        // Before normalising: its cost grows with the input.
        if given.len() > MAX_EMAIL_BYTES {
            return Err(EmailError::TooLong);
        }
        if given.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(EmailError::Character);
        }
        let canonical: String = given
            .nfc()
            .collect::<String>()
            .to_lowercase()
            .nfc()
            .collect();
        if canonical.len() > MAX_EMAIL_BYTES {
            return Err(EmailError::TooLong);
        }
        match canonical.split_once('@') {
            Some((local, domain))
                if !local.is_empty() && !domain.is_empty() && !domain.contains('@') =>
            {
                Ok(Self {
                    given: given.to_owned(),
                    canonical,
                })
            }
            _ => Err(EmailError::Form),
        }
    }

    /// The address as it was given, trimmed.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The form that is compared.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_have_one_canonical_form() {
        let forms = [
            "Ünsal@Example.COM",
            " U\u{308}nsal@example.com ",
            "ünsal@example.com",
        ];
        for form in forms {
            assert_eq!(Email::parse(form).unwrap().canonical(), "ünsal@example.com");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for (text, error) in [
            ("", EmailError::Form),
            ("a", EmailError::Form),
            ("@b", EmailError::Form),
            ("a@", EmailError::Form),
            ("a@b@c", EmailError::Form),
            ("a b@c", EmailError::Character),
            ("a\0@c", EmailError::Character),
            (&long, EmailError::TooLong),
        ] {
            assert_eq!(Email::parse(text), Err(error), "{text:?}");
        }
    }
}
