//! The tables, how they came to be, and what is forgotten.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Params};

use super::failure::failed;
use crate::store::{AUDIT_MS, DAY_MS, StoreError, Swept};

/// Each step brings the schema from one version to the next; a step that was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("v1.sql")];

/// The lock that lets one Core at a time change the schema, named after it: such names are the whole server's.
const LOCK: &str = "concat('dailey_core:', left(sha2(database(), 256), 32))";

/// Brings the schema up to date, one Core after the other. The caller closes the connection on an error, which gives the
/// lock back, too.
pub(super) async fn migrate(connection: &mut Conn) -> Result<(), StoreError> {
    if is_current(connection).await? {
        return Ok(());
    }
    // Another Core may be at it: some seconds, half a minute at most.
    let locked: Option<Option<i64>> = connection
        .query_first(format!("SELECT get_lock({LOCK}, 30)"))
        .await
        .map_err(|error| failed(&error))?;
    if locked.flatten() != Some(1) {
        return Err(StoreError::Busy);
    }
    let done = version(connection).await?.unwrap_or(0);
    for (migration, number) in MIGRATIONS
        .iter()
        .zip(1_i64..)
        .filter(|(_, number)| *number > done)
    {
        for statement in statements(migration) {
            connection
                .query_drop(statement)
                .await
                .map_err(|error| failed(&error))?;
        }
        // Last: what is not noted is done again.
        connection
            .exec_drop("INSERT INTO schema_version (version) VALUES (?)", (number,))
            .await
            .map_err(|error| failed(&error))?;
    }
    connection
        .query_drop(format!("DO release_lock({LOCK})"))
        .await
        .map_err(|error| failed(&error))
}

/// Whether there is nothing to do. Refuses a database that a newer program wrote.
async fn is_current(connection: &mut Conn) -> Result<bool, StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
    match version(connection).await? {
        Some(found) if found > known => Err(StoreError::TooNew { found, known }),
        found => Ok(found == Some(known)),
    }
}

/// The version of the schema, if it is one that this program knows; none in an empty database.
pub(super) async fn checked_version(connection: &mut Conn) -> Result<Option<i64>, StoreError> {
    is_current(connection).await?;
    version(connection).await
}

async fn version(connection: &mut Conn) -> Result<Option<i64>, StoreError> {
    let exists: Option<i64> = connection
        .query_first(
            "SELECT count(*) FROM information_schema.tables \
             WHERE table_schema = database() AND table_name = 'schema_version'",
        )
        .await
        .map_err(|error| failed(&error))?;
    if exists != Some(1) {
        return Ok(None);
    }
    let version: Option<Option<i64>> = connection
        .query_first("SELECT max(version) FROM schema_version")
        .await
        .map_err(|error| failed(&error))?;
    Ok(version.flatten())
}

/// The statements of a migration: each ends its line with a semicolon.
fn statements(migration: &str) -> impl Iterator<Item = &str> {
    migration
        .split(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
}

/// Rows that are forgotten at a time: so many that no other transaction waits long.
const PIECE_ROWS: u64 = 5000;

/// Forgets a piece of `rows`, a table and its condition.
pub(super) async fn forget(
    connection: &mut Conn,
    rows: &str,
    values: impl Into<Params> + Send,
) -> Result<Swept, StoreError> {
    connection
        .exec_drop(format!("DELETE FROM {rows} LIMIT {PIECE_ROWS}"), values)
        .await
        .map_err(|error| failed(&error))?;
    Ok(if connection.affected_rows() < PIECE_ROWS {
        Swept::All
    } else {
        Swept::InPart
    })
}

/// Forgets ended refresh tokens, old secrets, old counters and an old audit, a piece of each.
pub(super) async fn sweep(connection: &mut Conn, now: i64) -> Result<Swept, StoreError> {
    let mut all = Swept::All;
    for (rows, before) in [
        ("refresh_tokens WHERE expires_at < ?", now),
        ("app_secrets WHERE expires_at < ?", now),
        (
            "login_throttle WHERE greatest(window_start, locked_until) < ?",
            now - DAY_MS,
        ),
        ("audit WHERE at < ?", now - AUDIT_MS),
    ] {
        if forget(connection, rows, (before,)).await? == Swept::InPart {
            all = Swept::InPart;
        }
    }
    Ok(all)
}
