//! Settings → a running service, until it is told to end.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dailey_auth::{ConfigError, Environment, Verifier};
use dailey_http::cors::Cors;
use dailey_http::edge::{Edge, PublicOrigin};
use dailey_http::listen::{self, BindError};
use dailey_http::metrics::Metrics;
use dailey_http::{Stack, signals};

use crate::access::Access;
use crate::audit::{Audit, AuditError};
use crate::changes::Changes;
use crate::idempotency;
use crate::link_base::LinkBase;
use crate::link_secret::{self, IfMissing, LinkSecretError};
use crate::metrics::MediaMetrics;
use crate::pseudonym::Pseudonyms;
use crate::quota::{Quotas, Writers};
use crate::rate::RateLimits;
use crate::readiness::{self, Readiness};
use crate::routes::{self, App, Draining, Parts};
use crate::settings::{LinkSecret, Settings, StorageSettings};
use crate::storage::{self, OpenError, Storage, StorageError};
use crate::upload_slots::UploadSlots;
use crate::uploads::{AllUploads, Uploads, sweep_for_ever};

/// Tokens that were verified lately and need not be again for a minute: a page's many requests bear
/// the same one.
const TOKENS_REMEMBERED: usize = 4096;

/// How often what nobody needs any more is removed.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// Our names in production, where no origin is configured.
const DOMAIN: &str = "dailey.cloud";

/// Where plain http is sent then.
const ORIGIN: &str = "https://media.dailey.cloud";

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
    "idempotency-key",
    "x-request-id",
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
    /// The secret that signs links and cursors.
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
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
}

