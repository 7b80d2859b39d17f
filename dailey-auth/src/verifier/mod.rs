//! Token, policy and keys together: the verifier.
//!
//! The way of a token is a straight line, and everything on it up to a known key is synchronous:
//! `token::Compact` → `token::TokenHeader` → key by `kid` → signature → `token::Claims` →
//! `policy` → [`Verified`].

pub mod blocking;
mod builder;
#[cfg(feature = "cli")]
mod examine;
mod health;
mod tally;
mod token_cache;
mod verified;

pub use builder::VerifierBuilder;
#[cfg(feature = "cli")]
pub(crate) use examine::Examination;
#[cfg(feature = "jwks-http")]
pub use health::RefreshCounts;
pub use health::{Health, KeyHealth, KeysState};
pub use verified::Verified;

use std::sync::Arc;

#[cfg(feature = "jwks-http")]
use tracing::Instrument;
use tracing::Span;

use crate::clock::Clock;
#[cfg(feature = "jwks-http")]
use crate::error::{FetchError, Unavailable};
use crate::error::{Rejection, VerifyError};
#[cfg(feature = "jwks-http")]
use crate::jwks::{LiveKeys, UnknownKid};
use crate::keys::{RsaKey, ServedKeys};
#[cfg(feature = "jwks-http")]
use crate::observer::KeySetEvent;
use crate::observer::{Observer, Observers};
use crate::policy::Policy;
use crate::token::{Claims, Compact, HeaderBytes, Payload, TokenHeader};
use tally::Tally;
use token_cache::TokenCache;

/// Verifies the access tokens of one issuer for one service.
///
/// Cheap to clone, made to be shared: all clones use the same key set and the same refresher,
/// which ends with the last of them.
///
/// ```no_run
/// # async fn example(bearer: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use dailey_auth::Verifier;
///
/// let verifier = Verifier::builder(
///     "https://core.dailey.cloud",
///     ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff"],
/// )
/// .build()?;
/// let token = verifier.verify(bearer).await?;
/// println!("hello {}", token.claims().subject());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    policy: Policy,
    keys: Keys,
    clock: Arc<dyn Clock>,
    tally: Tally,
    observers: Observers,
    token_cache: Option<Arc<TokenCache>>,
}

/// Where the keys are.
enum Keys {
    Fixed(ServedKeys),
    #[cfg(feature = "jwks-http")]
    Live(LiveKeys),
}

/// A well-formed token that names its key, before anything was verified.
struct Opened<'a> {
    compact: Compact<'a>,
    header: TokenHeader<'a>,
}

impl Verifier {
    /// Starts to describe a verifier for tokens of `issuer` (the exact `iss`) to any of
    /// `audiences` (1 to 16, for Core the app's GUID). Neither can be left out.
    pub fn builder<A>(issuer: impl AsRef<str>, audiences: A) -> VerifierBuilder
    where
        A: IntoIterator,
        A::Item: AsRef<str>,
    {
        VerifierBuilder::new(issuer, audiences)
    }

    /// Verifies a token: the text after `Bearer `, nothing around it.
    ///
    /// For a known key there is no network call and no lock on the way, whatever the refresher
    /// does. An unknown key id can cause one fetch, shared by all who wait for it and rationed;
    /// the wait is at most 2 seconds. Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Rejected`] with the first reason in the order size, alphabet, segments,
    /// header, key, signature, claims; [`VerifyError::Unavailable`] when no verdict is possible.
    #[cfg_attr(not(feature = "jwks-http"), allow(clippy::unused_async))]
    pub async fn verify(&self, token: &str) -> Result<Verified, VerifyError> {
        #[cfg(not(feature = "jwks-http"))]
        return self.try_verify(token);
        #[cfg(feature = "jwks-http")]
        {
            let span = span();
            let verdict = match span.in_scope(|| self.inner.verify_now(token)) {
                Ok(verified) => Ok(verified),
                Err(Halt::Error(error)) => Err(error),
                Err(Halt::Join(flight)) => {
                    let landed = self.landed(flight).instrument(span.clone()).await;
                    span.in_scope(|| self.inner.verify_after_fetch(token, landed))
                }
            };
            self.inner.tell(&span, &verdict);
            verdict
        }
    }

    /// [`verify`](Self::verify) for callers who cannot await: `landed` waits for
    /// [`landed`](Self::landed) in its own way.
    #[cfg(feature = "jwks-http")]
    fn verify_waiting(
        &self,
        token: &str,
        landed: impl FnOnce(u64) -> bool,
    ) -> Result<Verified, VerifyError> {
        let span = span();
        let verdict = span.in_scope(|| match self.inner.verify_now(token) {
            Ok(verified) => Ok(verified),
            Err(Halt::Error(error)) => Err(error),
            Err(Halt::Join(flight)) => self.inner.verify_after_fetch(token, landed(flight)),
        });
        self.inner.tell(&span, &verdict);
        verdict
    }

