//! The verifier for programs without a runtime of their own.
//!
//! ```no_run
//! use dailey_auth::blocking::Verifier;
//!
//! # fn example(bearer: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::builder(
//!     "https://core.dailey.cloud",
//!     ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff"],
//! )
//! .build()?;
//! let token = verifier.verify(bearer)?;
//! println!("hello {}", token.claims().subject());
//! # Ok(())
//! # }
//! ```
//!
//! A key set that is fetched is kept fresh by one thread in the background, which ends with the last
//! clone of the verifier. Everything may also be called inside somebody's runtime: it blocks the
//! thread that calls, and never panics.

#[cfg(feature = "jwks-http")]
use std::sync::Arc;
#[cfg(feature = "jwks-http")]
use std::time::Duration;

use crate::environment::VerifierSettings;
use crate::error::{ConfigError, VerifyError};
#[cfg(feature = "jwks-http")]
use crate::error::{FetchError, Unavailable};

use super::builder::VerifierBuilder;
use super::{Health, Verified};

/// [`crate::Verifier`] with waiting in place of `await`. Cheap to clone, made to be shared.
#[derive(Clone)]
pub struct Verifier {
    verifier: super::Verifier,
    /// `None` for a fixed key set, which needs nobody to keep it fresh.
    #[cfg(feature = "jwks-http")]
    background: Option<Arc<Background>>,
}

impl Verifier {
    /// Starts to describe a verifier: see [`crate::Verifier::builder`].
    pub fn builder<A>(issuer: impl AsRef<str>, audiences: A) -> VerifierBuilder<Self>
    where
        A: IntoIterator,
        A::Item: AsRef<str>,
    {
        VerifierBuilder::new(issuer, audiences)
    }

    /// A verifier as the environment describes it: see [`VerifierSettings`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the environment key to change.
    pub fn from_env() -> Result<Self, ConfigError> {
        VerifierSettings::from_env()?.builder().blocking().build()
    }

    /// Verifies a token: see [`crate::Verifier::verify`]. Waits at most 2 seconds, and only for a key
    /// id that is not known yet.
    ///
    /// # Errors
    ///
    /// As [`crate::Verifier::verify`].
    pub fn verify(&self, token: &str) -> Result<Verified, VerifyError> {
        #[cfg(feature = "jwks-http")]
        if let Some(background) = &self.background {
            return self.verifier.verify_waiting(token, |flight| {
                let verifier = self.verifier.clone();
                background
                    .wait(async move { verifier.landed(flight).await })
                    .unwrap_or(false)
            });
        }
        self.verifier.try_verify(token)
    }

    /// Verifies a token without ever waiting: see [`crate::Verifier::try_verify`].
    ///
    /// # Errors
    ///
    /// As [`crate::Verifier::try_verify`].
    pub fn try_verify(&self, token: &str) -> Result<Verified, VerifyError> {
        self.verifier.try_verify(token)
    }

    /// Waits until there is a key set, at most `patience`: see [`crate::Verifier::ready`].
    ///
    /// # Errors
    ///
    /// `KeysUnavailable` when the time is up.
    #[cfg(feature = "jwks-http")]
    pub fn ready(&self, patience: Duration) -> Result<(), Unavailable> {
        let Some(background) = &self.background else {
            return Ok(());
        };
        let verifier = self.verifier.clone();
        background
            .wait(async move { verifier.ready(patience).await })
            .unwrap_or(Err(Unavailable::KeysUnavailable))
    }

    /// Fetches the key set now and waits for it: see [`crate::Verifier::refresh`].
    ///
    /// # Errors
    ///
    /// The reason, when the fetch did not bring a usable key set.
    #[cfg(feature = "jwks-http")]
    pub fn refresh(&self) -> Result<(), FetchError> {
        let Some(background) = &self.background else {
            return Ok(());
        };
        let verifier = self.verifier.clone();
        background
            .wait(async move { verifier.refresh().await })
            .unwrap_or(Err(FetchError::Internal))
    }

    /// What an operator asks: see [`crate::Verifier::health`].
    pub fn health(&self) -> Health {
        self.verifier.health()
    }

    /// The issuer whose tokens are accepted.
    pub fn issuer(&self) -> &str {
        self.verifier.issuer()
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.verifier.fmt(f)
    }
}

impl VerifierBuilder<Verifier> {
    /// Checks everything and makes the verifier. No network call is made or waited for.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] naming the setting to change, `build` when no thread can be started.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        #[cfg(feature = "jwks-http")]
        {
            if !self.is_live() {
                return Ok(Verifier {
                    verifier: self.into_verifier()?,
                    background: None,
                });
            }
            let background = Background::start()?;
            let verifier = {
                // The refresher starts on the runtime that is current.
                let _inside = background.handle.enter();
                self.into_verifier()?
            };
            Ok(Verifier {
                verifier,
                background: Some(Arc::new(background)),
            })
        }
        #[cfg(not(feature = "jwks-http"))]
        Ok(Verifier {
            verifier: self.into_verifier()?,
        })
    }
}

/// A thread with a runtime that lasts until this is dropped.
#[cfg(feature = "jwks-http")]
struct Background {
    handle: tokio::runtime::Handle,
    /// The thread waits for this to be dropped.
    _alive: tokio::sync::oneshot::Sender<()>,
}

#[cfg(feature = "jwks-http")]
impl Background {
    fn start() -> Result<Self, ConfigError> {
        let failed = |_| {
            ConfigError::new(
                "build",
                "the thread that refreshes the keys cannot be started",
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("dailey-auth".to_owned())
            .spawn(move || {
                // The only message is that the sender is gone.
                drop(runtime.block_on(ended));
                // A hanging disk does not hold up the end.
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Ok(Self {
            handle,
            _alive: alive,
        })
    }

    /// The future's result. It runs on the thread in the background, so that the caller's own
    /// runtime, if it has one, does not matter.
    fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Whoever asked waits for the answer below.
            sender.send(future.await).ok();
        });
        receiver.recv().ok()
    }
}
