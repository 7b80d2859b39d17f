//! Logins: counters of attempts, families of refresh tokens. The rules are in `throttle` and `refresh`; this is where
//! they meet what is stored, within one transaction each.

use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::{Occasion, apps, audit, failed, id, text, users};
use crate::refresh::{Decision, Stored, decide};
use crate::scope::Scopes;
use crate::secret::SecretHash;
use crate::store::{
    LoginAttempt, LoginEnd, LoginStart, LoginSuccess, RefreshAttempt, Refreshed, StoreError,
    client_key,
};
use crate::throttle::{ACCOUNT, ADDRESS, Attempt, Counter, Rule};

pub(super) fn begin(
    connection: &Connection,
    attempt: &LoginAttempt,
    now: i64,
) -> Result<LoginStart, StoreError> {
    let user = users::by_email(connection, &attempt.email)?;
    let app = attempt
        .app_id
        .map(|app_id| apps::get(connection, app_id))
        .transpose()?
        .flatten();
    let address_wait = count(connection, &attempt.address_key(), ADDRESS, now)?;
    // A refused address must not lock other people's accounts.
    let account_wait = match address_wait {
        None => count(connection, &attempt.account_key(), ACCOUNT, now)?,
        Some(_) => None,
    };
    let known_address = match &user {
        Some((user, _)) if account_wait.is_some() => {
            has_logged_in_from(connection, user.user_id, &attempt.network)?
        }
        _ => false,
    };
    Ok(LoginStart {
        user,
        app,
        account_wait,
        address_wait,
        known_address,
    })
}

pub(super) fn failed_attempt(
    connection: &Connection,
    attempt: &LoginAttempt,
    user_id: Option<Uuid>,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let note = |event| audit(connection, event, user_id, attempt.app_id, occasion);
    note("login.failed")?;
    for (key, event) in attempt.counters() {
        let counter = counter(connection, &key)?.unwrap_or_default();
        if counter.locked_until > occasion.now {
            note(event)?;
        }
    }
    Ok(())
}

pub(super) fn failed_client(
    connection: &Connection,
    app_id: Uuid,
    network: &str,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let is_there = apps::get(connection, app_id)?.is_some();
    if is_there && count(connection, &client_key(network), ADDRESS, occasion.now)?.is_none() {
        audit(connection, "client.failed", None, Some(app_id), occasion)?;
    }
    Ok(())
}

pub(super) fn succeeded(
    connection: &Connection,
    success: &LoginSuccess,
    occasion: &Occasion,
) -> Result<LoginEnd, StoreError> {
    // Verifying took a while, in which an operator may have set another password or disabled the user or the app.
    let app = apps::get(connection, success.app_id)?.filter(|app| app.disabled_at.is_none());
    let still_right = app.is_some()
        && users::confirm_hash(
            connection,
            success.user_id,
            &success.verified_hash,
            success.new_password_hash.as_deref(),
        )?;
    if !still_right {
        audit(
            connection,
            "login.failed",
            Some(success.user_id),
            Some(success.app_id),
            occasion,
        )?;
        return Ok(LoginEnd::Outdated);
    }
    take_back(connection, &success.attempt)?;
    insert(
        connection,
        &NewToken {
            hash: &success.refresh_hash,
            family_id: text(Uuid::now_v7()),
            user_id: success.user_id,
            app_id: success.app_id,
            scopes: &success.scopes,
            parent: None,
            expires_at: occasion.now.saturating_add(success.refresh_life_ms),
        },
        occasion.now,
    )?;
    // The address as it is counted, which is how it is looked for again.
    let occasion = Occasion {
        address: Some(success.attempt.network.clone()),
        ..occasion.clone()
    };
    audit(
        connection,
        "login.succeeded",
        Some(success.user_id),
        Some(success.app_id),
        &occasion,
    )?;
    Ok(LoginEnd::Recorded)
}

/// The password was right: forgets the account's failures, and this attempt of the address.
pub(super) fn take_back(connection: &Connection, attempt: &LoginAttempt) -> Result<(), StoreError> {
    connection
        .execute(
            "DELETE FROM login_throttle WHERE key = ?1",
            [attempt.account_key()],
        )
        .map_err(|error| failed(&error))?;
    let address = attempt.address_key();
    match counter(connection, &address)? {
        Some(counter) => store_counter(connection, &address, counter.taken_back()),
        None => Ok(()),
    }
}

pub(super) fn refresh(
    connection: &Connection,
    attempt: RefreshAttempt,
    occasion: &Occasion,
) -> Result<Refreshed, StoreError> {
    let RefreshAttempt {
        presented,
        successor,
        successor_life_ms,
        app_id,
        requested,
    } = attempt;
    let found = find(connection, &presented)?
        .filter(|found| app_id.is_none_or(|app_id| app_id == found.app_id));
    let decision = decide(found.as_ref().map(|found| found.stored), occasion.now);
    let Some(found) = found else {
        return Ok(Refreshed::Refused(decision));
    };
    match decision {
        Decision::Rotate => {}
        Decision::Reused => {
            revoke(connection, &found.family_id, occasion.now)?;
            audit(
                connection,
                "refresh.reused",
                Some(found.user_id),
                Some(found.app_id),
                occasion,
            )?;
            return Ok(Refreshed::Refused(decision));
        }
        Decision::Superseded | Decision::Invalid => return Ok(Refreshed::Refused(decision)),
    }
    let user = users::get(connection, found.user_id)?.filter(|user| user.disabled_at.is_none());
    let app = apps::get(connection, found.app_id)?.filter(|app| app.disabled_at.is_none());
    let (Some(user), Some(app)) = (user, app) else {
        return Ok(Refreshed::Refused(Decision::Invalid));
    };
    // What was taken from the app or the user since is not handed on.
    let granted = found.scopes.intersection(&user.scopes_in(&app));
    if requested
        .as_ref()
        .is_some_and(|requested| !requested.is_within(&granted))
    {
        return Ok(Refreshed::BeyondGrant);
    }
    // Compare and set: where two may meet here (another process, another database), one of them wins.
    let spent = connection
        .execute(
            "UPDATE refresh_tokens SET spent_at = ?2 WHERE token_hash = ?1 AND spent_at IS NULL AND revoked_at IS NULL",
            (presented, occasion.now),
        )
        .map_err(|error| failed(&error))?;
    if spent != 1 {
        return Ok(Refreshed::Refused(Decision::Superseded));
    }
    insert(
        connection,
        &NewToken {
            hash: &successor,
            family_id: found.family_id,
            user_id: found.user_id,
            app_id: found.app_id,
            scopes: &granted,
            parent: Some(&presented),
            expires_at: occasion.now.saturating_add(successor_life_ms),
        },
        occasion.now,
    )?;
    Ok(Refreshed::Rotated {
        user,
        app,
        scopes: requested.unwrap_or(granted),
    })
}

