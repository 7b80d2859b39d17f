//! The key set on disk: a start without the issuer, and every file that must not be believed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use dailey_auth::testing::{Fault, Issuer, ManualClock, SigningKey};
use dailey_auth::{KeysState, Verifier};
use tracing_subscriber::fmt::MakeWriter;

use super::{PATIENCE, START, builder, clock, code, long_token, token_from, until, warm};

const MAGIC: &str = "dailey-jwks-snapshot 1 ";

/// What was logged on this thread, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// An issuer, its key, and a place for a snapshot.
struct Scene {
    folder: tempfile::TempDir,
    key: SigningKey,
    issuer: Issuer,
    clock: ManualClock,
}

impl Scene {
    async fn new() -> Self {
        let key = SigningKey::generate();
        Self {
            folder: tempfile::tempdir().unwrap(),
            issuer: Issuer::start(&[&key]).await.unwrap(),
            key,
            clock: clock(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("jwks.snapshot")
    }

    fn build(&self) -> Verifier {
        builder(&self.issuer)
            .clock(self.clock.clone())
            .snapshot_path(self.path())
            .build()
            .unwrap()
    }

    /// Has a verifier write a snapshot, and takes the issuer away.
    async fn write_snapshot(&self) -> String {
        let verifier = warm(
            builder(&self.issuer)
                .clock(self.clock.clone())
                .snapshot_path(self.path()),
        )
        .await;
        until("the snapshot is there", || self.path().exists()).await;
        drop(verifier);
        self.issuer.set_fault(Fault::Close);
        std::fs::read_to_string(self.path()).unwrap()
    }
}

/// A snapshot with this second line, and a checksum that fits.
fn sealed(document: &str) -> String {
    let checksum = data_encoding::HEXLOWER.encode(digest(&SHA256, document.as_bytes()).as_ref());
    format!("{MAGIC}{checksum}\n{document}")
}

fn write_private(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).ok();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_start_without_the_issuer_works_within_the_trust_age_and_no_longer() {
    let scene = Scene::new().await;
    scene.write_snapshot().await;
    let hours = |hours: u64| Duration::from_secs(3600 * hours);
    scene.clock.advance(hours(20));
    let verifier = scene.build();
    let current = token_from(&scene.issuer, &scene.key, START + 20 * 3600);
    assert_eq!(code(verifier.verify(&current).await), "accepted");
    let health = verifier.health();
    assert_eq!(health.state, KeysState::Stale, "nobody has confirmed it");
    assert_eq!(health.age, Some(hours(20)));
    // The trust age runs on from the fetch, not from the start.
    scene.clock.advance(hours(4));
    assert_eq!(code(verifier.verify(&current).await), "keys_expired");
    drop(verifier);
    assert_eq!(scene.build().health().state, KeysState::Missing);

    let late = scene.build();
    scene.issuer.set_fault(None);
    scene.clock.advance(Duration::from_secs(60));
    late.ready(PATIENCE).await.unwrap();
    assert_eq!(late.health().state, KeysState::Fresh);
}

#[tokio::test]
async fn a_file_that_is_not_to_be_believed_is_ignored_with_a_warning() {
    let scene = Scene::new().await;
    let whole = scene.write_snapshot().await;
    let (first, document) = whole.split_once('\n').unwrap();
    let good = long_token(&scene.issuer, &scene.key);
    let (_, _, signature) = {
        let mut parts = good.splitn(3, '.');
        (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        )
    };
    let other = SigningKey::generate();
    let modulus = other.jwk()["n"].as_str().unwrap().to_owned();
    let own_modulus = scene.key.jwk()["n"].as_str().unwrap().to_owned();
    let weak = r#"{"kty":"RSA","kid":"weak","n":"3q2-7w","e":"AQAB"}"#;
    let with_keys = |keys: &str| {
        let (head, _) = document.split_once("\"keys\":").unwrap();
        sealed(&format!("{head}\"keys\":[{keys}]}}"))
    };
    let at = |seconds: u64| {
        sealed(&document.replace(
            &format!("\"fetched_at\":{START}"),
            &format!("\"fetched_at\":{seconds}"),
        ))
    };
    let mut flipped = whole.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut binary = whole.clone().into_bytes();
    binary.extend([0xff, 0xfe]);
    let damaged = "it is damaged";
    let foreign = "it was written for another issuer or address";
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", Vec::new(), damaged),
        ("half", whole.as_bytes()[..middle].to_vec(), damaged),
        (
            "all but a byte",
            whole.as_bytes()[..whole.len() - 1].to_vec(),
            damaged,
        ),
        (
            "first line alone",
            format!("{first}\n").into_bytes(),
            damaged,
        ),
        ("a bit flipped", flipped, damaged),
        (
            "something behind it",
            format!("{whole} ").into_bytes(),
            damaged,
        ),
        ("not text", binary, damaged),
        (
            "another key, old checksum",
            whole.replace(&own_modulus, &modulus).into_bytes(),
            damaged,
        ),
        ("no checksum", document.as_bytes().to_vec(), damaged),
        (
            "another version",
            whole.replace("snapshot 1", "snapshot 2").into_bytes(),
            damaged,
        ),
        ("much too long", whole.repeat(100).into_bytes(), damaged),
        ("not JSON", sealed("keys").into_bytes(), damaged),
        (
            "not a snapshot",
            sealed("{\"keys\":[]}").into_bytes(),
            damaged,
        ),
        (
            "another issuer",
            sealed(&document.replace("\"issuer\":\"http", "\"issuer\":\"https")).into_bytes(),
            foreign,
        ),
        (
            "another address",
            sealed(&document.replace("jwks.json", "other.json")).into_bytes(),
            foreign,
        ),
        (
            "from the future",
            at(START + 61).into_bytes(),
            "it is from the future",
        ),
        (
            "as old as can be",
            at(START - 86_400).into_bytes(),
            "older than the hard trust age",
        ),
        (
            "from the beginning of time",
            at(0).into_bytes(),
            "older than the hard trust age",
        ),
        ("no key", with_keys("").into_bytes(), "no usable RS256 key"),
        (
            "a weak key",
            with_keys(weak).into_bytes(),
            "no usable RS256 key",
        ),
    ];
    for (what, bytes, reason) in cases {
        write_private(&scene.path(), &bytes);
        let (log, _guard) = Log::start();
        let verifier = scene.build();
        assert_eq!(verifier.health().state, KeysState::Missing, "{what}");
        assert_eq!(
            code(verifier.try_verify(&good)),
            "keys_unavailable",
            "{what}"
        );
        let text = log.text();
        let warning = text
            .lines()
            .find(|line| line.contains("the key set snapshot is ignored"))
            .unwrap_or_else(|| panic!("{what}: no warning in {text}"));
        assert!(warning.contains("WARN"), "{what}: {warning}");
        assert!(warning.contains(reason), "{what}: {warning}");
        for secret in [&*good, signature, &own_modulus, &modulus] {
            assert!(
                !text.contains(secret),
                "{what}: the log holds a key or a token"
            );
        }
    }
    // The whole one is believed, one at the edge of both ages too, and nothing is warned of.
    for believed in [whole.clone(), at(START + 60), at(START - 86_399)] {
        write_private(&scene.path(), believed.as_bytes());
        let (log, _guard) = Log::start();
        let verifier = scene.build();
        assert_eq!(code(verifier.try_verify(&good)), "accepted");
        assert!(!log.text().contains("WARN"), "{}", log.text());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_a_private_plain_file_is_a_snapshot() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scene = Scene::new().await;
    let whole = scene.write_snapshot().await;
    let path = scene.path();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let (log, _guard) = Log::start();
    let is_ignored = |what: &str, reason: &str| {
        log.clear();
        assert_eq!(scene.build().health().state, KeysState::Missing, "{what}");
        assert!(log.text().contains(reason), "{what}: {}", log.text());
    };
    for mode in [0o620, 0o602, 0o666, 0o777] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        is_ignored(&format!("{mode:o}"), "others may have written it");
    }
    std::fs::remove_file(&path).unwrap();
    let elsewhere = scene.folder.path().join("elsewhere");
    write_private(&elsewhere, whole.as_bytes());
    symlink(&elsewhere, &path).unwrap();
    is_ignored("a link", "name a plain file");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    is_ignored("a folder", "name a plain file");
    std::fs::remove_dir(&path).unwrap();
    let pipe = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(pipe.success());
    is_ignored("a pipe, which nobody writes", "name a plain file");
    std::fs::remove_file(&path).unwrap();

    // No file is no reason to warn.
    log.clear();
    assert_eq!(scene.build().health().state, KeysState::Missing);
    assert!(!log.text().contains("snapshot"), "{}", log.text());
}

#[tokio::test]
async fn a_snapshot_is_as_old_as_the_last_success_and_what_killed_writers_left_is_swept_up() {
    let scene = Scene::new().await;
    let folder = scene.folder.path();
    let long_ago = std::time::SystemTime::now()
        .checked_sub(Duration::from_secs(7200))
        .unwrap();
    let leave = |name: &str, age: Option<std::time::SystemTime>| {
        let path = folder.join(name);
        let file = std::fs::File::create(&path).unwrap();
        if let Some(age) = age {
            file.set_modified(age).unwrap();
        }
        path
    };
    let abandoned = leave("jwks.snapshot.0123456789abcdef.tmp", Some(long_ago));
    let kept = [
        leave("jwks.snapshot.fedcba9876543210.tmp", None),
        leave("jwks.snapshot.0123456789abcde.tmp", Some(long_ago)),
        leave("jwks.snapshot.0123456789abcdeg.tmp", Some(long_ago)),
        leave("other.snapshot.0123456789abcdef.tmp", Some(long_ago)),
        leave("jwks.snapshot.bak", Some(long_ago)),
    ];
    let verifier = warm(
        builder(&scene.issuer)
            .clock(scene.clock.clone())
            .snapshot_path(scene.path()),
    )
    .await;
    let says = |seconds: u64| {
        let text = std::fs::read_to_string(scene.path()).unwrap_or_default();
        text.contains(&format!("\"fetched_at\":{seconds},"))
    };
    until("the snapshot is there", || says(START)).await;
    assert!(!abandoned.exists());
    for kept in kept {
        assert!(kept.exists(), "{}", kept.display());
    }
    // An unchanged set is written again: it has become younger.
    scene.clock.advance(Duration::from_secs(3600));
    until("it was written again", || says(START + 3600)).await;
    assert_eq!(scene.issuer.not_modified(), 1);
    // A failure leaves it alone.
    scene.issuer.set_fault(Fault::Status(500));
    verifier.refresh().await.unwrap_err();
    assert!(says(START + 3600));
}

/// Tells the program below that it is the writer: where to write, and whom to ask.
const WRITER: &str = "DAILEY_AUTH_SNAPSHOT_WRITER";

#[tokio::test]
async fn a_writer_that_is_killed_at_any_moment_leaves_a_whole_snapshot() {
    if let Ok(writer) = std::env::var(WRITER) {
        return write_for_ever(&writer).await;
    }
    let scene = Scene::new().await;
    let more = SigningKey::generate();
    let mut believed = 0;
    for round in 0..20_u64 {
        scene.issuer.set_fault(None);
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "snapshots::a_writer_that_is_killed_at_any_moment_leaves_a_whole_snapshot",
            ])
            .env(
                WRITER,
                format!("{} {}", scene.issuer.url(), scene.path().display()),
            )
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let asked = scene.issuer.requests();
        let has_begun = || scene.path().exists() && scene.issuer.requests() > asked + 3;
        until("the writer writes", has_begun).await;
        // The set changes while it is written, and the kill comes at another moment each time.
        if round % 2 == 0 {
            scene.issuer.publish(&[&scene.key, &more]);
        } else {
            scene.issuer.publish(&[&scene.key]);
        }
        tokio::time::sleep(Duration::from_micros(700 * round)).await;
        writer.kill().unwrap();
        writer.wait().unwrap();

        scene.issuer.set_fault(Fault::Close);
        let (log, _guard) = Log::start();
        let verifier = builder(&scene.issuer)
            .snapshot_path(scene.path())
            .build()
            .unwrap();
        let health = verifier.health();
        assert_eq!(
            health.state,
            KeysState::Stale,
            "round {round}: {}",
            log.text()
        );
        assert!(
            !log.text().contains("snapshot is ignored"),
            "{}",
            log.text()
        );
        assert!(health.keys.iter().any(|key| key.kid == scene.key.kid()));
        believed += 1;
    }
    assert_eq!(believed, 20);
}

async fn write_for_ever(writer: &str) {
    let (issuer, path) = writer.split_once(' ').unwrap();
    let verifier = Verifier::builder(issuer, [super::APP])
        .allow_loopback_http()
        .snapshot_path(path)
        .build()
        .unwrap();
    loop {
        // Whether it succeeds is the issuer's business: this program only writes until it is killed.
        verifier.refresh().await.ok();
    }
}
