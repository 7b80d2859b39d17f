//! Why a command ends early: something failed, or the user pressed Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::process::log_tail;
use crate::terminal::{Terminal, indented};

/// What a command that was interrupted exits with, by convention 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Lines of a log that are shown with a failure.
const SHOWN_LINES: usize = 60;

/// The end before the end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something is wrong.
    Failed(Failure),
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

/// What was wrong and what to do, in plain words, and where more is to be read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) log: Option<PathBuf>,
}

/// The result of anything that can be stopped.
pub(crate) type Outcome<T> = Result<T, Stop>;

impl Stop {
    /// A failure in plain words.
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Self::Failed(Failure {
            reason: reason.into(),
            log: None,
        })
    }

    /// The same failure, with the log that tells more.
    pub(crate) fn with_log(self, log: &Path) -> Self {
        match self {
            Self::Failed(failure) => Self::Failed(Failure {
                log: Some(log.to_owned()),
                ..failure
            }),
            Self::Interrupted => Self::Interrupted,
        }
    }

    /// Says why, where it has not been said, and gives the exit status.
    pub(crate) fn report(&self, terminal: &Terminal) -> ExitCode {
        match self {
            Self::Failed(failure) => {
                terminal.line(&format!("{} {}", terminal.bad("error:"), failure.reason));
                failure.show_log(terminal);
                ExitCode::FAILURE
            }
            Self::Interrupted => {
                terminal.line("interrupted; everything that was started has been ended");
                ExitCode::from(INTERRUPTED)
            }
        }
    }
}

impl Failure {
    /// The end of the log and where it is, when there is one.
    pub(crate) fn show_log(&self, terminal: &Terminal) {
        let Some(log) = &self.log else { return };
        let tail = log_tail(log, SHOWN_LINES);
        if !tail.is_empty() {
            terminal.line(&indented(&tail));
        }
        terminal.line(&indented(&format!("whole log: {}", log.display())));
    }
}

/// A failure from an error and what was being done.
pub(crate) fn failed(doing: impl std::fmt::Display, error: impl std::fmt::Display) -> Stop {
    Stop::because(format!("{doing}: {error}"))
}

/// Whether the user wants to end: set by SIGINT and SIGTERM, looked at wherever something is waited for.
#[derive(Debug)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on the two signals end the command in order. Asked a second time, SIGINT ends it at
    /// once; the kernel then ends the children.
    pub(crate) fn listen() -> Outcome<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let register = || {
            for signal in [SIGINT, SIGTERM] {
                // In this order: the first signal finds the flag unset and only sets it.
                signal_hook::flag::register_conditional_shutdown(
                    signal,
                    INTERRUPTED.into(),
                    Arc::clone(&asked),
                )?;
                signal_hook::flag::register(signal, Arc::clone(&asked))?;
            }
            std::io::Result::Ok(())
        };
        register().map_err(|error| failed("cannot listen for Ctrl-C", error))?;
        Ok(Self { asked })
    }

    /// Whether it was asked for.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// It was asked for and is being done: what is left to do is not interrupted by it.
    pub(crate) fn granted(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    /// Ends the caller when it was asked for.
    pub(crate) fn check(&self) -> Outcome<()> {
        if self.asked() {
            Err(Stop::Interrupted)
        } else {
            Ok(())
        }
    }
}
