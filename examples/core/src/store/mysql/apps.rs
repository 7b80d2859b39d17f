//! Apps and their secrets.

use aws_lc_rs::constant_time;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};
use uuid::Uuid;

use super::audit;
use super::failure::{failed, or_taken};
use super::row::{column, id, scopes, text};
use super::schema::forget;
use crate::scope::{ADMIN_SCOPE, Scopes};
use crate::secret::SecretHash;
use crate::store::occasion::Occasion;
use crate::store::{
    App, AppChange, AppRole, CORE_NAME, OLD_SECRET_MS, OldSecrets, StoreError, Swept,
};

pub(super) async fn core_app(connection: &mut Conn) -> Result<Option<App>, StoreError> {
    let row: Option<Row> = connection
        .query_first("SELECT * FROM apps WHERE core = 1")
        .await
        .map_err(|error| failed(&error))?;
    row.as_ref().map(from_row).transpose()
}

pub(super) async fn ensure_core_app(
    connection: &mut Conn,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    if let Some(app) = core_app(connection).await? {
        return Ok(app);
    }
    let scopes = Scopes::from_items([ADMIN_SCOPE]).expect("the admin scope is a scope");
    match insert(connection, CORE_NAME, &scopes, AppRole::Core, occasion).await {
        // Another Core was a moment faster; what it made is there now.
        Err(StoreError::NameTaken) => core_app(connection).await?.ok_or(StoreError::NameTaken),
        inserted => inserted,
    }
}

pub(super) async fn create(
    connection: &mut Conn,
    name: &str,
    scopes: &Scopes,
    secret: &SecretHash,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app = insert(connection, name, scopes, AppRole::Ordinary, occasion).await?;
    insert_secret(connection, app.app_id, secret, occasion.now).await?;
    Ok(app)
}

pub(super) async fn list(connection: &mut Conn) -> Result<Vec<App>, StoreError> {
    let rows: Vec<Row> = connection
        .query("SELECT * FROM apps ORDER BY name")
        .await
        .map_err(|error| failed(&error))?;
    rows.iter().map(from_row).collect()
}

pub(super) async fn get(connection: &mut Conn, app_id: Uuid) -> Result<Option<App>, StoreError> {
    get_by(connection, "SELECT * FROM apps WHERE app_id = ?", app_id).await
}

/// The same, and nobody else changes it until the transaction ends.
async fn lock(connection: &mut Conn, app_id: Uuid) -> Result<Option<App>, StoreError> {
    let statement = "SELECT * FROM apps WHERE app_id = ? FOR UPDATE";
    get_by(connection, statement, app_id).await
}

async fn get_by(
    connection: &mut Conn,
    statement: &str,
    app_id: Uuid,
) -> Result<Option<App>, StoreError> {
    let row: Option<Row> = connection
        .exec_first(statement, (text(app_id),))
        .await
        .map_err(|error| failed(&error))?;
    row.as_ref().map(from_row).transpose()
}

pub(super) async fn change(
    connection: &mut Conn,
    app_id: Uuid,
    change: AppChange,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app = lock(connection, app_id)
        .await?
        .ok_or(StoreError::NoSuchApp)?;
    let app = change.apply(app, occasion.now)?;
    connection
        .exec_drop(
            "UPDATE apps SET name = ?, scopes = ?, disabled_at = ? WHERE app_id = ?",
            (
                &app.name,
                app.scopes.to_string(),
                app.disabled_at,
                text(app_id),
            ),
        )
        .await
        .map_err(|error| or_taken(&error, StoreError::NameTaken))?;
    audit(connection, "app.changed", None, Some(app_id), occasion).await?;
    Ok(app)
}

/// Forgets some of the tokens of an app that is to be deleted. Where there are more, it is disabled meanwhile, so that nobody
/// gets new ones.
pub(super) async fn empty(
    connection: &mut Conn,
    app_id: Uuid,
    occasion: &Occasion,
) -> Result<Swept, StoreError> {
    let app = lock_deletable(connection, app_id).await?;
    let rows = "refresh_tokens WHERE app_id = ?";
    let swept = forget(connection, rows, (text(app_id),)).await?;
    if swept == Swept::InPart && app.disabled_at.is_none() {
        connection
            .exec_drop(
                "UPDATE apps SET disabled_at = ? WHERE app_id = ?",
                (occasion.now, text(app_id)),
            )
            .await
            .map_err(|error| failed(&error))?;
        audit(connection, "app.changed", None, Some(app_id), occasion).await?;
    }
    Ok(swept)
}

