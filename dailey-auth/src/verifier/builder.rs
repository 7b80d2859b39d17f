//! Describing a verifier: everything is checked in `build`, before anything starts.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
#[cfg(feature = "jwks-http")]
use crate::jwks::{self, DEFAULT_TRUST_FOR, HttpSettings, MAX_REFRESH_INTERVAL, MAX_TRUST_FOR};
use crate::keys::{KeySet, ServedKeys};
use crate::observer::{Observer, Observers};
use crate::policy::{DEFAULT_LEEWAY, DEFAULT_MAX_LIFETIME, Policy};

use super::tally::Tally;
use super::token_cache::TokenCache;
use super::{Inner, Keys, Verifier, blocking};

/// Describes a [`Verifier`], or a [`blocking::Verifier`]. Everything but issuer and audiences has a
/// strict default.
#[must_use = "call build() to get a verifier"]
pub struct VerifierBuilder<V = Verifier> {
    settings: Settings,
    builds: PhantomData<fn() -> V>,
}

/// Everything that can be said of a verifier.
struct Settings {
    issuer: String,
    audiences: Vec<String>,
    accepted_types: Option<Vec<String>>,
    leeway: Duration,
    max_lifetime: Duration,
    key_set: Option<KeySet>,
    clock: Arc<dyn Clock>,
    observers: Vec<Arc<dyn Observer>>,
    token_cache: Option<usize>,
    #[cfg(feature = "jwks-http")]
    live: Live,
}

/// What concerns a key set that is fetched.
#[cfg(feature = "jwks-http")]
struct Live {
    /// The first of these settings that was given, if one was.
    given: Option<&'static str>,
    place: Option<Place>,
    loopback_http: jwks::LoopbackHttp,
    refresh_interval: Option<Duration>,
    trust_for: Duration,
    snapshot_path: Option<std::path::PathBuf>,
    http: HttpSettings,
}

#[cfg(feature = "jwks-http")]
enum Place {
    Address(String),
    File(std::path::PathBuf),
}

impl<V> VerifierBuilder<V> {
    pub(crate) fn new<A>(issuer: impl AsRef<str>, audiences: A) -> Self
    where
        A: IntoIterator,
        A::Item: AsRef<str>,
    {
        let settings = Settings {
            issuer: issuer.as_ref().to_owned(),
            audiences: audiences
                .into_iter()
                .map(|one| one.as_ref().to_owned())
                .collect(),
            accepted_types: None,
            leeway: DEFAULT_LEEWAY,
            max_lifetime: DEFAULT_MAX_LIFETIME,
            key_set: None,
            clock: Arc::new(SystemClock::new()),
            observers: Vec::new(),
            token_cache: None,
            #[cfg(feature = "jwks-http")]
            live: Live {
                given: None,
                place: None,
                loopback_http: jwks::LoopbackHttp::Refused,
                refresh_interval: None,
                trust_for: DEFAULT_TRUST_FOR,
                snapshot_path: None,
                http: HttpSettings::default(),
            },
        };
        Self {
            settings,
            builds: PhantomData,
        }
    }

    /// Verifies with a fixed key set: no network, no refresh, no runtime needed.
    pub fn key_set(mut self, keys: KeySet) -> Self {
        self.settings.key_set = Some(keys);
        self
    }

    /// The accepted values of `typ`, as media types with or without `application/`, compared
    /// without case. Default: `at+jwt` alone (RFC 9068 section 2.1), so that no other kind of
    /// token of the same issuer passes for an access token (RFC 8725 section 3.12).
    pub fn accepted_types<T>(mut self, types: T) -> Self
    where
        T: IntoIterator,
        T::Item: AsRef<str>,
    {
        self.settings.accepted_types = Some(
            types
                .into_iter()
                .map(|one| one.as_ref().to_owned())
                .collect(),
        );
        self
    }

