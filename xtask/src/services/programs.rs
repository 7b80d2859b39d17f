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

/// Core's package and program.
pub(crate) const CORE: &str = "dailey-core";

/// DMAPI's package and program.
pub(crate) const MEDIA: &str = "dailey-media";

/// Builds packages as cargo builds by default; the path of each one's program of the same name.
pub(crate) fn build<const COUNT: usize>(
    names: [&str; COUNT],
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
    for name in names {
        command.args(["--package", name]);
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
    let mut programs = names.map(|_| PathBuf::new());
    for (name, program) in names.iter().zip(&mut programs) {
        *program = executable(&messages, name, &log)?;
    }
    // Only a log of what failed is worth keeping.
    let _ = std::fs::remove_file(&log);
    Ok(programs)
}

/// The executable of a package's program, from cargo's messages.
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
