//! A server's process: a child of ours, or one that stays when we are gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal as OsSignal, kill_process, test_kill_process};

use super::Error;
use crate::{Child, Signal, StartError, how_it_ended};

/// How long a server has to end in order.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// How often a process that is being waited for is looked at.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// Who the server belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Gone with the value and with this process.
    Ours,
    /// Stays until it is stopped by its process id.
    Standing,
}

#[derive(Debug)]
pub(super) enum Process {
    Ours(Child),
    Standing { pid: Pid, log: PathBuf },
}

impl Process {
    pub(super) fn start(
        life: Life,
        name: &str,
        command: Command,
        log: &Path,
    ) -> Result<Self, Error> {
        match life {
            Life::Ours => Ok(Self::Ours(Child::start(name, command, log)?)),
            Life::Standing => stand(name, &command, log),
        }
    }

    /// How it ended, in words, if it has.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self {
            Self::Ours(child) => child.exited().map(how_it_ended),
            Self::Standing { pid, .. } => {
                (!is_running(*pid)).then(|| "it is not there any more".to_owned())
            }
        }
    }

    pub(super) fn log_tail(&self, lines: usize) -> String {
        match self {
            Self::Ours(child) => child.log_tail(lines),
            Self::Standing { log, .. } => {
                let text = fs::read_to_string(log).unwrap_or_default();
                let all: Vec<&str> = text.lines().collect();
                all[all.len().saturating_sub(lines)..].join("\n")
            }
        }
    }

    /// Ends it in order, or by force when it takes too long.
    pub(super) fn stop(&mut self) {
        match self {
            Self::Ours(child) => {
                let _ = child.stop(STOP_GRACE);
            }
            Self::Standing { pid, .. } => stop(*pid),
        }
    }

    /// Ends it at once, as a crash would.
    pub(super) fn kill(&mut self) {
        match self {
            Self::Ours(child) => {
                let _ = child.signal(Signal::Kill);
                let _ = child.stop(STOP_GRACE);
            }
            Self::Standing { pid, .. } => kill(*pid),
        }
    }
}

/// Starts it in a session of its own, which no Ctrl-C and no closed terminal reaches.
fn stand(name: &str, command: &Command, log: &Path) -> Result<Process, Error> {
    let output = File::create(log).map_err(Error::file("cannot write", log))?;
    let errors = output
        .try_clone()
        .map_err(Error::file("cannot write", log))?;
    let child = Command::new("setsid")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .current_dir("/")
        .spawn()
        .map_err(|source| StartError::Spawn {
            name: name.to_owned(),
            source,
        })?;
    // A child of ours is no group leader, so setsid does not fork and this is the program's own id.
    Ok(Process::Standing {
        pid: Pid::from_child(&child),
        log: log.to_owned(),
    })
}

/// Ends a process at once and waits until it has ended.
pub(super) fn kill(pid: Pid) {
    let _ = kill_process(pid, OsSignal::KILL);
    let deadline = Instant::now() + STOP_GRACE;
    while is_running(pid) && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
}

/// Ends a process in order, or by force when it takes too long.
fn stop(pid: Pid) {
    let _ = kill_process(pid, OsSignal::TERM);
    let deadline = Instant::now() + STOP_GRACE;
    while is_running(pid) {
        if Instant::now() > deadline {
            let _ = kill_process(pid, OsSignal::KILL);
            return;
        }
        std::thread::sleep(POLL);
    }
}

/// Whether it runs; one that has ended and waits for its parent does not.
pub(super) fn is_running(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let is_zombie = state.is_ok_and(|state| {
        // `1234 (name) Z …`; the name may hold anything.
        state
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    });
    !is_zombie && test_kill_process(pid).is_ok()
}
