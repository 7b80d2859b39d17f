//! Builds the programs and finds out from cargo where they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::process::Run;
use crate::stop::{Interrupt, Outcome, Stop, failed};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// A first build on a small machine takes minutes; this is where it hangs instead.
const BUILD_DEADLINE: Duration = Duration::from_secs(45 * 60);

/// A program of this workspace.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) package: &'static str,
    name: &'static str,
}

/// Core.
pub(crate) const CORE: Program = Program {
    package: "dailey-core",
    name: "dailey-core",
};

/// DMAPI.
pub(crate) const MEDIA: Program = Program {
    package: "dailey-media",
    name: "dailey-media",
};

/// The replication checker.
pub(crate) const CHECKER: Program = Program {
    package: "replication-checker",
    name: "core-replica-health",
};

/// Builds programs as cargo builds by default; the path of each.
pub(crate) fn build<const COUNT: usize>(
    wanted: [Program; COUNT],
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<[PathBuf; COUNT]> {
    // Of this process alone: demos may build side by side.
    let log = workspace
        .testbed("logs")?
        .join(format!("build-{}.log", std::process::id()));
    let mut command = workspace.cargo();
    command.args([
        "build",
        "--bins",
        "--message-format=json-render-diagnostics",
    ]);
    for program in wanted {
        command.args(["--package", program.package]);
    }
    let run = Run {
        name: "building",
        command,
        log: &log,
        deadline: BUILD_DEADLINE,
    };
    run.must_succeed(terminal, interrupt)?;
    let messages = std::fs::read_to_string(&log)
        .map_err(|error| failed("cannot read the build's log", error))?;
    let mut paths = wanted.map(|_| PathBuf::new());
    for (program, path) in wanted.iter().zip(&mut paths) {
        *path = executable(&messages, program.name, &log)?;
    }
    // Only a log of what failed is worth keeping.
    let _ = std::fs::remove_file(&log);
    Ok(paths)
}

/// The executable of a program, from cargo's messages.
fn executable(messages: &str, name: &str, log: &Path) -> Outcome<PathBuf> {
    messages
        .lines()
        .filter(|line| line.starts_with('{'))
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact" && message["target"]["name"] == name
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| Stop::because(format!("cargo built no program {name}")).with_log(log))
}
