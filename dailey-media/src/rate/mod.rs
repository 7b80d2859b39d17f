//! Who may ask how often: each subject in its app, and each address that has no good token. Buckets
//! are this process's own: behind several replicas the rates multiply by their number. These are the defaults
//! of `[limits]`.
//!
//! | policy | who | a minute | at once |
//! | --- | --- | --- | --- |
//! | `read` | a subject, reading and listing | 600 | 100 |
//! | `write` | a subject, changing | 120 | 30 |
//! | `append` | a subject, sending more bytes of an upload | 1200 | 240 |
//! | `stranger` | an address, by requests without a good token or link | 60 | 20 |
//! | `link` | an address, by good links | 600 | 100 |
//! | `validate` | an address, at `/api/auth/validate` | 30 | 30 |

mod limiter;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use dailey_http::Problem;
use dailey_http::client::ClientAddress;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::access::Scope;
use crate::key::Space;
use crate::metrics::MediaMetrics;
use crate::settings::Limits;
use limiter::{Limiter, Rate, Standing};

/// draft-ietf-httpapi-ratelimit-headers-11.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

fn rate(name: &'static str, a_minute: u32, at_once: u32) -> Rate {
    let count = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Rate {
        name,
        a_minute: count(a_minute),
        at_once: count(at_once),
    }
}

/// Of answers that are kept: so much at once,
const KEPT_KIB_AT_ONCE: u32 = 16 * 1024;
/// and in a minute for each change that a subject may make in it: more than small ones need.
const KEPT_KIB_PER_WRITE: u32 = 3;

const READS: &str = "read";
const WRITES: &str = "write";
const APPENDS: &str = "append";
const STRANGERS: &str = "stranger";
const LINKS: &str = "link";
/// Told to nobody.
const KEPT: &str = "kept";
const VALIDATIONS: &str = "validate";

/// Every name that a refusal tells.
pub(crate) const POLICIES: [&str; 6] = [READS, WRITES, APPENDS, STRANGERS, LINKS, VALIDATIONS];

/// Whether requests are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// They are.
    On,
    /// They are not: for tests, in development.
    Off,
}

/// All buckets.
#[derive(Clone, Debug)]
pub(crate) struct RateLimits(Option<Arc<Limiters>>);

#[derive(Debug)]
struct Limiters {
    reads: Limiter<Space>,
    writes: Limiter<Space>,
    appends: Limiter<Space>,
    strangers: Limiter<IpAddr>,
    links: Limiter<IpAddr>,
    validations: Limiter<IpAddr>,
    kept: Limiter<Space>,
}

/// What is known of the request at hand beside its headers.
struct Current {
    address: Option<IpAddr>,
    standing: RefCell<Option<Standing>>,
    /// It was counted before this part of the work began.
    counted: bool,
}

tokio::task_local! {
    static CURRENT: Current;
}

/// Around every route: remembers whose request it is, tells in the answer what is left, and counts who
/// was refused.
pub(crate) async fn around(
    State(metrics): State<MediaMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let address = request.extensions().get::<ClientAddress>();
    let current = Current {
        address: address.map(|ClientAddress(address)| network(*address)),
        standing: RefCell::new(None),
        counted: false,
    };
    let answer = async {
        let mut response = next.run(request).await;
        let standing = CURRENT.with(|current| current.standing.take());
        if let Some(standing) = standing {
            tell(standing, response.headers_mut());
        }
        let refused = standing.filter(|standing| standing.wait.is_some());
        metrics.answered(&response, refused.map(|standing| standing.rate.name));
        response
    };
    CURRENT.scope(current, answer).await
}

/// The rest of a request that was counted: in a task of its own, and not counted again.
pub(crate) fn counted<F: Future>(rest: F) -> impl Future<Output = F::Output> {
    let current = Current {
        address: address(),
        standing: RefCell::new(None),
        counted: true,
    };
    CURRENT.scope(current, rest)
}

