//! `cargo xtask fuzz`: the targets in `fuzz/`, built with cargo-fuzz and run side by side.
//!
//! The pinned toolchain builds them, without a sanitizer: there is no unsafe code to watch here.

mod running;
mod seeds;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use self::running::{Ended, Running, Target};
use crate::process::Run;
use crate::setup;
use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::{Terminal, grouped, spoken};
use crate::workspace::{Workspace, without_cargo_run};

/// A build from nothing; where it hangs instead.
const BUILD_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// How long all targets together run in `cargo xtask test`.
const SMOKE_SECONDS: usize = 60;

/// How often running targets are looked at.
const POLL: Duration = Duration::from_millis(200);

/// Fuzzes and prints what was done.
pub(crate) fn run(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    only: Option<&str>,
    seconds: u32,
) -> ExitCode {
    let fuzzed = fuzz(workspace, terminal, interrupt, only, |_| seconds);
    let ended = match fuzzed {
        Ok(ended) => ended,
        Err(stop) => return stop.report(terminal),
    };
    terminal.line(&table(&ended));
    match complaint(&ended) {
        None => ExitCode::SUCCESS,
        Some(stop) => stop.report(terminal),
    }
}

/// A minute for all targets; what to say of it.
pub(crate) fn smoke(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<String> {
    let share = |targets: usize| {
        let seconds = (SMOKE_SECONDS * at_once()).div_ceil(targets);
        u32::try_from(seconds).unwrap_or(1)
    };
    let ended = fuzz(workspace, terminal, interrupt, None, share)?;
    match complaint(&ended) {
        Some(stop) => Err(stop),
        None => Ok(format!(
            "{} executions of {} targets, nothing found",
            grouped(executions(&ended)),
            ended.len()
        )),
    }
}

fn fuzz(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    only: Option<&str>,
    seconds: impl Fn(usize) -> u32,
) -> Outcome<Vec<Ended>> {
    let names = chosen(workspace.root(), only)?;
    let programs = build(workspace, terminal, interrupt, only)?;
    let seconds = seconds(names.len());
    let logs = workspace.testbed("logs")?;
    let mut waiting = VecDeque::new();
    for name in names {
        waiting.push_back(Target {
            program: programs.join(&name),
            folders: folders(workspace, &name)?,
            dictionary: workspace
                .root()
                .join(format!("fuzz/dictionaries/{name}.dict")),
            artifacts: made(workspace.root().join("fuzz/artifacts").join(&name))?,
            log: logs.join(format!("fuzz-{name}.log")),
            name,
            seconds,
        });
    }
    let all = waiting.len();
    let mut running: Vec<Running> = Vec::new();
    let mut ended = Vec::new();
    while ended.len() < all {
        // Dropping what runs ends it.
        interrupt.check()?;
        while running.len() < at_once()
            && let Some(target) = waiting.pop_front()
        {
            running.push(target.start()?);
        }
        running.retain_mut(|target| match target.look() {
            Some(over) => {
                ended.push(over);
                false
            }
            None => true,
        });
        let names: Vec<&str> = running.iter().map(Running::name).collect();
        terminal.progress(&format!(
            "{} of {all} targets done, {} s each; now {}",
            ended.len(),
            seconds,
            names.join(", ")
        ));
        thread::sleep(POLL);
    }
    ended.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(ended)
}

/// The names of the targets, from their files.
fn chosen(root: &Path, only: Option<&str>) -> Outcome<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let files = fs::read_dir(&folder)
        .map_err(|error| failed(format!("cannot read {}", folder.display()), error))?;
    let mut names: Vec<String> = files
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    match only {
        None => Ok(names),
        Some(only) if names.iter().any(|name| name == only) => Ok(vec![only.to_owned()]),
        Some(_) => Err(Stop::because(format!(
            "there is no such target; there are: {}",
            names.join(", ")
        ))),
    }
}

/// Builds the targets; the folder with the programs.
fn build(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
    only: Option<&str>,
) -> Outcome<PathBuf> {
    let (cargo_fuzz, _) = setup::cargo_fuzz(workspace, terminal, interrupt)?;
    let host = host(workspace)?;
    let target = workspace.testbed("fuzz")?;
    // As cargo calls its subcommands, but this very program.
    let mut command = Command::new(cargo_fuzz);
    without_cargo_run(&mut command);
    command
        .args(["fuzz", "build", "--sanitizer", "none", "--target", &host])
        .args(only)
        .current_dir(workspace.root())
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TARGET_DIR", &target)
        // libFuzzer's flags are not stable ones.
        .env("RUSTC_BOOTSTRAP", "1");
    let log = workspace.testbed("logs")?.join("fuzz-build.log");
    Run {
        name: "building the fuzz targets",
        command,
        log: &log,
        deadline: BUILD_DEADLINE,
    }
    .must_succeed(terminal, interrupt)?;
    Ok(target.join(host).join("release"))
}

fn host(workspace: &Workspace) -> Outcome<String> {
    let output = Command::new("rustc")
        .args(["-vV"])
        .current_dir(workspace.root())
        .output()
        .map_err(|error| failed("cannot run rustc", error))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| Stop::because("rustc does not say which host this is"))
}

/// Where a target begins: what it found before, seeds, and what must never be found again.
fn folders(workspace: &Workspace, name: &str) -> Outcome<Vec<PathBuf>> {
    let fuzz = workspace.root().join("fuzz");
    let seeds = workspace.testbed("fuzz-seeds")?.join(name);
    seeds::write(workspace.root(), name, &made(seeds.clone())?)?;
    let mut folders = vec![made(fuzz.join("corpus").join(name))?, seeds];
    folders.extend(Some(fuzz.join("regressions").join(name)).filter(|folder| folder.is_dir()));
    Ok(folders)
}

fn made(folder: PathBuf) -> Outcome<PathBuf> {
    fs::create_dir_all(&folder)
        .map_err(|error| failed(format!("cannot make {}", folder.display()), error))?;
    Ok(folder)
}

fn at_once() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn executions(ended: &[Ended]) -> u64 {
    ended.iter().map(|ended| ended.executions).sum()
}

fn table(ended: &[Ended]) -> String {
    let mut lines = vec![format!(
        "{:<16} {:>15} {:>12} {:>9} {:>9}  {}",
        "target", "executions", "per second", "edges", "new", "result"
    )];
    for one in ended {
        let per_second = one.executions / one.time.as_secs().max(1);
        lines.push(format!(
            "{:<16} {:>15} {:>12} {:>9} {:>9}  {}",
            one.name,
            grouped(one.executions),
            grouped(per_second),
            one.edges,
            one.new_inputs,
            if one.found.is_none() {
                "nothing found"
            } else {
                "FOUND"
            }
        ));
    }
    let longest = ended.iter().map(|one| one.time).max().unwrap_or_default();
    lines.push(format!(
        "{:<16} {:>15}   in {} a target",
        "together",
        grouped(executions(ended)),
        spoken(longest)
    ));
    lines.join("\n")
}

/// The first finding as the reason to fail, with its log.
fn complaint(ended: &[Ended]) -> Option<Stop> {
    let found: Vec<&Ended> = ended.iter().filter(|one| one.found.is_some()).collect();
    let first = found.first()?;
    let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
    let how = first.found.as_deref().unwrap_or_default();
    Some(
        Stop::because(format!(
            "found by {}: {how}; mend it and keep the input in fuzz/regressions/{}",
            names.join(", "),
            first.name
        ))
        .with_log(&first.log),
    )
}
