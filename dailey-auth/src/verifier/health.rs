//! What an operator asks about a verifier's keys.

use std::time::Duration;

#[cfg(feature = "jwks-http")]
use crate::error::FetchError;
#[cfg(feature = "jwks-http")]
use crate::jwks::{Moment, Published, Status};
use crate::keys::KeySet;

use super::tally::Tally;

/// The state of a verifier's key set at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Whether tokens can be verified.
    pub state: KeysState,
    /// The keys in use.
    pub keys: Vec<KeyHealth>,
    /// Since the last success; `None` without one, or for a fixed key set.
    pub age: Option<Duration>,
    /// Whether the key set is kept fresh. `false` for a fixed one, and when the runtime on which
    /// the verifier was built has ended.
    #[cfg(feature = "jwks-http")]
    pub refreshing: bool,
    /// Until the next routine refresh or retry.
    #[cfg(feature = "jwks-http")]
    pub next_refresh_in: Option<Duration>,
    /// Failed fetches since the last success.
    #[cfg(feature = "jwks-http")]
    pub failures: u32,
    /// Why the last fetch failed, when it did.
    #[cfg(feature = "jwks-http")]
    pub last_error: Option<FetchError>,
    /// Fetches that unknown key ids may still cause at this moment.
    #[cfg(feature = "jwks-http")]
    pub unknown_kid_budget: u32,
    /// How the fetches ended so far.
    #[cfg(feature = "jwks-http")]
    pub refreshes: RefreshCounts,
    /// Tokens accepted with keys that nobody had confirmed when they should have been: they came
    /// from the disk, or the last fetch failed.
    pub stale_served: u64,
    /// Accepted tokens that were verified in full although a
    /// [`token_cache`](crate::VerifierBuilder::token_cache) was asked for. The other accepted ones
    /// were hits.
    pub token_cache_misses: u64,
    /// Verifications that did not end with a token accepted, by code
    /// ([`VerifyError::code`](crate::VerifyError::code)); only codes that occurred.
    pub refused: Vec<(&'static str, u64)>,
}

/// How a verifier's fetches ended since it was built.
#[cfg(feature = "jwks-http")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RefreshCounts {
    /// With a key set that differs from the one before.
    pub changed: u64,
    /// With the same keys as before.
    pub confirmed: u64,
    /// Without a usable key set; the keys at hand stayed.
    pub failed: u64,
}

/// Whether tokens can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysState {
    /// The key set is a fixed one.
    Fixed,
    /// The last fetch brought or confirmed the keys in use.
    Fresh,
    /// The last fetch failed, or the keys came from the disk; they are older, but still trusted.
    Stale,
    /// The keys are older than the hard trust age: a token that is not malformed is answered with a 503.
    Expired,
    /// There has been no key set yet: a token that is not malformed is answered with a 503.
    Missing,
}

/// A key in use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyHealth {
    /// The key's id.
    pub kid: String,
    /// Its RFC 7638 SHA-256 thumbprint, base64url.
    pub thumbprint: String,
}

impl Health {
    /// Whether tokens can be verified at all.
    pub fn usable(&self) -> bool {
        !matches!(self.state, KeysState::Expired | KeysState::Missing)
    }

    pub(crate) fn fixed(keys: &KeySet) -> Self {
        Self {
            state: KeysState::Fixed,
            keys: describe(keys),
            age: None,
            #[cfg(feature = "jwks-http")]
            refreshing: false,
            #[cfg(feature = "jwks-http")]
            next_refresh_in: None,
            #[cfg(feature = "jwks-http")]
            failures: 0,
            #[cfg(feature = "jwks-http")]
            last_error: None,
            #[cfg(feature = "jwks-http")]
            unknown_kid_budget: 0,
            #[cfg(feature = "jwks-http")]
            refreshes: RefreshCounts::default(),
            stale_served: 0,
            token_cache_misses: 0,
            refused: Vec::new(),
        }
    }

    #[cfg(feature = "jwks-http")]
    pub(crate) fn live(
        published: Option<&Published>,
        status: &Status,
        refreshing: bool,
        now: Moment,
    ) -> Self {
        let state = match published {
            None => KeysState::Missing,
            Some(published) if now >= published.until => KeysState::Expired,
            Some(_) if status.fresh => KeysState::Fresh,
            Some(_) => KeysState::Stale,
        };
        Self {
            state,
            keys: published
                .map(|published| describe(published.keys.key_set()))
                .unwrap_or_default(),
            age: status.age,
            refreshing,
            next_refresh_in: Some(status.next_refresh.saturating_sub(now)),
            failures: status.failures,
            last_error: status.last_error,
            unknown_kid_budget: status.budget_left,
            refreshes: RefreshCounts {
                changed: status.counts.changed,
                confirmed: status.counts.confirmed,
                failed: status.counts.failed,
            },
            stale_served: 0,
            token_cache_misses: 0,
            refused: Vec::new(),
        }
    }

    /// With what was counted along the way.
    pub(crate) fn with_counts(mut self, tally: &Tally) -> Self {
        self.stale_served = tally.stale();
        self.token_cache_misses = tally.token_cache_misses();
        self.refused = tally.refused().filter(|(_, count)| *count > 0).collect();
        self
    }
}

fn describe(keys: &KeySet) -> Vec<KeyHealth> {
    keys.kids()
        .map(|kid| KeyHealth {
            kid: kid.to_owned(),
            thumbprint: keys.thumbprint(kid).unwrap_or_default(),
        })
        .collect()
}
