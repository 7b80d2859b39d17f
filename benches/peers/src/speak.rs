//! Speaks for the verifiers of Rust in the protocol of `speaker.rs`.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::House;
use crate::live::Live;
use crate::rust::{Named, with_aws_lc, with_rust_crypto};

/// Answers until standard input ends.
pub fn speak(backend: &str, house: &Path) {
    let house = House::read(house);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = Arc::new(runtime.expect("a runtime"));
    let rows = match backend {
        "rust_crypto" => with_rust_crypto(&house),
        _ => with_aws_lc(&house, &runtime),
    };
    let mut live = None;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("text")).expect("a command");
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let number = |name: &str| request[name].as_u64().unwrap_or_default();
        let answer = match text("command") {
            "rows" => json!(rows.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
            "time" => {
                let row = usize::try_from(number("row")).expect("a row");
                json!(time(&rows[row], &house.token, number("milliseconds")))
            }
            "judge" => judge(&rows[1..], &tokens(text("file"))),
            "live" => {
                let started = Live::start(&runtime, text("url"), text("issuer"), text("audience"));
                let names = json!(started.names());
                live = Some(started);
                names
            }
            "verify" => {
                let at_once = request["at_once"] == true;
                let live: &Live = live.as_ref().expect("live first");
                json!(live.verify(text("name"), tokens(text("file")), at_once))
            }
            "shift" => {
                if let Some(live) = &live {
                    live.shift(Duration::from_secs(number("seconds")));
                }
                Value::Null
            }
            _ => Value::Null,
        };
        writeln!(std::io::stdout(), "{answer}").expect("a reader");
    }
}

fn tokens(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("a file of tokens");
    serde_json::from_str(&text).expect("texts")
}

fn time((name, run): &Named, token: &str, milliseconds: u64) -> f64 {
    assert!(run(token), "{name} accepts a good token");
    let (started, mut runs) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_millis(milliseconds) {
        for _ in 0..16 {
            black_box(run(black_box(token)));
        }
        runs += 16;
    }
    started.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
}

fn judge(rows: &[Named], tokens: &[String]) -> Value {
    // A panic is a verdict here, and is counted.
    std::panic::set_hook(Box::new(|_| {}));
    let verdict =
        |run: &dyn Fn(&str) -> bool, token: &str| match catch_unwind(AssertUnwindSafe(|| {
            run(token)
        })) {
            Ok(true) => 'A',
            Ok(false) => 'r',
            Err(_) => 'P',
        };
    let verdicts = |(name, run): &Named| {
        let letters: String = tokens.iter().map(|token| verdict(run, token)).collect();
        ((*name).to_owned(), json!(letters))
    };
    let all = Value::Object(rows.iter().map(verdicts).collect());
    let _ = std::panic::take_hook();
    all
}
