//! `cargo xtask bench`: ours against the bare operation (`benches/`), ours beside the peers
//! (`benches/peers`), and instructions where valgrind is there, all with one command.

mod instructions;
mod page;

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use self::page::Page;
use crate::process::Run;
use crate::services::{CORE, MEDIA};
use crate::setup;
use crate::stop::{Interrupt, Outcome, Stop, failed};
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
    let run = Page::of(workspace).and_then(|page| {
        let bench = Bench {
            workspace,
            terminal,
            interrupt,
            page,
        };
        bench.run(only)
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.report(terminal),
    }
}

struct Bench<'a> {
    workspace: &'a Workspace,
    terminal: &'a Terminal,
    interrupt: &'a Interrupt,
    page: Page,
}

/// All, in the order in which they run.
fn all() -> impl Iterator<Item = &'static str> {
    OURS.into_iter().chain([PEERS, instructions::NAME])
}

impl Bench<'_> {
    fn run(&self, only: Option<&str>) -> Outcome<()> {
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
        let instructions = if chosen(instructions::NAME) {
            self.instructions(only.is_some())?
        } else {
            None
        };
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
            let printed = self.show(name, command)?;
            self.page.keep(name, &page::of_text(&printed))?;
        }
        if let Some(command) = peers {
            self.show(PEERS, command)?;
        }
        // Last, since it may fail where all the others have something to show.
        let counted = instructions.map_or(Ok(()), |command| self.count(command));
        let page = self.page.write(all())?;
        self.terminal.line(&page.display().to_string());
        counted
    }

    /// What counts instructions, with everything that it needs; nothing where valgrind is missing and
    /// it was not asked for by name.
    fn instructions(&self, by_name: bool) -> Outcome<Option<Command>> {
        let name = instructions::NAME;
        match setup::valgrind() {
            Ok(()) => {}
            Err(missing) if by_name => return Err(Stop::because(missing)),
            Err(missing) => {
                self.terminal.line(&format!("{name}: left out, {missing}"));
                return Ok(None);
            }
        }
        setup::gungraun_runner(self.workspace, self.terminal, self.interrupt)?;
        let bench = || {
            let mut command = self.workspace.cargo();
            command.args(["bench", "--quiet", "--package", "benches"]);
            command.args(["--features", name, "--bench", name]);
            command
        };
        let mut command = bench();
        command.arg("--no-run");
        self.succeed("building what counts instructions", command)?;
        let mut command = bench();
        command
            .args(["--", "--output-format=json", "--parallel=auto"])
            .env("PATH", self.path_with_tools()?);
        Ok(Some(command))
    }

    /// Where the bench finds its runner, before all others.
    fn path_with_tools(&self) -> Outcome<OsString> {
        let tools = self.workspace.testbed("tools")?;
        let path = env::var_os("PATH").unwrap_or_default();
        env::join_paths(std::iter::once(tools).chain(env::split_paths(&path)))
            .map_err(|error| failed("the target folder cannot stand in PATH", error))
    }

    /// Shows the counts, and holds them to those that are written down.
    fn count(&self, command: Command) -> Outcome<()> {
        let log = self.log(instructions::NAME)?;
        self.must_succeed(instructions::NAME, command, &log)?;
        let rows = instructions::rows(&std::fs::read_to_string(&log).unwrap_or_default());
        self.terminal.line(&self.terminal.bold(instructions::NAME));
        let table = instructions::table(&rows);
        self.terminal.line(&table);
        self.page
            .keep(instructions::NAME, &page::of_table(&table))?;
        let results = self.workspace.root().join(instructions::RESULTS);
        let results = std::fs::read_to_string(results)
            .map_err(|error| failed(format!("cannot read {}", instructions::RESULTS), error))?;
        let verdict = instructions::compare(&rows, &results).map_err(Stop::because)?;
        self.terminal.line(&verdict);
        Ok(())
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
            .arg(self.page.section(PEERS))
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

    /// Runs it; shows and returns what it printed.
    fn show(&self, name: &str, command: Command) -> Outcome<String> {
        let log = self.log(name)?;
        self.must_succeed(name, command, &log)?;
        let printed = std::fs::read_to_string(&log).unwrap_or_default();
        self.terminal.line(&self.terminal.bold(name));
        self.terminal.line(&printed);
        Ok(printed)
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
