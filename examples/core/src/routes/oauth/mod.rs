//! The routes that speak RFC 6749: tokens for apps themselves, refresh, revocation (RFC 7009), metadata (RFC 8414).

mod error;
mod form;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use self::error::{OauthError, server_error};
use self::form::authenticated_form;
use super::auth::{TokenPair, refresh_life_ms};
use super::openapi::OauthErrorBody;
use super::request::Caller;
use crate::scope::Scopes;
use crate::secret::{Secret, hash_of_presented};
use crate::service::Core;
use crate::store::{App, RefreshAttempt, Refreshed};
use crate::token::Grant;

/// What clients configure themselves from (RFC 8414).
#[derive(Serialize, ToSchema)]
pub(super) struct Metadata {
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    revocation_endpoint: String,
    response_types_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 2],
}

/// What there is, and where
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth", responses(
    (status = 200, description = "RFC 8414", body = Metadata),
))]
pub(super) async fn metadata(State(core): State<Arc<Core>>) -> Json<Metadata> {
    const METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];
    let live = core.live();
    let issuer = live.issuer();
    Json(Metadata {
        issuer: issuer.to_owned(),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        token_endpoint: format!("{issuer}/oauth/token"),
        revocation_endpoint: format!("{issuer}/oauth/revoke"),
        // RFC 8414 requires the member (section 2) and forbids an empty list (3.2); there is no authorization endpoint
        // that any other type could be used at.
        response_types_supported: ["none"],
        grant_types_supported: ["client_credentials", "refresh_token"],
        token_endpoint_auth_methods_supported: METHODS,
        revocation_endpoint_auth_methods_supported: METHODS,
    })
}

/// The form of a token request. Other parameters are not looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read by hand; this describes it")]
pub(super) struct TokenForm {
    /// `client_credentials` or `refresh_token`.
    grant_type: String,
    /// For `refresh_token`.
    refresh_token: Option<String>,
    /// Less than everything, where that is enough.
    scope: Option<String>,
    /// Where the client does not authenticate with `Authorization: Basic`.
    client_id: Option<String>,
    /// Where the client does not authenticate with `Authorization: Basic`.
    #[schema(format = Password)]
    client_secret: Option<String>,
}

/// The form of a revocation (RFC 7009).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read by hand; this describes it")]
pub(super) struct RevokeForm {
    /// A refresh token.
    token: String,
    /// Where the client does not authenticate with `Authorization: Basic`.
    client_id: Option<String>,
    /// Where the client does not authenticate with `Authorization: Basic`.
    #[schema(format = Password)]
    client_secret: Option<String>,
}

/// A token for the app itself.
#[derive(Serialize, ToSchema)]
pub(super) struct AppToken {
    access_token: String,
    #[schema(pattern = "^Bearer$")]
    token_type: &'static str,
    /// Life of the access token in seconds.
    expires_in: u64,
    /// Separated by one space.
    scope: String,
}

/// What a token request is answered with.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Tokens {
    /// `refresh_token`
    Pair(TokenPair),
    /// `client_credentials`
    App(AppToken),
}

/// RFC 6749 5.1 wants `Pragma` beside the `Cache-Control: no-store` that every answer has.
pub(super) struct NoCache<T>(T);

impl<T: Serialize> IntoResponse for NoCache<T> {
    fn into_response(self) -> Response {
        ([(header::PRAGMA, "no-cache")], Json(self.0)).into_response()
    }
}

/// What `/oauth/*` refuses a request with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described")]
pub(super) enum OauthRefusals {
    /// `invalid_request`, `invalid_grant`, `invalid_scope`, `unsupported_grant_type`
    #[response(status = 400)]
    BadRequest(OauthErrorBody),
    /// `invalid_client`
    #[response(status = 401)]
    Unauthorized(OauthErrorBody),
    /// `invalid_request`: the form is larger than 16 KiB
    #[response(status = 413)]
    Large(OauthErrorBody),
    /// `temporarily_unavailable`, with `Retry-After`
    #[response(status = 503)]
    Unavailable(OauthErrorBody),
}

