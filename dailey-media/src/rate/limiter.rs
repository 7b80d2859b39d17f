//! One rate for each of many: a bucket by key, and a bounded number of them.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Most buckets at once; a bucket that is full again is swept out. While there are as many, all share one.
const MAX_BUCKETS: usize = 50_000;

/// How often full buckets are swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// How much and how fast, and what it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Its name in headers.
    pub(crate) name: &'static str,
    /// Requests in a minute, in the long run.
    pub(crate) a_minute: NonZeroU32,
    /// Requests at once.
    pub(crate) at_once: NonZeroU32,
}

impl Rate {
    /// The time in which an empty bucket is full again, in seconds.
    pub(crate) fn window_seconds(self) -> u32 {
        (60 * self.at_once.get()).div_ceil(self.a_minute.get())
    }
}

/// What is left to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) rate: Rate,
    /// Requests that may follow at once.
    pub(crate) remaining: u32,
    /// Until the next one may, when none is left.
    pub(crate) wait: Option<Duration>,
}

type Buckets<K> = RateLimiter<
    Bucket<K>,
    HashMapStateStore<Bucket<K>>,
    MonotonicClock,
    StateInformationMiddleware,
>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bucket<K> {
    Of(K),
    /// Of all, while there is no room.
    Shared,
}

#[derive(Debug)]
pub(crate) struct Limiter<K: Clone + Hash + Eq> {
    rate: Rate,
    buckets: Buckets<K>,
    clock: MonotonicClock,
    most: usize,
    started: Instant,
    swept_at: AtomicU64,
}

impl<K: Clone + Hash + Eq> Limiter<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self::with_room(rate, MAX_BUCKETS)
    }

    fn with_room(rate: Rate, most: usize) -> Self {
        let quota = Quota::per_minute(rate.a_minute).allow_burst(rate.at_once);
        Self {
            rate,
            buckets: RateLimiter::hashmap_with_clock(quota, MonotonicClock).with_middleware(),
            clock: MonotonicClock,
            most,
            started: Instant::now(),
            swept_at: AtomicU64::new(0),
        }
    }

    /// Takes one request out of the bucket of `key`, if there is one in it.
    pub(crate) fn take(&self, key: K) -> Standing {
        let rate = self.rate;
        match self.buckets.check_key(&self.bucket(key)) {
            Ok(state) => Standing {
                rate,
                remaining: state.remaining_burst_capacity(),
                wait: None,
            },
            Err(until) => Standing {
                rate,
                remaining: 0,
                wait: Some(until.wait_time_from(self.clock.now())),
            },
        }
    }

    /// Takes so many of what the bucket of `key` holds, or nothing: whether they were taken.
    pub(crate) fn take_many(&self, key: K, count: NonZeroU32) -> bool {
        // The outer error: more than a full bucket holds.
        matches!(
            self.buckets.check_key_n(&self.bucket(key), count),
            Ok(Ok(_))
        )
    }

    fn bucket(&self, key: K) -> Bucket<K> {
        self.bucket_at(self.started.elapsed().as_secs(), key)
    }

    /// `now` is in seconds since the start.
    fn bucket_at(&self, now: u64, key: K) -> Bucket<K> {
        self.sweep(now);
        // One too many may slip in where two threads count at once: the bound is about memory.
        if self.buckets.len() < self.most {
            Bucket::Of(key)
        } else {
            Bucket::Shared
        }
    }

    /// Sweeps out full buckets once a minute, and whenever there is no room.
    fn sweep(&self, now: u64) {
        let swept_at = self.swept_at.load(Ordering::Relaxed);
        let crowded = self.buckets.len() >= self.most && now > swept_at;
        if !crowded && now < swept_at + SWEEP.as_secs() {
            return;
        }
        // One thread does it.
        let mine =
            self.swept_at
                .compare_exchange(swept_at, now, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            self.buckets.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(a_minute: u32, at_once: u32) -> Rate {
        Rate {
            name: "test",
            a_minute: NonZeroU32::new(a_minute).unwrap(),
            at_once: NonZeroU32::new(at_once).unwrap(),
        }
    }

    #[test]
    fn a_bucket_is_emptied_by_its_own_key_alone() {
        let limiter = Limiter::new(rate(60, 3));
        let left: Vec<u32> = (0..3).map(|_| limiter.take("a").remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = limiter.take("a");
        assert_eq!(refused.remaining, 0);
        let wait = refused.wait.unwrap();
        assert!(
            wait > Duration::from_millis(500) && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        assert_eq!(limiter.take("b").wait, None);
    }

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let limiter = Limiter::new(rate(1, 10));
        let take = |key, count| limiter.take_many(key, NonZeroU32::new(count).unwrap());
        assert!(take("a", 7));
        assert!(!take("a", 4));
        assert!(take("a", 3));
        assert!(!take("a", 1));
        assert!(!take("b", 11));
        assert!(take("b", 10));
    }

    #[test]
    fn the_window_is_the_time_that_fills_a_bucket() {
        for (a_minute, at_once, window) in [(600, 100, 10), (120, 30, 15), (60, 20, 20), (7, 1, 9)]
        {
            assert_eq!(rate(a_minute, at_once).window_seconds(), window);
        }
    }

    #[test]
    fn newcomers_without_room_share_one_bucket_and_nobody_is_forgotten_too_soon() {
        let limiter = Limiter::with_room(rate(1, 1), 100);
        for key in 0..100 {
            assert_eq!(limiter.take(key).wait, None, "{key}");
        }
        assert_eq!(limiter.take(1000).wait, None);
        for key in 1001..2000 {
            assert!(limiter.take(key).wait.is_some(), "{key}");
        }
        assert!(limiter.buckets.len() <= 101, "{}", limiter.buckets.len());
    }

    #[test]
    fn full_buckets_are_swept_out_so_that_others_have_room() {
        let limiter = Limiter::with_room(rate(6000, 1), 100);
        for key in 0..100 {
            assert!(limiter.buckets.check_key(&Bucket::Of(key)).is_ok());
        }
        // Full again.
        std::thread::sleep(Duration::from_millis(20));
        // At most once a second.
        assert_eq!(limiter.bucket_at(0, 1000), Bucket::Shared);
        assert_eq!(limiter.bucket_at(1, 1000), Bucket::Of(1000));
        assert_eq!(limiter.buckets.len(), 0);
    }
}
