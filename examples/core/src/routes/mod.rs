//! HTTP: the routes of Core, each a thin translation between a request and the store.

mod admin;
mod apps;
mod auth;
mod body;
mod health;
mod keys;
mod oauth;
mod openapi;
mod request;

use std::sync::Arc;

use axum::Router;
use dailey_http::Stack;
use dailey_http::client::TrustedProxies;
use dailey_http::cors::{Cors, Origins};
use dailey_http::edge::Edge;
use dailey_http::metrics::Metrics;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::service::Core;

/// Every route, with what surrounds them.
pub fn router(core: Arc<Core>, trusted: TrustedProxies, origins: Origins, edge: Edge) -> Router {
    let metrics = Metrics::new();
    let (routes, document) = OpenApiRouter::with_openapi(openapi::Document::openapi())
        .routes(routes!(keys::jwks))
        .routes(routes!(oauth::metadata))
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(oauth::token))
        .routes(routes!(oauth::revoke))
        .routes(routes!(apps::list, apps::create))
        .routes(routes!(apps::show, apps::change, apps::delete))
        .routes(routes!(apps::rotate_secret))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .split_for_parts();
    let routes = routes
        .route("/openapi.json", openapi::route(&document))
        .route("/metrics", metrics.route())
        .with_state(core);
    Stack::new(metrics)
        .trusted_proxies(trusted)
        .cors(Cors::new(origins))
        .edge(edge)
        .around(routes)
}