    /// How far clocks may differ, alike for `exp`, `nbf` and `iat`: 0 to 300 seconds, default 30.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.leeway = leeway;
        self
    }

    /// The longest accepted `exp - iat`: 1 second to 366 days, default 24 hours. It bounds the
    /// harm of a leaked token, whatever the issuer does.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.settings.max_lifetime = max_lifetime;
        self
    }

    /// The clock, for tests. Default: the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Tells `observer` of every verdict and of what happens to the key set. May be called more
    /// than once: each of them is told. Default: nobody, which costs nothing.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.settings.observers.push(Arc::new(observer));
        self
    }

    /// Remembers about `entries` verified tokens (1 to 65536), so that one that comes again is not
    /// verified again for up to 60 seconds, and never past its `exp`. Default: none are remembered.
    ///
    /// The answer is the same as without, only sooner: a token counts by its whole text, and only
    /// while the key that signed it is in the key set. Worth it above some 10 000 verifications a
    /// second and core. Its price: the texts of these tokens lie in memory, about twice their length
    /// an entry, until they are displaced or the key set is next refreshed after their end.
    pub fn token_cache(mut self, entries: usize) -> Self {
        self.settings.token_cache = Some(entries);
        self
    }

    /// Describes a [`blocking::Verifier`] with these settings instead.
    pub fn blocking(self) -> VerifierBuilder<blocking::Verifier> {
        VerifierBuilder {
            settings: self.settings,
            builds: PhantomData,
        }
    }

    /// Whether the keys are fetched, so that something must keep them fresh.
    #[cfg(feature = "jwks-http")]
    pub(super) fn is_live(&self) -> bool {
        self.settings.key_set.is_none()
    }

    pub(super) fn into_verifier(self) -> Result<Verifier, ConfigError> {
        self.settings.into_verifier()
    }
}

impl VerifierBuilder {
    /// Checks everything and makes the verifier. No network call is made or waited for.
    ///
    /// With a key set that is fetched, the refresher starts on the current tokio runtime, which
    /// must have its drivers on (`enable_all`) and go on running: when it has ended,
    /// [`Health::refreshing`](crate::Health::refreshing) says so.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the setting to change.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        self.into_verifier()
    }
}

impl Settings {
    fn into_verifier(self) -> Result<Verifier, ConfigError> {
        let policy = Policy::new(
            &self.issuer,
            &self.audiences,
            self.accepted_types.as_deref(),
            self.leeway,
            self.max_lifetime,
        )?;
        let token_cache = self
            .token_cache
            .map(|entries| TokenCache::new(entries, Arc::clone(&self.clock)).map(Arc::new))
            .transpose()?;
        let observers = Observers::new(self.observers.clone());
        #[cfg(feature = "jwks-http")]
        let of_key_sets = {
            let cache = token_cache.iter().cloned();
            let cache = cache.map(|cache| -> Arc<dyn Observer> { cache });
            Observers::new(cache.chain(self.observers).collect())
        };
        #[cfg(feature = "jwks-http")]
        let keys = match self.key_set {
            Some(keys) => match self.live.given {
                None => Keys::Fixed(ServedKeys::new(Arc::new(keys))),
                Some(setting) => {
                    return Err(ConfigError::new(
                        setting,
                        "has no meaning beside a fixed key set: leave out one of the two",
                    ));
                }
            },
            None => Keys::Live(self.live.start(&self.issuer, &self.clock, &of_key_sets)?),
        };
        #[cfg(not(feature = "jwks-http"))]
        let keys = {
            let keys = self.key_set.ok_or_else(|| {
                ConfigError::new("key_set", "give one, or build with the feature `jwks-http`")
            })?;
            Keys::Fixed(ServedKeys::new(Arc::new(keys)))
        };
        Ok(Verifier {
            inner: Arc::new(Inner {
                policy,
                keys,
                clock: self.clock,
                tally: Tally::default(),
                observers,
                token_cache,
            }),
        })
    }
}

