//! A server that is seeded from or to: reconnects, and answers with text.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::plan::Side;
use crate::connection::{Connection, Failure};
use crate::gtid::GtidSet;
use crate::row::Row;
use crate::scrub::Scrub;
use crate::settings::DirectHost;

/// Longest that a statement may take which only looks or sets something.
const STATEMENT: Duration = Duration::from_secs(60);

/// How often a server that restarts is tried.
const RETRY: Duration = Duration::from_millis(500);

/// One of the two servers.
pub(super) struct Server {
    pub(super) host: DirectHost,
    /// Passwords to try with their accounts: data that is copied brings the source's accounts along.
    accounts: Vec<(String, String)>,
    connection: Option<Connection>,
    scrub: Scrub,
}

impl Server {
    pub(super) fn new(host: DirectHost, accounts: Vec<(String, String)>, scrub: Scrub) -> Self {
        Self {
            host,
            accounts,
            connection: None,
            scrub,
        }
    }

    /// Connects, unless it is connected, with the first account that is let in.
    pub(super) async fn connect(&mut self) -> Result<(), String> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut why = String::new();
        for (user, password) in &self.accounts {
            let host = DirectHost {
                user: user.clone(),
                ..self.host.clone()
            };
            match Connection::open(&host, password).await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(error) => why = error,
            }
        }
        Err(self.scrub.text(&format!("{}: {why}", self.host.name)))
    }

    /// Waits until it answers again.
    pub(super) async fn wait_until_back(&mut self, limit: Duration) -> Result<(), String> {
        self.connection = None;
        let deadline = Instant::now() + limit;
        loop {
            let error = match self.connect().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if Instant::now() > deadline {
                return Err(format!("it did not come back: {error}"));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    pub(super) fn forget_connection(&mut self) {
        self.connection = None;
    }

    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// Rows of a statement that takes as long as `limit`.
    pub(super) async fn rows_within(
        &mut self,
        statement: &str,
        limit: Duration,
    ) -> Result<Vec<Row>, Failure> {
        self.connect().await.map_err(Failure::Broken)?;
        let Some(connection) = self.connection.as_mut() else {
            return Err(Failure::Broken("not connected".to_owned()));
        };
        match timeout(limit, connection.ask(statement)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(failure)) => {
                if matches!(failure, Failure::Broken(_)) {
                    self.connection = None;
                }
                Err(failure)
            }
            Err(_) => {
                self.connection = None;
                Err(Failure::Broken(format!(
                    "no answer within {} s",
                    limit.as_secs()
                )))
            }
        }
    }

    pub(super) async fn rows(&mut self, statement: &str) -> Result<Vec<Row>, String> {
        let rows = self.rows_within(statement, STATEMENT).await;
        rows.map_err(|failure| self.words(&failure))
    }

    /// Statements one after the other.
    pub(super) async fn run(&mut self, statements: &[&str]) -> Result<(), String> {
        for statement in statements {
            self.rows(statement).await?;
        }
        Ok(())
    }

    /// The one value of a statement.
    pub(super) async fn value(&mut self, statement: &str) -> Result<String, String> {
        let rows = self.rows(&format!("SELECT ({statement}) AS value")).await?;
        Ok(rows
            .first()
            .and_then(|row| row.text("value"))
            .unwrap_or_default()
            .to_owned())
    }

    pub(super) async fn set(&mut self, expression: &str) -> Result<GtidSet, String> {
        let text = self.value(expression).await?;
        GtidSet::parse(&text).map_err(|error| format!("{}: {error}", self.host.name))
    }

    /// What it says of itself.
    pub(super) async fn look(&mut self) -> Result<Side, String> {
        let status = self.rows("SHOW REPLICA STATUS").await?;
        let replicas = self.rows("SHOW REPLICAS").await?.len();
        let clone = "SELECT COUNT(*) FROM information_schema.PLUGINS \
            WHERE PLUGIN_NAME = 'clone' AND PLUGIN_STATUS = 'ACTIVE'";
        Ok(Side {
            version: self.value("VERSION()").await?,
            uuid: self.value("@@server_uuid").await?,
            follows: status
                .first()
                .and_then(|row| row.filled("Source_UUID"))
                .map(str::to_owned),
            replicas,
            has_clone: self.value(clone).await? == "1",
            has_gtids: self.value("@@gtid_mode").await? == "ON",
        })
    }

    pub(super) fn words(&self, failure: &Failure) -> String {
        self.scrub.text(&format!("{}: {failure}", self.host.name))
    }

    /// The account whose password is tried first.
    pub(super) fn account(&self) -> Option<(&str, &str)> {
        self.accounts
            .first()
            .map(|(user, password)| (user.as_str(), password.as_str()))
    }
}

/// A text as a literal in a statement.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name as an identifier in a statement.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
