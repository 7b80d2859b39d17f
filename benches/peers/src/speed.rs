//! Speed: every row of every speaker once in each round, so that a machine that drifts moves all alike.

use serde::Serialize;

use crate::speaker::Speaker;

/// How long a row is timed in one round.
const MILLISECONDS: u64 = 60;

/// One row's figures.
#[derive(Serialize)]
pub struct Speed {
    pub name: String,
    /// Median of the rounds.
    pub nanoseconds: f64,
    /// Largest over smallest round.
    pub spread: f64,
    /// Median of the rounds' ratios to the bare operation in Rust.
    pub to_bare: f64,
    /// The same to the bare operation of its own crypto library.
    pub to_own_bare: f64,
}

pub fn measure(speakers: &mut [Speaker], rounds: usize, progress: impl Fn(&str)) -> Vec<Speed> {
    let names: Vec<Vec<String>> = speakers.iter_mut().map(Speaker::rows).collect();
    let mut times: Vec<Vec<Vec<f64>>> = names
        .iter()
        .map(|names| vec![Vec::new(); names.len()])
        .collect();
    for round in 0..=rounds {
        progress(&format!("round {round} of {rounds}"));
        for (speaker, times) in speakers.iter_mut().zip(&mut times) {
            for (row, times) in times.iter_mut().enumerate() {
                let time = speaker.time(row, MILLISECONDS);
                // The first round warms up: compilers at run time, caches, tables.
                if round > 0 {
                    times.push(time);
                }
            }
        }
    }
    let bare = times[0][0].clone();
    let mut speeds = Vec::new();
    for (names, times) in names.into_iter().zip(times) {
        let own = times[0].clone();
        for (name, times) in names.into_iter().zip(times) {
            let largest = times.iter().copied().fold(0.0, f64::max);
            let smallest = times.iter().copied().fold(f64::INFINITY, f64::min);
            speeds.push(Speed {
                name,
                to_bare: ratio(&times, &bare),
                to_own_bare: ratio(&times, &own),
                spread: largest / smallest,
                nanoseconds: benches::median(times),
            });
        }
    }
    speeds
}

fn ratio(times: &[f64], to: &[f64]) -> f64 {
    benches::median(times.iter().zip(to).map(|(time, to)| time / to).collect())
}
