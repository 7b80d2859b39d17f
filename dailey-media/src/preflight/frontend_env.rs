//! The front end's build settings: what is in them is in every visitor's browser, and where they
//! point is where every visitor's token goes.

use dailey_auth::Environment;
use url::{Host, Url};

use crate::settings::Draft;
use crate::small_file::read_text;

use super::{Outcome, failed};

/// Largest file that is taken for build settings.
pub const MAX_FRONTEND_ENV_BYTES: u64 = 64 * 1024;

/// Where the front end may send anybody: this name and those below it.
const DOMAIN: &str = "dailey.cloud";

/// Parts of a key's name that speak of a secret wherever they stand, as in `clientSecret`.
const SECRET_PARTS: [&str; 8] = [
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "APIKEY",
    "ACCESSKEY",
    "PRIVATEKEY",
];

/// The same for what stands alone between underscores: `PASS`, and not `PASSPORT`.
const SECRET_WORDS: [&str; 4] = ["PASS", "PWD", "PRIVATE", "TOKEN"];

/// What makes a secret of the `KEY` behind it. A public or publishable one is none.
const SECRET_KEYS: [&str; 7] = [
    "API",
    "ACCESS",
    "SIGNING",
    "ENCRYPTION",
    "MASTER",
    "JWT",
    "SSH",
];

/// Starts of texts that are secrets whatever they are called.
const SECRET_STARTS: [&str; 15] = [
    "-----BEGIN",
    "eyJ",
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "xoxb-",
    "xoxp-",
];

/// What makes an address of the text behind it and a colon, slashes or not.
const SCHEMES: [&str; 10] = [
    "http",
    "https",
    "ws",
    "wss",
    "ftp",
    // What a page may load or run as if it came from somewhere.
    "javascript",
    "vbscript",
    "data",
    "blob",
    "file",
];

/// What a browser may take for a part of the host, when it follows an address in a value: the
/// dots of IDNA (UTS 46), a dot that is written as `%2e`, and what ends a user's name.
const HOST_GOES_ON: [char; 6] = ['@', '%', '.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// What is wrong with build settings, by line; never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontendEnvError {
    /// Not `KEY=value`.
    #[error("line {0} is not KEY=value")]
    Malformed(usize),
    /// An address that is no address, or not a plain one.
    #[error("line {0} has an address that cannot be read, or with a user or another one in it")]
    Address(usize),
    /// A value that build tools or browsers make another one of.
    #[error("line {0} has a backslash, a tab or a `$` in its value: write it as it is to be used")]
    Rewritten(usize),
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
        if line.contains(ends_a_line_elsewhere) {
            return Err(FrontendEnvError::Malformed(number));
        }
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
        if value.contains(['\\', '\t', '$']) {
            return Err(FrontendEnvError::Rewritten(number));
        }
        check_addresses(value, number)?;
    }
    Ok(())
}

/// JavaScript's readers begin a new line behind these, even in what is a comment here.
fn ends_a_line_elsewhere(c: char) -> bool {
    c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}')
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
    let comments = [" #", "\t#"].into_iter();
    let end = comments.filter_map(|comment| value.find(comment)).min();
    Some(value.get(..end.unwrap_or(value.len()))?.trim_end())
}

fn speaks_of_a_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    let words: Vec<&str> = key.split(['_', '-', '.']).collect();
    let is_secret_key = |pair: &[&str]| matches!(pair, [what, "KEY"] if SECRET_KEYS.contains(what));
    SECRET_PARTS.iter().any(|part| key.contains(part))
        || words
            .iter()
            .any(|word| SECRET_WORDS.contains(word) || word.ends_with("TOKEN"))
        || words.windows(2).any(is_secret_key)
}

/// Wherever in a value it begins, as behind `Bearer`.
fn looks_like_a_secret(value: &str) -> bool {
    value
        .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'))
        .any(|word| SECRET_STARTS.iter().any(|start| word.starts_with(start)))
}

/// Holds every address in a value, which may be a list or a text, against the rules.
fn check_addresses(value: &str, line: usize) -> Result<(), FrontendEnvError> {
    let words =
        value.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '"' | '\''));
    let (addresses, others): (Vec<&str>, Vec<&str>) = words.partition(|word| is_address(word));
    for address in &addresses {
        check_address(address, line)?;
    }
    // What parts the words here does not end a host to a browser: `https://ours,@theirs`.
    if !addresses.is_empty() && others.iter().any(|word| word.contains(HOST_GOES_ON)) {
        return Err(FrontendEnvError::Address(line));
    }
    Ok(())
}

/// Whether there is an address in a word, be it without slashes (`https:host` is one to a browser)
/// or with encoded ones, for who decodes it.
fn is_address(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let mut before_colons: Vec<&str> = word.split(':').collect();
    before_colons.pop();
    let mut schemes = before_colons
        .into_iter()
        .filter_map(|text| text.rsplit(|c: char| !c.is_ascii_alphanumeric()).next());
    word.contains("//") || word.contains("%2f%2f") || schemes.any(|last| SCHEMES.contains(&last))
}