impl RateLimits {
    pub(crate) fn new(limit: RateLimit, rates: &Limits) -> Self {
        let validations = rates.validations_per_minute;
        Self((limit == RateLimit::On).then(|| {
            Arc::new(Limiters {
                reads: Limiter::new(rate(READS, rates.reads_per_minute, rates.reads_at_once)),
                writes: Limiter::new(rate(WRITES, rates.writes_per_minute, rates.writes_at_once)),
                appends: Limiter::new(rate(
                    APPENDS,
                    rates.appends_per_minute,
                    rates.appends_at_once,
                )),
                strangers: Limiter::new(rate(
                    STRANGERS,
                    rates.strangers_per_minute,
                    rates.strangers_at_once,
                )),
                links: Limiter::new(rate(LINKS, rates.links_per_minute, rates.links_at_once)),
                validations: Limiter::new(rate(VALIDATIONS, validations, validations)),
                kept: Limiter::new(rate(
                    KEPT,
                    rates.writes_per_minute.saturating_mul(KEPT_KIB_PER_WRITE),
                    KEPT_KIB_AT_ONCE,
                )),
            })
        }))
    }

    /// A request whose token opens `space`.
    pub(crate) fn subject(&self, space: &Space, scope: Scope) -> Result<(), Problem> {
        self.limited(|limiters| {
            let limiter = match scope {
                Scope::Read | Scope::Progress => &limiters.reads,
                Scope::Write => &limiters.writes,
                Scope::Append => &limiters.appends,
            };
            Some(limiter.take(space.clone()))
        })
    }

    /// A request without a good token.
    pub(crate) fn stranger(&self) -> Result<(), Problem> {
        self.limited(|limiters| Some(limiters.strangers.take(address()?)))
    }

    /// A request by a good link, in place of a token.
    pub(crate) fn link(&self) -> Result<(), Problem> {
        self.limited(|limiters| Some(limiters.links.take(address()?)))
    }

    /// A request to have a token validated.
    pub(crate) fn validation(&self) -> Result<(), Problem> {
        self.limited(|limiters| Some(limiters.validations.take(address()?)))
    }

    /// Whether an answer of so many bytes may be kept for a subject. Nobody is refused by it, and no header
    /// tells of it.
    pub(crate) fn keep(&self, space: &Space, bytes: usize) -> bool {
        let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        let kibibytes = NonZeroU32::MIN.saturating_add(kibibytes);
        let limiters = self.0.as_deref();
        limiters.is_none_or(|limiters| limiters.kept.take_many(space.clone(), kibibytes))
    }

    fn limited(&self, take: impl FnOnce(&Limiters) -> Option<Standing>) -> Result<(), Problem> {
        if CURRENT
            .try_with(|current| current.counted)
            .unwrap_or_default()
        {
            return Ok(());
        }
        let Some(standing) = self.0.as_deref().and_then(take) else {
            return Ok(());
        };
        // Outside of the layer, as in a test of a handler alone, nobody is told.
        let _ = CURRENT.try_with(|current| current.standing.replace(Some(standing)));
        match standing.wait {
            None => Ok(()),
            Some(_) => Err(too_many(standing)),
        }
    }
}

fn address() -> Option<IpAddr> {
    CURRENT.try_with(|current| current.address).ok().flatten()
}

/// Whoever has one IPv6 address has its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

fn wait_seconds(standing: Standing) -> u64 {
    // Rounded up, so that who waits as long is not too early.
    let wait = standing.wait.unwrap_or_default();
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn too_many(standing: Standing) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "too many requests: wait as long as Retry-After says",
    )
    .with("policy", standing.rate.name)
    .header(header::RETRY_AFTER, wait_seconds(standing).into())
}

fn tell(standing: Standing, headers: &mut HeaderMap) {
    let Standing {
        rate, remaining, ..
    } = standing;
    let (name, window) = (rate.name, rate.window_seconds());
    let wait = standing.wait.map(|_| wait_seconds(standing));
    // Until the next request may come, or until all of them may again.
    let reset = wait.unwrap_or_else(|| {
        let missing = rate.at_once.get().saturating_sub(remaining);
        u64::from((60 * missing).div_ceil(rate.a_minute.get()))
    });
    let policy = format!("\"{name}\";q={};w={window}", rate.at_once);
    let limit = format!("\"{name}\";r={remaining};t={reset}");
    for (header, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(header, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_network_share_a_bucket() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
