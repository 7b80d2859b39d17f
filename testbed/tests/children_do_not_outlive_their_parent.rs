//! A child is gone when its owner is gone, however the owner ends.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testbed::{Child, Signal};

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn a_child_dies_when_its_parent_is_killed_outright() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_testbed-parent"))
        .arg(folder.path().join("child.log"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let child: u32 = line.trim().parse().unwrap();
    assert!(is_alive(child));

    // SIGKILL: no destructor runs, no handler either.
    parent.kill().unwrap();
    parent.wait().unwrap();

    assert!(gone_in_time(child), "process {child} outlived its parent");
}

#[test]
fn a_child_dies_when_the_thread_that_started_it_ends_without_dropping_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("child.log");
    let mut child = std::thread::spawn(move || Child::start("sleep", sleep("600"), &log).unwrap())
        .join()
        .unwrap();
    let started = Instant::now();
    while child.exited().is_none() {
        assert!(
            started.elapsed() < DEADLINE,
            "the child outlived its thread"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn dropping_a_child_kills_it_and_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("child.log");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; sleep 600 & echo $!; wait"]);
    let child = Child::start("shell", command, &log).unwrap();
    let id = child.id();
    let grandchild: u32 = first_line(&log).parse().unwrap();
    assert!(is_alive(grandchild));

    drop(child);

    assert!(gone_in_time(id));
    assert!(
        gone_in_time(grandchild),
        "the grandchild {grandchild} was left behind"
    );
}

#[test]
fn what_a_program_leaves_running_is_killed_when_its_end_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("child.log");
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 600 & echo $!; exit 5"]);
    let mut child = Child::start("shell", command, &log).unwrap();
    let left: u32 = first_line(&log).parse().unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.exited() {
            break status;
        }
        assert!(started.elapsed() < DEADLINE);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(5));
    assert!(gone_in_time(left), "process {left} was left behind");
}

#[test]
fn stop_lets_a_program_end_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("child.log");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done",
    ]);
    let mut child = Child::start("shell", command, &log).unwrap();
    assert_eq!(first_line(&log), "ready");

    assert_eq!(child.stop(DEADLINE).unwrap().code(), Some(7));
}

#[test]
fn stop_kills_a_program_that_does_not_end_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("child.log");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' TERM; echo ready; while :; do sleep 0.01; done",
    ]);
    let mut child = Child::start("shell", command, &log).unwrap();
    assert_eq!(first_line(&log), "ready");

    let status = child.stop(Duration::from_millis(50)).unwrap();

    assert_eq!(testbed::how_it_ended(status), "signal 9");
}

#[test]
fn a_child_that_was_seen_to_end_is_sent_no_signal() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start("true", Command::new("true"), &folder.path().join("log")).unwrap();
    let started = Instant::now();
    while child.exited().is_none() {
        assert!(started.elapsed() < DEADLINE);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        child.signal(Signal::Hangup).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
}

fn sleep(seconds: &str) -> Command {
    let mut command = Command::new("sleep");
    command.arg(seconds);
    command
}

fn first_line(log: &Path) -> String {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Some((line, _)) = text.split_once('\n') {
            return line.to_owned();
        }
        assert!(
            started.elapsed() < DEADLINE,
            "nothing was written to the log"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the process runs; one that ended and waits to be reaped does not.
fn is_alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

fn gone_in_time(id: u32) -> bool {
    let started = Instant::now();
    while is_alive(id) {
        if started.elapsed() > DEADLINE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
