//! HTTP: the routes of Core, each a thin translation between a request and the store.

mod admin;
mod apps;
mod auth;
mod body;
mod health;
mod keys;
mod oauth;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use dailey_http::Stack;
use dailey_http::client::TrustedProxies;
use dailey_http::cors::{Cors, Origins};
use dailey_http::metrics::Metrics;

use crate::service::Core;

/// Every route, with what surrounds them.
pub fn router(core: Arc<Core>, trusted: TrustedProxies, origins: Origins) -> Router {
    let metrics = Metrics::new();
    let routes = Router::new()
        .route("/.well-known/jwks.json", get(keys::jwks))
        .route(
            "/.well-known/oauth-authorization-server",
            get(oauth::metadata),
        )
        .route("/api/auth/register", post(auth::register))
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/logout", post(auth::logout))
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/revoke", post(oauth::revoke))
        .route("/api/apps", get(apps::list).post(apps::create))
        .route(
            "/api/apps/{app_id}",
            get(apps::show).patch(apps::change).delete(apps::delete),
        )
        .route("/api/apps/{app_id}/secret", post(apps::rotate_secret))
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/metrics", metrics.route())
        .with_state(core);
    Stack::new(metrics)
        .trusted_proxies(trusted)
        .cors(Cors::new(origins))
        .around(routes)
}
