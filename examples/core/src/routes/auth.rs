//! Accounts: register, log in, refresh, log out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use dailey_http::Problem;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::body;
use super::openapi::{BodyRefusals, ProblemBody, Unavailable};
use super::request::{Caller, parse_id, problem, signing_failed};
use crate::email::Email;
use crate::password::{Match, Password};
use crate::refresh::Decision;
use crate::scope::Scopes;
use crate::secret::{Secret, hash_of_presented};
use crate::service::{Core, Live};
use crate::settings::Registration;
use crate::store::{
    App, LoginAttempt, LoginEnd, LoginSuccess, RefreshAttempt, Refreshed, User, UserRole,
};
use crate::token::Grant;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    #[schema(max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: Zeroizing<String>,
}

/// Who logs in, where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The app's GUID.
    app_id: String,
    #[schema(max_length = 254)]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: Zeroizing<String>,
    /// Separated by one space; everything that app and user have when it is left out.
    scope: Option<String>,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PresentedToken {
    refresh_token: String,
}

/// A made account.
#[derive(Serialize, ToSchema)]
pub(super) struct Registered {
    user_id: Uuid,
}

/// The answer to a login or a refresh.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenPair {
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Life of the access token in seconds.
    expires_in: u64,
    /// Good once.
    refresh_token: String,
    /// Life of the refresh token in seconds.
    refresh_expires_in: u64,
    /// Separated by one space.
    scope: String,
}

/// Make an account
#[utoipa::path(post, path = "/api/auth/register", tag = "accounts", request_body = Register, responses(
    BodyRefusals, Unavailable,
    (status = 201, description = "It is made", body = Registered),
    (status = 403, description = "`registration_closed`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 409, description = "`email_taken`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`body_invalid`, `email_invalid`, `password_invalid`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn register(
    State(core): State<Arc<Core>>,
    caller: Caller,
    body::Json(request): body::Json<Register>,
) -> Result<(StatusCode, Json<Registered>), Problem> {
    if core.registration == Registration::Closed {
        let detail = "accounts are made by the operator here (ALLOW_REGISTRATION is not set)";
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "registration_closed",
            detail,
        ));
    }
    let email = email(&request.email)?;
    let password = password(request.password)?;
    let hash = core.gate.turn().await.map_err(busy)?.hash(password).await;
    let user = core
        .store
        .create_user(email, hash, UserRole::Ordinary, caller.context)
        .await
        .map_err(|error| problem(&error))?;
    Ok((
        StatusCode::CREATED,
        Json(Registered {
            user_id: user.user_id,
        }),
    ))
}

/// Log in
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = Login, responses(
    BodyRefusals, Unavailable,
    (status = 200, description = "Logged in", body = TokenPair),
    (status = 400, description = "`invalid_scope`: beyond what app and user have; `body_incomplete`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 401, description = "`invalid_credentials`: app, user or password", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`body_invalid`, `email_invalid`, `password_invalid`, `scope_invalid`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 429, description = "`login_throttled`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn login(
    State(core): State<Arc<Core>>,
    caller: Caller,
    body::Json(request): body::Json<Login>,
) -> Result<Json<TokenPair>, Problem> {
    let email = email(&request.email)?;
    let password = password(request.password)?;
    let requested = request
        .scope
        .as_deref()
        .map(Scopes::parse)
        .transpose()
        .map_err(|error| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "scope_invalid",
                error.to_string(),
            )
        })?;
    let Caller { context, network } = caller;
    let attempt = LoginAttempt {
        email,
        app_id: parse_id(&request.app_id),
        network,
    };

    // The turn comes first: an honest burst waits here, uncounted.
    let turn = core.gate.turn().await.map_err(busy)?;
    let start = core
        .store
        .begin_login(attempt.clone())
        .await
        .map_err(|error| problem(&error))?;
    let throttled = start.account_wait.map(throttled);
    if let Some(wait) = start.address_wait {
        return Err(self::throttled(wait));
    }
    // Before the password is looked at, so that the answer tells nothing about it. Only someone at an address from
    // which this user logged in before gets a try: strangers cannot lock a user out.
    if let (Some(refusal), false) = (&throttled, start.known_address) {
        return Err(refusal.clone());
    }
    let stored_hash = start.user.as_ref().map(|(_, hash)| hash.clone());
    let tried = start.user.as_ref().map(|(user, _)| user.user_id);
    let outcome = turn.verify(password, stored_hash).await;

    let new_password_hash = match &outcome {
        Match::RightAndRehashed(hash) => Some(hash.clone()),
        Match::Right | Match::Wrong => None,
    };
    let user = start
        .user
        .filter(|(user, _)| outcome != Match::Wrong && user.disabled_at.is_none());
    let app = start.app.filter(|app| app.disabled_at.is_none());
    let (Some((user, verified_hash)), Some(app)) = (user, app) else {
        core.store
            .login_failed(attempt, tried, context)
            .await
            .map_err(|error| problem(&error))?;
        return Err(throttled.unwrap_or_else(invalid_credentials));
    };
    let available = user.scopes_in(&app);
    let Some(scopes) = requested.map_or(Some(available.clone()), |wanted| {
        wanted.is_within(&available).then_some(wanted)
    }) else {
        core.store
            .login_abandoned(attempt)
            .await
            .map_err(|error| problem(&error))?;
        return Err(invalid_scope());
    };

    let live = core.live();
    let secret = Secret::generate();
    let success = LoginSuccess {
        attempt,
        user_id: user.user_id,
        app_id: app.app_id,
        scopes: scopes.clone(),
        refresh_hash: secret.hash(),
        refresh_life_ms: refresh_life_ms(&live),
        verified_hash,
        new_password_hash,
    };
    let end = core
        .store
        .login_succeeded(success, context)
        .await
        .map_err(|error| problem(&error))?;
    if end == LoginEnd::Outdated {
        return Err(invalid_credentials());
    }
    pair(&core, &live, &user, &app, scopes, &secret)
        .await
        .map(Json)
}

