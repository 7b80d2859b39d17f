//! `watch`, the memory of earlier runs, the lock and the deadline.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, run};

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn watch_says_a_line_an_interval_and_remembers_since_when() {
    let bed = Bed::start();
    let metrics_file = bed.home.path().join("metrics");
    let mut command = bed.checker("direct");
    command
        .args(["watch", "--interval", "5", "--metrics-file"])
        .arg(&metrics_file)
        .stdout(Stdio::piped());
    let mut watch = command.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["status"], "ok");
    // What may pass by itself is a warning the first time.
    bed.change_source("SOURCE_PASSWORD = 'wrong'");
    // Until it is changed, a line may say that the thread is stopped, or that all is well.
    let is_seen = |report: &Value| report["problems"][0]["id"] == "io_connecting";
    let mut lines_before = 0;
    let first = loop {
        let report = next();
        if is_seen(&report) {
            break report;
        }
        lines_before += 1;
        assert!(lines_before < 12, "{report:#}");
    };
    let second = next();
    watch.kill().unwrap();
    watch.wait().unwrap();
    let problem = |report: &Value| {
        let problem = &report["problems"][0];
        assert_eq!(problem["id"], "io_connecting", "{report:#}");
        (
            problem["severity"].as_str().unwrap().to_owned(),
            problem["since"].as_str().unwrap().to_owned(),
            problem["runs"].as_u64().unwrap(),
        )
    };
    let (severity, since, runs) = problem(&first);
    assert_eq!((severity.as_str(), runs), ("warning", 1));
    assert_eq!(problem(&second), ("critical".to_owned(), since, 2));

    let metrics = fs::read_to_string(metrics_file).unwrap();
    for line in [
        "mysql_repl_io_state{state=\"connecting\"} 1",
        "mysql_repl_seconds_behind NaN",
        "mysql_repl_io_errno 1045",
        "mysql_repl_problem{id=\"io_connecting\",severity=\"critical\"} 1",
        "mysql_repl_check_up{host=\"coredb2\"} 1",
        "# EOF",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line}\n{metrics}"
        );
    }
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn what_was_seen_before_is_kept_in_the_state_file_and_a_damaged_one_costs_nothing() {
    let bed = Bed::start();
    let state = bed.home.path().join("state");
    let check = || {
        let mut command = bed.checker("direct");
        command.arg("--state-file").arg(&state);
        run(command)
    };
    let first = check();
    assert_eq!(
        (first.code, &first.report["problems"][0]["id"]),
        (0, &"check_degraded".into())
    );
    bed.replica("STOP REPLICA IO_THREAD");
    let second = check().report;
    let third = check().report;
    assert_eq!(second["problems"][0]["id"], "io_stopped");
    assert_eq!(
        third["problems"][0]["since"],
        second["problems"][0]["since"]
    );
    assert_eq!(third["problems"][0]["runs"], 2);
    // What the primary had then, the replica has not: a lower bound without any grant.
    assert!(
        third["lag"]["stale_at_least_s"]
            .as_f64()
            .is_some_and(|seconds| seconds >= 0.0)
    );

    fs::write(&state, "{\"schema\":1,").unwrap();
    let damaged = check();
    assert_eq!(damaged.report["problems"][0]["runs"], 1);
    let text = damaged.report.to_string();
    assert!(text.contains("the state file is damaged"), "{text}");
    assert_eq!(check().report["problems"][0]["runs"], 2);

    // Where nothing can be kept, a replica that stands still might look well for ever.
    bed.replica("START REPLICA IO_THREAD");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    let forgetful = check();
    let text = forgetful.report.to_string();
    assert_eq!(forgetful.code, 3, "{text}");
    assert!(text.contains("check_incomplete"), "{text}");
    assert!(text.contains("the state file cannot be written"), "{text}");
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_host_that_never_answers_costs_a_deadline_and_a_second_run_does_not_start() {
    let bed = Bed::start();
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let checker = || {
        let mut command = bed.checker("ssh");
        let hosts = format!("127.0.0.1:{},127.0.0.1:{port}", bed.ssh[0].port());
        command.env("REPL_SSH_HOSTS", hosts);
        command
    };
    let started = Instant::now();
    let mut first = checker().stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let second = run(checker());
    assert_eq!(second.code, 3);
    assert_eq!(second.report["problems"][0]["id"], "already_running");
    let status = first.wait().unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(started.elapsed() < Duration::from_secs(30));
}
