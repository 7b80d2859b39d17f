//! Real programs of others that tests run against, unpacked in the user's cache folder and never
//! installed in the system. Setting one up needs the package registries of Debian (as this machine's own
//! apt knows it), Python and Rust; finding one that is set up needs nothing.

mod apt;
mod cache;
mod chromium;
mod moto;
mod mysql;
mod nginx;
mod pm2;
mod recipe;
mod s3s_fs;
mod sshd;
mod systemd;
mod unpacked;
mod wrk;

pub use cache::cache_folder;
pub(crate) use cache::existing_cache;
pub use chromium::ChromiumPart;
pub use moto::MotoPart;
pub use mysql::MysqlPart;
pub use nginx::NginxPart;
pub use pm2::Pm2Part;
pub use s3s_fs::S3sFsPart;
pub use sshd::SshdPart;
pub use systemd::SystemdPart;
pub use unpacked::Unpacked;
pub use wrk::WrkPart;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Child, StartError, how_it_ended};

/// Longest that one step of setting up may take, downloads included.
const STEP_DEADLINE: Duration = Duration::from_secs(10 * 60);

/// How often a step is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Lines of a log that are shown with a failure.
const TAIL_LINES: usize = 20;

/// A part is missing, or could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// It was never set up on this machine.
    #[error(
        "{part} is not set up here: run `cargo xtask testbed up {name}` once, or `cargo xtask test`"
    )]
    Missing {
        /// What it is.
        part: &'static str,
        /// Its name in the command.
        name: &'static str,
    },
    /// There is nowhere to keep it.
    #[error("neither HOME nor XDG_CACHE_HOME is set: set one to a folder you can write")]
    NoCache,
    /// A file or folder could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A program that sets it up could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A program that sets it up failed.
    #[error("{doing} failed ({how}); its last lines:\n{log_tail}")]
    Step {
        /// What was being done.
        doing: String,
        /// How it ended.
        how: String,
        /// The end of its log.
        log_tail: String,
    },
    /// What came is not what was expected.
    #[error("{0}")]
    Unexpected(String),
}

impl PartError {
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}

/// Runs one step to its end; its output is in `log`.
fn step(doing: &str, command: Command, log: &Path) -> Result<(), PartError> {
    let mut child = Child::start(doing, command, log)?;
    let started = Instant::now();
    let how = loop {
        match child.exited() {
            Some(status) if status.success() => return Ok(()),
            Some(status) => break how_it_ended(status),
            None if started.elapsed() > STEP_DEADLINE => {
                break format!("no end after {} s", STEP_DEADLINE.as_secs());
            }
            None => std::thread::sleep(POLL),
        }
    };
    Err(PartError::Step {
        doing: doing.to_owned(),
        how,
        log_tail: child.log_tail(TAIL_LINES),
    })
}
