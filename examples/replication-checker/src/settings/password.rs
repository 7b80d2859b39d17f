//! The password of the SQL account. It is printed nowhere, and leaves this process only on the standard
//! input of ssh or inside TLS.

use std::fs::File;
use std::io::Read as _;

use super::{SettingsError, keys};

/// Longest password, in bytes.
const MAX_BYTES: u64 = 1024;

/// A password.
#[derive(Clone)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password")
    }
}

impl Password {
    /// From the value or from the file; exactly one must be named.
    pub(super) fn read(value: Option<String>, file: Option<String>) -> Result<Self, SettingsError> {
        let (key, text) = match (value, file) {
            (Some(_), Some(_)) => {
                return Err(SettingsError::new(
                    keys::SQL_PASS,
                    format!(
                        "set together with {}; one of them is wanted",
                        keys::SQL_PASS_FILE
                    ),
                ));
            }
            (Some(value), None) => (keys::SQL_PASS, value),
            (None, Some(file)) => (keys::SQL_PASS_FILE, from_file(&file)?),
            (None, None) => {
                return Err(SettingsError::new(
                    keys::SQL_PASS,
                    format!("not set, and {} neither", keys::SQL_PASS_FILE),
                ));
            }
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || text.len() as u64 > MAX_BYTES || text.chars().any(char::is_control) {
            return Err(SettingsError::new(
                key,
                "empty, longer than 1024 bytes, or with a control character in it",
            ));
        }
        if text.contains('"') && text.contains('\'') {
            return Err(SettingsError::new(
                key,
                "it has both kinds of quotes in it, which MySQL's option files cannot express",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The password itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The password as a value in MySQL's option files: quoted, so that `#` begins no comment and spaces
    /// stay; backslashes doubled.
    pub(crate) fn for_option_file(&self) -> String {
        let quote = if self.0.contains('"') { '\'' } else { '"' };
        format!("{quote}{}{quote}", self.0.replace('\\', "\\\\"))
    }
}

fn from_file(path: &str) -> Result<String, SettingsError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 3).read_to_string(&mut text))
        .map_err(|error| {
            SettingsError::new(keys::SQL_PASS_FILE, format!("cannot be read: {error}"))
        })?;
    Ok(text)
}
