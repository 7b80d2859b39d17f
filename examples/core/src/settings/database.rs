//! `DATABASE_URL`: which database, and how it is reached. A password never stands in the address, where logs and process
//! lists show it.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use dailey_auth::Environment;
use dailey_http::settings::secret_file_mask;
use url::Url;
use zeroize::Zeroizing;

/// The port of `MySQL` when the address has none.
const DEFAULT_PORT: u16 = 3306;
/// Longest password in bytes; the server's own bounds are below it.
const MAX_PASSWORD_BYTES: u64 = 1024;

/// Where things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseSettings {
    /// In one file.
    Sqlite(PathBuf),
    /// On a server.
    Mysql(MysqlSettings),
}

/// How a `MySQL` server is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct MysqlSettings {
    /// The account.
    pub user: String,
    /// Its password.
    pub password: Option<Zeroizing<String>>,
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The schema.
    pub database: String,
    /// How the connection is protected.
    pub transport: MysqlTransport,
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MysqlTransport {
    /// TLS, verified.
    Tls {
        /// `ssl-ca`: PEM file of the authorities that the server's certificate must come from; no others are trusted.
        authorities: PathBuf,
        /// `tls-hostname`: the name in the certificate, where it is not the host.
        server_name: Option<String>,
    },
    /// `socket`: a socket of this machine.
    Socket(PathBuf),
}

impl fmt::Debug for MysqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlSettings")
            .field("user", &self.user)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("database", &self.database)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// A key, and what is wrong with its value.
type Wrong = (&'static str, String);

/// Reads the three keys.
pub(super) fn read(
    set: &dyn Fn(&str) -> Option<String>,
    environment: Environment,
) -> Result<DatabaseSettings, Wrong> {
    let text = set("DATABASE_URL").unwrap_or_else(|| "sqlite:core.db".to_owned());
    let wrong = |message: String| ("DATABASE_URL", message);
    match text.split_once(':') {
        Some(("sqlite", path)) => sqlite(path).map_err(wrong),
        Some(("mysql", _)) => {
            let settings = mysql(&text).map_err(|message| wrong(message.to_owned()))?;
            Ok(DatabaseSettings::Mysql(MysqlSettings {
                password: password(set, environment)?,
                ..settings
            }))
        }
        _ => Err(wrong(
            "is not an address of a database that Core knows: write sqlite:PATH or mysql://USER@HOST:PORT/DATABASE?ssl-ca=FILE"
                .to_owned(),
        )),
    }
}

fn sqlite(path: &str) -> Result<DatabaseSettings, String> {
    if path.is_empty() {
        return Err("has no path: write sqlite:PATH".to_owned());
    }
    if path.starts_with(":memory") || path.starts_with("file:") || path.contains('?') {
        let message =
            "names no plain file: write sqlite:PATH, for a file that outlives the program";
        return Err(message.to_owned());
    }
    Ok(DatabaseSettings::Sqlite(PathBuf::from(path)))
}

/// Everything but the password.
fn mysql(text: &str) -> Result<MysqlSettings, &'static str> {
    const FORM: &str =
        "is not an address of MySQL: write mysql://USER@HOST:PORT/DATABASE?ssl-ca=FILE";
    let url = Url::parse(text).map_err(|_| FORM)?;
    if url.password().is_some() {
        return Err(
            "has a password inside, where logs and process lists show it: take it out and set DATABASE_PASSWORD or DATABASE_PASSWORD_FILE",
        );
    }
    if url.fragment().is_some() {
        return Err("has a fragment: take out `#` and what follows");
    }
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or("has no host: write mysql://USER@HOST:PORT/DATABASE?ssl-ca=FILE")?;
    let user = decoded(url.username())
        .filter(|user| !user.is_empty())
        .ok_or("names no user: write mysql://USER@HOST:PORT/DATABASE?ssl-ca=FILE")?;
    let database = url
        .path()
        .strip_prefix('/')
        .and_then(decoded)
        .filter(|name| !name.is_empty() && !name.contains('/') && name.chars().count() <= 64)
        .ok_or("names no database: write mysql://USER@HOST:PORT/DATABASE?ssl-ca=FILE")?;
    Ok(MysqlSettings {
        user,
        password: None,
        // An IPv6 address stands in brackets only inside a URL.
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(DEFAULT_PORT),
        database,
        transport: transport(&url)?,
    })
}

