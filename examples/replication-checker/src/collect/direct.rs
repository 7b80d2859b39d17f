//! Direct mode: MySQL's own protocol over TLS, which is always verified. The only file that knows
//! `mysql_async`.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Row as SqlRow, SslOpts, Value};
use tokio::time::timeout;

use super::CONNECT;
use crate::client_output::MAX_OUTPUT_BYTES;
use crate::row::Row;
use crate::settings::{DirectHost, Password};
use crate::statements::{Answer, Answers, Statement};

/// Asks everything on one connection.
pub(super) async fn ask(
    host: &DirectHost,
    password: &Password,
    statements: &[Statement],
) -> Result<Answers, String> {
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
        .pass(Some(password.expose().to_owned()))
        .ssl_opts(tls)
        // A loopback address would silently become the socket, without TLS.
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_OUTPUT_BYTES));
    let mut connection = timeout(CONNECT, Conn::new(options))
        .await
        .map_err(|_| format!("no connection within {} s", CONNECT.as_secs()))?
        .map_err(|error| format!("cannot connect: {error}"))?;
    let mut answers = Answers::new();
    for (question, statement) in statements {
        let answer = match connection.query::<SqlRow, _>(statement.as_str()).await {
            Ok(rows) => Answer::Rows(rows.iter().map(row).collect()),
            Err(mysql_async::Error::Server(error)) => {
                Answer::Refused(Some(error.code), error.message)
            }
            Err(error) => return Err(format!("the connection broke: {error}")),
        };
        answers.insert(*question, answer);
    }
    // Not waited for long: everything has been said.
    let _ = timeout(CONNECT, connection.disconnect()).await;
    Ok(answers)
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
