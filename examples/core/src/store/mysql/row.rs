//! Reading rows. What does not read was not written by this program.

use mysql_async::Row;
use mysql_async::prelude::FromValue;
use uuid::Uuid;

use crate::scope::Scopes;
use crate::store::StoreError;

/// A column.
pub(super) fn column<T: FromValue>(row: &Row, name: &str) -> Result<T, StoreError> {
    match row.get_opt(name) {
        Some(Ok(value)) => Ok(value),
        _ => Err(unreadable(name)),
    }
}

/// A stored id.
pub(super) fn id(row: &Row, name: &str) -> Result<Uuid, StoreError> {
    let text: String = column(row, name)?;
    Uuid::try_parse(&text).map_err(|_| unreadable(name))
}

/// Stored scopes.
pub(super) fn scopes(row: &Row, name: &str) -> Result<Scopes, StoreError> {
    let text: String = column(row, name)?;
    Scopes::parse(&text).map_err(|_| unreadable(name))
}

/// Ids are stored as their text, so that a look into the database can be compared with a log line.
pub(super) fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}

fn unreadable(name: &str) -> StoreError {
    StoreError::Failed(format!("the column {name} holds what Core never wrote"))
}
