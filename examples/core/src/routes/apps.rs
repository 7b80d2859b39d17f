//! Managing apps. Every handler takes an [`Administrator`], which only the door makes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use dailey_http::Problem;
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::admin::Administrator;
use super::body;
use super::openapi::{BodyRefusals, NotAdministrator, ProblemBody, Unavailable};
use super::request::{parse_id, problem};
use crate::app_name::AppName;
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::service::Core;
use crate::store::{App, AppChange, Availability, OldSecrets, StoreError};

/// A new app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApp {
    name: String,
    #[serde(default)]
    scopes: Vec<String>,
}

/// What to change; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeApp {
    name: Option<String>,
    scopes: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// What becomes of the old secret.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateSecret {
    /// It stops working at once, and not a day later.
    #[serde(default)]
    revoke_old: bool,
}

/// An app as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = App)]
pub(super) struct ShownApp {
    app_id: Uuid,
    name: String,
    scopes: Vec<String>,
    disabled: bool,
    created_at: Option<jiff::Timestamp>,
}

/// All apps.
#[derive(Serialize, ToSchema)]
pub(super) struct Apps {
    apps: Vec<ShownApp>,
}

/// An app with its new secret, which is shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct AppWithSecret {
    app_id: Uuid,
    client_secret: String,
    name: String,
    scopes: Vec<String>,
}

impl From<App> for ShownApp {
    fn from(app: App) -> Self {
        Self {
            app_id: app.app_id,
            scopes: app.scopes.to_vec(),
            disabled: app.disabled_at.is_some(),
            created_at: jiff::Timestamp::from_millisecond(app.created_at).ok(),
            name: app.name,
        }
    }
}

/// Make an app
#[utoipa::path(post, path = "/api/apps", tag = "apps", security(("bearer" = ["core:admin"])),
    request_body = CreateApp,
    responses((status = 201, description = "It is made", body = AppWithSecret),
        (status = 409, description = "`name_taken`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`body_invalid`, `name_invalid`, `scope_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        BodyRefusals, NotAdministrator, Unavailable))]
pub(super) async fn create(
    State(core): State<Arc<Core>>,
    admin: Administrator,
    body::Json(request): body::Json<CreateApp>,
) -> Result<(StatusCode, Json<AppWithSecret>), Problem> {
    let name = name(&request.name)?;
    let scopes = scopes(&request.scopes)?;
    let secret = Secret::generate();
    let app = core
        .store
        .create_app(name, scopes, secret.hash(), admin.context)
        .await
        .map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(with_secret(&app, &secret))))
}

/// Every app
#[utoipa::path(get, path = "/api/apps", tag = "apps", security(("bearer" = ["core:admin"])),
    responses((status = 200, description = "By name", body = Apps),
        NotAdministrator, Unavailable))]
pub(super) async fn list(
    State(core): State<Arc<Core>>,
    _admin: Administrator,
) -> Result<Json<Apps>, Problem> {
    let apps: Vec<ShownApp> = core
        .store
        .apps()
        .await
        .map_err(|error| problem(&error))?
        .into_iter()
        .map(ShownApp::from)
        .collect();
    Ok(Json(Apps { apps }))
}

