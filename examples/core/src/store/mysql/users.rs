//! Users.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};
use uuid::Uuid;

use super::failure::{failed, or_taken};
use super::row::{column, id, text};
use super::{audit, logins};
use crate::email::Email;
use crate::store::occasion::Occasion;
use crate::store::{StoreError, User, UserRole};

pub(super) async fn create(
    connection: &mut Conn,
    email: &Email,
    password_hash: &str,
    role: UserRole,
    occasion: &Occasion,
) -> Result<User, StoreError> {
    let user_id = Uuid::now_v7();
    connection
        .exec_drop(
            "INSERT INTO users (user_id, email_canonical, email, password_hash, is_admin, created_at) \
             VALUES (?, ?, ?, ?, ?, ?)",
            (
                text(user_id),
                email.canonical(),
                email.given(),
                password_hash,
                role == UserRole::Administrator,
                occasion.now,
            ),
        )
        .await
        .map_err(|error| or_taken(&error, StoreError::EmailTaken))?;
    audit(connection, "user.created", Some(user_id), None, occasion).await?;
    Ok(User {
        user_id,
        email: email.given().to_owned(),
        role,
        disabled_at: None,
        created_at: occasion.now,
    })
}

pub(super) async fn list(connection: &mut Conn) -> Result<Vec<User>, StoreError> {
    let rows: Vec<Row> = connection
        .query("SELECT * FROM users ORDER BY email_canonical")
        .await
        .map_err(|error| failed(&error))?;
    rows.iter().map(from_row).collect()
}

pub(super) async fn get(connection: &mut Conn, user_id: Uuid) -> Result<Option<User>, StoreError> {
    let row: Option<Row> = connection
        .exec_first("SELECT * FROM users WHERE user_id = ?", (text(user_id),))
        .await
        .map_err(|error| failed(&error))?;
    row.as_ref().map(from_row).transpose()
}

/// The user and the stored hash.
pub(super) async fn by_email(
    connection: &mut Conn,
    email: &Email,
) -> Result<Option<(User, String)>, StoreError> {
    let statement = "SELECT * FROM users WHERE email_canonical = ?";
    let row: Option<Row> = connection
        .exec_first(statement, (email.canonical(),))
        .await
        .map_err(|error| failed(&error))?;
    row.as_ref()
        .map(|row| Ok((from_row(row)?, column(row, "password_hash")?)))
        .transpose()
}

pub(super) async fn disable(
    connection: &mut Conn,
    user_id: Uuid,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let statement = "UPDATE users SET disabled_at = coalesce(disabled_at, ?) WHERE user_id = ?";
    connection
        .exec_drop(statement, (occasion.now, text(user_id)))
        .await
        .map_err(|error| failed(&error))?;
    found(connection)?;
    logins::revoke_user(connection, user_id, occasion.now).await?;
    audit(connection, "user.disabled", Some(user_id), None, occasion).await
}

pub(super) async fn set_password(
    connection: &mut Conn,
    user_id: Uuid,
    password_hash: &str,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let statement = "UPDATE users SET password_hash = ? WHERE user_id = ?";
    connection
        .exec_drop(statement, (password_hash, text(user_id)))
        .await
        .map_err(|error| failed(&error))?;
    found(connection)?;
    logins::revoke_user(connection, user_id, occasion.now).await?;
    let event = "user.password_set";
    audit(connection, event, Some(user_id), None, occasion).await
}

/// Whether a user is not disabled and the stored hash is still the one that was verified; if so, it is replaced by its
/// successor.
pub(super) async fn confirm_hash(
    connection: &mut Conn,
    user_id: Uuid,
    verified: &str,
    successor: Option<&str>,
) -> Result<bool, StoreError> {
    connection
        .exec_drop(
            "UPDATE users SET password_hash = coalesce(?, password_hash) \
             WHERE user_id = ? AND password_hash = ? AND disabled_at IS NULL",
            (successor, text(user_id), verified),
        )
        .await
        .map_err(|error| failed(&error))?;
    Ok(connection.affected_rows() == 1)
}

/// Whether the last statement found its user.
fn found(connection: &Conn) -> Result<(), StoreError> {
    if connection.affected_rows() == 1 {
        Ok(())
    } else {
        Err(StoreError::NoSuchUser)
    }
}

fn from_row(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        user_id: id(row, "user_id")?,
        email: column(row, "email")?,
        role: if column(row, "is_admin")? {
            UserRole::Administrator
        } else {
            UserRole::Ordinary
        },
        disabled_at: column(row, "disabled_at")?,
        created_at: column(row, "created_at")?,
    })
}
