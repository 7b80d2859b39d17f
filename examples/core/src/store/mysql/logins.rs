//! Logins: counters of attempts, families of refresh tokens. The rules are in `throttle` and `refresh`; this is where
//! they meet what is stored, within one transaction each.
//!
//! Rows are locked in one order (user, address, account, tokens), so that transactions of several Cores seldom meet head
//! on; where they do, the server ends one and the store begins it again.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};
use uuid::Uuid;

use super::failure::failed;
use super::row::{column, id, scopes, text};
use super::{apps, audit, users};
use crate::refresh::{Decision, Stored, decide};
use crate::scope::Scopes;
use crate::secret::SecretHash;
use crate::store::occasion::Occasion;
use crate::store::{
    LoginAttempt, LoginEnd, LoginStart, LoginSuccess, RefreshAttempt, Refreshed, StoreError,
    client_key,
};
use crate::throttle::{ACCOUNT, ADDRESS, Attempt, Counter, Rule};

pub(super) async fn begin(
    connection: &mut Conn,
    attempt: &LoginAttempt,
    now: i64,
) -> Result<LoginStart, StoreError> {
    let user = users::by_email(connection, &attempt.email).await?;
    let app = match attempt.app_id {
        Some(app_id) => apps::get(connection, app_id).await?,
        None => None,
    };
    let address_wait = count(connection, &attempt.address_key(), ADDRESS, now).await?;
    // A refused address must not lock other people's accounts.
    let account_wait = match address_wait {
        None => count(connection, &attempt.account_key(), ACCOUNT, now).await?,
        Some(_) => None,
    };
    let known_address = match &user {
        Some((user, _)) if account_wait.is_some() => {
            has_logged_in_from(connection, user.user_id, &attempt.network).await?
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

pub(super) async fn failed_attempt(
    connection: &mut Conn,
    attempt: &LoginAttempt,
    user_id: Option<Uuid>,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let app_id = attempt.app_id;
    audit(connection, "login.failed", user_id, app_id, occasion).await?;
    for (key, event) in attempt.counters() {
        let counter = counter(connection, &key).await?.unwrap_or_default();
        if counter.locked_until > occasion.now {
            audit(connection, event, user_id, app_id, occasion).await?;
        }
    }
    Ok(())
}

pub(super) async fn failed_client(
    connection: &mut Conn,
    app_id: Uuid,
    network: &str,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let is_there = apps::get(connection, app_id).await?.is_some();
    let key = client_key(network);
    if is_there
        && count(connection, &key, ADDRESS, occasion.now)
            .await?
            .is_none()
    {
        audit(connection, "client.failed", None, Some(app_id), occasion).await?;
    }
    Ok(())
}

pub(super) async fn succeeded(
    connection: &mut Conn,
    success: &LoginSuccess,
    occasion: &Occasion,
) -> Result<LoginEnd, StoreError> {
    // Verifying took a while, in which an operator may have set another password or disabled the user or the app.
    let app = apps::get(connection, success.app_id).await?;
    let still_right = app.is_some_and(|app| app.disabled_at.is_none())
        && users::confirm_hash(
            connection,
            success.user_id,
            &success.verified_hash,
            success.new_password_hash.as_deref(),
        )
        .await?;
    let (subject, app_id) = (Some(success.user_id), Some(success.app_id));
    if !still_right {
        audit(connection, "login.failed", subject, app_id, occasion).await?;
        return Ok(LoginEnd::Outdated);
    }
    take_back(connection, &success.attempt).await?;
    let token = NewToken {
        hash: &success.refresh_hash,
        family_id: text(Uuid::now_v7()),
        user_id: success.user_id,
        app_id: success.app_id,
        scopes: &success.scopes,
        parent: None,
        expires_at: occasion.now.saturating_add(success.refresh_life_ms),
    };
    insert(connection, token, occasion.now).await?;
    // The address as it is counted, which is how it is looked for again.
    let occasion = Occasion {
        address: Some(success.attempt.network.clone()),
        ..occasion.clone()
    };
    audit(connection, "login.succeeded", subject, app_id, &occasion).await?;
    Ok(LoginEnd::Recorded)
}

/// The password was right: forgets the account's failures, and this attempt of the address.
pub(super) async fn take_back(
    connection: &mut Conn,
    attempt: &LoginAttempt,
) -> Result<(), StoreError> {
    let address = attempt.address_key();
    if let Some(counter) = counter(connection, &address).await? {
        store_counter(connection, &address, counter.taken_back()).await?;
    }
    connection
        .exec_drop(
            "DELETE FROM login_throttle WHERE `key` = ?",
            (attempt.account_key(),),
        )
        .await
        .map_err(|error| failed(&error))
}

pub(super) async fn refresh(
    connection: &mut Conn,
    attempt: &RefreshAttempt,
    occasion: &Occasion,
) -> Result<Refreshed, StoreError> {
    let presented = &attempt.presented;
    // Locked: of several at once, on whatever Core, one finds it unspent.
    let found = find(connection, presented)
        .await?
        .filter(|found| attempt.app_id.is_none_or(|app_id| app_id == found.app_id));
    let decision = decide(found.as_ref().map(|found| found.stored), occasion.now);
    let Some(found) = found else {
        return Ok(Refreshed::Refused(decision));
    };
    match decision {
        Decision::Rotate => {}
        Decision::Reused => {
            revoke(connection, &found.family_id, occasion.now).await?;
            let (subject, app_id) = (Some(found.user_id), Some(found.app_id));
            audit(connection, "refresh.reused", subject, app_id, occasion).await?;
            return Ok(Refreshed::Refused(decision));
        }
        Decision::Superseded | Decision::Invalid => return Ok(Refreshed::Refused(decision)),
    }
    let user = users::get(connection, found.user_id).await?;
    let app = apps::get(connection, found.app_id).await?;
    let (Some(user), Some(app)) = (
        user.filter(|user| user.disabled_at.is_none()),
        app.filter(|app| app.disabled_at.is_none()),
    ) else {
        return Ok(Refreshed::Refused(Decision::Invalid));
    };
    // What was taken from the app or the user since is not handed on.
    let granted = found.scopes.intersection(&user.scopes_in(&app));
    let requested = attempt.requested.clone();
    if requested
        .as_ref()
        .is_some_and(|requested| !requested.is_within(&granted))
    {
        return Ok(Refreshed::BeyondGrant);
    }
    connection
        .exec_drop(
            "UPDATE refresh_tokens SET spent_at = ? WHERE token_hash = ? AND spent_at IS NULL AND revoked_at IS NULL",
            (occasion.now, &presented[..]),
        )
        .await
        .map_err(|error| failed(&error))?;
    if connection.affected_rows() != 1 {
        return Ok(Refreshed::Refused(Decision::Superseded));
    }
    let token = NewToken {
        hash: &attempt.successor,
        family_id: found.family_id,
        user_id: found.user_id,
        app_id: found.app_id,
        scopes: &granted,
        parent: Some(presented),
        expires_at: occasion.now.saturating_add(attempt.successor_life_ms),
    };
    insert(connection, token, occasion.now).await?;
    Ok(Refreshed::Rotated {
        user,
        app,
        scopes: requested.unwrap_or(granted),
    })
}

pub(super) async fn revoke_family(
    connection: &mut Conn,
    presented: &SecretHash,
    app_id: Option<Uuid>,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    let found = find(connection, presented)
        .await?
        .filter(|found| app_id.is_none_or(|app_id| app_id == found.app_id));
    let Some(found) = found else {
        return Ok(());
    };
    revoke(connection, &found.family_id, occasion.now).await?;
    let (subject, app_id) = (Some(found.user_id), Some(found.app_id));
    audit(connection, "refresh.revoked", subject, app_id, occasion).await
}

/// Revokes every refresh token of a user.
pub(super) async fn revoke_user(
    connection: &mut Conn,
    user_id: Uuid,
    now: i64,
) -> Result<(), StoreError> {
    let statement =
        "UPDATE refresh_tokens SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL";
    revoke_all(connection, statement, &text(user_id), now).await
}

async fn revoke(connection: &mut Conn, family_id: &str, now: i64) -> Result<(), StoreError> {
    let statement =
        "UPDATE refresh_tokens SET revoked_at = ? WHERE family_id = ? AND revoked_at IS NULL";
    revoke_all(connection, statement, family_id, now).await
}

/// Revokes until there is nothing left: while it waited for a token that was being exchanged, the successor may have come
/// to stand where it had looked already. A pass that finds nothing has waited for nobody.
async fn revoke_all(
    connection: &mut Conn,
    statement: &str,
    of: &str,
    now: i64,
) -> Result<(), StoreError> {
    loop {
        connection
            .exec_drop(statement, (now, of))
            .await
            .map_err(|error| failed(&error))?;
        if connection.affected_rows() == 0 {
            return Ok(());
        }
    }
}

struct Found {
    stored: Stored,
    family_id: String,
    user_id: Uuid,
    app_id: Uuid,
    scopes: Scopes,
}

/// The token, which nobody else changes until the transaction ends.
async fn find(connection: &mut Conn, hash: &SecretHash) -> Result<Option<Found>, StoreError> {
    let row: Option<Row> = connection
        .exec_first(
            "SELECT * FROM refresh_tokens WHERE token_hash = ? FOR UPDATE",
            (&hash[..],),
        )
        .await
        .map_err(|error| failed(&error))?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Found {
        stored: Stored {
            expires_at: column(&row, "expires_at")?,
            spent_at: column(&row, "spent_at")?,
            revoked_at: column(&row, "revoked_at")?,
        },
        family_id: column(&row, "family_id")?,
        user_id: id(&row, "user_id")?,
        app_id: id(&row, "app_id")?,
        scopes: scopes(&row, "scope")?,
    }))
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

async fn insert(connection: &mut Conn, token: NewToken<'_>, now: i64) -> Result<(), StoreError> {
    connection
        .exec_drop(
            "INSERT INTO refresh_tokens (token_hash, family_id, user_id, app_id, scope, parent_hash, issued_at, expires_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                &token.hash[..],
                token.family_id,
                text(token.user_id),
                text(token.app_id),
                token.scopes.to_string(),
                token.parent.map(|hash| &hash[..]),
                now,
                token.expires_at,
            ),
        )
        .await
        .map_err(|error| failed(&error))
}

async fn has_logged_in_from(
    connection: &mut Conn,
    user_id: Uuid,
    network: &str,
) -> Result<bool, StoreError> {
    let found: Option<i64> = connection
        .exec_first(
            "SELECT 1 FROM audit WHERE event = 'login.succeeded' AND subject = ? AND address = ? LIMIT 1",
            (text(user_id), network),
        )
        .await
        .map_err(|error| failed(&error))?;
    Ok(found.is_some())
}

/// Counts an attempt; says how long it must wait if it must.
async fn count(
    connection: &mut Conn,
    key: &str,
    rule: Rule,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    // A counter of nothing is like none, and can be locked: two first attempts must not both be the first.
    connection
        .exec_drop(
            "INSERT INTO login_throttle (`key`, failures, window_start, locked_until) VALUES (?, 0, ?, 0) \
             ON DUPLICATE KEY UPDATE failures = failures",
            (key, now),
        )
        .await
        .map_err(|error| failed(&error))?;
    match rule.attempt(counter(connection, key).await?, now) {
        Attempt::Wait(milliseconds) => Ok(Some(milliseconds)),
        Attempt::Allowed(counter) => {
            store_counter(connection, key, counter).await?;
            Ok(None)
        }
    }
}

async fn counter(connection: &mut Conn, key: &str) -> Result<Option<Counter>, StoreError> {
    let row: Option<Row> = connection
        .exec_first(
            "SELECT failures, window_start, locked_until FROM login_throttle WHERE `key` = ? FOR UPDATE",
            (key,),
        )
        .await
        .map_err(|error| failed(&error))?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Counter {
        failures: column(&row, "failures")?,
        window_start: column(&row, "window_start")?,
        locked_until: column(&row, "locked_until")?,
    }))
}

async fn store_counter(
    connection: &mut Conn,
    key: &str,
    counter: Counter,
) -> Result<(), StoreError> {
    connection
        .exec_drop(
            "UPDATE login_throttle SET failures = ?, window_start = ?, locked_until = ? WHERE `key` = ?",
            (counter.failures, counter.window_start, counter.locked_until, key),
        )
        .await
        .map_err(|error| failed(&error))
}
