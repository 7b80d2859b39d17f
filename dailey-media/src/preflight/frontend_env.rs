//! The front end's build settings: what is in them is in every visitor's browser, and where they
//! point is where every visitor's token goes.

use std::io::Read;
use std::path::Path;

use dailey_auth::Environment;
use url::{Host, Url};

use crate::settings::Draft;

use super::{Outcome, failed};

/// Largest file that is taken for build settings.
pub const MAX_FRONTEND_ENV_BYTES: u64 = 64 * 1024;

/// Where the front end may send anybody: this name and those below it.
const DOMAIN: &str = "dailey.cloud";

/// Parts of a key's name that speak of a secret, between underscores.
const SECRET_WORDS: [&str; 10] = [
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PWD",
    "PRIVATE",
    "TOKEN",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// Starts of texts that are secrets whatever they are called.
const SECRET_STARTS: [&str; 7] = [
    "-----BEGIN",
    "eyJ",
    "AKIA",
    "ASIA",
    "ghp_",
    "sk_live_",
    "xoxb-",
];

/// What is wrong with build settings, by line; never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontendEnvError {
    /// Not `KEY=value`.
    #[error("line {0} is not KEY=value")]
    Malformed(usize),
    /// An address that is no address, or not a plain one.
    #[error("line {0} has an address that cannot be read, or with a user in it")]
    Address(usize),
    /// Not https.
    #[error("line {0} has an address that is not https")]
    NotHttps(usize),
    /// Somebody else's host.
    #[error("line {0} has an address outside of dailey.cloud")]
    ForeignHost(usize),
    /// A key that speaks of a secret, or a value that looks like one.
    #[error("line {0} seems to hold a secret, which every visitor would get")]
    Secret(usize),
}

/// Reads build settings (`.env.production`) and refuses what must not be in them.
///
/// # Errors
/// The first [`FrontendEnvError`].
pub fn check_frontend_env(text: &str) -> Result<(), FrontendEnvError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = match line.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            _ => line,
        };
        let (key, value) = line
            .split_once('=')
            .ok_or(FrontendEnvError::Malformed(number))?;
        let key = key.trim();
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if key.is_empty() || !key.bytes().all(named) {
            return Err(FrontendEnvError::Malformed(number));
        }
        let value = unquoted(value.trim()).ok_or(FrontendEnvError::Malformed(number))?;
        if value.is_empty() {
            continue;
        }
        if speaks_of_a_secret(key) || looks_like_a_secret(value) {
            return Err(FrontendEnvError::Secret(number));
        }
        addresses(value).try_for_each(|address| check_address(address, number))?;
    }
    Ok(())
}

/// The text between quotes, or up to a comment.
fn unquoted(value: &str) -> Option<&str> {
    for quote in ['"', '\'', '`'] {
        if let Some(rest) = value.strip_prefix(quote) {
            let (inside, behind) = rest.split_once(quote)?;
            let behind = behind.trim_start();
            return (behind.is_empty() || behind.starts_with('#')).then_some(inside);
        }
    }
    let value = value.split_once(" #").map_or(value, |(value, _)| value);
    Some(value.trim_end())
}

fn speaks_of_a_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    let words: Vec<&str> = key.split(['_', '-', '.']).collect();
    let pair = |first, second| words.windows(2).any(|pair| pair == [first, second]);
    let word = |word: &&str| SECRET_WORDS.contains(word) || *word == "APIKEY";
    words.iter().any(word) || pair("API", "KEY") || pair("ACCESS", "KEY") || pair("SIGNING", "KEY")
}

fn looks_like_a_secret(value: &str) -> bool {
    let starts = |start: &&str| value.starts_with(start);
    SECRET_STARTS.iter().any(starts)
}

/// What of a value is an address: every word of a list that has `://` in it or begins with `//`.
fn addresses(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '"' | '\''))
        .filter(|word| word.contains("//") || has_scheme(word))
}

/// `https:host` is an address to a browser, too.
fn has_scheme(word: &str) -> bool {
    let schemes = ["http:", "https:", "ws:", "wss:", "ftp:"];
    let word = word.to_ascii_lowercase();
    schemes.iter().any(|scheme| word.starts_with(scheme))
}

fn check_address(address: &str, line: usize) -> Result<(), FrontendEnvError> {
    let malformed = FrontendEnvError::Address(line);
    // A browser takes a backslash for a slash, and leaves out line ends.
    if address.contains('\\') || address.starts_with("//") {
        return Err(malformed);
    }
    let url = Url::parse(address).map_err(|_| malformed)?;
    if url.scheme() != "https" {
        return Err(FrontendEnvError::NotHttps(line));
    }
    if !address.to_ascii_lowercase().starts_with("https://")
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(malformed);
    }
    match url.host() {
        Some(Host::Domain(host)) if is_ours(host) => Ok(()),
        _ => Err(FrontendEnvError::ForeignHost(line)),
    }
}