/// Exchange a refresh token for a new pair
#[utoipa::path(post, path = "/api/auth/refresh", tag = "accounts", request_body = PresentedToken, responses(
    BodyRefusals, Unavailable,
    (status = 200, description = "Exchanged; the presented one is spent", body = TokenPair),
    (status = 401, description = "`refresh_invalid`: unknown, expired or revoked; `refresh_reused`: spent earlier, the session is closed", body = ProblemBody, content_type = "application/problem+json"),
    (status = 409, description = "`refresh_superseded`: spent within the last 10 s, the session lives", body = ProblemBody, content_type = "application/problem+json"),
    (status = 422, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn refresh(
    State(core): State<Arc<Core>>,
    caller: Caller,
    body::Json(request): body::Json<PresentedToken>,
) -> Result<Json<TokenPair>, Problem> {
    let presented =
        hash_of_presented(&request.refresh_token).ok_or_else(|| refused(Decision::Invalid))?;
    let live = core.live();
    let secret = Secret::generate();
    let attempt = RefreshAttempt {
        presented,
        successor: secret.hash(),
        successor_life_ms: refresh_life_ms(&live),
        app_id: None,
        requested: None,
    };
    match core
        .store
        .refresh(attempt, caller.context)
        .await
        .map_err(|error| problem(&error))?
    {
        Refreshed::Rotated { user, app, scopes } => {
            pair(&core, &live, &user, &app, scopes, &secret)
                .await
                .map(Json)
        }
        Refreshed::Refused(decision) => Err(refused(decision)),
        Refreshed::BeyondGrant => Err(invalid_scope()),
    }
}

/// Close a session
#[utoipa::path(post, path = "/api/auth/logout", tag = "accounts", request_body = PresentedToken, responses(
    BodyRefusals, Unavailable,
    (status = 204, description = "It is closed, if there was one"),
    (status = 422, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn logout(
    State(core): State<Arc<Core>>,
    caller: Caller,
    body::Json(request): body::Json<PresentedToken>,
) -> Result<StatusCode, Problem> {
    if let Some(presented) = hash_of_presented(&request.refresh_token) {
        core.store
            .revoke_family(presented, None, caller.context)
            .await
            .map_err(|error| problem(&error))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The answer to a login or a refresh.
pub(super) async fn pair(
    core: &Core,
    live: &Live,
    user: &User,
    app: &App,
    scopes: Scopes,
    refresh_token: &Secret,
) -> Result<TokenPair, Problem> {
    let scope = scopes.to_string();
    let grant = Grant {
        subject: user.user_id,
        app_id: app.app_id,
        scopes,
    };
    let access_token = core.issue(live, grant).await.map_err(signing_failed)?;
    Ok(TokenPair {
        access_token,
        token_type: "Bearer",
        expires_in: live.token_life_seconds(),
        refresh_token: refresh_token.reveal().to_owned(),
        refresh_expires_in: live.refresh_life.as_secs(),
        scope,
    })
}

/// How long a refresh token made now lives.
pub(super) fn refresh_life_ms(live: &Live) -> i64 {
    i64::try_from(live.refresh_life.as_millis()).unwrap_or(i64::MAX)
}

fn email(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "email_invalid",
            error.to_string(),
        )
    })
}

fn password(text: Zeroizing<String>) -> Result<Password, Problem> {
    Password::parse(text).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "password_invalid",
            error.to_string(),
        )
    })
}

fn busy(error: crate::password::Busy) -> Problem {
    Problem::unavailable("busy", error.to_string(), 2)
}

/// One answer for an unknown user, an unknown or disabled app, a wrong password, a disabled user.
fn invalid_credentials() -> Problem {
    let detail = "the app, the email address or the password is not right";
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail)
}

fn invalid_scope() -> Problem {
    let detail = "a scope was asked for that this app or this user does not have";
    Problem::new(StatusCode::BAD_REQUEST, "invalid_scope", detail)
}

fn throttled(wait_ms: i64) -> Problem {
    let seconds = u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1);
    tracing::warn!(retry_after_seconds = seconds, "a login was throttled");
    let detail = format!("too many failed logins: try again in {seconds} seconds");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "login_throttled", detail)
        .header(header::RETRY_AFTER, HeaderValue::from(seconds))
}

fn refused(decision: Decision) -> Problem {
    match decision {
        Decision::Superseded => Problem::new(
            StatusCode::CONFLICT,
            "refresh_superseded",
            "this refresh token was exchanged a moment ago: use the one from that answer, or log in again",
        ),
        Decision::Reused => Problem::new(
            StatusCode::UNAUTHORIZED,
            "refresh_reused",
            "this refresh token was used before, so somebody else may have it: the session is closed, log in again",
        ),
        Decision::Invalid | Decision::Rotate => Problem::new(
            StatusCode::UNAUTHORIZED,
            "refresh_invalid",
            "this refresh token is unknown, expired or revoked: log in again",
        ),
    }
}
