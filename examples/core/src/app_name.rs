//! The names of apps.

use unicode_normalization::UnicodeNormalization as _;

/// Longest name in characters.
const MAX_NAME_CHARACTERS: usize = 100;

/// The name of an app: 1 to 100 characters, none of them a control character.
#[derive(Debug, Clone)]
pub struct AppName(String);

/// Why a text is not the name of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of an app has 1 to 100 characters and no control characters")]
pub struct AppNameError;

impl AppName {
    /// Checks a name; spaces around it are taken off.
    pub fn parse(text: &str) -> Result<Self, AppNameError> {
        let name: String = text.trim().nfc().take(MAX_NAME_CHARACTERS + 1).collect();
        if name.is_empty()
            || name.chars().count() > MAX_NAME_CHARACTERS
            || name.chars().any(char::is_control)
        {
            return Err(AppNameError);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_100_characters_and_no_control_characters() {
        for text in ["", "  ", "a\nb", "a\u{7f}", &"ä".repeat(101)] {
            assert!(AppName::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            AppName::parse(" Photos e\u{301} ").unwrap().into_string(),
            "Photos \u{e9}"
        );
        assert!(AppName::parse(&"ä".repeat(100)).is_ok());
    }
}
