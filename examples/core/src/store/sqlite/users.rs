//! Users.

use rusqlite::{Connection, OptionalExtension as _, Row};
use uuid::Uuid;

use super::{Occasion, audit, failed, id, logins, or_taken, text};
use crate::email::Email;
use crate::store::{StoreError, User, UserRole};

pub(super) fn create(
    connection: &Connection,
    email: &Email,
    password_hash: &str,
    role: UserRole,
    occasion: &Occasion,
) -> Result<User, StoreError> {
    let user_id = Uuid::now_v7();
    connection
        .execute(
            "INSERT INTO users (user_id, email_canonical, email, password_hash, is_admin, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                text(user_id),
                email.canonical(),
                email.given(),
                password_hash,
                role == UserRole::Administrator,
                occasion.now,
            ),
        )
        .map_err(|error| or_taken(&error, StoreError::EmailTaken))?;
    audit(connection, "user.created", Some(user_id), None, occasion)?;
    Ok(User {
        user_id,
        email: email.given().to_owned(),
        role,
        disabled_at: None,
        created_at: occasion.now,
    })
}

pub(super) fn list(connection: &Connection) -> Result<Vec<User>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM users ORDER BY email_canonical")
        .and_then(|mut statement| statement.query_map([], from_row)?.collect())
        .map_err(|error| failed(&error))
}

pub(super) fn get(connection: &Connection, user_id: Uuid) -> Result<Option<User>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM users WHERE user_id = ?1")
        .and_then(|mut statement| statement.query_row([text(user_id)], from_row).optional())
        .map_err(|error| failed(&error))
}

/// The user and the stored hash.
pub(super) fn by_email(
    connection: &Connection,
    email: &Email,
) -> Result<Option<(User, String)>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM users WHERE email_canonical = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([email.canonical()], |row| {
                    Ok((from_row(row)?, row.get("password_hash")?))
                })
                .optional()
        })
        .map_err(|error| failed(&error))
}

pub(super) fn disable(
    connection: &Connection,
    user_id: Uuid,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let changed = connection
        .execute(
            "UPDATE users SET disabled_at = coalesce(disabled_at, ?2) WHERE user_id = ?1",
            (text(user_id), occasion.now),
        )
        .map_err(|error| failed(&error))?;
    found(changed)?;
    logins::revoke_user(connection, user_id, occasion.now)?;
    audit(connection, "user.disabled", Some(user_id), None, occasion)
}

pub(super) fn set_password(
    connection: &Connection,
    user_id: Uuid,
    password_hash: &str,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    found(store_hash(connection, user_id, password_hash)?)?;
    logins::revoke_user(connection, user_id, occasion.now)?;
    audit(
        connection,
        "user.password_set",
        Some(user_id),
        None,
        occasion,
    )
}

/// Whether a user is not disabled and the stored hash is still the one that was verified; if so, it is replaced by its
/// successor.
pub(super) fn confirm_hash(
    connection: &Connection,
    user_id: Uuid,
    verified: &str,
    successor: Option<&str>,
) -> Result<bool, StoreError> {
    connection
        .execute(
            "UPDATE users SET password_hash = coalesce(?3, password_hash) \
             WHERE user_id = ?1 AND password_hash = ?2 AND disabled_at IS NULL",
            (text(user_id), verified, successor),
        )
        .map(|confirmed| confirmed == 1)
        .map_err(|error| failed(&error))
}

/// Replaces the stored hash; says how many users that were.
fn store_hash(
    connection: &Connection,
    user_id: Uuid,
    password_hash: &str,
) -> Result<usize, StoreError> {
    connection
        .execute(
            "UPDATE users SET password_hash = ?2 WHERE user_id = ?1",
            (text(user_id), password_hash),
        )
        .map_err(|error| failed(&error))
}

fn found(changed: usize) -> Result<(), StoreError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::NoSuchUser)
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        user_id: id(row, "user_id")?,
        email: row.get("email")?,
        role: if row.get("is_admin")? {
            UserRole::Administrator
        } else {
            UserRole::Ordinary
        },
        disabled_at: row.get("disabled_at")?,
        created_at: row.get("created_at")?,
    })
}
