//! The environment a command runs in: the process's own, and under it a `.env` file from the working directory.
//!
//! The file's grammar is small and strict, so that it means the same to every reader: `NAME=value` lines, blank
//! lines, `#` comment lines, an optional pair of quotes around the whole value. No expansion, no escapes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Largest `.env` file in bytes: many times what every setting together needs.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why the environment cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DotenvError {
    /// The file is there and cannot be read.
    #[error(".env cannot be read ({0}): give its owner read permission or remove it")]
    Unreadable(std::io::Error),
    /// The file is too large to be settings.
    #[error(".env is larger than 64 KiB: it should hold settings only")]
    TooLarge,
    /// The file is not UTF-8.
    #[error(".env is not UTF-8 text")]
    NotText,
    /// A line is neither a setting, a comment nor blank. The line itself may be a secret and is not shown.
    #[error(".env line {line}: {problem}")]
    Line {
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Settings by name: the process's environment first, then the file's.
#[derive(Debug, Default)]
pub struct EnvironmentVariables {
    process: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    file_mode: Option<u32>,
}

impl EnvironmentVariables {
    /// Reads this process's environment and, when it is there, `.env` in the working directory.
    pub fn read() -> Result<Self, DotenvError> {
        // A variable that is not UTF-8 is nobody's setting here.
        let process = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::read_from(process, Path::new(".env"))
    }

    /// As [`EnvironmentVariables::read`], with a given process environment and file.
    pub fn read_from(process: BTreeMap<String, String>, path: &Path) -> Result<Self, DotenvError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self {
                    process,
                    ..Self::default()
                });
            }
            Err(error) => return Err(DotenvError::Unreadable(error)),
        };
        let metadata = file.metadata().map_err(DotenvError::Unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(DotenvError::Unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(DotenvError::TooLarge);
        }
        let text = String::from_utf8(bytes).map_err(|_| DotenvError::NotText)?;
        Ok(Self {
            process,
            file: parse(&text)?,
            file_mode: Some(metadata.mode() & 0o7777),
        })
    }

    /// The value of a name: the process's own wins over the file's.
    pub fn get(&self, name: &str) -> Option<String> {
        self.process
            .get(name)
            .or_else(|| self.file.get(name))
            .cloned()
    }

    /// The permission bits of `.env`, when it is there.
    pub fn file_mode(&self) -> Option<u32> {
        self.file_mode
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, DotenvError> {
    let mut settings = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let refuse = |problem| DotenvError::Line {
            line: index + 1,
            problem,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(refuse("expected NAME=value"))?;
        let name_is_plain = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !name_is_plain {
            return Err(refuse(
                "a name is letters, digits and _ only, with no space before =",
            ));
        }
        let value = unquote(value).map_err(refuse)?;
        if settings.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(refuse("this name is set twice"));
        }
    }
    Ok(settings)
}

fn unquote(value: &str) -> Result<&str, &'static str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            let inner = rest
                .strip_suffix(quote)
                .ok_or("the closing quote is missing")?;
            if inner.contains(quote) || (quote == '"' && inner.contains(['\\', '$'])) {
                return Err(
                    "quotes, backslashes and $ inside double quotes are not supported: use single quotes",
                );
            }
            return Ok(inner);
        }
    }
    if value.starts_with(char::is_whitespace) {
        return Err("no space after =");
    }
    // ` #` begins a comment for some readers and is part of the value for others.
    if value.contains(" #") {
        return Err("quote a value that contains ` #`, or move the comment to its own line");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_comments_and_quotes_are_read() {
        let read = parse("# c\n\nA=1\nB=\"two words\"\nC='it \"is\"'\nD=\nE=a=b\n").unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "it \"is\""),
            ("D", ""),
            ("E", "a=b"),
        ];
        assert_eq!(
            read,
            expected
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect()
        );
    }

    #[test]
    fn a_line_that_readers_disagree_about_is_refused_without_being_shown() {
        for line in [
            "SECRET",
            "export A=secret",
            "A = secret",
            "A= secret",
            "A=\"secret",
            "A=secret # why",
            "1A=secret",
        ] {
            let text = parse(&format!("OK=1\n{line}")).unwrap_err().to_string();
            assert!(text.starts_with(".env line 2: "), "{text}");
            assert!(!text.to_lowercase().contains("secret"), "{text}");
        }
        assert!(parse("A=1\nA=2").is_err());
    }

    #[test]
    fn the_real_environment_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, "A=file\nB=file\n").unwrap();
        let process = BTreeMap::from([("A".to_owned(), "process".to_owned())]);
        let variables = EnvironmentVariables::read_from(process, &path).unwrap();
        assert_eq!(variables.get("A").as_deref(), Some("process"));
        assert_eq!(variables.get("B").as_deref(), Some("file"));
        assert_eq!(variables.get("C"), None);
    }
}