    /// Waits until a fetch has ended or takes too long; whether it ended well in time.
    #[cfg(feature = "jwks-http")]
    async fn landed(&self, flight: u64) -> bool {
        match &self.inner.keys {
            // Without a refresher there is no fetch to join.
            Keys::Fixed(_) => false,
            Keys::Live(live) => live.landed(flight).await,
        }
    }

    /// Verifies a token without ever waiting.
    ///
    /// An unknown key id that is worth a fetch starts one in the background and is answered with
    /// [`Unavailable::KeysUnavailable`](crate::Unavailable::KeysUnavailable): ask again a moment
    /// later.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn try_verify(&self, token: &str) -> Result<Verified, VerifyError> {
        let span = span();
        let verdict = span.in_scope(|| self.inner.verify_now(token));
        let verdict = verdict.map_err(|halt| match halt {
            Halt::Error(error) => error,
            #[cfg(feature = "jwks-http")]
            Halt::Join(_) => Unavailable::KeysUnavailable.into(),
        });
        self.inner.tell(&span, &verdict);
        verdict
    }

    /// Waits until there is a key set, at most `patience`. Nothing requires this: a verifier
    /// without keys answers [`Unavailable::KeysUnavailable`](crate::Unavailable::KeysUnavailable)
    /// and keeps trying.
    ///
    /// # Errors
    ///
    /// `KeysUnavailable` when the time is up.
    #[cfg(feature = "jwks-http")]
    pub async fn ready(&self, patience: std::time::Duration) -> Result<(), Unavailable> {
        match &self.inner.keys {
            Keys::Fixed(_) => Ok(()),
            Keys::Live(keys) => tokio::time::timeout(patience, keys.usable())
                .await
                .map_err(|_| Unavailable::KeysUnavailable),
        }
    }

    /// Fetches the key set now, whatever its age: for an operator who knows of a rotation or a
    /// compromised key. The keys at hand stay in use when it fails.
    ///
    /// # Errors
    ///
    /// The reason, when the fetch did not bring a usable key set.
    #[cfg(feature = "jwks-http")]
    pub async fn refresh(&self) -> Result<(), FetchError> {
        match &self.inner.keys {
            Keys::Fixed(_) => Ok(()),
            Keys::Live(keys) => {
                let flight = keys.want_refresh();
                if keys.ended(flight).await {
                    return Ok(());
                }
                Err(keys.status().last_error.unwrap_or(FetchError::Internal))
            }
        }
    }

    /// What an operator asks: how old the keys are, which ones there are, what went wrong last.
    pub fn health(&self) -> Health {
        let health = match &self.inner.keys {
            Keys::Fixed(keys) => Health::fixed(keys.key_set()),
            #[cfg(feature = "jwks-http")]
            Keys::Live(keys) => {
                let now = self.inner.clock.monotonic();
                Health::live(
                    keys.load().as_deref(),
                    &keys.status(),
                    keys.is_refreshing(),
                    now,
                )
            }
        };
        health.with_counts(&self.inner.tally)
    }

    /// The issuer whose tokens are accepted.
    pub fn issuer(&self) -> &str {
        self.inner.policy.issuer()
    }

    /// Whether both are clones of one verifier.
    #[cfg(any(feature = "tower", feature = "actix"))]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

/// For `metrics`: what is counted, without keeping the verifier alive.
#[cfg(feature = "metrics")]
impl Verifier {
    pub(crate) fn observe_counts(&self) -> std::sync::Weak<Inner> {
        self.inner.tally.start_counting_accepted();
        Arc::downgrade(&self.inner)
    }

    pub(crate) fn alive(inner: &std::sync::Weak<Inner>) -> Option<Self> {
        inner.upgrade().map(|inner| Self { inner })
    }