/// One app
#[utoipa::path(get, path = "/api/apps/{app_id}", tag = "apps", security(("bearer" = ["core:admin"])),
    params(("app_id" = Uuid, Path, description = "The app's GUID")),
    responses((status = 200, description = "The app", body = ShownApp),
        (status = 404, description = "`app_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        NotAdministrator, Unavailable))]
pub(super) async fn show(
    State(core): State<Arc<Core>>,
    _admin: Administrator,
    AppId(app_id): AppId,
) -> Result<Json<ShownApp>, Problem> {
    let app = core
        .store
        .app(app_id)
        .await
        .map_err(|error| problem(&error))?;
    app.map(|app| Json(app.into()))
        .ok_or_else(|| problem(&StoreError::NoSuchApp))
}

/// Change an app
#[utoipa::path(patch, path = "/api/apps/{app_id}", tag = "apps", security(("bearer" = ["core:admin"])),
    request_body = ChangeApp,
    params(("app_id" = Uuid, Path, description = "The app's GUID")),
    responses((status = 200, description = "The app as it is now", body = ShownApp),
        (status = 404, description = "`app_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`name_taken`, `core_app_protected`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`body_invalid`, `name_invalid`, `scope_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        BodyRefusals, NotAdministrator, Unavailable))]
pub(super) async fn change(
    State(core): State<Arc<Core>>,
    admin: Administrator,
    AppId(app_id): AppId,
    body::Json(request): body::Json<ChangeApp>,
) -> Result<Json<ShownApp>, Problem> {
    let change = AppChange {
        name: request.name.as_deref().map(name).transpose()?,
        scopes: request.scopes.as_deref().map(scopes).transpose()?,
        availability: request.disabled.map(|disabled| {
            if disabled {
                Availability::Disabled
            } else {
                Availability::Enabled
            }
        }),
    };
    let app = core
        .store
        .change_app(app_id, change, admin.context)
        .await
        .map_err(|error| problem(&error))?;
    Ok(Json(app.into()))
}

/// Delete an app with its secrets and sessions
#[utoipa::path(delete, path = "/api/apps/{app_id}", tag = "apps", security(("bearer" = ["core:admin"])),
    params(("app_id" = Uuid, Path, description = "The app's GUID")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "`app_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`core_app_protected`", body = ProblemBody, content_type = "application/problem+json"),
        NotAdministrator, Unavailable))]
pub(super) async fn delete(
    State(core): State<Arc<Core>>,
    admin: Administrator,
    AppId(app_id): AppId,
) -> Result<StatusCode, Problem> {
    core.store
        .delete_app(app_id, admin.context)
        .await
        .map_err(|error| problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an app a new secret
#[utoipa::path(post, path = "/api/apps/{app_id}/secret", tag = "apps", security(("bearer" = ["core:admin"])),
    params(("app_id" = Uuid, Path, description = "The app's GUID")),
    request_body = Option<RotateSecret>,
    responses((status = 200, description = "The new secret; the old one works for another day unless it is revoked", body = AppWithSecret),
        (status = 404, description = "`app_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        BodyRefusals, NotAdministrator, Unavailable))]
pub(super) async fn rotate_secret(
    State(core): State<Arc<Core>>,
    admin: Administrator,
    AppId(app_id): AppId,
    body::OptionalJson(request): body::OptionalJson<RotateSecret>,
) -> Result<Json<AppWithSecret>, Problem> {
    let old = if request.revoke_old {
        OldSecrets::Revoked
    } else {
        OldSecrets::WorkOneMoreDay
    };
    let secret = Secret::generate();
    let rotated = core
        .store
        .rotate_app_secret(app_id, secret.hash(), old, admin.context)
        .await;
    Ok(Json(with_secret(
        &rotated.map_err(|error| problem(&error))?,
        &secret,
    )))
}

/// The one time a secret is shown.
fn with_secret(app: &App, secret: &Secret) -> AppWithSecret {
    AppWithSecret {
        app_id: app.app_id,
        client_secret: secret.reveal().to_owned(),
        name: app.name.clone(),
        scopes: app.scopes.to_vec(),
    }
}

fn name(text: &str) -> Result<String, Problem> {
    let name = AppName::parse(text);
    name.map(AppName::into_string)
        .map_err(|error| invalid("name_invalid", error.to_string()))
}

fn scopes(items: &[String]) -> Result<Scopes, Problem> {
    Scopes::from_items(items.iter().map(String::as_str))
        .map_err(|error| invalid("scope_invalid", error.to_string()))
}

fn invalid(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

/// The id in the path. One that Core did not write is no app's id.
pub(super) struct AppId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for AppId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| parse_id(&text));
        id.map(Self).ok_or_else(|| problem(&StoreError::NoSuchApp))
    }
}
