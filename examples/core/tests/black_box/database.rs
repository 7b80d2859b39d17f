//! The database of a test's Core: `SQLite`, or a schema of its own on the `MySQL` server that the environment names.
//!
//! `every_test_here_holds_on_mysql` starts such a server and runs this very program again with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use mysql_async::prelude::{FromValue, Queryable as _};
use mysql_async::{Conn, OptsBuilder, SslOpts};
use testbed::mysql::Server;

/// `PORT CA-FILE`: a server whose account `core` may make schemas named `core_…`.
const SERVER: &str = "CORE_TEST_MYSQL";
const PASSWORD: &str = "CORE_TEST_MYSQL_PASSWORD";

/// Where a Core keeps things, and how the test looks at them behind its back.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Mysql(Schema),
}

/// A schema on a server.
#[derive(Clone)]
pub(crate) struct Schema {
    port: u16,
    ca_file: PathBuf,
    password: String,
    name: String,
}

/// Keeps whoever has to wait before the next login waiting, however long a test takes until then.
pub(crate) const STILL_LOCKED: &str =
    "UPDATE login_throttle SET locked_until = locked_until + 600000 WHERE locked_until > 0";

impl Database {
    /// As the environment says.
    pub(crate) fn of_this_run(folder: &Path) -> Self {
        match std::env::var(SERVER) {
            Err(_) => Self::Sqlite(folder.join("core.db")),
            Ok(server) => {
                let (port, ca_file) = server.split_once(' ').unwrap();
                Self::Mysql(Schema::made(
                    port.parse().unwrap(),
                    ca_file.into(),
                    std::env::var(PASSWORD).unwrap(),
                ))
            }
        }
    }

    /// A new schema on a server of the test's own, which [`allow_schemas`] has prepared.
    pub(crate) fn on(server: &Server) -> Self {
        Self::Mysql(Schema::made(
            server.port(),
            server.ca_file(),
            server.passwords().core.clone(),
        ))
    }

    /// What Core is told.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            // The default.
            Self::Sqlite(_) => Vec::new(),
            Self::Mysql(schema) => vec![
                ("DATABASE_URL", schema.url()),
                ("DATABASE_PASSWORD", schema.password.clone()),
            ],
        }
    }

    /// Runs a statement that both databases understand.
    pub(crate) fn execute(&self, statement: &str) {
        match self {
            Self::Sqlite(file) => {
                let database = rusqlite::Connection::open(file).unwrap();
                database.execute(statement, []).unwrap();
            }
            Self::Mysql(schema) => {
                schema.ask::<i64>(statement);
            }
        }
    }

    /// The number that a query finds.
    pub(crate) fn number(&self, query: &str) -> i64 {
        match self {
            Self::Sqlite(file) => {
                let database = rusqlite::Connection::open(file).unwrap();
                database.query_row(query, [], |row| row.get(0)).unwrap()
            }
            Self::Mysql(schema) => schema.ask(query).unwrap(),
        }
    }
}

impl Schema {
    fn made(port: u16, ca_file: PathBuf, password: String) -> Self {
        let schema = Self {
            port,
            ca_file,
            password,
            name: format!("core_{}", uuid::Uuid::new_v4().simple()),
        };
        let statement = format!("CREATE DATABASE {}", schema.name);
        schema.ask_in::<i64>(None, &statement);
        schema
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "mysql://core@127.0.0.1:{}/{}?ssl-ca={}",
            self.port,
            self.name,
            self.ca_file.display()
        )
    }

    fn ask<T: FromValue + Send + 'static>(&self, statement: &str) -> Option<T> {
        self.ask_in(Some(self.name.clone()), statement)
    }

    /// On a thread of its own, since a test may be in a runtime already.
    fn ask_in<T: FromValue + Send + 'static>(
        &self,
        schema: Option<String>,
        statement: &str,
    ) -> Option<T> {
        let opts = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("core"))
            .pass(Some(self.password.clone()))
            .db_name(schema)
            .prefer_socket(false)
            .ssl_opts(Some(
                SslOpts::default().with_root_certs(vec![self.ca_file.clone().into()]),
            ));
        let statement = statement.to_owned();
        let asked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut connection = Conn::new(opts).await.unwrap();
                let row: Option<mysql_async::Row> =
                    connection.query_first(statement).await.unwrap();
                connection.disconnect().await.unwrap();
                row.map(|row| row.get(0).unwrap())
            })
        });
        asked.join().unwrap()
    }
}

/// Lets the account of Core make schemas for tests, with the rights that it has on its own.
pub(crate) fn allow_schemas(server: &Server) {
    server
        .sql(
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES \
             ON `core\\_%`.* TO 'core'@'127.0.0.1'",
        )
        .unwrap();
}

#[test]
#[ignore = "needs MySQL: `cargo xtask test` sets it up and runs this"]
fn every_test_here_holds_on_mysql() {
    let server = Server::start().unwrap();
    allow_schemas(&server);
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--test-threads", "4"])
        // What has nothing to do with where things are kept, and takes long.
        .args([
            "--skip",
            "start::keys",
            "--skip",
            "start::published_keys",
            "--skip",
            "start::blocking",
        ])
        .args(["--skip", "a_flood", "--skip", "outages::"])
        .env(
            SERVER,
            format!("{} {}", server.port(), server.ca_file().display()),
        )
        .env(PASSWORD, &server.passwords().core)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
    let schemas = server
        .sql("SELECT count(*) FROM information_schema.schemata WHERE schema_name LIKE 'core\\_%'")
        .unwrap();
    let schemas: usize = schemas.trim().parse().unwrap();
    assert!(schemas > 20, "they ran on it: {schemas} schemas");
}