fn transport(url: &Url) -> Result<MysqlTransport, &'static str> {
    let (mut authorities, mut server_name, mut socket) = (None, None, None);
    for (name, value) in url.query_pairs() {
        let place = match &*name {
            "ssl-ca" => &mut authorities,
            "tls-hostname" => &mut server_name,
            "socket" => &mut socket,
            _ => {
                return Err(
                    "has a parameter that Core does not know: ssl-ca, tls-hostname and socket are those it knows",
                );
            }
        };
        if value.is_empty() {
            return Err("has a parameter without a value");
        }
        if place.replace(value.into_owned()).is_some() {
            return Err("has a parameter twice");
        }
    }
    match (authorities, socket) {
        (None, None) => Err(
            "asks for a connection without TLS: add ssl-ca=FILE, the authority of the server's certificate (or socket=PATH for a server on this machine)",
        ),
        (Some(_), Some(_)) => Err("has both ssl-ca and socket: keep one"),
        (None, Some(_)) if server_name.is_some() => {
            Err("has tls-hostname without ssl-ca: a socket has no TLS")
        }
        (None, Some(path)) => Ok(MysqlTransport::Socket(PathBuf::from(path))),
        (Some(file), None) => Ok(MysqlTransport::Tls {
            authorities: PathBuf::from(file),
            server_name,
        }),
    }
}

/// The text behind the percent signs, if it is text without control characters.
fn decoded(part: &str) -> Option<String> {
    // A form decoder would turn `+` into a space.
    let part = part.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(part.as_bytes());
    let (name, value) = pairs.next().unwrap_or_default();
    let clean = value.is_empty()
        && pairs.next().is_none()
        && !name.contains(|c: char| c.is_control() || c == '\u{fffd}');
    clean.then(|| name.into_owned())
}

fn password(
    set: &dyn Fn(&str) -> Option<String>,
    environment: Environment,
) -> Result<Option<Zeroizing<String>>, Wrong> {
    const FILE: &str = "DATABASE_PASSWORD_FILE";
    let password = match (set("DATABASE_PASSWORD"), set(FILE)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err((FILE, "is set beside DATABASE_PASSWORD: keep one".to_owned()));
        }
        (Some(password), None) => ("DATABASE_PASSWORD", Zeroizing::new(password)),
        (None, Some(path)) => (
            FILE,
            password_file(set, &path, environment).map_err(|message| (FILE, message))?,
        ),
    };
    match password {
        (key, password) if password.contains(['\n', '\r', '\0']) => {
            Err((key, "is more than one line: a password is one".to_owned()))
        }
        (_, password) => Ok(Some(password)),
    }
}