async fn lock_deletable(connection: &mut Conn, app_id: Uuid) -> Result<App, StoreError> {
    match lock(connection, app_id).await? {
        None => Err(StoreError::NoSuchApp),
        Some(App {
            role: AppRole::Core,
            ..
        }) => Err(StoreError::CoreApp),
        Some(app) => Ok(app),
    }
}

pub(super) async fn delete(
    connection: &mut Conn,
    app_id: Uuid,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    lock_deletable(connection, app_id).await?;
    connection
        .exec_drop("DELETE FROM apps WHERE app_id = ?", (text(app_id),))
        .await
        .map_err(|error| failed(&error))?;
    audit(connection, "app.deleted", None, Some(app_id), occasion).await
}

pub(super) async fn rotate_secret(
    connection: &mut Conn,
    app_id: Uuid,
    secret: &SecretHash,
    old: OldSecrets,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app = lock(connection, app_id)
        .await?
        .ok_or(StoreError::NoSuchApp)?;
    match old {
        OldSecrets::Revoked => {
            let statement = "DELETE FROM app_secrets WHERE app_id = ?";
            connection.exec_drop(statement, (text(app_id),)).await
        }
        // One that was to end sooner still does.
        OldSecrets::WorkOneMoreDay => {
            let statement =
                "UPDATE app_secrets SET expires_at = ? WHERE app_id = ? AND expires_at IS NULL";
            let ends = occasion.now + OLD_SECRET_MS;
            connection.exec_drop(statement, (ends, text(app_id))).await
        }
    }
    .map_err(|error| failed(&error))?;
    insert_secret(connection, app_id, secret, occasion.now).await?;
    let event = "app.secret_rotated";
    audit(connection, event, None, Some(app_id), occasion).await?;
    Ok(app)
}

pub(super) async fn authenticate(
    connection: &mut Conn,
    app_id: Uuid,
    secret: &SecretHash,
    now: i64,
) -> Result<Option<App>, StoreError> {
    let working: Vec<Vec<u8>> = connection
        .exec(
            "SELECT secret_hash FROM app_secrets WHERE app_id = ? AND (expires_at IS NULL OR expires_at > ?)",
            (text(app_id), now),
        )
        .await
        .map_err(|error| failed(&error))?;
    if !working
        .iter()
        .any(|hash| constant_time::verify_slices_are_equal(hash, secret).is_ok())
    {
        return Ok(None);
    }
    let app = get(connection, app_id).await?;
    Ok(app.filter(|app| app.disabled_at.is_none()))
}

async fn insert(
    connection: &mut Conn,
    name: &str,
    scopes: &Scopes,
    role: AppRole,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app_id = Uuid::now_v7();
    let core = (role == AppRole::Core).then_some(1);
    connection
        .exec_drop(
            "INSERT INTO apps (app_id, name, scopes, core, created_at) VALUES (?, ?, ?, ?, ?)",
            (text(app_id), name, scopes.to_string(), core, occasion.now),
        )
        .await
        .map_err(|error| or_taken(&error, StoreError::NameTaken))?;
    audit(connection, "app.created", None, Some(app_id), occasion).await?;
    Ok(App {
        app_id,
        name: name.to_owned(),
        scopes: scopes.clone(),
        disabled_at: None,
        created_at: occasion.now,
        role,
    })
}

async fn insert_secret(
    connection: &mut Conn,
    app_id: Uuid,
    secret: &SecretHash,
    now: i64,
) -> Result<(), StoreError> {
    connection
        .exec_drop(
            "INSERT INTO app_secrets (app_id, secret_hash, created_at) VALUES (?, ?, ?)",
            (text(app_id), &secret[..], now),
        )
        .await
        .map_err(|error| failed(&error))
}

fn from_row(row: &Row) -> Result<App, StoreError> {
    let core: Option<i64> = column(row, "core")?;
    Ok(App {
        app_id: id(row, "app_id")?,
        name: column(row, "name")?,
        scopes: scopes(row, "scopes")?,
        disabled_at: column(row, "disabled_at")?,
        created_at: column(row, "created_at")?,
        role: if core.is_some() {
            AppRole::Core
        } else {
            AppRole::Ordinary
        },
    })
}
