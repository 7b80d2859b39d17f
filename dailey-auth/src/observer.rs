//! Who wants to hear of verdicts and of what happens to the key set.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
#[cfg(feature = "jwks-http")]
use std::time::Duration;

#[cfg(feature = "jwks-http")]
use crate::error::FetchError;
use crate::error::VerifyError;
#[cfg(feature = "jwks-http")]
use crate::keys::SkipReason;

/// Hears of every verdict and of what happens to the key set: for counters and alarms of one's own.
///
/// Each method does nothing unless it is written. They are called where it happens, verdicts on the
/// thread that verifies and before the caller hears of them, so they must be quick and must not
/// block. No lock is held meanwhile; a panic in one is logged and goes no further. None of them is
/// ever given a token.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// use dailey_auth::testing::SigningKey;
/// use dailey_auth::{KeySet, Observer, Verifier, VerifyError};
///
/// struct Expired(Arc<AtomicU64>);
///
/// impl Observer for Expired {
///     fn refused(&self, error: &VerifyError) {
///         if error.code() == "token_malformed" {
///             self.0.fetch_add(1, Relaxed);
///         }
///     }
/// }
///
/// let malformed = Arc::new(AtomicU64::new(0));
/// let (keys, _) = KeySet::from_json(SigningKey::generate().public_jwks().as_bytes())?;
/// let verifier = Verifier::builder("https://core.example", ["app"])
///     .key_set(keys)
///     .observer(Expired(Arc::clone(&malformed)))
///     .build()?;
/// assert!(verifier.try_verify("no token").is_err());
/// assert_eq!(malformed.load(Relaxed), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A token was accepted.
    fn accepted(&self) {}

    /// A token was refused, or nobody could say.
    fn refused(&self, error: &VerifyError) {
        let _ = error;
    }

    /// Something happened to the key set.
    #[cfg(feature = "jwks-http")]
    fn key_set(&self, event: &KeySetEvent<'_>) {
        let _ = event;
    }
}

/// What happens to a key set that is fetched.
#[cfg(feature = "jwks-http")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetEvent<'a> {
    /// A fetch brought other keys, this many in all; an event for each difference follows.
    Changed {
        /// Keys in the set.
        keys: usize,
    },
    /// A fetch brought or confirmed the keys at hand.
    Confirmed,
    /// A fetch brought nothing; the keys at hand stay.
    Failed {
        /// Why.
        error: FetchError,
        /// Failures since the last success, this one included.
        failures: u32,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A key has come.
    KeyAdded {
        /// Its id.
        kid: &'a str,
        /// Its RFC 7638 SHA-256 thumbprint.
        thumbprint: &'a str,
    },
    /// A key is gone: its tokens are refused from now on.
    KeyRemoved {
        /// Its id.
        kid: &'a str,
    },
    /// Another key has come under an id that is in use: usually a mistake in a rotation.
    KeyReplaced {
        /// The id.
        kid: &'a str,
        /// The new key's RFC 7638 SHA-256 thumbprint.
        thumbprint: &'a str,
    },
    /// Alarming: the issuer publishes a private key. It is not used; have it replaced at once.
    PrivateKey {
        /// Its id, where it has one.
        kid: Option<&'a str>,
    },
    /// A key of the set was not taken in.
    KeySkipped {
        /// Its id, where it has one.
        kid: Option<&'a str>,
        /// Why.
        reason: SkipReason,
    },
    /// A token of an unknown key waits for a fetch, or has one started.
    UnknownKidJoined,
    /// A token of an unknown key was answered without a fetch.
    UnknownKidRefused,
}

/// All observers of a verifier.
#[derive(Clone)]
pub(crate) struct Observers(Option<Arc<[Arc<dyn Observer>]>>);

impl Observers {
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self((!observers.is_empty()).then(|| observers.into()))
    }

    /// Tells each of them; nobody is the common case.
    pub(crate) fn tell(&self, tell: impl Fn(&dyn Observer)) {
        for observer in self.0.iter().flat_map(|observers| observers.iter()) {
            // What an observer leaves half done is its own.
            if catch_unwind(AssertUnwindSafe(|| tell(&**observer))).is_err() {
                tracing::error!("an observer panicked");
            }
        }
    }
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0.as_ref().map_or(0, |observers| observers.len());
        f.debug_tuple("Observers").field(&count).finish()
    }
}
