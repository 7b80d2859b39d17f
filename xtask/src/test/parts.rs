//! The parts, in the order they run: what is quick and finds most first.

use std::process::Command;
use std::time::Duration;

use testbed::how_it_ended;

use super::counting::{self, Tally};
use super::{Bench, Result, Selection, peers};
use crate::fuzz;
use crate::process::Run;
use crate::setup;
use crate::soak;
use crate::stop::{Failure, Outcome, Stop};

/// Builds included; where a part hangs instead.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// A part of all tests.
pub(super) struct Part {
    pub(super) name: &'static str,
    /// What it does, for who waits for it.
    pub(super) what: &'static str,
    /// The smallest selection it belongs to.
    smallest: Selection,
    pub(super) run: fn(&Bench<'_>) -> Outcome<Result>,
}

impl Part {
    pub(super) fn in_unit(&self) -> bool {
        self.smallest == Selection::Unit
    }
}

/// All of them.
pub(super) const PARTS: [Part; 15] = [
    Part {
        name: "prerequisites",
        what: "looks for what must be on the machine already",
        smallest: Selection::Unit,
        run: |bench| bench.prerequisites.check().map(Result::passed),
    },
    Part {
        name: "formatting",
        what: "cargo fmt --all --check",
        smallest: Selection::Unit,
        run: |bench| {
            succeed(
                bench,
                "formatting",
                &["fmt", "--all", "--check", "--", "--color", "never"],
                "as rustfmt writes it",
            )
        },
    },
    Part {
        name: "lints",
        what: "cargo clippy --workspace --all-targets --all-features, warnings denied",
        smallest: Selection::Unit,
        run: |bench| {
            let arguments = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ];
            succeed(bench, "lints", &arguments, "no warnings")
        },
    },
    Part {
        name: "documentation",
        what: "cargo doc --workspace --no-deps, warnings denied",
        smallest: Selection::Unit,
        run: documentation,
    },
    Part {
        name: "dependency rules",
        what: "cargo deny check bans licenses sources (set up first where it is missing)",
        smallest: Selection::All,
        run: dependency_rules,
    },
    Part {
        name: "features",
        what: "dailey-auth without default features: builds, with no runtime and no HTTP client in its graph",
        smallest: Selection::Unit,
        run: features,
    },
    Part {
        name: "workspaces beside",
        what: "fuzz and benches/peers: lock files as ours want them; what measures the peers compiles",
        smallest: Selection::All,
        run: workspaces_beside,
    },
    Part {
        name: "packages",
        what: "cargo package: dailey-auth, and dailey-media with what it needs of ours",
        smallest: Selection::All,
        run: |bench| {
            let arguments = [
                "package",
                "--no-verify",
                "--allow-dirty",
                "--package=dailey-auth",
                "--package=dailey-http",
                "--package=dailey-media",
            ];
            succeed(
                bench,
                "packages",
                &arguments,
                "three packages, as they would be published",
            )
        },
    },
    Part {
        name: "tests",
        what: "unit and integration tests of every package, with real processes",
        smallest: Selection::Unit,
        run: tests,
    },
    Part {
        name: "doc tests",
        what: "cargo test --workspace --doc",
        smallest: Selection::Unit,
        run: |bench| {
            let mut command = bench.workspace.cargo();
            command.args([
                "test",
                "--workspace",
                "--doc",
                "--all-features",
                "--no-fail-fast",
            ]);
            counted(bench, "doc tests", command, counting::libtest)
        },
    },
    Part {
        name: "live tests",
        what: "tests with real parts of others: MySQL, sshd, nginx, pm2, systemd's judge, clients and verifiers in Python and Node (set up first)",
        smallest: Selection::All,
        run: live_tests,
    },
    Part {
        name: "fuzzing",
        what: "a minute of fuzzing, divided among the targets (cargo-fuzz is set up first)",
        smallest: Selection::All,
        run: |bench| {
            fuzz::smoke(bench.workspace, bench.terminal, bench.interrupt).map(Result::passed)
        },
    },
    Part {
        name: "soak",
        what: "a minute of mixed load on the whole house, with rotations, kill -9 and outages (set up first)",
        smallest: Selection::All,
        run: |bench| {
            let time = Duration::from_secs(60);
            let say = |text: &str| bench.terminal.progress(text);
            soak::soak(
                bench.workspace,
                bench.terminal,
                bench.interrupt,
                time,
                1,
                &say,
            )
            .map(Result::passed)
        },
    },
    Part {
        name: "peer PyJWT",
        what: "a token of a running Core is verified in Python through its JWKS address (set up first)",
        smallest: Selection::All,
        run: |bench| {
            bench.prerequisites.python()?;
            let peer = setup::python_peer(bench.workspace, bench.terminal, bench.interrupt)?;
            peers::verifies_a_real_token(bench, peer, "InvalidAudienceError")
        },
    },
    Part {
        name: "peer jose",
        what: "a token of a running Core is verified in Node through its JWKS address (set up first)",
        smallest: Selection::All,
        run: |bench| {
            bench.prerequisites.node()?;
            let peer = setup::node_peer(bench.workspace, bench.terminal, bench.interrupt)?;
            peers::verifies_a_real_token(bench, peer, "ERR_JWT_CLAIM_VALIDATION_FAILED")
        },
    },
];

