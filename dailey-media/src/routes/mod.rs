//! The routes: each takes a request apart, asks the rules and the store, and answers.

mod caller;
mod copying;
mod health;
mod links;
mod listing;
pub(crate) mod openapi;
mod presigning;
mod reading;
mod removing;
mod uploads;
mod validate;
mod writing;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use dailey_http::metrics::Metrics;
use dailey_http::{Problem, body};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::de::DeserializeOwned;

use crate::access::Access;
use crate::changes::Changes;
use crate::failure::failed;
use crate::idempotency;
use crate::key::{KeyError, ObjectKey};
use crate::link_base::LinkBase;
use crate::metrics::MediaMetrics;
use crate::preconditions::MalformedPrecondition;
use crate::rate;
use crate::readiness::Readiness;
use crate::representation;
use crate::settings::Limits;
use crate::storage::{Object, Storage};
use crate::upload_slots::UploadSlots;
use crate::uploads::Uploads;

pub(crate) use caller::Caller;

/// Start of every object's path.
const OBJECTS: &str = "/api/media/";

/// What every route may use. Cloned for each request, so it is one pointer.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Parts>);

/// What an [`App`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) access: Access,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) changes: Changes,
    pub(crate) upload_slots: Arc<UploadSlots>,
    pub(crate) uploads: Uploads,
    pub(crate) limits: Limits,
    pub(crate) link_secret: Arc<hmac::Key>,
    pub(crate) link_base: LinkBase,
    pub(crate) draining: Draining,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: MediaMetrics,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Whether the service is about to end. All clones tell the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn router(app: App, metrics: &Metrics) -> Router {
    let limited = from_fn_with_state(app.metrics.clone(), rate::around);
    Router::new()
        .route("/api/media", get(listing::list))
        .route(
            "/api/media/{*key}",
            get(reading::get)
                .head(reading::head)
                .put(writing::put)
                .delete(removing::delete),
        )
        .route(
            "/api/links/{*key}",
            get(links::get).head(links::head).put(links::put),
        )
        .merge(operations(&app))
        .route(
            "/api/auth/validate",
            get(validate::validate).post(validate::validate),
        )
        .merge(resumable(&app))
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .with_state(app)
        .layer(limited)
        .route("/metrics", metrics.route())
        .route("/openapi.json", openapi::route())
}

/// Uploads by tus.
fn resumable(app: &App) -> Router<App> {
    Router::new()
        .route(
            "/api/uploads",
            post(uploads::create).options(uploads::options),
        )
        .route_layer(from_fn_with_state(app.clone(), idempotency::once))
        .route(
            "/api/uploads/{id}",
            axum::routing::head(uploads::head)
                .patch(uploads::patch)
                .delete(uploads::delete)
                .post(uploads::overridden)
                .options(uploads::options),
        )
        .route_layer(axum::middleware::from_fn(uploads::versioned))
        .method_not_allowed_fallback(no_such_method)
}

/// Tells the version as every answer about uploads does, and does not ask for it.
async fn no_such_method() -> Problem {
    let problem = dailey_http::problem::method_not_allowed().await;
    problem.header(
        HeaderName::from_static("tus-resumable"),
        HeaderValue::from_static("1.0.0"),
    )
}

/// The POSTs that change something or give something away.
fn operations(app: &App) -> Router<App> {
    Router::new()
        .route("/api/media-ops/presign", post(presigning::presign))
        .route("/api/media-ops/copy", post(copying::copy))
        .route("/api/media-ops/move", post(copying::rename))
        .route("/api/media-ops/delete", post(removing::delete_many))
        .route_layer(from_fn_with_state(app.clone(), idempotency::once))
}

pub(crate) fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// A JSON body within the limits.
async fn json_body<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let most = count(app.limits.json_max_bytes);
    body::json(headers, body, most, app.limits.pace()).await
}

/// The key in a request's path, from its raw form: decoded once, here and nowhere else.
fn key(uri: &Uri) -> Result<ObjectKey, Problem> {
    let raw = uri.path().strip_prefix(OBJECTS).unwrap_or_default();
    ObjectKey::from_path(raw).map_err(key_invalid)
}

/// A key as it stands in a body: nothing is decoded.
fn key_text(text: String) -> Result<ObjectKey, Problem> {
    ObjectKey::parse(text).map_err(key_invalid)
}

/// Wherever an object gets its key: only there, so that what has a longer one can be read and removed.
fn refuse_longer_key(app: &App, key: &ObjectKey) -> Result<(), Problem> {
    key.may_be_given(&app.limits).map_err(key_invalid)
}

#[allow(clippy::needless_pass_by_value)]
fn key_invalid(error: KeyError) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "key_invalid", error.to_string())
}

fn absent() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "object_not_found",
        "there is no object with this key in this token's space",
    )
}

fn condition_failed(current: Option<&Object>) -> Problem {
    let problem = Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition_failed",
        "the object is not in the state that the request's conditions ask for: read it again and decide anew",
    );
    match current {
        Some(object) => about(problem, object),
        None => problem,
    }
}

/// The problem, with the state of the object that it is about.
fn about(problem: Problem, object: &Object) -> Problem {
    representation::state_headers(object)
        .into_iter()
        .fold(problem, |problem, (name, value)| {
            problem.header(name, value)
        })
}

// Taken by value: the shape that `map_err` wants.
#[allow(clippy::needless_pass_by_value)]
fn malformed_condition(error: MalformedPrecondition) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "precondition_malformed",
        error.to_string(),
    )
}