fn check_address(address: &str, line: usize) -> Result<(), FrontendEnvError> {
    let malformed = FrontendEnvError::Address(line);
    let url = Url::parse(address).map_err(|_| malformed)?;
    if url.scheme() != "https" {
        return Err(FrontendEnvError::NotHttps(line));
    }
    let is_plain = match address.split_at_checked("https://".len()) {
        Some((start, rest)) => start.eq_ignore_ascii_case("https://") && !is_address(rest),
        None => false,
    };
    if !is_plain || !url.username().is_empty() || url.password().is_some() {
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
    let text = tokio::task::spawn_blocking(move || read_text(&path, MAX_FRONTEND_ENV_BYTES)).await;
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

#[cfg(test)]
mod tests {
    use super::FrontendEnvError::{Address, ForeignHost, Malformed, NotHttps, Rewritten, Secret};
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
    fn lists_and_texts_with_our_addresses_pass() {
        for line in [
            "A=https://a.dailey.cloud,https://b.dailey.cloud:8443/x",
            "A='https://a.dailey.cloud https://dailey.cloud'",
            "A='{\"api\":\"https://media.dailey.cloud\",\"shows:3\":4}'",
            "A=\"Ask on https://help.dailey.cloud, please\"\t# a comment",
            "# a comment\twith a tab",
            "A=help@dailey.cloud",
            "A=100%",
            "VITE_PUBLIC_KEY=BNbxGY",
            "A=journeyJournal",
        ] {
            assert_eq!(check_frontend_env(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn what_is_a_line_to_a_build_tool_is_one_here() {
        for end in ["\r", "\u{2028}", "\u{2029}", "\0", "\u{b}"] {
            for line in ["# x", "A=1", "A=1 # x"] {
                let text = format!("{line}{end}A=http://evil.example");
                assert_eq!(check_frontend_env(&text), Err(Malformed(1)), "{text:?}");
            }
        }
    }

    #[test]
    fn what_a_browser_or_a_build_tool_takes_for_an_address_is_one_here() {
        for (value, expected) in [
            // Of these, a browser goes to evil.example.
            ("https://media.dailey.cloud,@evil.example", Address(1)),
            ("https://media.dailey.cloud;@evil.example", Address(1)),
            ("https://media.dailey.cloud|@evil.example", Address(1)),
            ("'https://media.dailey.cloud @evil.example'", Address(1)),
            ("\"https://media.dailey.cloud'@evil.example\"", Address(1)),
            ("https://media.dailey.cloud\u{a0}@evil.example", Address(1)),
            ("https://media.dailey.cloud,.evil.example", Address(1)),
            ("https://media.dailey.cloud,%2eevil%2eexample", Address(1)),
            (
                "https://media.dailey.cloud,\u{3002}evil\u{3002}example",
                Address(1),
            ),
            ("\\\\evil.example", Rewritten(1)),
            ("/\\evil.example", Rewritten(1)),
            ("\"ht\ttps:/\t/evil.example\"", Rewritten(1)),
            ("\"ht\\ntps:/\\n/evil.example\"", Rewritten(1)),
            // A quote that does not end the value.
            ("\"x\\\" # https://evil.example\"", Rewritten(1)),
            // dotenv-expand puts other settings in their place.
            ("https://${HOST}.dailey.cloud", Rewritten(1)),
            ("$SCHEME$REST", Rewritten(1)),
            // An address in another one, or in a word.
            (
                "https://core.dailey.cloud/?next=https://evil.example",
                Address(1),
            ),
            (
                "https://core.dailey.cloud/?next=https%3A%2F%2Fevil.example",
                Address(1),
            ),
            (
                "https://core.dailey.cloud/?next=https:evil.example",
                Address(1),
            ),
            ("https%3A%2f%2Fevil.example", Address(1)),
            ("[https:evil.example]", Address(1)),
            ("'{\"a\":\"https:evil.example\"}'", Address(1)),
            ("'{\"a\":\"//evil.example\"}'", Address(1)),
            // Another host than it looks like.
            ("https://media.dailey.cloud%2eevil.example", ForeignHost(1)),
            ("https://evil.example%2f.dailey.cloud", Address(1)),
            ("https://evil.example%00.dailey.cloud", Address(1)),
            ("https://media.dailey.cloud:@evil.example", Address(1)),
            ("https:///evil.example", ForeignHost(1)),
            ("https://\u{2170}.evil\u{3002}example", ForeignHost(1)),
        ] {
            let found = check_frontend_env(&format!("A={value}")).expect_err(value);
            assert_eq!(found, expected, "{value:?}");
        }
    }

    #[test]
    fn a_secret_is_one_wherever_it_stands() {
        for line in [
            "clientSecret=x",
            "VITE_DBPASSWORD=x",
            "VITE_authToken=x",
            "ENCRYPTION_KEY=x",
            "A='Bearer eyJhbGciOi'",
            "A='{\"k\":\"AKIAIOSFODNN7EXAMPLE\"}'",
            "A=https://media.dailey.cloud/?t=eyJhbGciOi",
            "A=x:ghp_0123456789",
        ] {
            assert_eq!(check_frontend_env(line), Err(Secret(1)), "{line}");
        }
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
            ("A=javascript:fetch(1)", NotHttps(2)),
            ("A=JavaScript:fetch(1)", NotHttps(2)),
            ("A=data:text/html;base64,PHNjcmlwdD4", NotHttps(2)),
            ("A=file:/etc/passwd", NotHttps(2)),
            ("A=HTTP://media.dailey.cloud", NotHttps(2)),
            ("A=https:media.dailey.cloud", Address(2)),
            ("A=//media.dailey.cloud", Address(2)),
            ("A=https:\\\\media.dailey.cloud", Rewritten(2)),
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
