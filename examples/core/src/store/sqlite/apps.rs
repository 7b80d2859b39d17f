//! Apps and their secrets.

use aws_lc_rs::constant_time;
use rusqlite::{Connection, OptionalExtension as _, Row};
use uuid::Uuid;

use super::{Occasion, audit, failed, id, or_taken, text};
use crate::scope::{ADMIN_SCOPE, Scopes};
use crate::secret::SecretHash;
use crate::store::{App, AppChange, AppRole, CORE_NAME, OLD_SECRET_MS, OldSecrets, StoreError};

pub(super) fn core_app(connection: &Connection) -> Result<Option<App>, StoreError> {
    connection
        .query_row("SELECT * FROM apps WHERE core = 1", [], from_row)
        .optional()
        .map_err(|error| failed(&error))
}

pub(super) fn ensure_core_app(
    connection: &Connection,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    if let Some(app) = core_app(connection)? {
        return Ok(app);
    }
    let scopes = Scopes::from_items([ADMIN_SCOPE]).expect("the admin scope is a scope");
    insert(connection, CORE_NAME, &scopes, AppRole::Core, occasion)
}

pub(super) fn create(
    connection: &Connection,
    name: &str,
    scopes: &Scopes,
    secret: &SecretHash,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app = insert(connection, name, scopes, AppRole::Ordinary, occasion)?;
    insert_secret(connection, app.app_id, secret, occasion.now)?;
    Ok(app)
}

pub(super) fn list(connection: &Connection) -> Result<Vec<App>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM apps ORDER BY name")
        .and_then(|mut statement| statement.query_map([], from_row)?.collect())
        .map_err(|error| failed(&error))
}

pub(super) fn get(connection: &Connection, app_id: Uuid) -> Result<Option<App>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM apps WHERE app_id = ?1")
        .and_then(|mut statement| statement.query_row([text(app_id)], from_row).optional())
        .map_err(|error| failed(&error))
}

pub(super) fn change(
    connection: &Connection,
    app_id: Uuid,
    change: AppChange,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app = get(connection, app_id)?.ok_or(StoreError::NoSuchApp)?;
    let app = change.apply(app, occasion.now)?;
    connection
        .execute(
            "UPDATE apps SET name = ?2, scopes = ?3, disabled_at = ?4 WHERE app_id = ?1",
            (
                text(app_id),
                &app.name,
                app.scopes.to_string(),
                app.disabled_at,
            ),
        )
        .map_err(|error| or_taken(&error, StoreError::NameTaken))?;
    audit(connection, "app.changed", None, Some(app_id), occasion)?;
    Ok(app)
}

pub(super) fn delete(
    connection: &Connection,
    app_id: Uuid,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    match get(connection, app_id)? {
        None => return Err(StoreError::NoSuchApp),
        Some(App {
            role: AppRole::Core,
            ..
        }) => return Err(StoreError::CoreApp),
        Some(_) => {}
    }
    connection
        .execute("DELETE FROM apps WHERE app_id = ?1", [text(app_id)])
        .map_err(|error| failed(&error))?;
    audit(connection, "app.deleted", None, Some(app_id), occasion)
}

pub(super) fn rotate_secret(
    connection: &Connection,
    app_id: Uuid,
    secret: &SecretHash,
    old: OldSecrets,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app = get(connection, app_id)?.ok_or(StoreError::NoSuchApp)?;
    match old {
        OldSecrets::Revoked => {
            connection.execute("DELETE FROM app_secrets WHERE app_id = ?1", [text(app_id)])
        }
        // One that was to end sooner still does.
        OldSecrets::WorkOneMoreDay => connection.execute(
            "UPDATE app_secrets SET expires_at = ?2 WHERE app_id = ?1 AND expires_at IS NULL",
            (text(app_id), occasion.now + OLD_SECRET_MS),
        ),
    }
    .map_err(|error| failed(&error))?;
    insert_secret(connection, app_id, secret, occasion.now)?;
    audit(
        connection,
        "app.secret_rotated",
        None,
        Some(app_id),
        occasion,
    )?;
    Ok(app)
}

pub(super) fn authenticate(
    connection: &Connection,
    app_id: Uuid,
    secret: &SecretHash,
    now: i64,
) -> Result<Option<App>, StoreError> {
    let working: Vec<Vec<u8>> = connection
        .prepare_cached("SELECT secret_hash FROM app_secrets WHERE app_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)")
        .and_then(|mut statement| statement.query_map((text(app_id), now), |row| row.get(0))?.collect())
        .map_err(|error| failed(&error))?;
    if !working
        .iter()
        .any(|hash| constant_time::verify_slices_are_equal(hash, secret).is_ok())
    {
        return Ok(None);
    }
    Ok(get(connection, app_id)?.filter(|app| app.disabled_at.is_none()))
}

fn insert(
    connection: &Connection,
    name: &str,
    scopes: &Scopes,
    role: AppRole,
    occasion: &Occasion,
) -> Result<App, StoreError> {
    let app_id = Uuid::now_v7();
    let core = (role == AppRole::Core).then_some(1);
    connection
        .execute(
            "INSERT INTO apps (app_id, name, scopes, core, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            (text(app_id), name, scopes.to_string(), core, occasion.now),
        )
        .map_err(|error| or_taken(&error, StoreError::NameTaken))?;
    audit(connection, "app.created", None, Some(app_id), occasion)?;
    Ok(App {
        app_id,
        name: name.to_owned(),
        scopes: scopes.clone(),
        disabled_at: None,
        created_at: occasion.now,
        role,
    })
}

fn insert_secret(
    connection: &Connection,
    app_id: Uuid,
    secret: &SecretHash,
    now: i64,
) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT INTO app_secrets (app_id, secret_hash, created_at) VALUES (?1, ?2, ?3)",
            (text(app_id), secret, now),
        )
        .map(drop)
        .map_err(|error| failed(&error))
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<App> {
    let scopes: String = row.get("scopes")?;
    let core: Option<i64> = row.get("core")?;
    Ok(App {
        app_id: id(row, "app_id")?,
        name: row.get("name")?,
        scopes: Scopes::parse(&scopes).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                0,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })?,
        disabled_at: row.get("disabled_at")?,
        created_at: row.get("created_at")?,
        role: if core.is_some() {
            AppRole::Core
        } else {
            AppRole::Ordinary
        },
    })
}
