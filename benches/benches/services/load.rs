//! Load by wrk, in interleaved rounds.

use std::path::PathBuf;

use benches::median;
use data_encoding::BASE64;
use testbed::parts::WrkPart;

use super::ROUNDS;
use super::transfer::printed;
use super::world::World;

/// Few enough for the default bounds of every server, many enough that none waits for its client.
const CONNECTIONS: &str = "64";

/// How long one row is measured in a round.
const SECONDS: &str = "2";

/// Something that is done so and so often a second.
pub(crate) struct Rate<'a> {
    name: &'a str,
    measure: Box<dyn Fn() -> f64 + 'a>,
}

impl<'a> Rate<'a> {
    pub(crate) fn new(name: &'a str, measure: impl Fn() -> f64 + 'a) -> Self {
        Self {
            name,
            measure: Box::new(measure),
        }
    }
}

/// Measures each once in every round, and prints them with their ratios to the first.
pub(crate) fn compare(title: &str, rates: &[Rate<'_>]) {
    let mut rounds = vec![Vec::new(); rates.len()];
    for _ in 0..ROUNDS {
        for (rate, values) in rates.iter().zip(&mut rounds) {
            values.push((rate.measure)());
        }
    }
    println!("{title}: medians of {ROUNDS} interleaved rounds");
    println!(
        "  {:<40} {:>10} {:>10} {:>17}",
        "", "median", "x first", "lowest to highest"
    );
    for (rate, values) in rates.iter().zip(&rounds) {
        let ratios = values
            .iter()
            .zip(&rounds[0])
            .map(|(own, first)| own / first);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        println!(
            "  {:<40} {:>10.1} {:>10.3} {low:>8.1} {high:>8.1}",
            rate.name,
            median(values.clone()),
            median(ratios.collect()),
        );
    }
}

/// wrk, and what it must know.
pub(crate) struct Load<'a> {
    world: &'a World,
    wrk: WrkPart,
    post: PathBuf,
}

impl<'a> Load<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let post = world.folder().join("post.lua");
        let script = "wrk.method = \"POST\"\nwrk.body = \"grant_type=client_credentials\"\n\
                      wrk.headers[\"Content-Type\"] = \"application/x-www-form-urlencoded\"\n";
        std::fs::write(&post, script).expect("a writable folder");
        Self {
            world,
            wrk: WrkPart::set_up().expect("wrk"),
            post,
        }
    }

    /// GET of an address.
    pub(crate) fn get(&'a self, name: &'a str, url: &str) -> Rate<'a> {
        self.rate(name, vec![url.to_owned()])
    }

    /// GET with the token of the world.
    pub(crate) fn with_token(&'a self, name: &'a str, url: &str) -> Rate<'a> {
        let header = format!("Authorization: Bearer {}", self.world.token());
        self.rate(name, vec!["-H".into(), header, url.to_owned()])
    }

    /// An app asks for a token for itself.
    pub(crate) fn client_credentials(&'a self, name: &'a str, url: &str) -> Rate<'a> {
        let (app_id, secret) = self.world.client();
        let basic = BASE64.encode(format!("{app_id}:{secret}").as_bytes());
        let header = format!("Authorization: Basic {basic}");
        let script = self.post.display().to_string();
        let arguments = vec!["-s".into(), script, "-H".into(), header, url.to_owned()];
        self.rate(name, arguments)
    }

    fn rate(&'a self, name: &'a str, arguments: Vec<String>) -> Rate<'a> {
        Rate::new(name, move || {
            let mut wrk = self.wrk.wrk();
            wrk.args(["-t", "1", "-c", CONNECTIONS, "-d", SECONDS]);
            rate_in(&printed(wrk.args(&arguments)))
        })
    }
}

/// The rate that wrk printed. An answer that was refused costs less than a real one: there must be none.
fn rate_in(text: &str) -> f64 {
    let refused = ["Non-2xx", "Socket errors"].map(|words| text.contains(words));
    assert_eq!(refused, [false; 2], "{text}");
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.expect("a rate").trim().parse().expect("a number")
}
