//! Whether the service can do its work, for whoever routes traffic to it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::App;

/// What was looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthBody {
    /// `ok` or `degraded`.
    status: String,
    /// `keys` and `storage`: `ok` or `unavailable`; `process` is there when it drains.
    checks: BTreeMap<String, String>,
}

/// That it runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Live)]
struct LiveBody {
    status: String,
}

/// Whether it can do its work
///
/// `GET /health`.
#[utoipa::path(get, path = "/health", operation_id = "health", tag = "operation", responses(
    (status = 200, description = "It can", body = HealthBody),
    (status = 503, description = "Keys or storage cannot serve, or it is about to end", body = HealthBody),
))]
pub(super) async fn health(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let keys = app.access.verifier().health().usable();
    let storage = app.readiness.storage().await;
    let mut checks = Map::new();
    checks.insert("keys".into(), word(keys).into());
    checks.insert("storage".into(), word(storage).into());
    let draining = app.draining.is_on();
    if draining {
        checks.insert("process".into(), "draining".into());
    }
    if keys && storage && !draining {
        (
            StatusCode::OK,
            Json(json!({ "status": "ok", "checks": checks })),
        )
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "degraded", "checks": checks })),
        )
    }
}

/// Whether the process runs
///
/// `GET /health/live`.
#[utoipa::path(get, path = "/health/live", operation_id = "live", tag = "operation", responses(
    (status = 200, description = "It runs", body = LiveBody),
))]
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

fn word(good: bool) -> &'static str {
    if good { "ok" } else { "unavailable" }
}
