//! `serve`: from settings to a listening Core, and its life until it is asked to stop.

use std::sync::Arc;
use std::time::Duration;

use dailey_auth::Environment;
use dailey_http::edge::{Edge, PublicOrigin};
use dailey_http::settings::process_environment;
use dailey_http::{listen, logs, signals};

use super::check::NOT_INITIALISED;
use super::{Failure, database_failure, open, settings};
use crate::routes;
use crate::service::{Core, Live};
use crate::settings::{Purpose, Settings};
use crate::store::{self, Store, StoreError, Swept};

/// Threads for blocking work: signing bounds itself to the cores, reloading needs one; passwords have threads of their
/// own.
const MAX_BLOCKING_THREADS: usize = 64;
/// How long blocking work may go on after the last request is answered.
const BLOCKING_GRACE: Duration = Duration::from_secs(5);
/// How often a database that was away at start is asked for.
const FIND_INTERVAL: Duration = Duration::from_secs(1);
/// How often what no rule needs any more is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// Between two pieces of it.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run() -> Result<(), Failure> {
    let settings = settings(Purpose::Serve)?;
    logs::init(settings.environment, &process_environment)?;
    let runtime = logs::gather(tokio::runtime::Builder::new_multi_thread().enable_all())
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .build()?;
    let outcome = runtime.block_on(serve(settings));
    // Dropping it would wait for blocking work, however long that takes.
    runtime.shutdown_timeout(BLOCKING_GRACE);
    outcome
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    // Nothing is made here: a mistyped path must not become a new, empty Core.
    let store: Arc<dyn Store> = match store::is_initialised(&settings.database).await {
        Ok(true) => open(&settings).await?.into(),
        Ok(false) => return Err(Failure::new(NOT_INITIALISED)),
        Err(error) => reachable_later(&settings, &error)?.into(),
    };
    let core_app_id = match store.core_app().await {
        Ok(Some(app)) => Some(app.app_id),
        Ok(None) => return Err(Failure::new(NOT_INITIALISED)),
        Err(StoreError::Unreachable(_)) => None,
        Err(error) => return Err(database_failure(&error)),
    };
    let live = Live::load(&settings, core_app_id).map_err(Failure)?;
    // Before anything is answered, so that no signal meets its default action.
    let mut terminations = signals::terminations()?;
    let hangups = signals::hangups()?;
    let listener = listen::bind(settings.listen).await?;
    tracing::info!(
        address = %settings.listen, issuer = live.issuer(), active_kid = live.active_kid(), core_app_id = core_app_id.map(tracing::field::display),
        "listening"
    );
    let core = Arc::new(Core::new(Arc::clone(&store), settings.registration, live));
    if let Some(app_id) = core_app_id {
        core.know_core_app(app_id);
    }
    let app = routes::router(
        Arc::clone(&core),
        settings.trusted_proxies.clone(),
        settings.origins.clone(),
        edge(&settings)?,
    );
    let mut limits = listen::Limits::default();
    limits.trusted_proxies = settings.trusted_proxies.clone();
    let chores = async {
        tokio::join!(reload_on_hangup(&core, settings, hangups), sweep(&core));
    };
    tokio::select! {
        drained = listen::serve(listener, app, limits, terminations.next()) => {
            tracing::info!(?drained, "stopped");
        }
        () = chores => {}
    }
    let _ = store.close().await;
    Ok(())
}

/// In production Core answers to its issuer's host, and sends plain http there.
fn edge(settings: &Settings) -> Result<Edge, Failure> {
    if settings.environment == Environment::Development {
        return Ok(Edge::open());
    }
    let origin = PublicOrigin::parse(&settings.issuer)
        .map_err(|reason| Failure::new(format!("JWT_ISSUER: {reason}")))?;
    Ok(Edge::at(origin, settings.listen.ip()))
}

/// A server that is away does not keep the keys from those who verify tokens: Core serves without it until it is there.
fn reachable_later(settings: &Settings, error: &StoreError) -> Result<Box<dyn Store>, Failure> {
    match (error, store::open_when_reachable(&settings.database)) {
        (StoreError::Unreachable(_), Some(store)) => {
            tracing::error!(%error, "until it can, keys are published and nobody logs in");
            Ok(store)
        }
        _ => Err(database_failure(error)),
    }
}

/// Waits until the database says which app is Core's own; for ever when that is known.
async fn find_core_app(core: &Core) {
    if core.core_app_id().is_some() {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(FIND_INTERVAL).await;
        match core.store.core_app().await {
            Ok(Some(app)) => {
                tracing::info!(core_app_id = %app.app_id, "the database was reached");
                return core.know_core_app(app.app_id);
            }
            Ok(None) => tracing::error!("{NOT_INITIALISED}"),
            Err(error) => tracing::warn!(%error, "the database is waited for"),
        }
    }
}

async fn reload_on_hangup(core: &Core, mut current: Settings, mut hangups: signals::Hangups) {
    loop {
        tokio::select! {
            () = hangups.next() => {}
            () = find_core_app(core) => {}
        }
        let core_app_id = core.core_app_id();
        let read = tokio::task::spawn_blocking(move || {
            let settings = settings(Purpose::Serve).map_err(|Failure(lines)| lines)?;
            let live = Live::load(&settings, core_app_id)?;
            Ok::<_, Vec<String>>((settings, live))
        });
        let refused = match read.await {
            Ok(Ok((settings, live))) => {
                for key in needs_restart(&current, &settings) {
                    tracing::warn!(key, "this setting has changed and takes a restart");
                }
                tracing::info!(
                    active_kid = live.active_kid(),
                    published_keys = live.verifier.health().keys.len(),
                    "reloaded"
                );
                core.replace(live);
                // What takes a restart stays what it was, and is told again next time.
                current = Settings {
                    listen: current.listen,
                    trusted_proxies: current.trusted_proxies,
                    origins: current.origins,
                    database: current.database,
                    registration: current.registration,
                    ..settings
                };
                continue;
            }
            Ok(Err(problems)) => problems,
            Err(error) => vec![error.to_string()],
        };
        for problem in refused {
            tracing::error!(
                problem,
                "the reload was refused; the old state keeps serving"
            );
        }
    }
}

fn needs_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let changes = [
        ("PORT or BIND", old.listen != new.listen),
        (
            "TRUSTED_PROXIES",
            old.trusted_proxies != new.trusted_proxies,
        ),
        ("ALLOWED_ORIGINS", old.origins != new.origins),
        ("DATABASE_URL or its password", old.database != new.database),
        ("ALLOW_REGISTRATION", old.registration != new.registration),
    ];
    changes
        .into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
        .collect()
}

async fn sweep(core: &Core) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        loop {
            match core.store.sweep().await {
                Ok(Swept::All) => break,
                // Others have the database in between.
                Ok(Swept::InPart) => tokio::time::sleep(SWEEP_PAUSE).await,
                Err(error) => {
                    tracing::warn!(%error, "old records were not swept; it is tried again in an hour");
                    break;
                }
            }
        }
    }
}
