//! Counts of verdicts. Threads count apart, so that they never wait for each other's cache lines.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::error::{Rejection, Unavailable, VerifyError};

/// Sets of counters. More threads than this share them, and still count right.
const SHARDS: usize = 8;

/// Every code of a verdict that is no acceptance, in the order of [`slot`].
const CODES: [&str; 24] = [
    "token_missing",
    "token_too_large",
    "token_malformed",
    "token_encrypted",
    "json_invalid",
    "json_duplicate_member",
    "json_too_deep",
    "algorithm_not_allowed",
    "type_not_allowed",
    "header_not_allowed",
    "kid_missing",
    "kid_invalid",
    "kid_unknown",
    "signature_invalid",
    "claim_missing",
    "claim_invalid",
    "issuer_mismatch",
    "audience_mismatch",
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "lifetime_too_long",
    "keys_unavailable",
    "keys_expired",
];

const ACCEPTED: usize = CODES.len();
const STALE: usize = ACCEPTED + 1;
const TOKEN_CACHE_MISS: usize = STALE + 1;
const SLOTS: usize = TOKEN_CACHE_MISS + 1;

/// Two cache lines apart: processors fetch them in pairs.
#[repr(align(128))]
struct Shard([AtomicU64; SLOTS]);

pub(crate) struct Tally {
    shards: Box<[Shard]>,
    /// Set once, by who reads the count: accepting is the hot path.
    counts_accepted: AtomicBool,
}

impl Default for Tally {
    fn default() -> Self {
        let shard = || Shard(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            counts_accepted: AtomicBool::new(false),
        }
    }
}

impl Tally {
    pub(super) fn count_refused(&self, error: VerifyError) {
        self.count(slot(error));
    }

    pub(super) fn count_accepted(&self) {
        if self.counts_accepted.load(Relaxed) {
            self.count(ACCEPTED);
        }
    }

    #[cfg(feature = "jwks-http")]
    pub(super) fn count_stale(&self) {
        self.count(STALE);
    }

    pub(super) fn count_token_cache_miss(&self) {
        self.count(TOKEN_CACHE_MISS);
    }

    /// Accepted tokens are counted from now on.
    #[cfg(feature = "metrics")]
    pub(crate) fn start_counting_accepted(&self) {
        self.counts_accepted.store(true, Relaxed);
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn accepted(&self) -> u64 {
        self.sum(ACCEPTED)
    }

    pub(crate) fn stale(&self) -> u64 {
        self.sum(STALE)
    }

    pub(crate) fn token_cache_misses(&self) -> u64 {
        self.sum(TOKEN_CACHE_MISS)
    }

    /// Each code and how often it was the answer.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CODES
            .iter()
            .enumerate()
            .map(|(slot, code)| (*code, self.sum(slot)))
    }

    fn count(&self, slot: usize) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: usize = THREADS.fetch_add(1, Relaxed) % SHARDS;
        }
        // A thread that is being torn down has no number any more.
        let shard = SHARD.try_with(|shard| *shard).unwrap_or_default();
        if let Some(count) = self.shards.get(shard).and_then(|shard| shard.0.get(slot)) {
            count.fetch_add(1, Relaxed);
        }
    }

    fn sum(&self, slot: usize) -> u64 {
        let counts = self.shards.iter().filter_map(|shard| shard.0.get(slot));
        counts.map(|count| count.load(Relaxed)).sum()
    }
}

fn slot(error: VerifyError) -> usize {
    match error {
        VerifyError::Rejected(rejection) => match rejection {
            Rejection::TokenMissing => 0,
            Rejection::TokenTooLarge => 1,
            Rejection::TokenMalformed => 2,
            Rejection::TokenEncrypted => 3,
            Rejection::JsonInvalid => 4,
            Rejection::JsonDuplicateMember => 5,
            Rejection::JsonTooDeep => 6,
            Rejection::AlgorithmNotAllowed => 7,
            Rejection::TypeNotAllowed => 8,
            Rejection::HeaderNotAllowed => 9,
            Rejection::KidMissing => 10,
            Rejection::KidInvalid => 11,
            Rejection::KidUnknown => 12,
            Rejection::SignatureInvalid => 13,
            Rejection::ClaimMissing(_) => 14,
            Rejection::ClaimInvalid(_) => 15,
            Rejection::IssuerMismatch => 16,
            Rejection::AudienceMismatch => 17,
            Rejection::Expired => 18,
            Rejection::NotYetValid => 19,
            Rejection::IssuedInFuture => 20,
            Rejection::LifetimeTooLong => 21,
        },
        VerifyError::Unavailable(Unavailable::KeysUnavailable) => 22,
        VerifyError::Unavailable(Unavailable::KeysExpired) => 23,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ClaimName;

    #[test]
    fn each_verdict_is_counted_under_its_own_code() {
        use Rejection::{
            AlgorithmNotAllowed, AudienceMismatch, ClaimInvalid, ClaimMissing, Expired,
            HeaderNotAllowed, IssuedInFuture, IssuerMismatch, JsonDuplicateMember, JsonInvalid,
            JsonTooDeep, KidInvalid, KidMissing, KidUnknown, LifetimeTooLong, NotYetValid,
            SignatureInvalid, TokenEncrypted, TokenMalformed, TokenMissing, TokenTooLarge,
            TypeNotAllowed,
        };
        let rejections = [
            TokenMissing,
            TokenTooLarge,
            TokenMalformed,
            TokenEncrypted,
            JsonInvalid,
            JsonDuplicateMember,
            JsonTooDeep,
            AlgorithmNotAllowed,
            TypeNotAllowed,
            HeaderNotAllowed,
            KidMissing,
            KidInvalid,
            KidUnknown,
            SignatureInvalid,
            ClaimMissing(ClaimName::Aud),
            ClaimInvalid(ClaimName::Exp),
            IssuerMismatch,
            AudienceMismatch,
            Expired,
            NotYetValid,
            IssuedInFuture,
            LifetimeTooLong,
        ];
        let unavailable = [Unavailable::KeysUnavailable, Unavailable::KeysExpired];
        let errors: Vec<VerifyError> = rejections
            .into_iter()
            .map(VerifyError::from)
            .chain(unavailable.map(VerifyError::from))
            .collect();
        assert_eq!(errors.len(), CODES.len());
        for error in errors {
            assert_eq!(CODES.get(slot(error)), Some(&error.code()));
        }
    }

    #[test]
    fn threads_count_apart_and_the_sum_is_right() {
        let tally = Tally::default();
        let error = VerifyError::from(Rejection::Expired);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1000).for_each(|_| tally.count_refused(error)));
            }
        });
        let expired = tally.refused().find(|(code, _)| *code == "expired");
        assert_eq!(expired, Some(("expired", 2 * SHARDS as u64 * 1000)));
        assert_eq!(tally.refused().map(|(_, count)| count).sum::<u64>(), 16_000);
    }
}
