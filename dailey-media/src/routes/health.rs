//! Whether the service can do its work, for whoever routes traffic to it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::App;

/// Longest wait for the store's proof.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// `GET /health`.
pub(super) async fn health(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let keys = app.access.verifier().health().usable();
    let storage = match tokio::time::timeout(PROBE_TIMEOUT, app.storage.probe()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the storage's probe failed");
            false
        }
        Err(_) => {
            tracing::warn!("the storage's probe took too long");
            false
        }
    };
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

/// `GET /health/live`.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

fn word(good: bool) -> &'static str {
    if good { "ok" } else { "unavailable" }
}
