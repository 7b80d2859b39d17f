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
    },
}

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
        }
    }

    /// The same bucket behind another port.
    pub(crate) fn through(self, port: u16) -> Self {
        match self {
            Self::Local => Self::Local,
            Self::S3 { place, bucket, .. } => Self::S3 {
                place,
                bucket,
                port,
            },
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
        } = self
        else {
            return;
        };
        let (_, public) = server_at(place).unwrap();
        let toml = format!(
            "[storage.s3]\nbucket = \"{bucket}\"\nregion = \"us-east-1\"\nendpoint = \"http://127.0.0.1:{port}\"\npublic_endpoint = \"http://127.0.0.1:{public}\"\n"
        );
        let file = folder.join("dailey-media.toml");
        let mut text = std::fs::read_to_string(&file).unwrap_or_default();
        // A restarted one has it already.
        if !text.contains("[storage.s3]") {
            text.push_str(&toml);
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
    // Links that DMAPI answers itself; those that a store answers are in `s3`.
    "links::",
    // What they break or look at is a local folder.
    "idempotency::a_failure_of_the_service",
    "metrics::everything_that_is_counted",
    "readiness::",
    // They count on answers within a millisecond or so.
    "headers::every_header",
    "idempotency::a_request_with_a_key",
    "idempotency::who_left_before",
    // As many at once are too much for these servers on one object: `s3::races` has two processes.
    "of_several_that_create",
    "s3::",
];

fn every_test_on(kind: Kind, but: &[&str]) {
    let folder = tempfile::TempDir::new().unwrap();
    let server = S3Server::start(kind, folder.path()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--test-threads", "4"])
        .env(PLACE, server.place());
    for name in LOCAL_ONLY.iter().chain(but) {
        command.args(["--skip", name]);
    }
    let run = command.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
    assert!(said.matches("... ok").count() > 25, "they ran: {said}");
}

#[test]
#[ignore = "needs moto: `cargo xtask test` sets it up and runs this"]
fn every_test_here_holds_on_moto() {
    every_test_on(Kind::Moto, &[]);
}

#[test]
#[ignore = "needs s3s-fs: `cargo xtask test` sets it up and runs this"]
fn every_test_here_holds_on_s3s_fs() {
    // There a file cannot be a folder as well, so `a` and `a/b` cannot both be.
    // It also ignores conditions of reads, and keeps an object and its headers in two files: in
    // between readers get one's bytes with the other's headers.
    let but = [
        "keys_that_look_alike",
        "every_page_size_gives",
        "a_reader_sees_an_object",
        "readers_of_parts",
    ];
    every_test_on(Kind::S3sFs, &but);
}
