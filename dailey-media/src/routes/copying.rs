//! Copies and moves objects within the token's space.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use dailey_http::Problem;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::openapi::{BodyRefusals, ObjectBody, Refusals};
use super::writing::stored;
use super::{App, Caller, absent, json_body, key_text, refuse_longer_key};
use crate::access::Scope;
use crate::changes::Moved;
use crate::preconditions::Preconditions;
use crate::storage::{Copied, Location};

/// From where to where.
#[derive(Deserialize, ToSchema)]
#[schema(as = CopyOrMove)]
#[serde(deny_unknown_fields)]
struct Wanted {
    from: String,
    to: String,
    #[serde(default)]
    overwrite: bool,
}

/// Copy an object
///
/// `POST /api/media-ops/copy`.
#[utoipa::path(post, path = "/api/media-ops/copy", operation_id = "copy_object", tag = "operations", security(("bearer" = [])), request_body = Wanted, responses(
    Refusals, BodyRefusals,
    (status = 200, description = "It took another's place", body = ObjectBody),
    (status = 201, description = "It is there", body = ObjectBody),
    (status = 400, description = "`key_invalid`, `same_key`, `body_incomplete`"),
    (status = 404, description = "`object_not_found`"),
    (status = 409, description = "`object_exists`"),
))]
pub(super) async fn copy(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Places {
        from,
        to,
        conditions,
    } = places(&app, &caller, &headers, body).await?;
    let name = to.key.as_str().to_owned();
    let slot = app.upload_slots.take(&to.space).await?;
    match app.changes.copy(from, to, conditions, slot).await? {
        Copied::Stored {
            object, replaced, ..
        } => Ok(stored(&name, &object, replaced)),
        Copied::SourceAbsent => Err(absent()),
        Copied::TargetExists => Err(target_exists()),
    }
}

/// Move an object
///
/// `POST /api/media-ops/move`: a copy, and then the source goes, unless it has changed meanwhile. Of
/// several moves of one object one succeeds.
#[utoipa::path(post, path = "/api/media-ops/move", operation_id = "move_object", tag = "operations", security(("bearer" = [])), request_body = Wanted, responses(
    Refusals, BodyRefusals,
    (status = 200, description = "It took another's place", body = ObjectBody),
    (status = 201, description = "It is there", body = ObjectBody),
    (status = 400, description = "`key_invalid`, `same_key`, `body_incomplete`"),
    (status = 404, description = "`object_not_found`"),
    (status = 409, description = "`object_exists`, `source_changed`"),
))]
pub(super) async fn rename(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Places {
        from,
        to,
        conditions,
    } = places(&app, &caller, &headers, body).await?;
    let name = to.key.as_str().to_owned();
    let slot = app.upload_slots.take(&to.space).await?;
    match app.changes.rename(from, to, conditions, slot).await? {
        Moved::Done { object, replaced } => Ok(stored(&name, &object, replaced)),
        Moved::SourceAbsent => Err(absent()),
        Moved::TargetExists => Err(target_exists()),
        Moved::SourceChanged => Err(Problem::new(
            StatusCode::CONFLICT,
            "source_changed",
            "the source was replaced while it was copied: the copy is there, and the new source stays where it is",
        )),
    }
}

struct Places {
    from: Location,
    to: Location,
    conditions: Preconditions,
}

async fn places(
    app: &App,
    Caller(token): &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Places, Problem> {
    let space = app.access.open(token, Scope::Write)?;
    let wanted: Wanted = json_body(app, headers, body).await?;
    let at = |text| -> Result<Location, Problem> {
        let space = space.clone();
        let key = key_text(text)?;
        Ok(Location { space, key })
    };
    let (from, to) = (at(wanted.from)?, at(wanted.to)?);
    refuse_longer_key(app, &to.key)?;
    if from == to {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "same_key",
            "`from` and `to` are the same key",
        ));
    }
    let conditions = if wanted.overwrite {
        Preconditions::default()
    } else {
        Preconditions::create_only()
    };
    Ok(Places {
        from,
        to,
        conditions,
    })
}

fn target_exists() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "object_exists",
        "there is an object at `to` already: choose another key, or say \"overwrite\": true",
    )
}