    pub(crate) fn counts(&self) -> (Health, u64, impl Iterator<Item = (&'static str, u64)>) {
        let tally = &self.inner.tally;
        (self.health(), tally.accepted(), tally.refused())
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}

/// The span of one verification. Where nobody traces it costs one atomic load.
fn span() -> Span {
    tracing::debug_span!("verify_token", verdict = tracing::field::Empty)
}

/// Why a token is not accepted at once.
enum Halt {
    Error(VerifyError),
    /// A fetch may bring its key.
    #[cfg(feature = "jwks-http")]
    Join(u64),
}

impl<E: Into<VerifyError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Inner {
    /// Counts the verdict and tells those who observe.
    fn tell(&self, span: &Span, verdict: &Result<Verified, VerifyError>) {
        span.record(
            "verdict",
            verdict.as_ref().err().map_or("accepted", VerifyError::code),
        );
        match verdict {
            Ok(_) => {
                #[cfg(feature = "jwks-http")]
                if matches!(&self.keys, Keys::Live(live) if live.serves_stale()) {
                    self.tally.count_stale();
                }
                self.tally.count_accepted();
                self.observers.tell(Observer::accepted);
            }
            Err(error) => {
                self.tally.count_refused(*error);
                self.observers.tell(|observer| observer.refused(error));
            }
        }
    }

    fn verify_now(&self, token: &str) -> Result<Verified, Halt> {
        match &self.keys {
            Keys::Fixed(keys) => {
                self.verify_with(token, Some(keys), |_| Rejection::KidUnknown.into())
            }
            #[cfg(feature = "jwks-http")]
            Keys::Live(live) => self.verify_live(token, live),
        }
    }

    /// The verdict with these keys; `otherwise` says what stands against it where they do not hold
    /// the token's.
    fn verify_with(
        &self,
        token: &str,
        keys: Option<&ServedKeys>,
        otherwise: impl FnOnce(&Opened<'_>) -> Halt,
    ) -> Result<Verified, Halt> {
        if let (Some(cache), Some(keys)) = (&self.token_cache, keys)
            && let Some(verified) = cache.get(token, keys)
        {
            return Ok(verified);
        }
        let compact = Compact::split(token)?;
        if let Some((key, header)) = keys.and_then(|keys| keys.recognise(compact.header)) {
            return self.verify_key(token, &Opened { compact, header }, key, || {});
        }
        let mut bytes = HeaderBytes::new();
        let bytes = TokenHeader::decode(compact.header, &mut bytes)
            .map_err(|rejection| compact.refuse(rejection))?;
        let header = match TokenHeader::read(bytes, |typ| self.policy.accepts_type(typ)) {
            Ok(header) => header,
            Err(rejection) => {
                compact.check_rest()?;
                return Err(rejection.into());
            }
        };
        let opened = Opened { compact, header };
        if let Some(served) = keys.and_then(|keys| keys.find(header.kid())) {
            let remember = || served.remember(compact.header, header);
            return self.verify_key(token, &opened, served.key, remember);
        }
        compact.check_rest()?;
        Err(otherwise(&opened))
    }

    /// The verdict with this key; `authentic` hears of a good signature.
    fn verify_key(
        &self,
        token: &str,
        opened: &Opened<'_>,
        key: &RsaKey,
        authentic: impl FnOnce(),
    ) -> Result<Verified, Halt> {
        let Opened { compact, header } = opened;
        if !key.verifies(compact.signed.as_bytes(), compact.signature) {
            return Err(compact.refuse(Rejection::SignatureInvalid).into());
        }
        authentic();
        let claims = Claims::read(Payload::decode(compact.payload, *header)?, *header)?;
        let now = self.clock.now();
        self.policy.check(&claims, now)?;
        let verified = Verified::new(claims, now);
        if let Some(cache) = &self.token_cache {
            self.tally.count_token_cache_miss();
            cache.keep(token, key, &verified);
        }
        Ok(verified)
    }
}

#[cfg(feature = "jwks-http")]
impl Inner {
    fn verify_live(&self, token: &str, live: &LiveKeys) -> Result<Verified, Halt> {
        let published = live.load();
        let published = published.as_deref();
        let trusted = published.filter(|published| self.clock.monotonic() < published.until);
        self.verify_with(token, trusted.map(|trusted| &trusted.keys), |opened| {
            if published.is_some() && trusted.is_none() {
                live.wake();
                return Unavailable::KeysExpired.into();
            }
            let kid = opened.header.kid().unescaped();
            // No fetch for a token that must be refused anyway. What is wrong with it is not told:
            // nobody has verified it.
            let could_be_ours = || {
                Payload::decode(opened.compact.payload, opened.header)
                    .and_then(|payload| Claims::read(payload, opened.header))
                    .is_ok_and(|claims| self.policy.check(&claims, self.clock.now()).is_ok())
            };
            let said = match live.refuses_kid(&kid) {
                Some(refusal) => refusal,
                None if could_be_ours() => live.on_unknown_kid(&kid),
                None if published.is_some() => UnknownKid::NotInSet,
                None => UnknownKid::Unavailable,
            };
            let event = match said {
                UnknownKid::Join(_) => KeySetEvent::UnknownKidJoined,
                _ => KeySetEvent::UnknownKidRefused,
            };
            self.observers.tell(|observer| observer.key_set(&event));
            match said {
                UnknownKid::NotInSet => Rejection::KidUnknown.into(),
                UnknownKid::Unavailable => Unavailable::KeysUnavailable.into(),
                UnknownKid::Join(flight) => Halt::Join(flight),
            }
        })
    }

    /// The verdict after a fetch that `landed` in time or did not.
    fn verify_after_fetch(&self, token: &str, landed: bool) -> Result<Verified, VerifyError> {
        let Keys::Live(live) = &self.keys else {
            return Err(Unavailable::KeysUnavailable.into());
        };
        let published = live.load();
        let published = published.as_deref();
        let trusted = published.filter(|published| self.clock.monotonic() < published.until);
        let keys = trusted.map(|trusted| &trusted.keys);
        let verdict = self.verify_with(token, keys, |_| match (published, trusted) {
            (Some(_), None) => Unavailable::KeysExpired.into(),
            (Some(_), Some(_)) if landed => Rejection::KidUnknown.into(),
            _ => Unavailable::KeysUnavailable.into(),
        });
        verdict.map_err(|halt| match halt {
            Halt::Error(error) => error,
            Halt::Join(_) => Unavailable::KeysUnavailable.into(),
        })
    }
}
