//! Tokens that were verified a moment ago, so that a token that comes with every request is verified
//! once a minute. Off unless a size was set.
//!
//! A hit gives what verifying again at that moment would: the text is the same to the last byte, the
//! key that signed it is in the set that is served now, and of what a verdict depends on only the
//! time has moved, forward and not past `exp`. So it is no way around a policy, and a removed key
//! ends its tokens with the very set that lacks it; sweeping them out is for memory's sake.

mod sync;
mod table;

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use foldhash::quality::RandomState;

use crate::clock::Clock;
use crate::error::ConfigError;
use crate::keys::{RsaKey, ServedKeys, Thumbprint};
#[cfg(feature = "jwks-http")]
use crate::observer::{KeySetEvent, Observer};
use crate::token::Claims;

use super::Verified;
use table::Table;

/// Most entries that can be asked for. An entry costs about twice its token's length, so at most
/// about 1 GiB in all, and about 128 MiB with tokens as Core makes them.
const MAX_ENTRIES: usize = 65_536;

/// Longest life of an entry: after this time every token is verified in full again.
const MAX_AGE: Duration = Duration::from_secs(60);

/// Bytes of a token that its hash is taken of: its last ones, which are its signature's. No two
/// tokens of an issuer share them, and what shares them without being one is told by its text.
const HASHED_BYTES: usize = 32;

/// The cache of one verifier: it knows one policy.
pub(crate) struct TokenCache {
    table: Table<Entry>,
    /// Seeded anew for each cache, so that nobody can choose tokens that lie in one place. Were it
    /// done all the same, it would cost them their hits: a look-up never sees more than one row.
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

struct Entry {
    token: Box<str>,
    key: Thumbprint,
    claims: Claims,
    verified_at: SystemTime,
    ends: SystemTime,
}

impl TokenCache {
    /// A cache for about `entries` tokens, a few more where rows need to be filled up.
    pub(super) fn new(entries: usize, clock: Arc<dyn Clock>) -> Result<Self, ConfigError> {
        if !(1..=MAX_ENTRIES).contains(&entries) {
            let bounds = "must be 1 to 65536 entries: leave it out for no cache";
            return Err(ConfigError::new("token_cache", bounds));
        }
        Ok(Self {
            table: Table::new(entries),
            hasher: RandomState::default(),
            clock,
        })
    }

    /// The token as it was verified before, if what was found then still holds.
    pub(super) fn get(&self, token: &str, keys: &ServedKeys) -> Option<Verified> {
        self.table.find(self.hash(token), |entry| {
            if *entry.token != *token || !entry.is_by_one_of(keys) {
                return None;
            }
            let now = self.clock.now();
            entry
                .lives(now)
                .then(|| Verified::new(entry.claims.clone(), now))
        })
    }

    /// Keeps a token that has just been verified with `key`.
    pub(super) fn keep(&self, token: &str, key: &RsaKey, verified: &Verified) {
        let (claims, verified_at) = (verified.claims(), verified.verified_at());
        // Beyond the end of all time there is nothing to remember.
        let oldest = verified_at.checked_add(MAX_AGE).unwrap_or(verified_at);
        let expiry = claims.expires_at().to_system_time().unwrap_or(oldest);
        let entry = Entry {
            token: token.into(),
            key: key.thumbprint(),
            claims: claims.clone(),
            verified_at,
            ends: expiry.min(oldest),
        };
        if entry.lives(verified_at) {
            self.table
                .insert(self.hash(token), entry, |entry| !entry.lives(verified_at));
        }
    }

    fn hash(&self, token: &str) -> u64 {
        let end = token.as_bytes();
        let end = end.last_chunk::<HASHED_BYTES>().map_or(end, |end| end);
        self.hasher.hash_one(end)
    }
}

impl Entry {
    /// Whether the verdict holds at `now`: a clock that was set back tells nothing of what was.
    fn lives(&self, now: SystemTime) -> bool {
        (self.verified_at..self.ends).contains(&now)
    }

