//! Real MySQL servers on loopback, configured by the very files in `deploy/mysql`: one, or a source with
//! its replica over verified TLS. A server lives in a folder of its own on a port that was free, and is
//! gone with the value (see [`Child`](crate::Child)): start it from a thread that outlives its use.
//!
//! Needs the part `mysql` ([`MysqlPart`](crate::parts::MysqlPart)), which `cargo xtask testbed up mysql`
//! and `cargo xtask test` set up.
//!
//! ```no_run
//! let server = testbed::mysql::Server::start()?;
//! let url = format!(
//!     "mysql://core@127.0.0.1:{}/core?ssl-ca={}&tls-hostname={}",
//!     server.port(),
//!     server.ca_file().display(),
//!     server.name(),
//! );
//! let password = &server.passwords().core;
//! assert_eq!(server.sql("SELECT 1")?, "1\n");
//! # let _ = (url, password);
//! # Ok::<(), testbed::mysql::Error>(())
//! ```

mod certificates;
mod client;
mod deployed;
mod pair;
mod passwords;
mod process;
mod server;
mod standing;

pub use certificates::Certificates;
pub use pair::Pair;
pub use passwords::Passwords;
pub use server::Server;
pub use standing::{Standing, StandingServer};

use std::io;
use std::path::{Path, PathBuf};

use crate::StartError;
use crate::parts::PartError;

/// A server could not be started, or did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// MySQL is not set up on this machine.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The server did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It runs, but does not serve.
    #[error("{name} is not ready after {seconds} s; its last lines:\n{log_tail}")]
    NotReady {
        /// Which server.
        name: &'static str,
        /// How long it was waited for.
        seconds: u64,
        /// The end of its log.
        log_tail: String,
    },
    /// It refused a statement.
    #[error("{name} refused a statement: {said}")]
    Sql {
        /// Which server.
        name: &'static str,
        /// Its words.
        said: String,
    },
    /// The replica did not get to the state of its source.
    #[error("the replica has not caught up after {seconds} s:\n{status}")]
    Behind {
        /// How long it was waited for.
        seconds: u64,
        /// What it says of itself.
        status: String,
    },
    /// A file could not be written or read.
    #[error("{doing} {}: {source}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file in `deploy/mysql` does not have what is put in here.
    #[error("deploy/mysql/{file} has no `{wanted}`")]
    Deployed {
        /// The file.
        file: &'static str,
        /// What was looked for.
        wanted: String,
    },
}

impl Error {
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}

/// A new folder for the data of servers that end with their test.
fn home() -> Result<tempfile::TempDir, Error> {
    tempfile::Builder::new()
        .prefix("dailey-mysql-")
        .tempdir()
        .map_err(Error::file(
            "cannot make a folder in",
            &std::env::temp_dir(),
        ))
}
