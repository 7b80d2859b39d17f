//! The password is in no argument list and no environment but the checker's own, and in nothing it says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::bed::{Bed, MODES, run};
use crate::seeding;

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn the_password_is_in_no_argument_list_and_no_environment_but_the_checkers_own() {
    let bed = Bed::start();
    let password = bed.pair.primary.passwords().replmon.clone();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut found = BTreeSet::new();
            let mut programs = BTreeSet::new();
            while !done.load(Ordering::SeqCst) {
                look(&password, &mut found, &mut programs);
            }
            (found, programs)
        });
        for _ in 0..5 {
            for mode in MODES {
                let mut command = bed.checker(mode);
                let text = if mode == "ssh" {
                    command.args(["--format", "text"]);
                    let output = command.output().unwrap();
                    assert_eq!(output.status.code(), Some(0));
                    String::from_utf8(output.stdout).unwrap()
                } else {
                    run(command).report.to_string()
                };
                assert!(!text.contains(&password));
            }
        }
        done.store(true, Ordering::SeqCst);
        let (found, programs) = watcher.join().unwrap();
        // It did look at the programs in question.
        for program in ["ssh", "core-replica-he"] {
            assert!(programs.contains(program), "{programs:?}");
        }
        let own: BTreeSet<String> = BTreeSet::from(["core-replica-he: environ".to_owned()]);
        assert_eq!(found, own);
    });
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn passwords_of_seeding_are_in_no_argument_list_and_no_environment_but_its_own() {
    let mut bed = seeding::bed();
    for method in ["dump", "clone"] {
        let replicator = bed.pair.primary.passwords().replicator.clone();
        let (source, target) = (&bed.pair.primary, &bed.pair.replica);
        let more = ["--method", method, "--discard-errant", "--json"];
        let mut seeding = seeding::seed(&bed, source, target, &seeding::uuid(target), &more);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut found = BTreeSet::new();
                let mut programs = BTreeSet::new();
                while !done.load(Ordering::SeqCst) {
                    look(seeding::PASSWORD, &mut found, &mut programs);
                    look(&replicator, &mut found, &mut programs);
                }
                (found, programs)
            });
            let output = match method {
                "dump" => seeding.output().unwrap(),
                _ => seeding::through_the_restart(seeding, &mut bed.pair.replica),
            };
            done.store(true, Ordering::SeqCst);
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{method}: {text}");
            assert!(!text.contains(seeding::PASSWORD));
            let (found, programs) = watcher.join().unwrap();
            // The programs' own names are hidden behind the loader that runs them.
            assert!(
                programs.iter().any(|name| name.starts_with("ld-linux")),
                "{programs:?}"
            );
            let own: BTreeSet<String> = BTreeSet::from(["core-replica-se: environ".to_owned()]);
            assert_eq!(found, own, "{method}");
        });
    }
}

/// One look at every process there is.
fn look(password: &str, found: &mut BTreeSet<String>, programs: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some((name, holders)) = look_at(&entry.path(), password) else {
            continue;
        };
        found.extend(holders.iter().map(|part| format!("{name}: {part}")));
        programs.insert(name);
    }
}

/// The process's program, and which parts of it hold the password. `None` for what is no process, or none any more.
fn look_at(process: &Path, password: &str) -> Option<(String, Vec<&'static str>)> {
    let program = || fs::read_to_string(process.join("comm")).ok();
    loop {
        let name = program()?;
        let holds = |part: &&str| {
            let bytes = fs::read(process.join(part)).unwrap_or_default();
            let mut windows = bytes.windows(password.len());
            windows.any(|window| window == password.as_bytes())
        };
        let holders = ["cmdline", "environ"].into_iter().filter(holds).collect();
        // A process that became another program in between would be taken for the one that it was.
        if program()? == name {
            return Some((name.trim().to_owned(), holders));
        }
    }
}
