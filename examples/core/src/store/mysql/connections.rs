//! Connections to the server: a bounded number, each either known to be idle or thrown away.
//!
//! A connection goes back only after its transaction has ended. One whose caller gave up, or which failed, is closed
//! instead, so that the server rolls back what it had begun and nothing is answered to the wrong question.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, SslOpts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::{connecting_failed, failed};
use crate::settings::{MysqlSettings, MysqlTransport};
use crate::store::StoreError;

/// Most connections of one Core. A commit waits for the server's disk, so several may wait at once; the server's own
/// limit (`max_connections`, 151 by default) has room for many Cores.
const MAX_CONNECTIONS: usize = 16;
/// How long a caller waits for one to be free.
const PLACE_DEADLINE: Duration = Duration::from_secs(2);
/// How long connecting may take: TCP, TLS and the password.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// One that was idle for longer is asked whether it still lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long that question may take.
const PING_DEADLINE: Duration = Duration::from_secs(1);
/// A peer that has vanished is noticed by its silence.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Largest packet in bytes; the largest statement here is some 10 KB.
const MAX_PACKET_BYTES: usize = 1024 * 1024;

/// What each connection begins with. Read committed: a transaction sees what others have done when it comes to it, and
/// locks rows, not gaps. Nothing waits for a lock longer than the callers do.
const SETUP: &str = "SET SESSION autocommit = 1, transaction_isolation = 'READ-COMMITTED', \
    sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
    innodb_lock_wait_timeout = 3, max_execution_time = 5000";

/// The connections of one store.
#[derive(Debug)]
pub(super) struct Connections {
    opts: Opts,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Conn,
    since: Instant,
}

/// A connection in use. Dropping it closes it; [`Lease::give_back`] keeps it.
pub(super) struct Lease<'a> {
    pub(super) connection: Conn,
    connections: &'a Connections,
    _place: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(settings: &MysqlSettings) -> Self {
        Self {
            opts: opts(settings),
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            idle: Mutex::default(),
        }
    }

    /// A working connection.
    pub(super) async fn take(&self) -> Result<Lease<'_>, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = tokio::time::timeout(PLACE_DEADLINE, place)
            .await
            .map_err(|_| StoreError::Busy)?
            .map_err(|_| StoreError::Failed("the store is closed".to_owned()))?;
        let connection = match self.idle().await {
            Some(connection) => connection,
            None => connect(self.opts.clone()).await?,
        };
        Ok(Lease {
            connection,
            connections: self,
            _place: place,
        })
    }

    /// One that is idle and alive. Those that are not are closed on the way.
    async fn idle(&self) -> Option<Conn> {
        loop {
            let Idle {
                mut connection,
                since,
            } = self.lock().pop()?;
            if since.elapsed() < TRUSTED_IDLE {
                return Some(connection);
            }
            let ping = tokio::time::timeout(PING_DEADLINE, connection.ping()).await;
            if matches!(ping, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }

    /// Closes what is idle; nothing is taken any more.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.lock());
        for Idle { connection, .. } in idle {
            // The server notices by itself, too.
            let _ = tokio::time::timeout(PING_DEADLINE, connection.disconnect()).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        // A panic while it was held left a list of connections, which is still one.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// Keeps the connection for the next one. No transaction is open on it.
    pub(super) fn give_back(self) {
        self.connections.lock().push(Idle {
            connection: self.connection,
            since: Instant::now(),
        });
    }

    pub(super) async fn begin(&mut self) -> Result<&mut Conn, StoreError> {
        self.connection
            .query_drop("START TRANSACTION")
            .await
            .map_err(|error| failed(&error))?;
        Ok(&mut self.connection)
    }

    /// Ends the transaction as its work says: durably, or not at all.
    pub(super) async fn end<T>(mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let statement = match &done {
            Ok(_) => "COMMIT",
            // Closed instead: it may be the connection that failed.
            Err(StoreError::Failed(_) | StoreError::Unreachable(_)) => return done,
            Err(_) => "ROLLBACK",
        };
        let ended = self.connection.query_drop(statement).await;
        match (done, ended) {
            (done, Ok(())) => {
                self.give_back();
                done
            }
            (Ok(_), Err(error)) => Err(failed(&error)),
            (Err(reason), Err(_)) => Err(reason),
        }
    }
}

async fn connect(opts: Opts) -> Result<Conn, StoreError> {
    match tokio::time::timeout(CONNECT_DEADLINE, Conn::new(opts)).await {
        Ok(connected) => connected.map_err(|error| connecting_failed(&error)),
        Err(_) => Err(StoreError::Unreachable(
            "the server did not answer within 3 seconds".to_owned(),
        )),
    }
}

fn opts(settings: &MysqlSettings) -> Opts {
    let opts = OptsBuilder::default()
        .user(Some(settings.user.clone()))
        .pass(settings.password.as_deref().cloned())
        .db_name(Some(settings.database.clone()))
        .ip_or_hostname(settings.host.clone())
        .tcp_port(settings.port)
        .tcp_keepalive(Some(KEEPALIVE))
        // It would leave TLS for a socket that the server names.
        .prefer_socket(false)
        // Rows that a statement found, not only those it changed: as SQLite counts.
        .client_found_rows(true)
        .max_allowed_packet(Some(MAX_PACKET_BYTES))
        .wait_timeout(Some(28_800))
        .setup(vec![SETUP]);
    match &settings.transport {
        MysqlTransport::Socket(path) => opts.socket(Some(path.to_string_lossy())),
        MysqlTransport::Tls {
            authorities,
            server_name,
        } => {
            let tls = SslOpts::default()
                .with_root_certs(vec![authorities.clone().into()])
                .with_disable_built_in_roots(true);
            opts.ssl_opts(Some(match server_name {
                // What is verified is this name; nothing is skipped.
                Some(name) => tls.with_danger_tls_hostname_override(Some(name.clone())),
                None => tls,
            }))
        }
    }
    .into()
}
