//! What to try next: ready lines for another terminal. The token goes by a file that only the user
//! can read, so that it is neither on the screen nor in a list of processes.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Stage;
use super::report::Report;
use crate::stop::{Outcome, failed};

/// How often the token in the file is replaced; well within its life of ten minutes.
const RENEW: Duration = Duration::from_secs(4 * 60);

/// How often the services are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Says what to try, and keeps serving until the user ends it.
pub(super) fn serve(stage: &Stage<'_>, report: &Report<'_>, folder: &Path) -> Outcome<()> {
    let file = folder.join("authorization-header");
    write_header(&file, &stage.log_in()?)?;
    report.chapter("Try next, in another terminal (nothing secret is shown: the token is in a file of mode 0600)");
    for line in lines(
        stage.core.service.url(),
        stage.media.service.url(),
        &file.display().to_string(),
    ) {
        report.line(&line);
    }
    report.line("\nserving until Ctrl-C; then everything is stopped and removed");
    let mut renewed = Instant::now();
    // Ctrl-C is the way to end here, not a failure.
    while !stage.interrupt.asked() {
        stage.watch.check()?;
        if renewed.elapsed() > RENEW {
            write_header(&file, &stage.log_in()?)?;
            renewed = Instant::now();
        }
        std::thread::sleep(POLL);
    }
    stage.interrupt.granted();
    Ok(())
}

/// The same lines, for who let it stop.
pub(super) fn explain(report: &Report<'_>) {
    report.chapter("Try next: `cargo xtask demo` keeps serving, prints these with its ports and files, and waits for Ctrl-C");
    for line in lines(
        "http://127.0.0.1:$CORE_PORT",
        "http://127.0.0.1:$DMAPI_PORT",
        "$HEADER_FILE",
    ) {
        report.line(&line);
    }
}

fn lines(core: &str, media: &str, file: &str) -> [String; 7] {
    let line = |what: &str, command: String| format!("  {what:<28}{command}");
    [
        line(
            "who am I?",
            format!("curl -s -H @{file} {media}/api/auth/validate"),
        ),
        line(
            "store a file",
            format!("curl -s -H @{file} -T README.md {media}/api/media/notes/readme.md"),
        ),
        line(
            "fetch it",
            format!("curl -s -H @{file} {media}/api/media/notes/readme.md"),
        ),
        line(
            "list what is there",
            format!("curl -s -H @{file} '{media}/api/media?delimiter=/'"),
        ),
        line(
            "without a token: refused",
            format!("curl -si {media}/api/media"),
        ),
        line(
            "the public keys",
            format!("curl -si {core}/.well-known/jwks.json"),
        ),
        line(
            "what operators see",
            format!("curl -s -w '\\n' {media}/health {media}/metrics"),
        ),
    ]
}

/// Writes a new file and puts it in place, so that no reader finds half a token.
fn write_header(path: &Path, token: &str) -> Outcome<()> {
    let fresh = path.with_extension("new");
    let write = |mut file: File| {
        // Also where the file was there already with another mode.
        file.set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "Authorization: Bearer {token}")
    };
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(write)
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(|error| failed("cannot write the file with the token", error))
}
