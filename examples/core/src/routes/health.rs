//! Whether Core can do its work.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::Core;
use crate::store::StoreError;

/// How long the database may take to answer: less than what asks for health waits.
const DATABASE_DEADLINE: Duration = Duration::from_secs(2);

/// Health, and what it is made of.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: Status,
    checks: Checks,
}

/// Whether it works as a whole.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Degraded,
}

/// What was looked at.
#[derive(Serialize, ToSchema)]
struct Checks {
    keys: Check,
    database: Check,
}

/// What was found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Check {
    Ok,
    Failed,
}

impl From<bool> for Check {
    fn from(fine: bool) -> Self {
        if fine { Self::Ok } else { Self::Failed }
    }
}

/// Whether Core can do all of its work
#[utoipa::path(get, path = "/health", tag = "operation", responses(
    (status = 200, description = "It can", body = Health),
    (status = 503, description = "Keys or database cannot be used; published keys are served all the same", body = Health),
))]
pub(super) async fn health(State(core): State<Arc<Core>>) -> (StatusCode, Json<Health>) {
    let keys = core.live().verifier.health().usable();
    let answered = tokio::time::timeout(DATABASE_DEADLINE, core.store.ping()).await;
    let database = match answered.unwrap_or(Err(StoreError::Busy)) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the database does not answer the health check");
            false
        }
    };
    let (answer, status) = if keys && database {
        (StatusCode::OK, Status::Ok)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Status::Degraded)
    };
    let checks = Checks {
        keys: keys.into(),
        database: database.into(),
    };
    (answer, Json(Health { status, checks }))
}

/// That the process runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Live {
    status: Status,
}

/// Whether the process runs
#[utoipa::path(get, path = "/health/live", tag = "operation", responses(
    (status = 200, description = "It runs", body = Live),
))]
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: Status::Ok })
}
