//! A healthy pair stays green, however often it is looked at and whatever is written meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::bed::{Bed, run};

/// Runs, one after the other.
const RUNS: usize = 200;

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_healthy_pair_under_load_is_green_for_two_hundred_runs() {
    let bed = Bed::start();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut rows = 0_u32;
            while !done.load(Ordering::SeqCst) {
                let mut statements = String::new();
                for _ in 0..50 {
                    rows += 1;
                    statements.push_str("REPLACE INTO core.t VALUES (");
                    statements.push_str(&rows.to_string());
                    statements.push_str(", 1);\n");
                }
                bed.primary(&statements);
            }
            rows
        });
        let mut wrong = Vec::new();
        for number in 0..RUNS {
            let mode = if number % 4 == 0 { "ssh" } else { "direct" };
            let mut command = bed.checker(mode);
            command
                .arg("--state-file")
                .arg(bed.home.path().join(format!("state-{mode}")));
            let run = run(command);
            if run.code != 0 {
                wrong.push(format!("run {number} {mode}: {:#}", run.report));
            }
        }
        done.store(true, Ordering::SeqCst);
        println!("{} rows written during {RUNS} runs", load.join().unwrap());
        assert!(
            wrong.is_empty(),
            "{} of {RUNS}\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    });
}
