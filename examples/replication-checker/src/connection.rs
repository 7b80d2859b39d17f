//! A connection to a server over TLS, which is always verified. The only file that knows `mysql_async`.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Row as SqlRow, SslOpts, Value};
use tokio::time::timeout;

use crate::client_output::MAX_OUTPUT_BYTES;
use crate::row::Row;
use crate::settings::DirectHost;

/// Longest that connecting or parting may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// Why a statement has no rows.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// The server refused it.
    #[error("{0}: {1}")]
    Refused(u16, String),
    /// There is no server on the other end any more.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// An open connection.
pub(crate) struct Connection(Conn);

impl Connection {
    /// Connects and logs in.
    pub(crate) async fn open(host: &DirectHost, password: &str) -> Result<Self, String> {
        let mut tls = SslOpts::default()
            .with_root_certs(vec![host.ca_file.clone().into()])
            // Only the authority that is named: those of the web vouch for nobody here.
            .with_disable_built_in_roots(true);
        if let Some(name) = &host.tls_hostname {
            tls = tls.with_danger_tls_hostname_override(Some(name.clone()));
        }
        let options = OptsBuilder::default()
            .ip_or_hostname(host.host.clone())
            .tcp_port(host.port)
            .user(Some(host.user.clone()))
            .pass(Some(password.to_owned()))
            .ssl_opts(tls)
            // A loopback address would silently become the socket, without TLS.
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_OUTPUT_BYTES));
        timeout(CONNECT, Conn::new(options))
            .await
            .map_err(|_| format!("no connection within {} s", CONNECT.as_secs()))?
            .map(Self)
            .map_err(|error| format!("cannot connect: {error}"))
    }

    /// Runs a statement. How long is for the caller to bound.
    pub(crate) async fn ask(&mut self, statement: &str) -> Result<Vec<Row>, Failure> {
        match self.0.query::<SqlRow, _>(statement).await {
            Ok(rows) => Ok(rows.iter().map(row).collect()),
            Err(mysql_async::Error::Server(error)) => {
                Err(Failure::Refused(error.code, error.message))
            }
            Err(error) => Err(Failure::Broken(error.to_string())),
        }
    }

    /// Parts; not waited for long, for everything has been said.
    pub(crate) async fn close(self) {
        let _ = timeout(CONNECT, self.0.disconnect()).await;
    }
}

/// The text protocol gives every value as text or NULL.
fn row(row: &SqlRow) -> Row {
    let columns = row.columns_ref().iter().enumerate();
    columns
        .map(|(at, column)| {
            let value = match row.as_ref(at) {
                Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
                None | Some(Value::NULL) => None,
                Some(other) => Some(other.as_sql(true)),
            };
            (column.name_str().into_owned(), value)
        })
        .collect()
}
