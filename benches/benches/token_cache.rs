//! What a remembered token costs, beside what the same tokens cost in a general cache (moka, keyed by
//! the token's text, its value shared). Run with `cargo bench -p benches --bench token_cache`.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use benches::{bare_verification, compare, row, token, two_threads, verifier};
use dailey_auth::testing::SigningKey;
use dailey_auth::{Verified, Verifier};

const TOKENS: usize = 1000;

fn main() {
    let key = SigningKey::generate();
    let tokens: Vec<String> = (0..TOKENS).map(|number| token(number, &key)).collect();
    let plain = verifier(&key).build().expect("a right policy");
    let one_a_row = |count: usize| verifier(&key).token_cache(count).build();
    let caching = one_a_row(4 * TOKENS).expect("a right policy");
    // Every token displaces another: what a cache costs that never helps.
    let tiny = one_a_row(1).expect("a right policy");
    let moka = Moka::new(&plain, &tokens);
    for token in &tokens {
        caching.try_verify(token).expect("a right token");
    }
    let hot = &*tokens[0];
    let (turn, moka_turn, tiny_turn) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let next = |turn: &Cell<usize>| {
        turn.set((turn.get() + 1) % TOKENS);
        &*tokens[turn.get()]
    };
    let verify = |verifier: &Verifier, token: &str| {
        black_box(
            verifier
                .try_verify(black_box(token))
                .expect("a right token"),
        );
    };

    compare(vec![
        row("bare RSA-2048 verify", bare_verification(&key, hot)),
        row("no cache", || verify(&plain, hot)),
        row("hit, one token", || verify(&caching, hot)),
        row("hit, 1000 tokens", || verify(&caching, next(&turn))),
        row("moka's hit, one token", || moka.get(hot)),
        row("moka's hit, 1000 tokens", || moka.get(next(&moka_turn))),
        row("never a hit", || verify(&tiny, next(&tiny_turn))),
    ]);

    // Each thread goes its own way through the tokens.
    let turns = [0, TOKENS / 2].map(|start| Turn(AtomicUsize::new(start)));
    let next = |Turn(turn): &Turn| {
        let number = turn.load(Relaxed);
        turn.store((number + 1) % TOKENS, Relaxed);
        &*tokens[number]
    };
    let one = || verify(&caching, hot);
    two_threads("hits of one token", [&one, &one]);
    let first = || verify(&caching, next(&turns[0]));
    let second = || verify(&caching, next(&turns[1]));
    two_threads("hits of 1000 tokens", [&first, &second]);
    let one = || moka.get(hot);
    two_threads("moka's hits of one token", [&one, &one]);
    let (first, second) = (|| moka.get(next(&turns[0])), || moka.get(next(&turns[1])));
    two_threads("moka's hits of 1000 tokens", [&first, &second]);
}

/// Where a thread is; no two in one cache line.
#[repr(align(128))]
struct Turn(AtomicUsize);

/// What the same would cost in a cache that is made for anything.
struct Moka(moka::sync::Cache<Box<str>, Arc<Verified>, foldhash::quality::RandomState>);

impl Moka {
    fn new(verifier: &Verifier, tokens: &[String]) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(4 * TOKENS as u64)
            .time_to_live(std::time::Duration::from_secs(60))
            .build_with_hasher(foldhash::quality::RandomState::default());
        for token in tokens {
            let answer = verifier.try_verify(token).expect("a right token");
            cache.insert(token.as_str().into(), Arc::new(answer));
        }
        Self(cache)
    }

    fn get(&self, token: &str) {
        black_box(self.0.get(black_box(token)));
    }
}
