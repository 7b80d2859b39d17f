//! Core: its health, its keys, its clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use dailey_auth::{
    Environment, FetchError, KeySetError, KeySetEvent, Observer, SkipReason, Verifier,
};
use http::StatusCode;
use http::header::{AGE, DATE};
use reqwest::redirect;
use url::Url;

use super::aim::Aim;
use super::{Check, Outcome, failed, see_config};

/// How far Core's clock and ours may differ: the verifier's leeway.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(30);

/// Longest time for a request: a little less than a check has, so that it is told which one it was.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(4500);

/// Most names of keys in a detail.
const MAX_NAMED_KEYS: usize = 4;

fn client(environment: Environment) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .https_only(environment == Environment::Production)
        .connect_timeout(Duration::from_secs(2))
        .timeout(REQUEST_TIMEOUT)
        .build()
}

/// What Core answers on `{base}/health`.
async fn get(environment: Environment, url: Url) -> Result<reqwest::Response, &'static str> {
    let client = client(environment).map_err(|_| "no TLS roots can be read on this machine")?;
    client.get(url).send().await.map_err(|error| {
        if error.is_timeout() {
            "no answer in time"
        } else if error.is_connect() {
            "no connection: name, network or certificate"
        } else {
            "an answer that is not HTTP"
        }
    })
}

fn health_url(base: &Url) -> Option<Url> {
    let base = base.as_str();
    Url::parse(&format!(
        "{}/health",
        base.strip_suffix('/').unwrap_or(base)
    ))
    .ok()
}

/// `core_health`.
pub(super) async fn health(aim: &Aim) -> Outcome {
    let Some(url) = aim.base.as_ref().and_then(health_url) else {
        return match aim.environment {
            _ if aim.is_base_wrong => see_config(),
            Environment::Development => Outcome::Skipped("DAILEY_CORE_URL is not set"),
            Environment::Production => failed(
                "DAILEY_CORE_URL is not set",
                "set it to Core's base address, as in https://core.dailey.cloud",
            ),
        };
    };
    match get(aim.environment, url).await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            Outcome::Proven("Core says that it is well".into())
        }
        Ok(answer) => {
            let detail = format!("Core's /health answers {}", answer.status().as_u16());
            let hint = "look at Core's log and at its /health; see that DAILEY_CORE_URL is Core's base address";
            if answer.status().is_server_error() {
                Outcome::Unanswered { detail, hint }
            } else {
                failed(detail, hint)
            }
        }
        Err(problem) => Outcome::Unanswered {
            detail: format!("Core's /health: {problem}"),
            hint: "start Core, or set DAILEY_CORE_URL to where it is reached from here",
        },
    }
}

/// Where Core is away or ill altogether, one check says so, and the others look there. An answer of `/health` that
/// only is not the right one is no such sign: whatever gave it is up, and may be something else than Core.
pub(super) fn tell_once(aim: &Aim, health: &Check, jwks: &mut Check, clock: &mut Check) {
    const WHY: &str = "Core is not well";
    const SEE_HEALTH: &str = "mend what `core_health` names";
    let is_one_place = matches!((&aim.base, &aim.jwks), (Some(base), Some(jwks)) if base.origin() == jwks.origin());
    if health.is_unanswered() {
        clock.look_at(WHY, SEE_HEALTH);
    } else if jwks.is_unanswered() {
        clock.look_at(WHY, "mend what `core_jwks` names");
    }
    if health.is_unanswered() && is_one_place {
        jwks.look_at(WHY, SEE_HEALTH);
    }
}

/// `core_jwks`: fetched and judged as the running service will, by the verifier itself.
pub(super) async fn jwks(aim: &Aim) -> Outcome {
    let Some(address) = &aim.jwks else {
        return see_config();
    };
    let is_of = |issuer: &str| Url::parse(issuer).is_ok_and(|url| url.origin() == address.origin());
    if aim.environment == Environment::Production
        && aim.issuer.as_deref().is_some_and(|issuer| !is_of(issuer))
    {
        return failed(
            "the key set's address is not of the issuer's origin",
            "set CORE_JWKS_URL to an address of the host that JWT_ISSUER names, or remove it",
        );
    }
    let alarms = Alarms::default();
    // Without the snapshot file: what counts is what Core publishes now.
    // No token is looked at, so any issuer and audience will do.
    let builder = Verifier::builder("issuer", ["audience"])
        .jwks_url(address.as_str())
        .observer(alarms.clone());
    let builder = match aim.environment {
        Environment::Production => builder,
        Environment::Development => builder.allow_loopback_http(),
    };
    let verifier = match builder.build() {
        Ok(verifier) => verifier,
        Err(error) => return failed(error.to_string(), "change the setting that is named"),
    };
    let fetched = tokio::time::timeout(REQUEST_TIMEOUT, verifier.refresh()).await;
    if alarms.private() {
        return failed(
            "Core publishes a private key",
            "take that key out of use at once (dailey-core keys generate, publish, activate, retire --now)",
        );
    }
    let told = match fetched {
        Ok(told) => told,
        Err(_) => Err(FetchError::Timeout),
    };
    match told {
        Ok(()) => {
            let health = verifier.health();
            let mut kids = health.keys.iter().map(|key| key.kid.as_str());
            let named: Vec<&str> = kids.by_ref().take(MAX_NAMED_KEYS).collect();
            let more = if kids.next().is_some() { ", …" } else { "" };
            Outcome::Proven(format!("usable keys: {}{more}", named.join(", ")))
        }
        Err(error) => {
            let detail = format!("the key set cannot be used: {error}");
            let hint = hint(error);
            match error {
                FetchError::Connection | FetchError::Timeout | FetchError::Status(500..) => {
                    Outcome::Unanswered { detail, hint }
                }
                _ => failed(detail, hint),
            }
        }
    }
}

