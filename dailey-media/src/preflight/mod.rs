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
//! All run at once, each with a deadline of its own and all with one in common, and each looks at as much as
//! the settings tell it: one that cannot be used is named by `config` alone. A check that cannot be tried at all
//! has failed, and its hint says which other check to look at. Only where what it needs is not set, and only in
//! development, it is skipped.

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

use dailey_http::logs;
use dailey_http::settings::Lookup;
use tokio::sync::OnceCell;

use self::aim::Aim;
use crate::settings::{Draft, SettingError};

/// Longest time for one check: what answers more slowly is not fit to be relied on.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for all of them, and for reading the settings before. Where the disk of the configuration file and
/// the store are slow, the last check has only what they leave.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(10);

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
    let ends = Instant::now() + RUN_TIMEOUT;
    let mut draft = Draft::read(lookup, config);
    // Its levels are set after the checks, and would stop a start then.
    let log = logs::check(lookup).err();
    draft.errors.extend(log.map(SettingError::from));
    let aim = Aim::read(lookup, draft.environment);
    let checks = tokio::join!(
        check("config", ends, config::settings(&draft)),
        check("port", ends, async { config::port(&draft) }),
        check("core_health", ends, core::health(&aim)),
        check("core_jwks", ends, core::jwks(&aim)),
        check("clock", ends, core::clock(&aim)),
        // One after the other: one process has the root at a time.
        async {
            let store = OnceCell::new();
            let opened = store.get_or_init(|| store::open(&draft));
            let storage = async { store::storage(opened.await).await };
            let storage = check("storage", ends, storage).await;
            let conditions = store::conditional_writes(store.get(), storage.status());
            (storage, check("conditional_writes", ends, conditions).await)
        },
        check("frontend_env", ends, frontend_env::file(&draft)),
    );
    let (config, port, health, mut jwks, mut clock, (storage, conditions), frontend) = checks;
    core::tell_once(&aim, &health, &mut jwks, &mut clock);
    let checks = [
        config, port, health, jwks, clock, storage, conditions, frontend,
    ];
    Report::new(draft.environment, checks.into())
}

async fn check(name: &'static str, ends: Instant, outcome: impl Future<Output = Outcome>) -> Check {
    let (outcome, took) = within(ends, outcome).await;
    Check::new(name, outcome, took)
}

/// How it ended, in its own time and before all must end, and how long it took.
async fn within(ends: Instant, outcome: impl Future<Output = Outcome>) -> (Outcome, Duration) {
    let started = Instant::now();
    let time = CHECK_TIMEOUT.min(ends.saturating_duration_since(started));
    let outcome = tokio::time::timeout(time, outcome).await;
    let outcome = outcome.unwrap_or_else(|_| {
        let (detail, hint) = if time < CHECK_TIMEOUT {
            (
                "it was not done when all checks had taken 10 seconds",
                "see that the disk of the configuration file and the store answer quickly",
            )
        } else {
            (
                "it took longer than 5 seconds",
                "see that what it asks answers quickly: a service that starts now would stall on it",
            )
        };
        Outcome::Unanswered {
            detail: detail.into(),
            hint,
        }
    });
    (outcome, started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_check_is_cut_at_its_own_time_or_where_all_must_end_and_counts_as_unanswered() {
        let second = Duration::from_secs(1);
        for (left, most, said) in [
            (RUN_TIMEOUT, CHECK_TIMEOUT, "longer than 5 seconds"),
            (second, second, "all checks had taken 10 seconds"),
            (
                Duration::ZERO,
                Duration::ZERO,
                "all checks had taken 10 seconds",
            ),
        ] {
            let started = tokio::time::Instant::now();
            let (outcome, _) = within(Instant::now() + left, std::future::pending()).await;
            let took = started.elapsed();
            // The end is told by a clock that runs on.
            let least = most.saturating_sub(Duration::from_millis(500));
            let slack = Duration::from_millis(10);
            assert!((least..=most + slack).contains(&took), "{took:?}");
            let Outcome::Unanswered { detail, .. } = outcome else {
                panic!("{said}");
            };
            assert!(detail.contains(said), "{said} in {detail}");
        }
    }
}
