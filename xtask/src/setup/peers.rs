//! The outside verifiers and clients: Python packages in a virtual environment, Node packages from npm. They are pinned
//! with the hashes of what is downloaded, in `testbed/peers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache;
use crate::process::Run;
use crate::stop::{Interrupt, Outcome, failed};
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// Downloads included.
const INSTALL_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// What runs in Node.
const NODE_PROGRAMS: [&str; 4] = ["client.mjs", "upload.mjs", "verify.mjs", "verify-aws.mjs"];

/// A command that verifies with `PyJWT`; arguments are still to be added.
pub(crate) fn python_peer(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<Command> {
    let source = workspace.root().join("testbed/peers");
    let folder = workspace.testbed("peers")?.join("python");
    let python = folder.join("bin/python");
    if !is_made_from(&folder, &source.join("requirements.txt")) {
        remove(&folder)?;
        let mut command = Command::new("python3");
        command.args(["-m", "venv"]).arg(&folder);
        install(
            "making a Python environment",
            command,
            workspace,
            terminal,
            interrupt,
        )?;
        let mut command = Command::new(&python);
        command
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--require-hashes", "--only-binary", ":all:", "--cache-dir"])
            .arg(cache::folder("pip")?)
            .arg("--requirement")
            .arg(source.join("requirements.txt"));
        install(
            "installing Python packages",
            command,
            workspace,
            terminal,
            interrupt,
        )?;
        stamp(&folder, &source.join("requirements.txt"))?;
    }
    let mut peer = Command::new(python);
    peer.arg("-I").arg(source.join("verify.py"));
    Ok(peer)
}

/// A command that verifies with `jose`; arguments are still to be added.
pub(crate) fn node_peer(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<Command> {
    let source = workspace.root().join("testbed/peers");
    let folder = workspace.testbed("peers")?.join("node");
    node_packages(&source, &folder, workspace, terminal, interrupt)?;
    // Node looks for packages beside the program.
    for program in NODE_PROGRAMS {
        copy(&source.join(program), &folder.join(program))?;
    }
    let mut peer = Command::new("node");
    peer.arg(folder.join("verify.mjs"));
    Ok(peer)
}

/// The folder with the Node verifiers that ours are measured beside, and the program that speaks for them.
pub(crate) fn bench_peers(
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<PathBuf> {
    let source = workspace.root().join("benches/peers/node");
    let folder = workspace.testbed("peers")?.join("node-bench");
    node_packages(&source, &folder, workspace, terminal, interrupt)?;
    copy(&source.join("speak.mjs"), &folder.join("speak.mjs"))?;
    Ok(folder)
}

/// Installs what the lock file in `source` names into `folder`.
fn node_packages(
    source: &Path,
    folder: &Path,
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<()> {
    let lock = source.join("package-lock.json");
    if is_made_from(folder, &lock) {
        return Ok(());
    }
    remove(folder)?;
    fs::create_dir(folder)
        .map_err(|error| failed("cannot make the folder for Node packages", error))?;
    for file in ["package.json", "package-lock.json"] {
        copy(&source.join(file), &folder.join(file))?;
    }
    let mut command = Command::new("npm");
    command
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--cache",
        ])
        .arg(cache::folder("npm")?)
        .current_dir(folder);
    install(
        "installing Node packages",
        command,
        workspace,
        terminal,
        interrupt,
    )?;
    stamp(folder, &lock)
}

fn install(
    name: &str,
    command: Command,
    workspace: &Workspace,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Outcome<()> {
    let log = workspace
        .testbed("logs")?
        .join(format!("{}.log", name.replace(' ', "-")));
    Run {
        name,
        command,
        log: &log,
        deadline: INSTALL_DEADLINE,
    }
    .must_succeed(terminal, interrupt)
}

/// The last thing written into a folder: what it was made from. Half a folder has none.
fn stamp(folder: &Path, source: &Path) -> Outcome<()> {
    copy(source, &stamp_of(folder))
}

fn is_made_from(folder: &Path, source: &Path) -> bool {
    let stamp = fs::read(stamp_of(folder));
    fs::read(source).is_ok_and(|source| stamp.is_ok_and(|stamp| stamp == source))
}

fn stamp_of(folder: &Path) -> PathBuf {
    folder.join("made-from")
}

fn remove(folder: &Path) -> Outcome<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(failed(format!("cannot remove {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| failed(format!("cannot copy {}", from.display()), error))
}
