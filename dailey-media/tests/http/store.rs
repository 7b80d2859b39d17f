//! Where a test's DMAPI keeps its objects: local files, or a bucket of its own on the S3 server that the
//! environment names.
//!
//! The two tests below start such a server and run this very program again with it.

use std::path::Path;
use std::process::Command;

use testbed::s3::{ACCESS_KEY_ID, Kind, S3Server, SECRET_ACCESS_KEY, make_bucket, server_at};

/// What [`S3Server::place`] gives.
const PLACE: &str = "DMAPI_TEST_S3";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Local,
    S3 {
        place: String,
        bucket: String,
        /// Where DMAPI finds it: the server's own port, or a proxy's.
        port: u16,
        /// Whether large objects are copied to their place.
        copies: bool,
    },
}

/// What S3 promises and a server here does not keep: `s3::lies` shows each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A key cannot be another's folder.
    Folders,
    /// An object whose key is longer than [`LONGEST_ON_S3S_FS`] is stored without its headers, and called a
    /// failure.
    LongKeys,
    /// An object's bytes are replaced before its headers.
    Halves,
    /// The condition of a write is tried before its last byte, so several at once hold.
    Races,
}

/// Longest key of `user-1`, in bytes: with the names of bucket, app and subject, in base64, it is the name of a
/// file.
pub(crate) const LONGEST_ON_S3S_FS: usize = 87;

impl Store {
    /// As the environment says.
    pub(crate) fn of_this_run() -> Self {
        std::env::var(PLACE).map_or(Self::Local, |place| Self::in_bucket(&place))
    }

    /// A new bucket on the server at `place`.
    pub(crate) fn in_bucket(place: &str) -> Self {
        let bucket = format!("test-{}", uuid::Uuid::new_v4().simple());
        make_bucket(place, &bucket).unwrap();
        Self::S3 {
            port: server_at(place).unwrap().1,
            place: place.to_owned(),
            bucket,
            copies: false,
        }
    }

    /// The same bucket behind another port.
    pub(crate) fn through(self, port: u16) -> Self {
        match self {
            Self::Local => Self::Local,
            Self::S3 {
                place,
                bucket,
                copies,
                ..
            } => Self::S3 {
                place,
                bucket,
                port,
                copies,
            },
        }
    }

    /// The same where large objects are copied to their place.
    pub(crate) fn with_copies(mut self) -> Self {
        if let Self::S3 { copies, .. } = &mut self {
            *copies = true;
        }
        self
    }

    /// Where DMAPI finds the server.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            Self::Local => None,
            Self::S3 { port, .. } => Some(*port),
        }
    }

    pub(crate) fn is_moto(&self) -> bool {
        self.kind() == Some(Kind::Moto)
    }

    fn kind(&self) -> Option<Kind> {
        match self {
            Self::Local => None,
            Self::S3 { place, .. } => server_at(place).map(|(kind, _)| kind),
        }
    }

    /// Whether a test must make allowance.
    pub(crate) fn lies_about(&self, lie: Lie) -> bool {
        match lie {
            Lie::Folders | Lie::LongKeys | Lie::Halves | Lie::Races => {
                self.kind() == Some(Kind::S3sFs)
            }
        }
    }

    /// The address of a bucket that shows what is in it to anybody.
    pub(crate) fn open_bucket(&self) -> Option<String> {
        match self {
            Self::S3 { place, bucket, .. } => match server_at(place)? {
                (Kind::Moto, port) => Some(format!("http://127.0.0.1:{port}/{bucket}")),
                (Kind::S3sFs, _) => None,
            },
            Self::Local => None,
        }
    }

    /// Tells DMAPI, by its configuration file and its environment.
    pub(crate) fn configure(&self, folder: &Path, command: &mut Command) {
        let Self::S3 {
            place,
            bucket,
            port,
            copies,
        } = self
        else {
            return;
        };
        let (_, public) = server_at(place).unwrap();
        let toml = format!(
            "[storage.s3]\nbucket = \"{bucket}\"\nregion = \"us-east-1\"\nendpoint = \"http://127.0.0.1:{port}\"\npublic_endpoint = \"http://127.0.0.1:{public}\"\n"
        );
        let copies = if *copies {
            "large_writes = \"copy\"\n"
        } else {
            ""
        };
        let file = folder.join("dailey-media.toml");
        let mut text = std::fs::read_to_string(&file).unwrap_or_default();
        // A restarted one has it already.
        if !text.contains("[storage.s3]") {
            text.push_str(&(toml + copies));
        }
        std::fs::write(file, text).unwrap();
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
    }
}

/// What looks at local files, or has nothing to do with where objects are.
const LOCAL_ONLY: [&str; 16] = [
    "store::",
    "cli::",
    "rates::",
    "a_kill_during_an_upload",
    "a_disk_that_never_answers",
    "a_damaged_object",
    "in_local_files",
    // Links to read that DMAPI answers itself; those that a store answers are in `s3`.
    "a_link_reads_and_writes",
    "no_part_of_a_link",
    "a_link_ends_with_its_time",
    "every_key_can_be_linked_to",
    "a_link_leads_where",
    // What they break or look at is a local folder.
    "idempotency::a_failure_of_the_service",
    "metrics::everything_that_is_counted",
    "readiness::",
    "s3::",
];

/// What a server does not keep, a test there says itself ([`Lie`]).
fn every_test_on(kind: Kind) {
    let folder = tempfile::TempDir::new().unwrap();
    let server = S3Server::start(kind, folder.path()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--test-threads", "4"])
        .env(PLACE, server.place());
    for name in LOCAL_ONLY {
        command.args(["--skip", name]);
    }
    let run = command.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
    assert!(said.matches("... ok").count() > 75, "they ran: {said}");
}

#[test]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
fn every_test_here_holds_on_moto() {
    every_test_on(Kind::Moto);
}

#[test]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
fn every_test_here_holds_on_s3s_fs() {
    every_test_on(Kind::S3sFs);
}