pub(super) fn revoke_family(
    connection: &Connection,
    presented: &SecretHash,
    app_id: Option<Uuid>,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let found = find(connection, presented)?
        .filter(|found| app_id.is_none_or(|app_id| app_id == found.app_id));
    let Some(found) = found else {
        return Ok(());
    };
    revoke(connection, &found.family_id, occasion.now)?;
    audit(
        connection,
        "refresh.revoked",
        Some(found.user_id),
        Some(found.app_id),
        occasion,
    )
}

/// Revokes every refresh token of a user.
pub(super) fn revoke_user(
    connection: &Connection,
    user_id: Uuid,
    now: i64,
) -> Result<(), StoreError> {
    connection
        .execute(
            "UPDATE refresh_tokens SET revoked_at = ?2 WHERE user_id = ?1 AND revoked_at IS NULL",
            (text(user_id), now),
        )
        .map(drop)
        .map_err(|error| failed(&error))
}

struct Found {
    stored: Stored,
    family_id: String,
    user_id: Uuid,
    app_id: Uuid,
    scopes: Scopes,
}

fn find(connection: &Connection, hash: &SecretHash) -> Result<Option<Found>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM refresh_tokens WHERE token_hash = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([hash], |row| {
                    let scope: String = row.get("scope")?;
                    Ok(Found {
                        stored: Stored {
                            expires_at: row.get("expires_at")?,
                            spent_at: row.get("spent_at")?,
                            revoked_at: row.get("revoked_at")?,
                        },
                        family_id: row.get("family_id")?,
                        user_id: id(row, "user_id")?,
                        app_id: id(row, "app_id")?,
                        scopes: Scopes::parse(&scope).unwrap_or_default(),
                    })
                })
                .optional()
        })
        .map_err(|error| failed(&error))
}

struct NewToken<'a> {
    hash: &'a SecretHash,
    family_id: String,
    user_id: Uuid,
    app_id: Uuid,
    scopes: &'a Scopes,
    parent: Option<&'a SecretHash>,
    expires_at: i64,
}

fn insert(connection: &Connection, token: &NewToken<'_>, now: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO refresh_tokens (token_hash, family_id, user_id, app_id, scope, parent_hash, issued_at, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut statement| {
            statement.execute((
                token.hash,
                &token.family_id,
                text(token.user_id),
                text(token.app_id),
                token.scopes.to_string(),
                token.parent,
                now,
                token.expires_at,
            ))
        })
        .map(drop)
        .map_err(|error| failed(&error))
}

fn revoke(connection: &Connection, family_id: &str, now: i64) -> Result<(), StoreError> {
    connection
        .execute(
            "UPDATE refresh_tokens SET revoked_at = ?2 WHERE family_id = ?1 AND revoked_at IS NULL",
            (family_id, now),
        )
        .map(drop)
        .map_err(|error| failed(&error))
}

fn has_logged_in_from(
    connection: &Connection,
    user_id: Uuid,
    network: &str,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM audit WHERE event = 'login.succeeded' AND subject = ?1 AND address = ?2 LIMIT 1")
        .and_then(|mut statement| statement.exists((text(user_id), network)))
        .map_err(|error| failed(&error))
}

/// Counts an attempt; says how long it must wait if it must.
fn count(
    connection: &Connection,
    key: &str,
    rule: Rule,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    match rule.attempt(counter(connection, key)?, now) {
        Attempt::Wait(milliseconds) => Ok(Some(milliseconds)),
        Attempt::Allowed(counter) => store_counter(connection, key, counter).map(|()| None),
    }
}

fn counter(connection: &Connection, key: &str) -> Result<Option<Counter>, StoreError> {
    connection
        .prepare_cached(
            "SELECT failures, window_start, locked_until FROM login_throttle WHERE key = ?1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([key], |row| {
                    Ok(Counter {
                        failures: row.get(0)?,
                        window_start: row.get(1)?,
                        locked_until: row.get(2)?,
                    })
                })
                .optional()
        })
        .map_err(|error| failed(&error))
}

fn store_counter(connection: &Connection, key: &str, counter: Counter) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO login_throttle (key, failures, window_start, locked_until) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, window_start = excluded.window_start, \
             locked_until = excluded.locked_until",
        )
        .and_then(|mut statement| {
            statement.execute((key, counter.failures, counter.window_start, counter.locked_until))
        })
        .map(drop)
        .map_err(|error| failed(&error))
}