/// Serves until SIGTERM or SIGINT, and as long as [`Limits::lame_duck_seconds`](crate::settings::Limits) says, which
/// in development a second signal ends. SIGHUP fetches the key set at once.
///
/// Core need not be up: until there are keys, tokens are answered with 503 and `/health` says so.
///
/// # Errors
/// [`StartError`], before anything is listened to.
pub async fn run(settings: &Settings) -> Result<(), StartError> {
    let mut terminations = signals::terminations().map_err(StartError::Signals)?;
    let mut hangups = signals::hangups().map_err(StartError::Signals)?;
    // First of all, so that whoever forgot to stop the old one reads that.
    let listener = listen::bind(settings.address).await?;

    let verifier = settings
        .verifier
        .builder()
        .token_cache(TOKENS_REMEMBERED)
        .build()?;
    let draining = Draining::default();
    let service = service(settings, verifier.clone(), draining.clone()).await?;
    let router = service.router(settings);

    let environment = settings.environment();
    tracing::info!(address = %settings.address, %environment, "listening");
    let shutdown = async {
        terminations.next().await;
        draining.begin();
        let seconds = settings.limits.lame_duck_seconds;
        let told = tokio::time::sleep(Duration::from_secs(seconds));
        match environment {
            Environment::Production => told.await,
            Environment::Development => {
                tracing::info!(
                    seconds,
                    "stops listening after that, or at once when it is asked again"
                );
                tokio::select! {
                    () = told => {}
                    () = terminations.next() => {}
                }
            }
        }
    };
    let refreshing = async {
        loop {
            hangups.next().await;
            refresh(&verifier).await;
        }
    };
    let mut limits = settings.limits.listening();
    limits.trusted_proxies = settings.trusted_proxies.clone();
    tokio::select! {
        drained = listen::serve(listener, router, limits, shutdown) => {
            tracing::info!(?drained, "stopped");
        }
        () = refreshing => {}
        () = sweep(&*service.storage) => {}
        () = sweep_for_ever(service.uploads) => {}
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
    let service = service(settings, verifier, Draining::default()).await?;
    Ok(service.router(settings))
}

/// The routes of [`with_verifier`] with nothing around them, to measure what the layers cost. Not a
/// promise of this crate.
///
/// # Errors
/// As [`with_verifier`].
#[doc(hidden)]
pub async fn without_layers(settings: &Settings, verifier: Verifier) -> Result<Router, StartError> {
    let service = service(settings, verifier, Draining::default()).await?;
    Ok(service.routes)
}

/// The routes, and what they work on.
struct Service {
    routes: Router,
    metrics: Metrics,
    storage: Arc<dyn Storage>,
    uploads: Uploads,
}

impl Service {
    /// The routes with all that is around them.
    fn router(&self, settings: &Settings) -> Router {
        let cors = Cors::new(settings.origins.clone())
            .request_headers(REQUEST_HEADERS)
            .request_header_prefix("x-meta-");
        Stack::new(self.metrics.clone())
            .trusted_proxies(settings.trusted_proxies.clone())
            .cors(cors)
            .edge(edge(settings))
            .around(self.routes.clone())
    }
}

/// The document of the API, for tests that hold answers to it. Not a promise of this crate.
#[doc(hidden)]
pub fn openapi() -> serde_json::Value {
    routes::openapi::document()
}

async fn service(
    settings: &Settings,
    verifier: Verifier,
    draining: Draining,
) -> Result<Service, StartError> {
    let storage = storage::open(&settings.storage, &settings.limits)?;
    storage.probe().await?;
    let link_secret = match &settings.link_secret {
        LinkSecret::File(path) => link_secret::load(path, IfMissing::Fail),
        LinkSecret::Made(path) => link_secret::load(path, IfMissing::Create),
    }?;
    let audiences = settings.verifier.audiences().iter().cloned();
    let own = MediaMetrics::default();
    let metrics = Metrics::with(|registry| {
        dailey_auth::metrics::register(registry, &verifier);
        own.register(registry);
    });
    let audit = match &settings.audit_log {
        Some(path) => Audit::open(path)?,
        None => Audit::off(),
    };
    let writers = match &settings.storage {
        // The local store lets nobody else in.
        StorageSettings::Local(_) => Writers::Alone,
        StorageSettings::S3(_) => Writers::Others,
    };
    let quotas = Quotas::new(
        &settings.limits,
        writers,
        Arc::clone(&storage),
        Arc::new(AllUploads::new(Arc::clone(&storage))),
    );
    let changes = Changes::new(Arc::clone(&storage), quotas, audit);
    let uploads = Uploads::new(
        Arc::clone(&storage),
        changes.clone(),
        settings.upload_expiry,
        &settings.limits,
    );
    let limits = RateLimits::new(settings.rate_limit, &settings.limits);
    let pseudonyms = Pseudonyms::new(&link_secret);
    let app = App::new(Parts {
        access: Access::new(verifier, audiences, limits, pseudonyms),
        readiness: Readiness::new(Arc::clone(&storage), own.clone()),
        storage: Arc::clone(&storage),
        changes,
        upload_slots: Arc::new(UploadSlots::new(&settings.limits)),
        uploads: uploads.clone(),
        limits: settings.limits,
        link_secret: Arc::new(link_secret),
        link_base: LinkBase::new(
            settings.trusted_proxies.clone(),
            settings
                .public_origin
                .as_ref()
                .map(|origin| origin.as_str().to_owned()),
        ),
        draining,
        metrics: own,
    });
    Ok(Service {
        routes: routes::router(app, &metrics),
        metrics,
        storage,
        uploads,
    })
}

/// Removes what nobody needs any more, now and every hour.
async fn sweep(storage: &dyn Storage) {
    loop {
        let now_ms = idempotency::now_ms();
        let swept = [
            (
                "answers of idempotency keys",
                idempotency::sweep(storage, now_ms).await,
            ),
            ("objects of probes", readiness::sweep(storage, now_ms).await),
        ];
        for (what, swept) in swept {
            match swept {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "removed old {what}"),
                Err(error) => tracing::warn!(%error, "old {what} could not be removed"),
            }
        }
        tokio::time::sleep(SWEEP).await;
    }
}

fn edge(settings: &Settings) -> Edge {
    let bound = settings.address.ip();
    match (settings.environment(), settings.public_origin.clone()) {
        (Environment::Development, _) => Edge::open(),
        (Environment::Production, Some(origin)) => Edge::at(origin, bound),
        (Environment::Production, None) => {
            Edge::below(DOMAIN, PublicOrigin::parse(ORIGIN).ok(), bound)
        }
    }
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
