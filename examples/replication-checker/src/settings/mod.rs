//! What the checker is told by its environment, read and checked before anything is asked. A secret is in
//! no error.

mod hosts;
mod password;

use std::path::PathBuf;

pub use hosts::{DirectHost, SshHost};
pub use password::Password;

use crate::report::Mode;
use crate::statements::HeartbeatTable;

/// The environment keys.
pub mod keys {
    #![expect(missing_docs, reason = "described in the design and in the README")]
    pub const SSH_USER: &str = "REPL_SSH_USER";
    pub const SSH_HOSTS: &str = "REPL_SSH_HOSTS";
    pub const SQL_USER: &str = "REPL_SQL_USER";
    pub const SQL_PASS: &str = "REPL_SQL_PASS";
    pub const SQL_PASS_FILE: &str = "REPL_SQL_PASS_FILE";
    pub const SSH_IDENTITY_FILE: &str = "REPL_SSH_IDENTITY_FILE";
    pub const SSH_KNOWN_HOSTS: &str = "REPL_SSH_KNOWN_HOSTS";
    pub const MYSQL_URLS: &str = "REPL_MYSQL_URLS";
    pub const MYSQL_SOCKET: &str = "REPL_MYSQL_SOCKET";
    pub const HEARTBEAT_TABLE: &str = "REPL_HEARTBEAT_TABLE";
    pub const EXPECTED_DELAY: &str = "REPL_EXPECTED_DELAY";
}

/// Longest delay that can be announced, in seconds: a week.
const MAX_DELAY_S: u64 = 7 * 24 * 60 * 60;

/// A setting is missing or wrong: the program was not told what it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct SettingsError {
    /// The environment key.
    pub key: &'static str,
    /// What is wrong and what is wanted; never the value.
    pub what: String,
}

impl SettingsError {
    fn new(key: &'static str, what: impl Into<String>) -> Self {
        Self {
            key,
            what: what.into(),
        }
    }
}

/// Everything that is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the two are reached.
    pub targets: Targets,
    /// The password of the SQL account.
    pub password: Password,
    /// The table of the heartbeat row.
    pub heartbeat: Option<HeartbeatTable>,
    /// The delay that is announced, in seconds.
    pub expected_delay_s: u64,
}

/// How the two servers are reached.
#[derive(Debug, Clone)]
pub enum Targets {
    /// By ssh.
    Ssh(Box<SshTargets>),
    /// Over TLS.
    Direct(Box<[DirectHost; 2]>),
}

/// What ssh mode needs.
#[derive(Debug, Clone)]
pub struct SshTargets {
    /// The account on the hosts.
    pub user: String,
    /// The hosts.
    pub hosts: [SshHost; 2],
    /// The key to log in with; without one, ssh's own and the agent's.
    pub identity_file: Option<PathBuf>,
    /// Keys of the hosts; without it, ssh's own file.
    pub known_hosts: Option<PathBuf>,
    /// The SQL account.
    pub sql_user: String,
    /// MySQL's socket on the hosts; without it, the client's own.
    pub socket: Option<String>,
}

impl Targets {
    /// The mode.
    pub fn mode(&self) -> Mode {
        match self {
            Self::Ssh(_) => Mode::Ssh,
            Self::Direct(_) => Mode::Direct,
        }
    }
}

impl Settings {
    /// Reads them through `environment`, which knows a key or does not. Without a mode it is ssh, unless
    /// only addresses for direct mode are set.
    pub fn read(
        mode: Option<Mode>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let get = |key: &'static str| environment(key).filter(|value| !value.is_empty());
        let required = |key: &'static str, what: &str| {
            get(key).ok_or_else(|| SettingsError::new(key, format!("not set; {what}")))
        };
        let only_direct = get(keys::MYSQL_URLS).is_some() && get(keys::SSH_HOSTS).is_none();
        let mode = mode.unwrap_or(if only_direct { Mode::Direct } else { Mode::Ssh });
        let targets = match mode {
            Mode::Ssh => {
                let user = required(keys::SSH_USER, "the account on the two hosts")?;
                let list = required(keys::SSH_HOSTS, "two hosts, `coredb1,coredb2:2222`")?;
                let sql_user = required(keys::SQL_USER, "the SQL account, `replmon`")?;
                Targets::Ssh(Box::new(SshTargets {
                    user: hosts::ssh_user(&user)?,
                    hosts: hosts::ssh_hosts(&list)?,
                    identity_file: path(get(keys::SSH_IDENTITY_FILE), keys::SSH_IDENTITY_FILE)?,
                    known_hosts: path(get(keys::SSH_KNOWN_HOSTS), keys::SSH_KNOWN_HOSTS)?,
                    sql_user: sql_user_name(&sql_user)?,
                    socket: get(keys::MYSQL_SOCKET)
                        .map(|text| socket(&text))
                        .transpose()?,
                }))
            }
            Mode::Direct => {
                let list = required(
                    keys::MYSQL_URLS,
                    "two addresses, `mysql://user@host:port/?ssl-ca=…&tls-hostname=…`, comma between",
                )?;
                let user = get(keys::SQL_USER);
                Targets::Direct(Box::new(hosts::direct_hosts(&list, user.as_deref())?))
            }
        };
        Ok(Self {
            targets,
            password: Password::read(get(keys::SQL_PASS), get(keys::SQL_PASS_FILE))?,
            heartbeat: get(keys::HEARTBEAT_TABLE)
                .map(|text| {
                    HeartbeatTable::parse(&text).ok_or_else(|| {
                        SettingsError::new(
                            keys::HEARTBEAT_TABLE,
                            "not `schema.table` of letters, digits, _ and $",
                        )
                    })
                })
                .transpose()?,
            expected_delay_s: match get(keys::EXPECTED_DELAY) {
                None => 0,
                Some(text) => text
                    .parse()
                    .ok()
                    .filter(|seconds| *seconds <= MAX_DELAY_S)
                    .ok_or_else(|| {
                        SettingsError::new(
                            keys::EXPECTED_DELAY,
                            format!("not whole seconds from 0 to {MAX_DELAY_S}"),
                        )
                    })?,
            },
        })
    }
}

/// A path for ssh's own options, which split at white space and replace `%`, `~` and `$`.
fn path(text: Option<String>, key: &'static str) -> Result<Option<PathBuf>, SettingsError> {
    let Some(text) = text else { return Ok(None) };
    let is_plain = text
        .chars()
        .all(|c| c.is_alphanumeric() || "/._-+@:,=".contains(c));
    if !is_plain || text.starts_with('-') {
        return Err(SettingsError::new(
            key,
            "a path of letters, digits and / . _ - + @ : , = is wanted",
        ));
    }
    if !std::path::Path::new(&text).is_file() {
        return Err(SettingsError::new(key, "there is no such file"));
    }
    Ok(Some(PathBuf::from(text)))
}

/// MySQL's socket on the hosts, for an option file.
fn socket(text: &str) -> Result<String, SettingsError> {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-+@:,=".contains(c));
    if !is_plain || !text.starts_with('/') || text.len() > 107 {
        return Err(SettingsError::new(
            keys::MYSQL_SOCKET,
            "an absolute path of at most 107 letters, digits and / . _ - + @ : , = is wanted",
        ));
    }
    Ok(text.to_owned())
}

fn sql_user_name(text: &str) -> Result<String, SettingsError> {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-@".contains(c));
    if !is_plain || text.len() > 32 {
        return Err(SettingsError::new(
            keys::SQL_USER,
            "at most 32 letters, digits and . _ - @ are wanted",
        ));
    }
    Ok(text.to_owned())
}
