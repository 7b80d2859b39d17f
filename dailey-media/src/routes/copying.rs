//! Copies and moves objects within the token's space.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use dailey_http::Problem;
use dailey_http::body::json;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::openapi::{BodyRefusals, ObjectBody, ProblemBody, Refusals};
use super::writing::stored;
use super::{App, MAX_JSON_BYTES, absent, failed, key_text};
use crate::access::Scope;
use crate::preconditions::Preconditions;
use crate::storage::{Copied, Deletion, Location, Object, Replaced, copy_object};

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
    (status = 400, description = "`key_invalid`, `same_key`, `body_incomplete`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 404, description = "`object_not_found`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 409, description = "`object_exists`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn copy(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let copy = copied(&app, &headers, body).await?;
    Ok(stored(copy.to.key.as_str(), &copy.object, copy.replaced))
}

/// Move an object
///
/// `POST /api/media-ops/move`: a copy, and then the source goes, unless it has changed meanwhile. Of
/// several moves of one object one succeeds.
#[utoipa::path(post, path = "/api/media-ops/move", operation_id = "move_object", tag = "operations", security(("bearer" = [])), request_body = Wanted, responses(
    Refusals, BodyRefusals,
    (status = 200, description = "It took another's place", body = ObjectBody),
    (status = 201, description = "It is there", body = ObjectBody),
    (status = 400, description = "`key_invalid`, `same_key`, `body_incomplete`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 404, description = "`object_not_found`", body = ProblemBody, content_type = "application/problem+json"),
    (status = 409, description = "`object_exists`, `source_changed`", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn rename(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let copy = copied(&app, &headers, body).await?;
    let still = Preconditions::still(&copy.source.validators());
    match app
        .storage
        .delete(&copy.from, &still)
        .await
        .map_err(failed)?
    {
        Deletion::Deleted => Ok(stored(copy.to.key.as_str(), &copy.object, copy.replaced)),
        // Somebody else has moved or removed it: this copy is one too many. What it took the place
        // of cannot be had back.
        Deletion::Absent => {
            if copy.replaced == Replaced::Nothing {
                let still = Preconditions::still(&copy.object.validators());
                app.storage.delete(&copy.to, &still).await.map_err(failed)?;
            }
            Err(absent())
        }
        Deletion::ConditionFailed(_) => Err(Problem::new(
            StatusCode::CONFLICT,
            "source_changed",
            "the source was replaced while it was copied: the copy is there, and the new source stays where it is",
        )),
    }
}

/// A copy that was made.
struct Copy {
    from: Location,
    source: Object,
    to: Location,
    object: Object,
    replaced: Replaced,
}

async fn copied(app: &App, headers: &HeaderMap, body: Body) -> Result<Copy, Problem> {
    let space = app.access.space(headers, Scope::Write).await?;
    let wanted: Wanted = json(headers, body, MAX_JSON_BYTES).await?;
    let at = |text| -> Result<Location, Problem> {
        let space = space.clone();
        let key = key_text(text)?;
        Ok(Location { space, key })
    };
    let (from, to) = (at(wanted.from)?, at(wanted.to)?);
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
    match copy_object(&*app.storage, &from, &to, conditions).await {
        Ok(Copied::Stored {
            source,
            object,
            replaced,
        }) => Ok(Copy {
            from,
            source,
            to,
            object,
            replaced,
        }),
        Ok(Copied::SourceAbsent) => Err(absent()),
        Ok(Copied::TargetExists) => Err(Problem::new(
            StatusCode::CONFLICT,
            "object_exists",
            "there is an object at `to` already: choose another key, or say \"overwrite\": true",
        )),
        Err(error) => Err(failed(error)),
    }
}
