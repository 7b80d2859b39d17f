//! Every token of the corpus gets the command's verdict, too, and `explain` names the check at
//! which it fails.

use std::process::Command;

use serde_json::Value;

use crate::loader::{self, ACCEPTED, Policy, Row};
use crate::program::{Ended, program, run};

/// Processes at once.
const WORKERS: usize = 4;

fn command(name: &str, policy: &Policy) -> Command {
    let jwks = loader::folder().join("jwks.json");
    let mut command = program(&[name, "--json", "--issuer", &policy.issuer]);
    command
        .arg("--jwks")
        .arg(jwks)
        .args(["--at", &policy.now.to_string()]);
    for audience in &policy.audiences {
        command.args(["--audience", audience]);
    }
    command
}

/// What the command says of a row. The newline behind it is the one that is taken off, so that the
/// row's own, if it ends in one, stays.
fn said(name: &str, policy: &Policy, row: &Row) -> Ended {
    run(
        &mut command(name, policy),
        &[row.bytes().as_slice(), b"\n"].concat(),
    )
}

/// `accepted`, or the code and the claim, as the corpus writes them.
fn verdict(ended: &Ended) -> String {
    // Claims come as they were written, and a number among them may be too large for this reader.
    if ended.out.starts_with("{\"valid\":true,\"claims\":") {
        assert_eq!(ended.code, 0, "{ended:?}");
        return ACCEPTED.to_owned();
    }
    let json = ended.json();
    assert_eq!(
        (ended.code, &json["valid"]),
        (1, &Value::Bool(false)),
        "{ended:?}"
    );
    loader::outcome(json["code"].as_str().unwrap(), json["claim"].as_str())
}

/// The checks of `explain`: those before the failed one are passed, those behind it not reached.
fn assert_one_failure_at_most(row: &Row, ended: &Ended) {
    let json = ended.json();
    let checks = json["checks"].as_array().unwrap();
    let statuses: Vec<&str> = checks
        .iter()
        .map(|check| check["status"].as_str().unwrap())
        .collect();
    let passed = statuses
        .iter()
        .take_while(|status| **status == "passed")
        .count();
    let behind = statuses.get(passed + 1..).unwrap_or_default();
    assert!(
        behind.iter().all(|status| *status == "not_reached"),
        "{}",
        row.name
    );
    let expected = if row.verdict == ACCEPTED {
        None
    } else {
        Some("failed")
    };
    assert_eq!(
        statuses.get(passed).copied(),
        expected,
        "{}: {statuses:?}",
        row.name
    );
}

#[test]
fn the_command_gives_every_token_its_verdict_and_explains_it() {
    let (rows, policy) = (loader::rows(), loader::policy());
    let share = rows.len().div_ceil(WORKERS);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = rows
            .chunks(share)
            .map(|rows| {
                let policy = &policy;
                scope.spawn(move || {
                    let mut wrong = Vec::new();
                    for row in rows {
                        let explained = said("explain", policy, row);
                        assert_one_failure_at_most(row, &explained);
                        for ended in [said("verify", policy, row), explained] {
                            let verdict = verdict(&ended);
                            if verdict != row.expected() {
                                wrong.push(format!("{}: {verdict}", row.name));
                            }
                        }
                    }
                    wrong
                })
            })
            .collect();
        let found = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap());
        found.collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}