/// The domain itself or a name below it, label by label.
fn is_ours(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == DOMAIN
        || host
            .strip_suffix(DOMAIN)
            .is_some_and(|above| above.ends_with('.'))
}

/// `frontend_env`.
pub(super) async fn file(draft: &Draft) -> Outcome {
    let Some(path) = draft.frontend_env_file.clone() else {
        return match draft.environment {
            Environment::Development => Outcome::Skipped("FRONTEND_ENV_FILE is not set"),
            Environment::Production => failed(
                "FRONTEND_ENV_FILE is not set",
                "set it to the .env.production that the front end was built with",
            ),
        };
    };
    let text = tokio::task::spawn_blocking(move || read(&path)).await;
    let text = match text {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            return failed(
                format!("FRONTEND_ENV_FILE cannot be read: {error}"),
                "set it to the .env.production that the front end was built with",
            );
        }
        Err(_) => return failed("reading it ended unexpectedly", "try again"),
    };
    match check_frontend_env(&text) {
        Ok(()) => Outcome::Proven("only https addresses of dailey.cloud, and no secret".into()),
        Err(error) => failed(
            error.to_string(),
            "mend that line of FRONTEND_ENV_FILE and build the front end again",
        ),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind};
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_FRONTEND_ENV_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FRONTEND_ENV_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "it is larger than 64 KiB",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::FrontendEnvError::{Address, ForeignHost, Malformed, NotHttps, Secret};
    use super::*;

    #[test]
    fn good_build_settings_pass() {
        let text = "# production\n\nVITE_API=https://media.dailey.cloud\nexport VITE_CORE=\"https://core.dailey.cloud/api\" # Core\n\
             VITE_HOME='https://dailey.cloud'\nVITE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff\nVITE_EMPTY=\nVITE_TITLE=Media // ours\n";
        // A comment in the text of a title is no address of anybody.
        assert_eq!(check_frontend_env(text), Err(Address(8)));
        let text = text.replace(" // ours", "");
        assert_eq!(check_frontend_env(&text), Ok(()));
        assert_eq!(check_frontend_env(""), Ok(()));
        assert_eq!(
            check_frontend_env("A=HTTPS://MEDIA.DAILEY.CLOUD:443/x?y=z"),
            Ok(())
        );
        assert_eq!(
            check_frontend_env("VITE_TOKENS_SHOWN=3\r\nB=passport"),
            Ok(())
        );
    }

    #[test]
    fn each_wrong_line_is_named_and_its_value_is_not() {
        for (line, expected) in [
            ("VITE_API", Malformed(2)),
            ("=x", Malformed(2)),
            ("A B=x", Malformed(2)),
            ("A=\"x", Malformed(2)),
            ("A=\"x\" y", Malformed(2)),
            ("A=http://media.dailey.cloud", NotHttps(2)),
            ("A='http://media.dailey.cloud'", NotHttps(2)),
            ("export A=http://media.dailey.cloud", NotHttps(2)),
            ("A=ws://media.dailey.cloud", NotHttps(2)),
            ("A=wss://media.dailey.cloud", NotHttps(2)),
            ("A=http:media.dailey.cloud", NotHttps(2)),
            ("A=HTTP://media.dailey.cloud", NotHttps(2)),
            ("A=https:media.dailey.cloud", Address(2)),
            ("A=//media.dailey.cloud", Address(2)),
            ("A=https:\\\\media.dailey.cloud", Address(2)),
            ("A=https://", Address(2)),
            ("A=https://user@media.dailey.cloud", Address(2)),
            ("A=https://media.dailey.cloud@evil.example", Address(2)),
            ("A=https://dailey.cloud.evil.example", ForeignHost(2)),
            ("A=https://evildailey.cloud", ForeignHost(2)),
            ("A=https://dailey.cloud.", ForeignHost(2)),
            ("A=https://dailey.cl\u{43e}ud", ForeignHost(2)),
            (
                "A=https://media.dailey.cloud,https://evil.example",
                ForeignHost(2),
            ),
            ("A=https://127.0.0.1", ForeignHost(2)),
            ("A=https://localhost", ForeignHost(2)),
            ("API_SECRET=x", Secret(2)),
            ("export DATABASE_PASSWORD='x'", Secret(2)),
            ("vite_api_key=x", Secret(2)),
            ("AWS_SECRET_ACCESS_KEY=x", Secret(2)),
            ("ACCESS_TOKEN=x", Secret(2)),
            ("A=eyJhbGciOi", Secret(2)),
            ("A=\"-----BEGIN PRIVATE KEY-----\"", Secret(2)),
            ("A=AKIAIOSFODNN7EXAMPLE", Secret(2)),
        ] {
            let found = check_frontend_env(&format!("GOOD=1\n{line}\n"));
            if line == "A=https://dailey.cloud." {
                // The same name, written in full.
                assert_eq!(found, Ok(()));
                continue;
            }
            let error = found.expect_err(line);
            assert_eq!(error, expected, "{line}");
            assert!(!error.to_string().contains("evil"), "{error}");
        }
    }
}
