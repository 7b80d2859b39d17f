//! A service that is killed in the middle of the demo ends it with a plain reason, and nothing is left; and the whole
//! of the demo is what the front page shows of it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use deploy_tests::page::{assert_said, blocks};

/// The build in between may be a first one.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

const POLL: Duration = Duration::from_millis(10);

/// How the transcript on the front page begins.
const DEMO: &str = "$ cargo xtask demo --once\n";

#[test]
fn killing_core_in_the_middle_ends_the_demo_with_the_reason() {
    let ended = demo_with("start Core", "KILL", Whom::Service);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(
        ended
            .output
            .contains("dailey-core ended unexpectedly (signal 9); its last lines:"),
        "{}",
        ended.output
    );
    assert!(ended.output.contains("steps failed"), "{}", ended.output);
}

#[test]
fn killing_dmapi_in_the_middle_ends_the_demo_with_the_reason() {
    let ended = demo_with("start DMAPI", "KILL", Whom::Service);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(
        ended
            .output
            .contains("dailey-media ended unexpectedly (signal 9); its last lines:"),
        "{}",
        ended.output
    );
}

#[test]
fn killing_core_while_dmapi_alone_is_at_work_is_told_too() {
    let ended = demo_with("✓ list", "KILL", Whom::FirstService);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    let reason = "dailey-core ended unexpectedly (signal 9)";
    assert!(ended.output.contains(reason), "{}", ended.output);
    assert!(ended.output.contains("steps failed"), "{}", ended.output);
}

#[test]
fn ctrl_c_in_the_middle_ends_everything_with_130() {
    let ended = demo_with("start DMAPI", "INT", Whom::Demo);
    assert_eq!(ended.status.code(), Some(130), "{}", ended.output);
    assert!(ended.output.contains("interrupted"), "{}", ended.output);
}

#[test]
fn ctrl_c_while_serving_ends_everything_in_order() {
    let ended = demo_with("serving until Ctrl-C", "INT", Whom::Demo);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    assert!(ended.output.contains("steps went well"), "{}", ended.output);
    assert_eq!(testbed::token_in(&ended.output), None);
    // The one run from its first step to its last: with `--once` only the lines between the last two differ.
    let shown = blocks("README.md")
        .into_iter()
        .find_map(|block| Some(block.text.strip_prefix(DEMO)?.to_owned()))
        .expect("README.md shows a run of the demo");
    assert_said(&ended.output, &shown);
}

#[test]
fn services_die_with_a_demo_that_is_killed_outright() {
    let ended = demo_with("start DMAPI", "KILL", Whom::Demo);
    assert!(!ended.status.success());
}

#[derive(Clone, Copy)]
enum Whom {
    Demo,
    /// The one that was started last.
    Service,
    FirstService,
}

struct Ended {
    status: ExitStatus,
    output: String,
}

/// Runs the demo, sends a signal as soon as a line with `text` is there, and waits for its end. No
/// process and no folder of it may be left, whatever it was.
fn demo_with(text: &str, signal: &str, whom: Whom) -> Ended {
    let temporary = tempfile::tempdir().expect("a temporary folder can be made");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the demo can be started");
    let mut lines = BufReader::new(demo.stdout.take().expect("its output is a pipe"));
    let mut output = String::new();
    let mut services = Vec::new();
    loop {
        let mut line = String::new();
        let read = lines.read_line(&mut line).expect("its output is text");
        assert!(read > 0, "the demo ended before `{text}`:\n{output}");
        output.push_str(&line);
        services.extend(process_in(&line));
        if line.contains(text) {
            break;
        }
    }
    let target = match whom {
        Whom::Demo => demo.id(),
        Whom::Service => *services.last().expect("a service was started"),
        Whom::FirstService => *services.first().expect("a service was started"),
    };
    let sent = Command::new("kill")
        .args(["-s", signal, &target.to_string()])
        .status();
    assert!(sent.expect("kill can be run").success());

    let started = Instant::now();
    let status = loop {
        if let Some(status) = demo.try_wait().expect("it is our child") {
            break status;
        }
        assert!(
            started.elapsed() < DEADLINE,
            "the demo did not end:\n{output}"
        );
        std::thread::sleep(POLL);
    };
    lines
        .read_to_string(&mut output)
        .expect("its output is text");
    services.extend(output.lines().filter_map(process_in));
    for service in services {
        let started = Instant::now();
        while is_alive(service) {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "process {service} was left behind:\n{output}"
            );
            std::thread::sleep(POLL);
        }
    }
    // A demo that is killed outright cannot remove its folder.
    if status.code().is_some() {
        let left = std::fs::read_dir(temporary.path())
            .expect("the folder is there")
            .count();
        assert_eq!(left, 0, "files were left behind:\n{output}");
    }
    Ended { status, output }
}

/// The id in `…, process 4711`.
fn process_in(line: &str) -> Option<u32> {
    let (_, after) = line.split_once(", process ")?;
    after
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Whether it runs; one that ended and waits to be reaped does not.
fn is_alive(id: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"));
    stat.is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}
