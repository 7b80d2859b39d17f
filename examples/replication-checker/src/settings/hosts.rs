//! The two hosts, as they are written in the environment.

use std::path::PathBuf;

use url::{Host, Url};

use super::{SettingsError, keys};

/// Longest host name (RFC 1035).
const MAX_HOST_BYTES: usize = 253;

/// A host for ssh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshHost {
    /// As it is written, which is its name in reports.
    pub name: String,
    /// Name or address.
    pub host: String,
    /// Port; ssh's own when there is none.
    pub port: Option<u16>,
}

/// A server that is reached over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectHost {
    /// Its name in reports.
    pub name: String,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The SQL account.
    pub user: String,
    /// The authority that its certificate is verified with.
    pub ca_file: PathBuf,
    /// The name in its certificate, where it is not the host.
    pub tls_hostname: Option<String>,
}

pub(super) fn ssh_user(text: &str) -> Result<String, SettingsError> {
    let is_plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    // A name that begins with `-` would be an option of ssh.
    if !is_plain || text.starts_with('-') || text.len() > 64 {
        return Err(SettingsError::new(
            keys::SSH_USER,
            "at most 64 letters, digits and . _ - are wanted, and no - first",
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn ssh_hosts(list: &str) -> Result<[SshHost; 2], SettingsError> {
    pair(list, keys::SSH_HOSTS, |text| {
        let wrong = || {
            SettingsError::new(
                keys::SSH_HOSTS,
                "each must be `host` or `host:port`: letters, digits, . and -, and no - first",
            )
        };
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port_number(port).ok_or_else(wrong)?)),
            None => (text, None),
        };
        if !is_host(host) {
            return Err(wrong());
        }
        Ok(SshHost {
            name: text.to_owned(),
            host: host.to_owned(),
            port,
        })
    })
    .and_then(|hosts| differ(hosts, keys::SSH_HOSTS))
}

pub(super) fn direct_hosts(
    list: &str,
    user: Option<&str>,
) -> Result<[DirectHost; 2], SettingsError> {
    let mut hosts = pair(list, keys::MYSQL_URLS, |text| direct_host(text, user))?;
    if hosts[0].name == hosts[1].name {
        // One certificate for both.
        for host in &mut hosts {
            host.name = format!("{}:{}", host.host, host.port);
        }
    }
    differ(hosts, keys::MYSQL_URLS)
}

fn direct_host(text: &str, user: Option<&str>) -> Result<DirectHost, SettingsError> {
    let wrong = |what: &str| SettingsError::new(keys::MYSQL_URLS, what);
    let url = Url::parse(text).map_err(|_| {
        wrong("each must be an address, `mysql://user@host:port/?ssl-ca=…&tls-hostname=…`")
    })?;
    if url.scheme() != "mysql" {
        return Err(wrong("each must begin with mysql://"));
    }
    if url.password().is_some() {
        return Err(wrong(
            "a password has no place in an address: set REPL_SQL_PASS or REPL_SQL_PASS_FILE",
        ));
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(wrong("no schema and no fragment may be named"));
    }
    let host = match url.host() {
        Some(Host::Domain(domain)) if is_host(domain) => domain.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(wrong("a host is missing or not a name")),
    };
    let mut ca_file = None;
    let mut tls_hostname = None;
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "ssl-ca" => ca_file = Some(PathBuf::from(value.as_ref())),
            "tls-hostname" if is_host(&value) => tls_hostname = Some(value.into_owned()),
            "tls-hostname" => return Err(wrong("tls-hostname is not a host name")),
            _ => return Err(wrong("only ssl-ca and tls-hostname can be set")),
        }
    }
    let ca_file = ca_file.ok_or_else(|| wrong("ssl-ca is missing: TLS is always verified"))?;
    if !ca_file.is_file() {
        return Err(wrong("there is no file at ssl-ca"));
    }
    let user = match (url.username(), user) {
        ("", None) => return Err(wrong("no user, and REPL_SQL_USER is not set")),
        ("", Some(user)) | (user, _) => super::sql_user_name(user)?,
    };
    let port = url.port().unwrap_or(3306);
    Ok(DirectHost {
        name: tls_hostname
            .clone()
            .unwrap_or_else(|| format!("{host}:{port}")),
        host,
        port,
        user,
        ca_file,
        tls_hostname,
    })
}

/// Exactly two, with a comma between.
fn pair<T>(
    list: &str,
    key: &'static str,
    read: impl Fn(&str) -> Result<T, SettingsError>,
) -> Result<[T; 2], SettingsError> {
    let two = || SettingsError::new(key, "two are wanted, with a comma between");
    let (first, second) = list.split_once(',').ok_or_else(two)?;
    if second.contains(',') {
        return Err(two());
    }
    Ok([
        read(first.trim_matches(' '))?,
        read(second.trim_matches(' '))?,
    ])
}

fn differ<T: Named>(hosts: [T; 2], key: &'static str) -> Result<[T; 2], SettingsError> {
    if hosts[0].name() == hosts[1].name() {
        return Err(SettingsError::new(key, "both have the same name"));
    }
    Ok(hosts)
}

trait Named {
    fn name(&self) -> &str;
}

impl Named for SshHost {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for DirectHost {
    fn name(&self) -> &str {
        &self.name
    }
}

fn is_host(text: &str) -> bool {
    (1..=MAX_HOST_BYTES).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' || byte == b'_'
        })
}

fn port_number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain
        .then(|| text.parse().ok())
        .flatten()
        .filter(|port| *port != 0)
}