/// Get a token
#[utoipa::path(post, path = "/oauth/token", tag = "oauth", security(("client" = []), ()),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "RFC 6749 section 5.1", body = Tokens), OauthRefusals))]
pub(super) async fn token(
    State(core): State<Arc<Core>>,
    caller: Caller,
    request: Request,
) -> Result<NoCache<Tokens>, OauthError> {
    let (app, form) = authenticated_form(&core, &caller, request).await?;
    let requested = form
        .get("scope")
        .map(|scope| Scopes::parse(scope))
        .transpose();
    let requested = requested
        .map_err(|_| OauthError::new("invalid_scope", "the scope is not a list of scopes"))?;
    match form.get("grant_type").map(String::as_str) {
        None => Err(OauthError::invalid_request("grant_type is missing")),
        Some("client_credentials") => client_credentials(&core, app, requested).await,
        Some("refresh_token") => {
            let presented = form
                .get("refresh_token")
                .ok_or(OauthError::invalid_request("refresh_token is missing"))?;
            refresh_token(&core, &app, caller, presented, requested).await
        }
        Some(_) => Err(OauthError::new(
            "unsupported_grant_type",
            "use client_credentials or refresh_token",
        )),
    }
}

/// Revoke a refresh token and the session it belongs to
#[utoipa::path(post, path = "/oauth/revoke", tag = "oauth", security(("client" = []), ()),
    request_body(content = RevokeForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is revoked, if it was one of this app's"), OauthRefusals))]
pub(super) async fn revoke(
    State(core): State<Arc<Core>>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, OauthError> {
    let (app, form) = authenticated_form(&core, &caller, request).await?;
    let presented = form
        .get("token")
        .ok_or(OauthError::invalid_request("token is missing"))?;
    // RFC 7009 2.2: what is unknown is as good as revoked. An access token ends by itself within minutes.
    if let Some(presented) = hash_of_presented(presented) {
        core.store
            .revoke_family(presented, Some(app.app_id), caller.context)
            .await?;
    }
    Ok(StatusCode::OK)
}

async fn client_credentials(
    core: &Core,
    app: App,
    requested: Option<Scopes>,
) -> Result<NoCache<Tokens>, OauthError> {
    let scopes = match requested {
        None => app.scopes,
        Some(requested) if requested.is_within(&app.scopes) => requested,
        Some(_) => {
            return Err(OauthError::new(
                "invalid_scope",
                "the app does not have this scope",
            ));
        }
    };
    let live = core.live();
    let scope = scopes.to_string();
    let grant = Grant {
        subject: app.app_id,
        app_id: app.app_id,
        scopes,
    };
    let access_token = core.issue(&live, grant).await.map_err(|_| server_error())?;
    Ok(NoCache(Tokens::App(AppToken {
        access_token,
        token_type: "Bearer",
        expires_in: live.token_life_seconds(),
        scope,
    })))
}

async fn refresh_token(
    core: &Core,
    app: &App,
    caller: Caller,
    presented: &str,
    requested: Option<Scopes>,
) -> Result<NoCache<Tokens>, OauthError> {
    let invalid = || {
        OauthError::new(
            "invalid_grant",
            "the refresh token is unknown, expired, revoked or was used before",
        )
    };
    let live = core.live();
    let secret = Secret::generate();
    let attempt = RefreshAttempt {
        presented: hash_of_presented(presented).ok_or_else(invalid)?,
        successor: secret.hash(),
        successor_life_ms: refresh_life_ms(&live),
        app_id: Some(app.app_id),
        requested,
    };
    match core.store.refresh(attempt, caller.context).await? {
        Refreshed::Rotated { user, app, scopes } => {
            super::auth::pair(core, &live, &user, &app, scopes, &secret)
                .await
                .map(|pair| NoCache(Tokens::Pair(pair)))
                .map_err(|_| server_error())
        }
        Refreshed::BeyondGrant => Err(OauthError::new(
            "invalid_scope",
            "more was requested than was granted",
        )),
        Refreshed::Refused(_) => Err(invalid()),
    }
}