    /// Whether the very key that signed the token is served under the id that it names.
    fn is_by_one_of(&self, keys: &ServedKeys) -> bool {
        let served = keys.key_set().find(self.claims.header().kid());
        served.is_some_and(|key| key.thumbprint() == self.key)
    }
}

/// Hears of removed keys, so that their tokens do not stay in memory.
#[cfg(feature = "jwks-http")]
impl Observer for TokenCache {
    fn key_set(&self, event: &KeySetEvent<'_>) {
        match event {
            KeySetEvent::KeyRemoved { kid } | KeySetEvent::KeyReplaced { kid, .. } => {
                self.table
                    .retain(|entry| entry.claims.header().kid() != *kid);
            }
            KeySetEvent::Changed { .. } | KeySetEvent::Confirmed | KeySetEvent::Failed { .. } => {
                let now = self.clock.now();
                self.table.retain(|entry| entry.lives(now));
            }
            _ => {}
        }
    }
}

#[cfg(feature = "jwks-http")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeySet;
    use crate::testing::{ManualClock, SigningKey, TokenBuilder};
    use crate::{FetchError, Verifier};

    const NOW: u64 = 1_800_000_000;

    /// A cache that holds a token of each of two keys, verified at `NOW`.
    fn cache(clock: &ManualClock) -> (TokenCache, [SigningKey; 2]) {
        let cache = TokenCache::new(8, Arc::new(clock.clone())).unwrap();
        let keys = [SigningKey::generate(), SigningKey::generate()];
        for key in &keys {
            let (key_set, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
            let builder = Verifier::builder("i", ["a"]).key_set(key_set.clone());
            let verifier = builder.clock(clock.clone()).build().unwrap();
            let token = TokenBuilder::new("i", "a")
                .issued_at(NOW.cast_signed())
                .expires_at(NOW.cast_signed() + 600)
                .sign(key);
            let answer = verifier.try_verify(&token).unwrap();
            let (_, rsa_key) = key_set.get(0).unwrap();
            cache.keep(&token, rsa_key, &answer);
        }
        (cache, keys)
    }

    fn held(cache: &TokenCache) -> usize {
        let count = std::cell::Cell::new(0);
        cache.table.retain(|_| {
            count.set(count.get() + 1);
            true
        });
        count.get()
    }

    #[test]
    fn tokens_of_a_key_that_went_do_not_stay_in_memory() {
        let clock = ManualClock::at(NOW);
        let (cache, [first, second]) = cache(&clock);
        assert_eq!(held(&cache), 2);
        cache.key_set(&KeySetEvent::KeyRemoved { kid: "another" });
        assert_eq!(held(&cache), 2);
        cache.key_set(&KeySetEvent::KeyRemoved { kid: first.kid() });
        assert_eq!(held(&cache), 1);
        let (kid, thumbprint) = (second.kid(), "t");
        cache.key_set(&KeySetEvent::KeyReplaced { kid, thumbprint });
        assert_eq!(held(&cache), 0);
    }

    #[test]
    fn tokens_whose_time_is_over_go_with_the_next_refresh() {
        let failed = KeySetEvent::Failed {
            error: FetchError::Internal,
            failures: 1,
            retry_in: Duration::ZERO,
        };
        let changed = KeySetEvent::Changed { keys: 1 };
        for event in [KeySetEvent::Confirmed, changed, failed] {
            let clock = ManualClock::at(NOW);
            let (cache, _) = cache(&clock);
            clock.advance(Duration::from_millis(59_999));
            cache.key_set(&event);
            assert_eq!(held(&cache), 2, "{event:?}");
            clock.advance(Duration::from_millis(1));
            cache.key_set(&KeySetEvent::UnknownKidRefused);
            assert_eq!(held(&cache), 2, "{event:?}");
            cache.key_set(&event);
            assert_eq!(held(&cache), 0, "{event:?}");
        }
    }
}
