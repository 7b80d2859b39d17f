//! The tables, how they came to be, and what is forgotten.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::failed;
use crate::store::{AUDIT_MS, DAY_MS, StoreError, Swept};

/// Each step brings the schema from one version to the next; a step that was released is never changed.
const MIGRATIONS: [&str; 1] = [include_str!("v1.sql")];

/// Brings the schema up to date, in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failed(&error))?;
    check(&transaction)?;
    let done = version(&transaction)?.unwrap_or(0);
    for (migration, number) in MIGRATIONS
        .iter()
        .zip(1_i64..)
        .filter(|(_, number)| *number > done)
    {
        transaction
            .execute_batch(migration)
            .and_then(|()| {
                transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", [number])
            })
            .map_err(|error| failed(&error))?;
    }
    transaction.commit().map_err(|error| failed(&error))
}

/// Refuses a database that a newer program wrote.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).expect("there are few migrations");
    match version(connection)? {
        Some(found) if found > known => Err(StoreError::TooNew { found, known }),
        _ => Ok(()),
    }
}

/// The version of the schema; none in an empty file.
pub(super) fn version(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let read = || {
        let exists: Option<i64> = connection
            .query_row(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        match exists {
            Some(_) => connection.query_row("SELECT max(version) FROM schema_version", [], |row| {
                row.get(0)
            }),
            None => Ok(None),
        }
    };
    read().map_err(|error| failed(&error))
}

/// Forgets ended refresh tokens, old secrets, old counters and an old audit.
pub(super) fn sweep(transaction: &Transaction<'_>, now: i64) -> Result<Swept, StoreError> {
    let forget = |sql: &str, before: i64| {
        transaction
            .execute(sql, [before])
            .map_err(|error| failed(&error))
    };
    forget("DELETE FROM refresh_tokens WHERE expires_at < ?1", now)?;
    forget("DELETE FROM app_secrets WHERE expires_at < ?1", now)?;
    forget(
        "DELETE FROM login_throttle WHERE window_start < ?1 AND locked_until < ?1",
        now - DAY_MS,
    )?;
    forget("DELETE FROM audit WHERE at < ?1", now - AUDIT_MS)?;
    Ok(Swept::All)
}
