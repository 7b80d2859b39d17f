//! Other verifiers beside ours: speed in interleaved rounds, verdicts on the hostile corpus, and what each
//! does to its issuer. `cargo xtask bench` builds it, and runs it with its parts set up.
//!
//! ```text
//! peers measure SECTION NODE_FOLDER PYTHON ROUNDS
//! peers speak aws_lc_rs|rust_crypto HOUSE      one side of the protocol in `speaker.rs`
//! ```

mod behaviour;
mod clock;
mod house;
mod live;
mod report;
mod rust;
mod speak;
mod speaker;
mod speed;
mod verdicts;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use dailey_auth::testing::SigningKey;

use crate::clock::Clock;
use crate::house::{Corpus, House};
use crate::report::Report;
use crate::speaker::Speaker;
use crate::verdicts::Verdicts;

/// What the names of our own rows begin with.
const OURS: &str = "dailey-auth";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["speak", backend, house] => speak::speak(backend, house.as_ref()),
        ["measure", section, node, python, rounds] if rounds.parse::<usize>().is_ok() => {
            let parts = Parts {
                node: node.into(),
                python: python.into(),
            };
            return measure(section.as_ref(), &parts, rounds.parse().unwrap_or(1));
        }
        _ => {
            eprintln!("usage: peers measure SECTION NODE_FOLDER PYTHON ROUNDS");
            return ExitCode::from(64);
        }
    }
    ExitCode::SUCCESS
}

/// What other languages need.
struct Parts {
    /// Where `speak.mjs` and its packages are.
    node: PathBuf,
    python: PathBuf,
}

impl Parts {
    /// Every speaker, for this house; with the turned clock, if there is one.
    fn speakers(&self, house: &House, folder: &Path, clock: Option<&Clock>) -> Vec<Speaker> {
        let file = folder.join("house.json");
        let text = serde_json::to_string(house).expect("plain data");
        std::fs::write(&file, text).expect("a file for the house");
        let rust = |backend: &str| {
            let mut command = Command::new(std::env::current_exe().expect("this program"));
            command.args(["speak", backend]);
            command
        };
        let mut node = Command::new("node");
        node.arg(self.node.join("speak.mjs"));
        let mut python = Command::new(&self.python);
        python
            .arg("-I")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("speak.py"));
        [
            ("Rust on aws-lc-rs", rust("aws_lc_rs")),
            ("Rust on rust_crypto", rust("rust_crypto")),
            ("Node", node),
            ("Python", python),
        ]
        .into_iter()
        .map(|(name, mut command)| {
            command.arg(&file);
            if let Some(clock) = clock {
                clock.preload(&mut command);
            }
            Speaker::start(name, command)
        })
        .collect()
    }
}

fn measure(section: &Path, parts: &Parts, rounds: usize) -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let say = |what: &str| eprintln!("{what}");

    say("speed");
    let key = SigningKey::generate();
    let one_key = House::of_one_key(&key);
    let mut speakers = parts.speakers(&one_key, folder, None);
    let speed = speed::measure(&mut speakers, rounds, say);
    drop(speakers);

    say("the hostile corpus");
    let corpus = Corpus::read();
    let mut clock = Clock::build(folder);
    clock.stand_still_at(corpus.now);
    let mut speakers = parts.speakers(&corpus.house, folder, Some(&clock));
    let verdicts = verdicts::judge(&mut speakers, &corpus, folder);
    drop(speakers);

    say("key sets");
    clock.set_ahead(0);
    let mut speakers = parts.speakers(&one_key, folder, Some(&clock));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let behaviour = runtime.expect("a runtime").block_on(async {
        let mut all = Vec::new();
        // The second process of Rust has the same live verifiers as the first.
        for (at, speaker) in speakers.iter_mut().enumerate() {
            if at != 1 {
                all.extend(behaviour::observe(speaker, &mut clock, folder).await);
            }
        }
        all
    });

    let report = Report {
        machine: machine(),
        rounds,
        speed,
        verdicts,
        behaviour,
    };
    // The corpus is ours: another verdict than its own is a fault of ours, or of this measurement.
    let ours = report
        .verdicts
        .iter()
        .filter(|row| row.name.starts_with(OURS));
    let wrong: Vec<usize> = ours.map(Verdicts::wrong).collect();
    if wrong.is_empty() || wrong.iter().any(|wrong| *wrong > 0) {
        println!("{}", report.text());
        eprintln!(
            "{OURS} does not judge the corpus as the corpus says: the tables above are not to be trusted"
        );
        return ExitCode::FAILURE;
    }
    println!("{}", report.write(section));
    ExitCode::SUCCESS
}

/// What figures depend on.
fn machine() -> Vec<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut lines = vec![format!(
        "{}, {threads} threads",
        model.map_or("unknown processor", |(_, model)| model)
    )];
    for (program, argument) in [
        ("rustc", "--version"),
        ("node", "--version"),
        ("python3", "--version"),
    ] {
        let said = Command::new(program).arg(argument).output();
        let said = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
        lines.push(format!("{program}: {}", said.unwrap_or_default()));
    }
    lines
}
