//! The files of `deploy/mysql`, with ports and paths of a test put in, and nothing else changed.

use std::path::Path;

use super::Error;

/// The accounts; passwords are still to be put in.
pub(super) const ACCOUNTS: &str = include_str!("../../../deploy/mysql/accounts.sql");

/// The row that the source writes every second.
pub(super) const HEARTBEAT: &str = include_str!("../../../deploy/mysql/heartbeat.sql");

const REPLICATION: &str = include_str!("../../../deploy/mysql/replication.sql");

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Coredb1,
    Coredb2,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Coredb1 => "coredb1",
            Self::Coredb2 => "coredb2",
        }
    }

    /// Its configuration, for a server that lives in `folder`.
    pub(super) fn configuration(self, folder: &Path, port: u16) -> Result<String, Error> {
        let (file, text) = match self {
            Self::Coredb1 => (
                "coredb1.cnf",
                include_str!("../../../deploy/mysql/coredb1.cnf"),
            ),
            Self::Coredb2 => (
                "coredb2.cnf",
                include_str!("../../../deploy/mysql/coredb2.cnf"),
            ),
        };
        let in_folder = |name: &str| folder.join(name).display().to_string();
        let values = [
            ("port", port.to_string()),
            ("report_port", port.to_string()),
            ("datadir", in_folder("data")),
            ("socket", in_folder("mysqld.sock")),
            ("pid_file", in_folder("mysqld.pid")),
            ("ssl_ca", in_folder("ca.pem")),
            ("ssl_cert", in_folder("server.pem")),
            ("ssl_key", in_folder("server.key")),
        ];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (key, value) in values {
            let is_it = |line: &&mut String| {
                line.split_once('=')
                    .is_some_and(|(name, _)| name.trim() == key)
            };
            let Some(line) = lines.iter_mut().find(is_it) else {
                return Err(Error::Deployed {
                    file,
                    wanted: key.to_owned(),
                });
            };
            *line = format!("{key} = {value}");
        }
        lines.push(String::new());
        Ok(lines.join("\n"))
    }
}

/// The statements that point a replica at its source; the password is still to be put in.
pub(super) fn replication(source_port: u16, ca_file: &Path) -> Result<String, Error> {
    let ca = format!("'{}'", ca_file.display());
    let port = format!("SOURCE_PORT = {source_port}");
    let mut text = REPLICATION.to_owned();
    for (wanted, put_in) in [
        ("SOURCE_PORT = 3307", &port),
        ("'/etc/mysql/tls/ca.pem'", &ca),
    ] {
        if !text.contains(wanted) {
            return Err(Error::Deployed {
                file: "replication.sql",
                wanted: wanted.to_owned(),
            });
        }
        text = text.replace(wanted, put_in);
    }
    Ok(text)
}
