//! Why a program could not be started, or did not become ready, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A program did not start, ended too early or did not answer in time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program is not there.
    #[error("cannot start {name}: there is no program `{program}` ({hint})")]
    ProgramMissing {
        /// The name the child was given.
        name: String,
        /// What was to be run.
        program: String,
        /// What to do.
        hint: &'static str,
    },
    /// The log file cannot be written.
    #[error("cannot start {name}: its log {} cannot be written: {source}", path.display())]
    Log {
        /// The name the child was given.
        name: String,
        /// The log file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system refused to start it.
    #[error("cannot start {name}: {source}")]
    Spawn {
        /// The name the child was given.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{name} ended unexpectedly ({how}); its last lines:\n{log_tail}")]
    Ended {
        /// The name the child was given.
        name: String,
        /// In words, as [`how_it_ended`](crate::how_it_ended) says it.
        how: String,
        /// The end of its log.
        log_tail: String,
    },
    /// It runs, but did not answer in time.
    #[error(
        "{name} did not answer 200 on {url} within {deadline:?} ({last}); its last lines:\n{log_tail}"
    )]
    NotReady {
        /// The name the child was given.
        name: String,
        /// What was asked.
        url: String,
        /// How long it was waited for.
        deadline: Duration,
        /// What came instead, the last time.
        last: String,
        /// The end of its log.
        log_tail: String,
    },
    /// The address is not plain http on loopback.
    #[error(
        "`{url}` is not an address like http://127.0.0.1:4000/health; only plain http on loopback is asked"
    )]
    Address {
        /// What was given.
        url: String,
    },
}

impl StartError {
    /// A stable word for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ProgramMissing { .. } => "program_missing",
            Self::Log { .. } => "log_not_writable",
            Self::Spawn { .. } => "spawn_failed",
            Self::Ended { .. } => "ended_early",
            Self::NotReady { .. } => "not_ready",
            Self::Address { .. } => "address_invalid",
        }
    }
}
