//! Whether a verification of a known key is ever delayed by a refresh: the slowest ones of a verifier
//! whose keys are fetched every second, from an issuer that takes its time, beside those of one whose
//! keys are fetched once. Both take turns. Run with `cargo bench -p benches --bench refresh`.

#![allow(clippy::print_stdout)] // a report

use std::time::{Duration, Instant};

use benches::{APP, median};
use dailey_auth::Verifier;
use dailey_auth::testing::{Fault, Issuer, SigningKey, TokenBuilder};

const ROUNDS: usize = 15;
/// As long as the refresh interval, so that each turn has a refresh in it.
const TURN: Duration = Duration::from_secs(1);
const QUANTILES: [(&str, f64); 4] = [
    ("p50", 0.5),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let key = SigningKey::generate();
    let issuer = Issuer::start(&[&key]).await.expect("loopback");
    issuer.without_etags();
    issuer.set_fault(Fault::SlowHead(Duration::from_millis(1)));
    let build = |interval| {
        let builder = Verifier::builder(issuer.url(), [APP]).allow_loopback_http();
        builder
            .refresh_interval(interval)
            .build()
            .expect("right settings")
    };
    let still = build(Duration::from_secs(3600));
    let busy = build(TURN);
    let mut verifiers = [
        ("keys fetched once", still),
        ("keys fetched every second", busy),
    ];
    let token = TokenBuilder::new(&issuer.url(), APP).sign(&key);
    for (_, verifier) in &verifiers {
        verifier.ready(Duration::from_secs(5)).await.expect("keys");
    }
    let mut seen = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        for ((_, verifier), seen) in verifiers.iter_mut().zip(&mut seen) {
            seen.push(tokio::task::block_in_place(|| turn(verifier, &token)));
        }
    }
    println!("microseconds, medians of {ROUNDS} turns of {TURN:?}");
    print!("{:<28}", "");
    for (name, _) in QUANTILES {
        print!("{name:>10}");
    }
    println!("{:>10}{:>10}", "max", "fetches");
    for ((name, verifier), seen) in verifiers.iter().zip(seen) {
        print!("{name:<28}");
        for place in 0..=QUANTILES.len() {
            print!(
                "{:>10.1}",
                median(seen.iter().map(|turn| turn[place]).collect())
            );
        }
        let counts = verifier.health().refreshes;
        println!("{:>10}", counts.changed + counts.confirmed);
    }
}

/// The quantiles and the maximum of one turn, in microseconds.
fn turn(verifier: &Verifier, token: &str) -> [f64; QUANTILES.len() + 1] {
    let (began, mut times) = (Instant::now(), Vec::with_capacity(100_000));
    while began.elapsed() < TURN {
        let started = Instant::now();
        verifier.try_verify(token).expect("a right token");
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let last = times.len() - 1;
    // From 0 to the last place, so neither a digit nor the sign is lost.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let at = |quantile: f64| times[(last as f64 * quantile) as usize];
    let [a, b, c, d] = QUANTILES.map(|(_, quantile)| at(quantile));
    [a, b, c, d, times[last]]
}
