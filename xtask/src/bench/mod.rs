//! `cargo xtask bench`: ours against the bare operation (`benches/`), and ours beside the peers
//! (`benches/peers`), all with one command.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::process::Run;
use crate::services::{CORE, MEDIA};
use crate::setup;
use crate::stop::{Interrupt, Outcome, Stop};
use crate::terminal::Terminal;
use crate::workspace::{Workspace, without_cargo_run};

/// Builds from nothing included; where it hangs instead.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Interleaved rounds with the peers: about 1.5 seconds each.
const ROUNDS: &str = "25";

/// The peers, by the name that is given to the command.
const PEERS: &str = "peers";

/// Those of `benches/benches`.
const OURS: [&str; 4] = ["verify", "token_cache", "refresh", SERVICES];

/// The one that starts the services themselves.
const SERVICES: &str = "services";

/// Runs one, or all.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    only: Option<&str>,
) -> ExitCode {
    let bench = Bench {
        workspace,
        terminal,
        interrupt,
    };
    match bench.run(only) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(terminal),
    }
}

struct Bench<'a> {
    workspace: &'a Workspace,
    terminal: &'a Terminal,
    interrupt: &'a Interrupt,
}

impl Bench<'_> {
    fn run(&self, only: Option<&str>) -> Outcome<()> {
        let all = || OURS.into_iter().chain([PEERS]);
        if let Some(only) = only
            && !all().any(|name| name == only)
        {
            let names = all().collect::<Vec<_>>().join(", ");
            return Err(Stop::because(format!(
                "there is no such bench; there are: {names}"
            )));
        }
        let chosen = |name: &str| only.is_none_or(|only| only == name);
        // Everything is built before anything is timed.
        if OURS.into_iter().any(chosen) {
            let mut command = self.workspace.cargo();
            command.args(["bench", "--package", "benches", "--no-run"]);
            self.succeed("building the benches", command)?;
        }
        if chosen(SERVICES) {
            let mut command = self.workspace.cargo();
            command.args(["build", "--release", "--bins"]);
            command.args(["--package", CORE.package, "--package", MEDIA.package]);
            self.succeed("building the services", command)?;
        }
        let peers = if chosen(PEERS) {
            Some(self.peers()?)
        } else {
            None
        };
        for name in OURS.into_iter().filter(|name| chosen(name)) {
            let mut command = self.workspace.cargo();
            command.args(["bench", "--quiet", "--package", "benches", "--bench", name]);
            self.show(name, command)?;
        }
        match peers {
            Some(command) => self.show(PEERS, command),
            None => Ok(()),
        }
    }

    /// The program that measures the peers, with everything that it needs.
    fn peers(&self) -> Outcome<Command> {
        let prerequisites = setup::Prerequisites::look(setup::Needs::OutsideVerifiers);
        prerequisites.check()?;
        let python = setup::python_peer(self.workspace, self.terminal, self.interrupt)?;
        let node = setup::bench_peers(self.workspace, self.terminal, self.interrupt)?;
        let source = self.workspace.root().join("benches/peers");
        let target = self.workspace.testbed("bench-peers")?;
        let mut command = self.workspace.cargo();
        command
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(source.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target);
        self.succeed("building the peers", command)?;
        let mut command = Command::new(target.join("release/peers"));
        without_cargo_run(&mut command);
        command
            .arg("measure")
            .arg(self.workspace.root().join("target/bench-report"))
            .arg(node)
            .arg(python.get_program())
            .arg(ROUNDS)
            .current_dir(self.workspace.root());
        Ok(command)
    }

    fn succeed(&self, name: &str, command: Command) -> Outcome<()> {
        let log = self.log(name)?;
        self.must_succeed(name, command, &log)
    }

    /// Runs it and shows what it printed.
    fn show(&self, name: &str, command: Command) -> Outcome<()> {
        let log = self.log(name)?;
        self.must_succeed(name, command, &log)?;
        let printed = std::fs::read_to_string(&log).unwrap_or_default();
        self.terminal.line(&self.terminal.bold(name));
        self.terminal.line(&printed);
        Ok(())
    }

    fn must_succeed(&self, name: &str, command: Command, log: &Path) -> Outcome<()> {
        Run {
            name,
            command,
            log,
            deadline: DEADLINE,
        }
        .must_succeed(self.terminal, self.interrupt)
    }

    fn log(&self, name: &str) -> Outcome<std::path::PathBuf> {
        let file = format!("bench-{}.log", name.replace(' ', "-"));
        Ok(self.workspace.testbed("logs")?.join(file))
    }
}
