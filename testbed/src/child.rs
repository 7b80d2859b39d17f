//! A process that is gone when its owner is gone, however the owner ends.
//!
//! Dropping kills and reaps it. When the parent has no chance to drop (SIGKILL, a crash), the kernel
//! kills the child: `setpriv --pdeathsig` asks for that before the program starts (prctl(2),
//! `PR_SET_PDEATHSIG`), which keeps unsafe code out of here.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use crate::StartError;
use crate::secret::secret_in;

/// How often a child that is being waited for is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Most bytes of a log that [`Child::log_tail`] reads.
const MAX_TAIL_BYTES: u64 = 64 * 1024;

/// Runs between `setpriv` and the program. The kernel's signal is only sent for a parent that dies after
/// it was asked for: a parent process that died before is seen by its id, and a parent thread waits for
/// the line on standard output, which then becomes the log like standard error.
const STILL_OURS: &str = r#"[ "$PPID" = "$0" ] || exit 1; echo; exec "$@" >&2"#;

/// A signal that a child may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGTERM: end in order.
    Terminate,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGHUP: reload.
    Hangup,
    /// SIGKILL: end at once, whatever it does.
    Kill,
}

impl From<Signal> for rustix::process::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Terminate => Self::TERM,
            Signal::Interrupt => Self::INT,
            Signal::Hangup => Self::HUP,
            Signal::Kill => Self::KILL,
        }
    }
}

/// A running program, its output in a log file.
///
/// It is killed and reaped when this value is dropped, and killed by the kernel when the thread that
/// started it ends first: start children from a thread that lives as long as they are needed.
/// It leads a process group of its own, so that a Ctrl-C in the terminal reaches only the parent,
/// which then ends it in order, and so that what it started itself is killed with it on drop.
///
/// The log of one whose name begins with `dailey-` is read when it has ended.
///
/// # Panics
/// Then, where a token, a secret or what carries one is in it.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    status: Option<ExitStatus>,
    log: PathBuf,
    /// The same, also where its folder is gone.
    written: File,
}

impl Child {
    /// Starts `command` with standard output and error in the file `log` (made anew) and no input.
    ///
    /// Program, arguments, working directory and environment changes are taken from `command`; its
    /// environment is this process's with those changes (`env_clear` cannot be seen and has no effect).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a command starts one child; callers build it in place"
    )]
    pub fn start(name: &str, command: Command, log: &Path) -> Result<Self, StartError> {
        let log_error = |source| StartError::Log {
            name: name.to_owned(),
            path: log.to_owned(),
            source,
        };
        let spawn_error = |source| StartError::Spawn {
            name: name.to_owned(),
            source,
        };
        let output = File::create(log).map_err(log_error)?;
        let written = File::open(log).map_err(log_error)?;
        let mut process = dying_with_us(name, &command)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(output)
            .process_group(0)
            .spawn()
            .map_err(spawn_error)?;
        if let Some(mut ready) = process.stdout.take() {
            // The line, or nothing when it ended before: then the caller sees that it has ended.
            let _ = ready.read_exact(&mut [0]);
        }
        Ok(Self {
            name: name.to_owned(),
            process,
            status: None,
            log: log.to_owned(),
            written,
        })
    }

    /// The name it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it has; does not wait. What it left running in its process group is killed.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if self.status.is_none() && matches!(waitid(WaitId::Pid(self.pid()), look), Ok(Some(_))) {
            // It has ended but is not reaped.
            let _ = self.kill();
        }
        self.status
    }

    /// Sends it a signal. An error of kind `NotFound` says that it has ended and was seen to.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.status.is_some() {
            // Its id may belong to another process by now.
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{} has ended", self.name),
            ));
        }
        Ok(kill_process(self.pid(), signal.into())?)
    }

    /// Asks it to end with SIGTERM, waits up to `grace`, then kills it.
    pub fn stop(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.ask_to_end([Signal::Terminate], grace)
    }

    /// As [`stop`](Self::stop), asking twice: a service in development then does not wait for proxies to notice.
    pub fn stop_at_once(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        // Two of one kind may count as one.
        self.ask_to_end([Signal::Terminate, Signal::Interrupt], grace)
    }

    fn ask_to_end(
        &mut self,
        signals: impl IntoIterator<Item = Signal>,
        grace: Duration,
    ) -> io::Result<ExitStatus> {
        if let Some(status) = self.exited() {
            return Ok(status);
        }
        for signal in signals {
            self.signal(signal)?;
        }
        let deadline = Instant::now() + grace;
        loop {
            if let Some(status) = self.exited() {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return self.kill();
            }
            std::thread::sleep(POLL);
        }
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The whole lines of its log, once `said` holds for them: what it answers and what it writes come in no
    /// order.
    ///
    /// # Panics
    /// With the end of the log, where that does not come within `patience`.
    pub fn log_with(&self, patience: Duration, said: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let bytes = fs::read(&self.log).unwrap_or_default();
            let mut log = String::from_utf8_lossy(&bytes).into_owned();
            log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
            if said(&log) {
                return log;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not write what is waited for:\n{}",
                self.name,
                self.log_tail(30)
            );
            std::thread::sleep(POLL);
        }
    }

    /// The last `lines` lines of its log, at most 64 KiB of it; empty when there is none.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines).unwrap_or_default()
    }

    fn kill(&mut self) -> io::Result<ExitStatus> {
        // The group, for what it started itself. Until it is reaped, the id is its own.
        let _ = kill_process_group(self.pid(), rustix::process::Signal::KILL);
        let status = self.process.wait()?;
        self.status = Some(status);
        self.look_for_secrets()?;
        Ok(status)
    }

    /// Whatever starts one of our services, its log is read when it has ended.
    fn look_for_secrets(&mut self) -> io::Result<()> {
        if !self.name.starts_with("dailey-") || std::thread::panicking() {
            return Ok(());
        }
        let mut log = Vec::new();
        self.written.read_to_end(&mut log)?;
        let found = secret_in(&String::from_utf8_lossy(&log)).map(str::to_owned);
        assert!(found.is_none(), "{} logged {found:?}", self.name);
        Ok(())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exited().is_none() {
            let _ = self.kill();
        }
    }
}

