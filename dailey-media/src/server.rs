//! Settings → a running service, until it is told to end.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dailey_auth::{ConfigError, Environment, Verifier};
use dailey_http::cors::Cors;
use dailey_http::listen::{self, BindError, Limits};
use dailey_http::metrics::Metrics;
use dailey_http::{Stack, signals};

use crate::access::Access;
use crate::link_secret::{self, IfMissing, LinkSecretError};
use crate::rate::RateLimits;
use crate::routes::{self, App, Draining};
use crate::settings::{LinkSecret, Settings};
use crate::storage::{self, OpenError, StorageError};
use crate::uploads::{Uploads, sweep_for_ever};

/// In production, between the health check turning and the end of listening: as long as a proxy
/// may take to look.
const LAME_DUCK: Duration = Duration::from_secs(5);

/// Request headers that a page may send, besides `x-meta-*`.
const REQUEST_HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "cache-control",
    "content-disposition",
    "content-digest",
    "repr-digest",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "range",
    // tus 1.0.0.
    "tus-resumable",
    "upload-checksum",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "x-http-method-override",
];

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The verifier's settings.
    #[error(transparent)]
    Verifier(#[from] ConfigError),
    /// The secret that signs cursors.
    #[error(transparent)]
    LinkSecret(#[from] LinkSecretError),
    /// The folder or bucket of the objects.
    #[error("storage: {0}")]
    Open(#[from] OpenError),
    /// The store takes nothing.
    #[error(
        "storage: {0}: make sure that [storage] names the right place, that it may be written to and has space"
    )]
    Probe(#[from] StorageError),
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
}

/// Serves until SIGTERM or SIGINT. SIGHUP fetches the key set at once.
///
/// Core need not be up: until there are keys, tokens are answered with 503 and `/health` says so.
///
/// # Errors
/// [`StartError`], before anything is listened to.
pub async fn run(settings: &Settings) -> Result<(), StartError> {
    let terminated = signals::terminate().map_err(StartError::Signals)?;
    let mut hangups = signals::hangups().map_err(StartError::Signals)?;
    // First of all, so that whoever forgot to stop the old one reads that.
    let listener = listen::bind(settings.address).await?;

    let verifier = settings.verifier.builder().build()?;
    let draining = Draining::default();
    let (app, uploads) = service(settings, verifier.clone(), draining.clone()).await?;

    let environment = settings.environment();
    tracing::info!(address = %settings.address, %environment, "listening");
    let shutdown = async {
        terminated.await;
        draining.begin();
        if environment == Environment::Production {
            tokio::time::sleep(LAME_DUCK).await;
        }
    };
    let refreshing = async {
        loop {
            hangups.next().await;
            refresh(&verifier).await;
        }
    };
    tokio::select! {
        drained = listen::serve(listener, app, Limits::default(), shutdown) => {
            tracing::info!(?drained, "stopped");
        }
        () = refreshing => {}
        () = sweep_for_ever(uploads) => {}
    }
    Ok(())
}

/// The whole service around a verifier of the caller's, for tests that bring keys and a clock of
/// their own. Not a promise of this crate.
///
/// # Errors
/// [`StartError`], when the storage or the secret is not usable.
#[doc(hidden)]
pub async fn with_verifier(settings: &Settings, verifier: Verifier) -> Result<Router, StartError> {
    let (app, _) = service(settings, verifier, Draining::default()).await?;
    Ok(app)
}

async fn service(
    settings: &Settings,
    verifier: Verifier,
    draining: Draining,
) -> Result<(Router, Uploads), StartError> {
    let storage = storage::open(&settings.storage)?;
    storage.probe().await?;
    let uploads = Uploads::new(Arc::clone(&storage), settings.upload_expiry);
    let link_secret = match &settings.link_secret {
        LinkSecret::File(path) => link_secret::load(path, IfMissing::Fail),
        LinkSecret::Made(path) => link_secret::load(path, IfMissing::Create),
    }?;
    let audiences = settings.verifier.audiences().iter().cloned();
    let app = App {
        access: Access::new(verifier, audiences, RateLimits::new(settings.rate_limit)),
        storage,
        uploads: uploads.clone(),
        link_secret: Arc::new(link_secret),
        draining,
    };
    let metrics = Metrics::new();
    let cors = Cors::new(settings.origins.clone())
        .request_headers(REQUEST_HEADERS)
        .request_header_prefix("x-meta-");
    let routes = routes::router(app, &metrics);
    let app = Stack::new(metrics)
        .trusted_proxies(settings.trusted_proxies.clone())
        .cors(cors)
        .around(routes);
    Ok((app, uploads))
}

async fn refresh(verifier: &Verifier) {
    match verifier.refresh().await {
        Ok(()) => tracing::info!(
            keys = verifier.health().keys.len(),
            "fetched the key set on SIGHUP"
        ),
        Err(error) => {
            let error: &dyn Display = &error;
            tracing::warn!(%error, "could not fetch the key set on SIGHUP; the keys at hand stay in use");
        }
    }
}
