//! The door to managing apps: a token that Core issued for itself, with the scope `core:admin`, whose bearer is still
//! an administrator.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use dailey_auth::{Rejection, VerifyError};
use dailey_http::Problem;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::request::{Caller, parse_id, problem};
use crate::scope::ADMIN_SCOPE;
use crate::service::Core;
use crate::store::{Context, StoreError, UserRole};

/// Proof that an administrator asks.
pub(super) struct Administrator {
    pub(super) context: Context,
}

impl FromRequestParts<Arc<Core>> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        if core.core_app_id().is_none() {
            return Err(problem(&StoreError::Unreachable("not yet".to_owned())));
        }
        let token = bearer(&parts.headers).ok_or(Rejection::TokenMissing);
        let verified = match token {
            Ok(token) => core.live().verifier.verify(token).await,
            Err(missing) => Err(missing.into()),
        };
        let verified = verified.map_err(refused)?;
        let subject = verified.claims().subject();
        if !verified.has_scope(ADMIN_SCOPE)
            || !is_administrator(core, subject)
                .await
                .map_err(|error| problem(&error))?
        {
            tracing::warn!(
                subject,
                "somebody who is no administrator wanted to manage apps"
            );
            return Err(insufficient_scope());
        }
        let Ok(caller) = Caller::from_request_parts(parts, core).await;
        Ok(Self {
            context: Context {
                actor: Some(subject.to_owned()),
                ..caller.context
            },
        })
    }
}

/// A token outlives a change of mind by minutes; with the database at hand, an administrator need not.
async fn is_administrator(core: &Core, subject: &str) -> Result<bool, StoreError> {
    let Some(subject) = parse_id(subject) else {
        return Ok(false);
    };
    if Some(subject) == core.core_app_id() {
        return Ok(true);
    }
    let user = core.store.user(subject).await?;
    Ok(user.is_some_and(|user| user.role == UserRole::Administrator && user.disabled_at.is_none()))
}

/// The one token of the one `Authorization` header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token)
}

fn refused(error: VerifyError) -> Problem {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let refusal = Problem::new(status, error.code(), error.to_string());
    match error
        .www_authenticate()
        .and_then(|challenge| HeaderValue::try_from(challenge).ok())
    {
        Some(challenge) => refusal.header(header::WWW_AUTHENTICATE, challenge),
        None => refusal.header(header::RETRY_AFTER, HeaderValue::from_static("5")),
    }
}

fn insufficient_scope() -> Problem {
    let challenge =
        HeaderValue::from_static("Bearer error=\"insufficient_scope\", scope=\"core:admin\"");
    let detail =
        "this needs a token for Core's own app with the scope core:admin, of an administrator";
    Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail)
        .header(header::WWW_AUTHENTICATE, challenge)
}