/// How a process ended, in words: `exit code 1`, `signal 9`.
pub fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown status".to_owned(),
    }
}

/// The same command, killed by the kernel when the thread that starts it ends.
fn dying_with_us(name: &str, command: &Command) -> Result<Command, StartError> {
    let missing = |program: &OsStr, hint| StartError::ProgramMissing {
        name: name.to_owned(),
        program: program.to_string_lossy().into_owned(),
        hint,
    };
    let program = command.get_program();
    if !is_there(program, command) {
        return Err(missing(program, "build it, install it, or correct PATH"));
    }
    if !is_there(OsStr::new("setpriv"), command) {
        return Err(missing(
            OsStr::new("setpriv"),
            "install the Debian package util-linux; only Linux is supported",
        ));
    }
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "KILL", "--", "sh", "-c", STILL_OURS]);
    wrapped.arg(std::process::id().to_string()).arg(program);
    wrapped.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    Ok(wrapped)
}

/// Whether a program can be found, so that its absence is an error here and not a line in a log.
fn is_there(program: &OsStr, command: &Command) -> bool {
    let path = Path::new(program);
    if path.components().count() > 1 {
        let folder = command.get_current_dir().unwrap_or(Path::new("."));
        return is_program(&folder.join(path));
    }
    let changed = command
        .get_envs()
        .find(|(key, _)| *key == "PATH")
        .map(|(_, value)| value.map(OsStr::to_owned));
    let search: Option<OsString> = changed.unwrap_or_else(|| std::env::var_os("PATH"));
    search.is_some_and(|search| {
        std::env::split_paths(&search).any(|folder| is_program(&folder.join(path)))
    })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn tail(log: &Path, lines: usize) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_TAIL_BYTES)))?;
    let mut end = Vec::new();
    file.take(MAX_TAIL_BYTES).read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    let all: Vec<&str> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{Command, STILL_OURS};

    #[test]
    fn nothing_is_started_for_a_parent_that_died_in_between() {
        // Process 1 stands for "another parent by now".
        let status = Command::new("sh")
            .args(["-c", STILL_OURS, "1", "true"])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(1));
        let ours = std::process::id().to_string();
        assert!(
            Command::new("sh")
                .args(["-c", STILL_OURS, &ours, "true"])
                .status()
                .unwrap()
                .success()
        );
    }
}
