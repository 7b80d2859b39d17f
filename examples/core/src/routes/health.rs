//! Whether Core can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

use crate::service::Core;

pub(super) async fn health(State(core): State<Arc<Core>>) -> Response {
    let keys = core.live().verifier.health().usable();
    let database = match core.store.ping().await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the database does not answer the health check");
            false
        }
    };
    let word = |fine| if fine { "ok" } else { "failed" };
    let checks = json!({ "keys": word(keys), "database": word(database) });
    if keys && database {
        Json(json!({ "status": "ok", "checks": checks })).into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "degraded", "checks": checks })),
        )
            .into_response()
    }
}

pub(super) async fn live() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}
