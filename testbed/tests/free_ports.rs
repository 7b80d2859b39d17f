//! Ports that several processes ask for at once.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use testbed::free_port;

/// Set for the processes that this test starts of itself.
const ASKS: &str = "TESTBED_ASKS_FOR_PORTS";

/// What such a process says its ports after.
const SAID: &str = "ports: ";

const PROCESSES: usize = 4;
const THREADS: usize = 8;
const PORTS_EACH: usize = 50;

/// All that several processes are given by several threads of each, with the cache in this folder.
fn asked_at_once(caches: &Path) -> Vec<u16> {
    let ask = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "asks_for_ports", "--nocapture"])
            .env(ASKS, "1")
            .env("XDG_CACHE_HOME", caches)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let asking: Vec<_> = (0..PROCESSES).map(|_| ask()).collect();
    let mut ports = Vec::new();
    for process in asking {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        let told = said.lines().find_map(|line| line.strip_prefix(SAID));
        let told = told.unwrap().split(' ');
        ports.extend(told.map(|port| port.parse::<u16>().unwrap()));
    }
    assert_eq!(ports.len(), PROCESSES * THREADS * PORTS_EACH);
    ports
}

/// Does nothing but for `asked_at_once`.
#[test]
fn asks_for_ports() {
    if std::env::var_os(ASKS).is_none() {
        return;
    }
    let ports = std::thread::scope(|scope| {
        let ask = || -> Vec<u16> { (0..PORTS_EACH).map(|_| free_port().unwrap()).collect() };
        let asking: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        let given = asking.into_iter().map(|thread| thread.join().unwrap());
        given.collect::<Vec<_>>().concat()
    });
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    // On a line of its own, whatever the test harness has said before it.
    println!("\n{SAID}{}", ports.join(" "));
}

#[test]
fn no_two_threads_of_any_processes_are_given_the_same_port() {
    let caches = tempfile::tempdir().unwrap();
    std::fs::create_dir(caches.path().join("dailey")).unwrap();
    let given = asked_at_once(caches.path());
    let different: BTreeSet<u16> = given.iter().copied().collect();
    assert_eq!(different.len(), given.len());
    assert!(different.iter().all(|port| *port >= 10_000));
    // And a process that comes later goes on behind them.
    let later = asked_at_once(caches.path());
    assert!(later.iter().all(|port| !different.contains(port)));
}

#[test]
fn where_nothing_can_be_kept_a_port_is_found_all_the_same() {
    let caches = tempfile::tempdir().unwrap();
    assert!(!asked_at_once(caches.path()).is_empty());
    let left = std::fs::read_dir(caches.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is set up by that");
}