/// Settings of a key set that is fetched.
#[cfg(feature = "jwks-http")]
impl<V> VerifierBuilder<V> {
    /// The https address of the key set. Default: `{issuer}/.well-known/jwks.json`.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.settings.live.given.get_or_insert("jwks_url");
        self.settings.live.place = Some(Place::Address(url.into()));
        self
    }

    /// A file that holds the key set, read again at every refresh. Something else keeps it fresh.
    pub fn jwks_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.settings.live.given.get_or_insert("jwks_file");
        self.settings.live.place = Some(Place::File(path.into()));
        self
    }

    /// A fixed refresh interval of 1 second to 1 hour. Default: what the issuer's `Cache-Control`
    /// says, bounded to 60 seconds … 1 hour; 5 minutes without.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.settings.live.given.get_or_insert("refresh_interval");
        self.settings.live.refresh_interval = Some(interval);
        self
    }

    /// The hard trust age: how long keys are believed while the issuer cannot be reached.
    /// 60 seconds to 7 days, default 24 hours. Then nothing is accepted any more.
    pub fn trust_for(mut self, trust_for: Duration) -> Self {
        self.settings.live.given.get_or_insert("trust_for");
        self.settings.live.trust_for = trust_for;
        self
    }

    /// Where to keep the key set on disk, so that a start succeeds while the issuer is away
    /// (within the hard trust age). Written with mode 0600, bound to issuer and address; a damaged
    /// or foreign file is ignored with a warning. Default: nowhere.
    pub fn snapshot_path(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.settings.live.given.get_or_insert("snapshot_path");
        self.settings.live.snapshot_path = Some(path.into());
        self
    }

    /// Trust only this certificate authority (PEM, one or more) for the fetch, instead of the
    /// platform's.
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings
            .live
            .given
            .get_or_insert("root_certificate_pem");
        self.settings.live.http.root_certificate_pem = Some(pem.into());
        self
    }

    /// Allow plain http to a literal loopback address (`http://127.0.0.1:4000/…`): for
    /// development and tests, where nobody can listen in.
    pub fn allow_loopback_http(mut self) -> Self {
        self.settings
            .live
            .given
            .get_or_insert("allow_loopback_http");
        self.settings.live.loopback_http = jwks::LoopbackHttp::Allowed;
        self
    }

    /// Take in only keys with these RFC 7638 SHA-256 thumbprints (base64url): for whoever wants
    /// to approve each key. A rotation then needs a new setting first.
    pub fn pin_thumbprints<T>(mut self, thumbprints: T) -> Self
    where
        T: IntoIterator,
        T::Item: AsRef<str>,
    {
        self.settings.live.given.get_or_insert("pin_thumbprints");
        self.settings.live.http.pinned_thumbprints = Some(
            thumbprints
                .into_iter()
                .map(|one| one.as_ref().to_owned())
                .collect(),
        );
        self
    }
}

#[cfg(feature = "jwks-http")]
impl Live {
    fn start(
        self,
        issuer: &str,
        clock: &Arc<dyn Clock>,
        observers: &Observers,
    ) -> Result<jwks::LiveKeys, ConfigError> {
        if let Some(interval) = self.refresh_interval
            && !(Duration::from_secs(1)..=MAX_REFRESH_INTERVAL).contains(&interval)
        {
            return Err(ConfigError::new(
                "refresh_interval",
                "give 1 second to 1 hour",
            ));
        }
        if !(Duration::from_secs(60)..=MAX_TRUST_FOR).contains(&self.trust_for) {
            return Err(ConfigError::new("trust_for", "give 60 seconds to 7 days"));
        }
        if let Some(pinned) = &self.http.pinned_thumbprints
            && (pinned.is_empty() || !pinned.iter().all(|pin| is_thumbprint(pin)))
        {
            return Err(ConfigError::new(
                "pin_thumbprints",
                "give at least one RFC 7638 SHA-256 thumbprint: 43 characters of base64url",
            ));
        }
        let source = match self.place {
            Some(Place::Address(url)) => jwks::Source::address(&url, self.loopback_http)?,
            Some(Place::File(path)) => jwks::Source::file(&path),
            None => {
                let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
                let url = format!("{issuer}/.well-known/jwks.json");
                jwks::Source::address(&url, self.loopback_http)?
            }
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(ConfigError::new(
                "build",
                "call it inside a tokio runtime, where the key set can be refreshed",
            ));
        }
        let snapshot = self.snapshot_path.map(|path| {
            jwks::SnapshotFile::new(path, issuer, source.identity(), Arc::clone(clock))
        });
        let fetcher = jwks::Fetcher::new(source, self.http, observers.clone())?;
        let rules = jwks::Rules {
            refresh_interval: self.refresh_interval,
            trust_for: self.trust_for,
        };
        let cache = jwks::Cache::new(clock.monotonic(), rules, Box::new(random_share));
        Ok(jwks::start(cache, fetcher, snapshot, Arc::clone(clock)))
    }
}

/// 32 bytes as canonical base64url.
#[cfg(feature = "jwks-http")]
fn is_thumbprint(text: &str) -> bool {
    crate::text::base64url::decode::<32>(text).is_some_and(|bytes| bytes.len() == 32)
}

/// A random number from 0 to 1, from the crypto library's generator: it is at hand, and a
/// refresh is rare.
#[cfg(feature = "jwks-http")]
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness the middle is as good as any: only the spread is lost.
    aws_lc_rs::rand::fill(&mut bytes).map_or(0.5, |()| {
        f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
    })
}
