//! Proof, before the port opens, that everything outside is as the service needs it.
//!
//! | check | proves | file |
//! | --- | --- | --- |
//! | `config` | every setting can be used, and all fit together | `config` |
//! | `port` | the port is 4100 in production, and free | `config` |
//! | `core_health` | `GET {DAILEY_CORE_URL}/health` is 200 in time | `core` |
//! | `core_jwks` | a usable RS256 key, no private one, in production from the issuer's origin | `core` |
//! | `clock` | Core's `Date` is within 30 s of ours | `core` |
//! | `storage` | an object can be written, read back and deleted | `store` |
//! | `conditional_writes` | a second create-only write is refused; on S3 every condition, under a race | `store` |
//! | `frontend_env` | the front end's build settings name none but our https addresses, and no secret | `frontend_env` |
//!
//! All run at once, each with a deadline of its own, and each looks at as much as the settings tell it: one
//! that cannot be used is named by `config` alone. A check that cannot be tried at all has failed, and its
//! hint says which other check to look at. Only where what it needs is not set, and only in development, it
//! is skipped.

mod aim;
mod config;
mod core;
mod frontend_env;
mod report;
mod store;

pub use frontend_env::{FrontendEnvError, MAX_FRONTEND_ENV_BYTES, check_frontend_env};
pub use report::{Check, Report, Status};
pub(crate) use store::Probe as StoreProbe;

use std::path::Path;
use std::time::{Duration, Instant};

use dailey_http::settings::Lookup;
use tokio::sync::OnceCell;

use self::aim::Aim;
use crate::settings::Draft;

/// Longest time for one check: what answers more slowly is not fit to be relied on. No more than
/// two run one after the other, so all of them end within twice this time.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// How a check ended.
enum Outcome {
    /// It holds; what was seen.
    Proven(String),
    /// It does not: what is wrong and what to do.
    Failed { detail: String, hint: &'static str },
    /// Nobody answered who could be judged. Likewise, unless another check has told why.
    Unanswered { detail: String, hint: &'static str },
    /// It was not tried, and why not.
    Skipped(&'static str),
}

/// Its setting is wrong, which is told once.
fn see_config() -> Outcome {
    failed(
        "it cannot be tried: its setting cannot be used",
        "mend what `config` names",
    )
}

fn failed(detail: impl Into<String>, hint: &'static str) -> Outcome {
    Outcome::Failed {
        detail: detail.into(),
        hint,
    }
}

/// Runs every check on what the environment and the configuration file say.
pub async fn run(lookup: Lookup<'_>, config: Option<&Path>) -> Report {
    let draft = Draft::read(lookup, config);
    let aim = Aim::read(lookup, draft.environment);
    let checks = tokio::join!(
        check("config", config::settings(&draft)),
        check("port", async { config::port(&draft) }),
        check("core_health", core::health(&aim)),
        check("core_jwks", core::jwks(&aim)),
        check("clock", core::clock(&aim)),
        // One after the other: one process has the root at a time.
        async {
            let store = OnceCell::new();
            let opened = store.get_or_init(|| store::open(&draft));
            let storage = check("storage", async { store::storage(opened.await).await }).await;
            let conditions = store::conditional_writes(store.get(), storage.status());
            (storage, check("conditional_writes", conditions).await)
        },
        check("frontend_env", frontend_env::file(&draft)),
    );
    let (config, port, health, mut jwks, mut clock, (storage, conditions), frontend) = checks;
    core::tell_once(&aim, &health, &mut jwks, &mut clock);
    let checks = [
        config, port, health, jwks, clock, storage, conditions, frontend,
    ];
    Report::new(draft.environment, checks.into())
}

async fn check(name: &'static str, outcome: impl Future<Output = Outcome>) -> Check {
    let started = Instant::now();
    let outcome = tokio::time::timeout(CHECK_TIMEOUT, outcome).await;
    let outcome = outcome.unwrap_or_else(|_| {
        failed(
            "it took longer than 5 seconds",
            "see that what it asks answers quickly: a service that starts now would stall on it",
        )
    });
    Check::new(name, outcome, started.elapsed())
}