fn password_file(
    set: &dyn Fn(&str) -> Option<String>,
    path: &str,
    environment: Environment,
) -> Result<Zeroizing<String>, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read ({error})");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    if environment == Environment::Production && mode & secret_file_mask(set, Path::new(path)) != 0
    {
        return Err(format!(
            "the file's mode is {:04o}, so others may read it: chmod 600",
            mode & 0o7777
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_PASSWORD_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let end = text.strip_suffix('\n').map_or(text.len(), |line| {
        line.strip_suffix('\r').unwrap_or(line).len()
    });
    text.truncate(end);
    match text.len() as u64 {
        0 => Err("the file is empty".to_owned()),
        1..=MAX_PASSWORD_BYTES => Ok(text),
        _ => Err("the file is larger than a password".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<DatabaseSettings, Wrong> {
        let set = |key: &str| {
            let found = pairs.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| (*value).to_owned())
        };
        read(&set, Environment::Production)
    }

    #[test]
    fn an_address_of_mysql_says_who_where_and_how_it_is_protected() {
        let url = "mysql://c%40re@db.example.com/core?ssl-ca=/etc/ca.pem&tls-hostname=coredb1";
        let read = with(&[("DATABASE_URL", url), ("DATABASE_PASSWORD", "pass word+%")]);
        let expected = MysqlSettings {
            user: "c@re".to_owned(),
            password: Some(Zeroizing::new("pass word+%".to_owned())),
            host: "db.example.com".to_owned(),
            port: 3306,
            database: "core".to_owned(),
            transport: MysqlTransport::Tls {
                authorities: PathBuf::from("/etc/ca.pem"),
                server_name: Some("coredb1".to_owned()),
            },
        };
        assert_eq!(read, Ok(DatabaseSettings::Mysql(expected.clone())));
        assert!(!format!("{expected:?}").contains("pass word"));

        let read = with(&[(
            "DATABASE_URL",
            "mysql://core@[::1]:3307/core?socket=/run/mysqld.sock",
        )]);
        let Ok(DatabaseSettings::Mysql(read)) = read else {
            panic!("{read:?}")
        };
        assert_eq!(
            (read.host.as_str(), read.port, read.password),
            ("::1", 3307, None)
        );
        assert_eq!(
            read.transport,
            MysqlTransport::Socket(PathBuf::from("/run/mysqld.sock"))
        );
    }

    #[test]
    fn an_address_of_mysql_that_is_not_whole_or_not_safe_is_refused_without_being_shown() {
        for (url, words) in [
            ("mysql://core:SECRET@h/core?ssl-ca=f", "password inside"),
            ("mysql://core@SECRET/core", "without TLS"),
            ("mysql://SECRET/core?ssl-ca=f", "no user"),
            ("mysql://core@SECRET?ssl-ca=f", "no database"),
            ("mysql://core@SECRET/?ssl-ca=f", "no database"),
            ("mysql://core@SECRET/a/b?ssl-ca=f", "no database"),
            ("mysql://core@SECRET:x/core?ssl-ca=f", "write mysql://"),
            ("mysql:core@SECRET", "write mysql://"),
            ("mysql://core@SECRET/core?ssl-ca=f&ssl-ca=f", "twice"),
            ("mysql://core@SECRET/core?ssl-ca=", "without a value"),
            (
                "mysql://core@SECRET/core?ssl-ca=f&require_ssl=false",
                "does not know",
            ),
            ("mysql://core@SECRET/core?ssl-ca=f&socket=/s", "keep one"),
            (
                "mysql://core@SECRET/core?socket=/s&tls-hostname=h",
                "without ssl-ca",
            ),
            ("mysql://core@SECRET/core?ssl-ca=f#x", "fragment"),
            ("mysql://c%0are@SECRET/core?ssl-ca=f", "no user"),
        ] {
            let (key, message) = with(&[("DATABASE_URL", url)]).unwrap_err();
            assert_eq!(key, "DATABASE_URL");
            assert!(message.contains(words), "{url}: {message}");
            assert!(!message.contains("SECRET"), "{url}: {message}");
        }
    }

    #[test]
    fn a_password_comes_from_one_place_and_a_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let path = file.to_str().unwrap();
        let url = ("DATABASE_URL", "mysql://core@h/core?ssl-ca=f");
        let read = |more: &[(&str, &str)]| with(&[&[url], more].concat());
        let refused = |more: &[(&str, &str)], words: &str| {
            let (key, message) = read(more).unwrap_err();
            assert!(key.starts_with("DATABASE_PASSWORD"), "{key}");
            assert!(message.contains(words), "{message}");
        };
        let in_file = [("DATABASE_PASSWORD_FILE", path)];
        refused(&in_file, "cannot be read");
        let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
        std::fs::write(&file, "from the file\n").unwrap();
        mode(0o640).unwrap();
        refused(&in_file, "chmod 600");
        mode(0o600).unwrap();
        let Ok(DatabaseSettings::Mysql(settings)) = read(&in_file) else {
            panic!("refused")
        };
        assert_eq!(settings.password.unwrap().as_str(), "from the file");
        refused(&[in_file[0], ("DATABASE_PASSWORD", "x")], "keep one");
        refused(&[("DATABASE_PASSWORD", "a\nb")], "one line");
        for (text, words) in [
            (String::new(), "empty"),
            ("a\nb\n".to_owned(), "one line"),
            ("x".repeat(1025), "larger"),
        ] {
            std::fs::write(&file, text).unwrap();
            refused(&in_file, words);
        }
    }
}