/// What to change where no key set came.
fn hint(error: FetchError) -> &'static str {
    match error {
        FetchError::Connection | FetchError::Timeout => {
            "start Core, or set CORE_JWKS_URL (default: DAILEY_CORE_URL or JWT_ISSUER, and /.well-known/jwks.json) \
             to where its key set is reached from here"
        }
        FetchError::Redirect => {
            "set CORE_JWKS_URL to the final address: a redirect is never followed"
        }
        FetchError::Status(500..) => {
            "look at Core's log, and at what stands between it and this machine"
        }
        FetchError::Status(_)
        | FetchError::ContentType
        | FetchError::KeySet(KeySetError::Malformed) => {
            "this is not the address of Core's key set: set CORE_JWKS_URL to Core's base address and \
             /.well-known/jwks.json (the default, with DAILEY_CORE_URL or JWT_ISSUER as the base)"
        }
        FetchError::ContentEncoding => {
            "switch compression off for this address in what stands between Core and this machine"
        }
        FetchError::KeySet(KeySetError::TooLarge | KeySetError::TooManyKeys) => {
            "retire old keys (`dailey-core keys`), or set CORE_JWKS_URL to the address of Core's own key set"
        }
        FetchError::KeySet(KeySetError::NoUsableKey) => {
            "publish an RS256 key and activate it: see `dailey-core keys`"
        }
        _ => "see `dailey-auth jwks inspect` on CORE_JWKS_URL",
    }
}

/// Whether a private key was seen in the set.
#[derive(Clone, Default)]
struct Alarms(Arc<Mutex<bool>>);

impl Alarms {
    fn private(&self) -> bool {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Alarms {
    fn key_set(&self, event: &KeySetEvent<'_>) {
        let private = matches!(
            event,
            KeySetEvent::PrivateKey { .. }
                | KeySetEvent::KeySkipped {
                    reason: SkipReason::PrivateKey,
                    ..
                }
        );
        if private {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
    }
}

/// `clock`: by the `Date` of whichever of Core's addresses says one.
pub(super) async fn clock(aim: &Aim) -> Outcome {
    let jwks = aim.jwks.clone();
    let health = aim.base.as_ref().and_then(health_url);
    if jwks.is_none() && health.is_none() {
        return see_config();
    }
    let answered = AtomicBool::new(false);
    let date = async |url: Option<Url>| {
        let answer = get(aim.environment, url?).await.ok()?;
        answered.store(true, Ordering::Relaxed);
        let said = answer.headers().get(DATE)?.to_str().ok()?;
        let said = httpdate::parse_http_date(said).ok()?;
        // RFC 9111 section 5.1: a cache in between keeps the Date and says how old it is.
        let age = answer
            .headers()
            .get(AGE)
            .map_or(Ok("0"), |age| age.to_str());
        let age = Duration::from_secs(age.ok()?.trim().parse().ok()?);
        Some((said.checked_add(age)?, SystemTime::now()))
    };
    let (health, jwks) = (date(health), date(jwks));
    tokio::pin!(health, jwks);
    let first = tokio::select! {
        Some(date) = &mut health => Some(date),
        Some(date) = &mut jwks => Some(date),
        else => None,
    };
    let Some((theirs, ours)) = first else {
        return if answered.load(Ordering::Relaxed) {
            failed(
                "Core says no time: none of its answers has a Date",
                "let a proxy in between leave Date in place",
            )
        } else {
            Outcome::Unanswered {
                detail: "none of Core's addresses answers".into(),
                hint: "see that Core is reached from here",
            }
        };
    };
    let difference = ours
        .duration_since(theirs)
        .unwrap_or_else(|error| error.duration());
    let seconds = difference.as_secs();
    if difference > MAX_CLOCK_DIFFERENCE {
        return failed(
            format!("Core's clock and ours differ by {seconds} s"),
            "set both clocks by NTP (timedatectl set-ntp true): with more than 30 s, good tokens are refused",
        );
    }
    Outcome::Proven(format!("Core's clock and ours differ by {seconds} s"))
}
