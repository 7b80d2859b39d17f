//! A source and its replica.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::deployed::{self, HEARTBEAT, Role};
use super::process::{Life, POLL};
use super::{Certificates, Error, Passwords, Server};
use crate::parts::MysqlPart;

/// Longest that the replica of an idle source may take to catch up.
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(60);

/// coredb1 and coredb2, its replica, over TLS with verified certificates, by GTID auto-position.
#[derive(Debug)]
pub struct Pair {
    /// The replica; dropped before its source.
    pub replica: Server,
    /// The source.
    pub primary: Server,
    /// Removed after both have ended.
    home: Option<tempfile::TempDir>,
}

impl Pair {
    /// Both servers, with accounts and heartbeat, and a replica that has all of it.
    pub fn start() -> Result<Self, Error> {
        let home = super::home()?;
        let mut pair = Self::start_in(home.path(), Life::Ours)?;
        pair.home = Some(home);
        Ok(pair)
    }

    pub(super) fn start_in(home: &Path, life: Life) -> Result<Self, Error> {
        let part = MysqlPart::find()?;
        let certificates = Certificates::new();
        let passwords = Passwords::random()?;
        let prepared = |role| Server::prepared(role, home, &part, &certificates, &passwords, life);
        let primary = prepared(Role::Coredb1)?;
        let replica = prepared(Role::Coredb2)?;
        let pair = Self {
            replica,
            primary,
            home: None,
        };
        pair.primary.make_accounts()?;
        pair.primary.sql(HEARTBEAT)?;
        pair.replicate_from(pair.primary.port())?;
        pair.wait_until_caught_up()?;
        Ok(pair)
    }

    /// Points the replica at its source by `deploy/mysql/replication.sql`, through `port`.
    pub fn replicate_from(&self, port: u16) -> Result<(), Error> {
        let statements = deployed::replication(port, &self.replica.ca_file())?;
        let statements = self.replica.passwords().put_into(&statements);
        self.replica.sql(&statements).map(drop)
    }

    /// Waits until the replica has everything that its source has now.
    pub fn wait_until_caught_up(&self) -> Result<(), Error> {
        let wanted = self
            .primary
            .sql("SELECT REPLACE(@@gtid_executed, '\\n', '')")?;
        let question = format!("SELECT GTID_SUBSET('{}', @@gtid_executed)", wanted.trim());
        let deadline = Instant::now() + CATCH_UP_DEADLINE;
        while self.replica.sql(&question)?.trim() != "1" {
            if Instant::now() > deadline {
                return Err(Error::Behind {
                    seconds: CATCH_UP_DEADLINE.as_secs(),
                    status: self.replica.sql("SHOW REPLICA STATUS")?,
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Both servers' authority.
    pub fn ca_file(&self) -> PathBuf {
        self.primary.ca_file()
    }
}