impl Result {
    /// One thing that went well.
    pub(super) fn passed(said: impl Into<String>) -> Self {
        Self {
            tally: Tally {
                passed: 1,
                failed: 0,
            },
            said: said.into(),
            failure: None,
        }
    }
}

/// A cargo command that must succeed.
fn succeed(bench: &Bench<'_>, name: &str, arguments: &[&str], said: &str) -> Outcome<Result> {
    let mut command = bench.workspace.cargo();
    command.args(arguments);
    run_to_success(bench, name, command).map(|()| Result::passed(said))
}

fn run_to_success(bench: &Bench<'_>, name: &str, command: Command) -> Outcome<()> {
    let log = bench
        .workspace
        .testbed("logs")?
        .join(format!("{}.log", name.replace(' ', "-")));
    Run {
        name,
        command,
        log: &log,
        deadline: DEADLINE,
    }
    .must_succeed(bench.terminal, bench.interrupt)
}

fn documentation(bench: &Bench<'_>) -> Outcome<Result> {
    let mut command = bench.workspace.cargo();
    command
        .args(["doc", "--workspace", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings");
    run_to_success(bench, "documentation", command)
        .map(|()| Result::passed("no warnings, no dead links"))
}

fn dependency_rules(bench: &Bench<'_>) -> Outcome<Result> {
    let (deny, how) = setup::cargo_deny(bench.workspace, bench.terminal, bench.interrupt)?;
    let mut command = Command::new(deny);
    // Duplicates are looked at by people, not by this.
    command.args([
        "--color",
        "never",
        "--log-level",
        "error",
        "check",
        "--hide-inclusion-graph",
    ]);
    command
        .args(["bans", "licenses", "sources"])
        .current_dir(bench.workspace.root());
    run_to_success(bench, "dependency rules", command)?;
    Ok(Result::passed(format!(
        "licences, sources, one crypto stack ({how})"
    )))
}

fn features(bench: &Bench<'_>) -> Outcome<Result> {
    let bare = ["--package", "dailey-auth", "--no-default-features"];
    let mut command = bench.workspace.cargo();
    command.arg("check").args(bare);
    run_to_success(bench, "features", command)?;
    let log = bench.workspace.testbed("logs")?.join("features.log");
    let mut command = bench.workspace.cargo();
    command
        .arg("tree")
        .args(bare)
        .args(["--edges", "normal", "--prefix", "none"]);
    Run {
        name: "features",
        command,
        log: &log,
        deadline: DEADLINE,
    }
    .must_succeed(bench.terminal, bench.interrupt)?;
    let tree = std::fs::read_to_string(&log).unwrap_or_default();
    let packages: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    if !packages.contains(&"dailey-auth") {
        return Err(Stop::because("cargo tree did not show dailey-auth").with_log(&log));
    }
    for unwanted in ["tokio", "reqwest", "hyper"] {
        if packages.contains(&unwanted) {
            let reason = format!("dailey-auth without default features depends on {unwanted}");
            return Err(Stop::because(reason).with_log(&log));
        }
    }
    Ok(Result::passed(
        "dailey-auth builds bare, without tokio, reqwest, hyper",
    ))
}

/// No other part builds the peers, or holds either lock file.
fn workspaces_beside(bench: &Bench<'_>) -> Outcome<Result> {
    let manifest = |folder: &str| bench.workspace.root().join(folder).join("Cargo.toml");
    for folder in ["fuzz", "benches/peers"] {
        let mut command = bench.workspace.cargo();
        command
            .args(["update", "--workspace", "--locked", "--manifest-path"])
            .arg(manifest(folder));
        run_to_success(bench, "workspaces beside", command)?;
    }
    let mut command = bench.workspace.cargo();
    command
        .args(["check", "--quiet", "--locked", "--manifest-path"])
        .arg(manifest("benches/peers"))
        .arg("--target-dir")
        .arg(bench.workspace.testbed("bench-peers")?);
    run_to_success(bench, "workspaces beside", command)?;
    Ok(Result::passed("locked, and the peers compile"))
}

fn tests(bench: &Bench<'_>) -> Outcome<Result> {
    run_tests(bench, "tests", Which::Plain)
}

/// What is marked `#[ignore]`: it needs a real part. A part that is missing fails here, by name.
fn live_tests(bench: &Bench<'_>) -> Outcome<Result> {
    setup::real_parts()?;
    bench.prerequisites.python()?;
    bench.prerequisites.node()?;
    setup::python_peer(bench.workspace, bench.terminal, bench.interrupt)?;
    setup::node_peer(bench.workspace, bench.terminal, bench.interrupt)?;
    run_tests(bench, "live tests", Which::Ignored)
}

/// Which tests of the workspace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that need nothing.
    Plain,
    /// Those that are marked `#[ignore]`.
    Ignored,
}

fn run_tests(bench: &Bench<'_>, name: &str, which: Which) -> Outcome<Result> {
    let mut command = bench.workspace.cargo();
    command.env("DAILEY_PEERS", bench.workspace.testbed("peers")?);
    let nextest = bench
        .workspace
        .cargo()
        .args(["nextest", "--version"])
        .output();
    if nextest.is_ok_and(|output| output.status.success()) {
        command.args([
            "nextest",
            "run",
            "--workspace",
            "--all-features",
            "--no-fail-fast",
            "--hide-progress-bar",
        ]);
        if which == Which::Ignored {
            command.args(["--run-ignored", "only"]);
        }
        counted(bench, name, command, counting::nextest)
    } else {
        command.args([
            "test",
            "--workspace",
            "--all-features",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--tests",
        ]);
        if which == Which::Ignored {
            command.args(["--", "--ignored"]);
        }
        counted(bench, name, command, counting::libtest)
    }
}

/// A test runner; its tests are counted from what it wrote.
fn counted(
    bench: &Bench<'_>,
    name: &str,
    command: Command,
    count: fn(&str) -> Option<Tally>,
) -> Outcome<Result> {
    let log = bench
        .workspace
        .testbed("logs")?
        .join(format!("{}.log", name.replace(' ', "-")));
    let status = Run {
        name,
        command,
        log: &log,
        deadline: DEADLINE,
    }
    .wait(bench.terminal, bench.interrupt)?;
    let output = std::fs::read(&log).unwrap_or_default();
    let failure = |reason: String| Failure {
        reason,
        log: Some(log.clone()),
    };
    let how = how_it_ended(status);
    let Some(mut tally) = count(&String::from_utf8_lossy(&output)) else {
        return Err(Stop::because(format!("no tests could be counted ({how})")).with_log(&log));
    };
    let failure = match (status.success(), tally.failed) {
        (true, 0) => None,
        (_, failed @ 1..) => Some(failure(format!("{failed} failed ({how})"))),
        (false, 0) => {
            // Something beside the tests: a package that did not compile, a leaked process.
            tally.failed = 1;
            Some(failure(format!(
                "every counted test passed, but the run failed ({how})"
            )))
        }
    };
    Ok(Result {
        tally,
        said: tally.to_string(),
        failure,
    })
}
