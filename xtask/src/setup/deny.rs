//! cargo-deny, built once for all checkouts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache;
use crate::process::Run;
use crate::stop::{Interrupt, Outcome, failed};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// Known to build with the pinned toolchain from its own lock file.
const VERSION: &str = "0.20.2";

/// About a minute on a small machine when nothing else runs.
const INSTALL_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// The program, linked from `target/testbed/tools`, and how it was got.
pub(crate) fn cargo_deny(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<(PathBuf, String)> {
    let tools = cache::folder("tools")?;
    let kept = tools.join(format!("cargo-deny-{VERSION}"));
    let program = kept.join("bin/cargo-deny");
    let how = if runs(&program) {
        "from the cache"
    } else {
        install(workspace, &tools, &kept, terminal, interrupt)?;
        "built and cached"
    };
    let link = workspace.testbed("tools")?.join("cargo-deny");
    cache::link(&link, &program)?;
    Ok((link, format!("cargo-deny {VERSION}, {how}")))
}

fn install(
    workspace: &Workspace,
    tools: &Path,
    kept: &Path,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<()> {
    let log = workspace.testbed("logs")?.join("install-cargo-deny.log");
    // Elsewhere first: what stands under its name in the cache is whole.
    let fresh = tempfile::tempdir_in(tools)
        .map_err(|error| failed("cannot write to the cache folder", error))?;
    let mut command = workspace.cargo();
    command
        .args([
            "install",
            "cargo-deny",
            "--version",
            &format!("={VERSION}"),
            "--locked",
            "--debug",
            "--root",
        ])
        .arg(fresh.path())
        .env("CARGO_TARGET_DIR", workspace.testbed("build")?)
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    Run {
        name: "installing cargo-deny",
        command,
        log: &log,
        deadline: INSTALL_DEADLINE,
    }
    .must_succeed(terminal, interrupt)?;
    // A left-over that does not run, or another checkout that was quicker.
    if kept.exists() && !runs(&kept.join("bin/cargo-deny")) {
        fs::remove_dir_all(kept)
            .map_err(|error| failed(format!("cannot replace {}", kept.display()), error))?;
    }
    match fs::rename(fresh.path(), kept) {
        Err(error) if !kept.exists() => {
            Err(failed(format!("cannot keep {}", kept.display()), error))
        }
        _ => Ok(()),
    }
}

fn runs(program: &Path) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| {
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains(VERSION)
        })
}
