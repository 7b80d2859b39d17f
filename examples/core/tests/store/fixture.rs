//! A store with a clock that is turned by hand, an app and a user in it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use dailey_core::email::Email;
use dailey_core::refresh::Decision;
use dailey_core::scope::Scopes;
use dailey_core::secret::SecretHash;
use dailey_core::settings::{MysqlSettings, MysqlTransport};
use dailey_core::store::{
    App, Clock, Context, LoginAttempt, LoginEnd, LoginSuccess, MysqlStore, RefreshAttempt,
    Refreshed, SqliteStore, Store, StoreError, User, UserRole,
};
use uuid::Uuid;

/// Where the clock begins, in milliseconds UTC.
pub(crate) const START: i64 = 1_800_000_000_000;
/// Life of the refresh tokens here, in milliseconds.
pub(crate) const LIFE: i64 = 60_000;
/// The only user's address.
pub(crate) const USER: &str = "user@example.com";

/// A MySQL server for the suite.
pub(crate) struct Server(testbed::mysql::Server);

impl Server {
    pub(crate) fn start() -> Self {
        let server = testbed::mysql::Server::start().unwrap();
        server
            .sql(
                "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES \
                 ON `core\\_%`.* TO 'core'@'127.0.0.1'",
            )
            .unwrap();
        Self(server)
    }
}

/// Runs a query behind the store's back; its first column.
type Ask = Box<dyn Fn(&str) -> Vec<String> + Send + Sync>;

pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) app: App,
    pub(crate) user: User,
    time: Arc<AtomicI64>,
    ask: Ask,
    /// Where the file of `SQLite` is.
    folder: Option<tempfile::TempDir>,
}

impl Fixture {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("core.db");
        let (time, clock) = clock();
        let store = Arc::new(SqliteStore::open(&file, clock).unwrap());
        let ask = Box::new(move |query: &str| ask_sqlite(&file, query));
        Self::with(store, time, ask, Some(folder)).await
    }

    pub(crate) async fn on_mysql(Server(server): &Server) -> Self {
        let schema = format!("core_{}", Uuid::new_v4().simple());
        server.sql(&format!("CREATE DATABASE {schema}")).unwrap();
        let settings = MysqlSettings {
            user: "core".to_owned(),
            password: Some(server.passwords().core.clone().into()),
            host: "127.0.0.1".to_owned(),
            port: server.port(),
            database: schema.clone(),
            transport: MysqlTransport::Tls {
                authorities: server.ca_file(),
                server_name: Some(server.name().to_owned()),
            },
        };
        let (time, clock) = clock();
        let store = MysqlStore::open(&settings, clock).await.unwrap();
        let socket = server.socket();
        let root = server.passwords().root.clone();
        let ask = Box::new(move |query: &str| ask_mysql(&socket, &root, &schema, query));
        Self::with(Arc::new(store), time, ask, None).await
    }

    async fn with(
        store: Arc<dyn Store>,
        time: Arc<AtomicI64>,
        ask: Ask,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        let scopes = scopes(&["media:read", "media:write"]);
        let app = store
            .create_app("photos".to_owned(), scopes, [1; 32], Context::default())
            .await
            .unwrap();
        let user = store
            .create_user(
                email(USER),
                "first hash".to_owned(),
                UserRole::Ordinary,
                Context::default(),
            )
            .await
            .unwrap();
        Self {
            store,
            app,
            user,
            time,
            ask,
            folder,
        }
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn pass(&self, milliseconds: i64) {
        self.time.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// The columns of a table.
    pub(crate) fn columns(&self, table: &str) -> Vec<String> {
        let query = match self.folder {
            Some(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
            None => format!(
                "SELECT column_name FROM information_schema.columns \
                 WHERE table_schema = database() AND table_name = '{table}'"
            ),
        };
        let mut columns = self.ask(&query);
        columns.sort();
        columns
    }

    /// The first column of a query, behind the store's back.
    pub(crate) fn is_on_mysql(&self) -> bool {
        self.folder.is_none()
    }

    pub(crate) fn ask(&self, query: &str) -> Vec<String> {
        (self.ask)(query)
    }

    pub(crate) fn attempt(&self, email: &str, network: &str) -> LoginAttempt {
        LoginAttempt {
            email: self::email(email),
            app_id: Some(self.app.app_id),
            network: network.to_owned(),
        }
    }

    /// Logs the user in, whose password was verified against this hash.
    pub(crate) async fn log_in(
        &self,
        verified: &str,
        rehashed: Option<&str>,
        token: SecretHash,
    ) -> LoginEnd {
        let success = LoginSuccess {
            attempt: self.attempt(USER, "192.0.2.1"),
            user_id: self.user.user_id,
            app_id: self.app.app_id,
            scopes: self.app.scopes.clone(),
            refresh_hash: token,
            refresh_life_ms: LIFE,
            verified_hash: verified.to_owned(),
            new_password_hash: rehashed.map(str::to_owned),
        };
        let end = self.store.login_succeeded(success, Context::default());
        end.await.unwrap()
    }

    pub(crate) async fn refresh(
        &self,
        presented: SecretHash,
        successor: SecretHash,
    ) -> Result<Refreshed, StoreError> {
        let attempt = exchange(presented, successor);
        self.store.refresh(attempt, Context::default()).await
    }

    /// How a refresh is refused.
    pub(crate) async fn refused(&self, presented: SecretHash) -> Decision {
        match self.refresh(presented, [255; 32]).await.unwrap() {
            Refreshed::Refused(decision) => decision,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// That a refresh succeeds.
    pub(crate) async fn rotated(&self, presented: SecretHash, successor: SecretHash) {
        let outcome = self.refresh(presented, successor).await.unwrap();
        assert!(matches!(outcome, Refreshed::Rotated { .. }), "{outcome:?}");
    }
}

/// An exchange without any wish.
pub(crate) fn exchange(presented: SecretHash, successor: SecretHash) -> RefreshAttempt {
    RefreshAttempt {
        presented,
        successor,
        successor_life_ms: LIFE,
        app_id: None,
        requested: None,
    }
}

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn scopes(items: &[&str]) -> Scopes {
    Scopes::from_items(items.iter().copied()).unwrap()
}

fn clock() -> (Arc<AtomicI64>, Clock) {
    let time = Arc::new(AtomicI64::new(START));
    let clock = Arc::clone(&time);
    (time, Arc::new(move || clock.load(Ordering::SeqCst)))
}

fn ask_sqlite(file: &Path, query: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(file).unwrap();
    let mut statement = database.prepare(query).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            value => value.as_str()?.to_owned(),
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn ask_mysql(socket: &Path, password: &str, schema: &str, query: &str) -> Vec<String> {
    use mysql_async::prelude::Queryable as _;
    let opts = mysql_async::OptsBuilder::default()
        .socket(Some(socket.display().to_string()))
        .user(Some("root"))
        .pass(Some(password))
        .db_name(Some(schema));
    let query = query.to_owned();
    // On a thread of its own: the test is in a runtime already.
    let asked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut connection = mysql_async::Conn::new(opts).await.unwrap();
            let rows: Vec<String> = connection.query(query).await.unwrap();
            connection.disconnect().await.unwrap();
            rows
        })
    });
    asked.join().unwrap()
}
