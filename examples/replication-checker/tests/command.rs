//! What the command refuses before it asks anybody: exit 64, a word on standard error, no secret in it, and
//! nothing on standard output.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::fs;
use std::process::{Command, Output};

const SECRET: &str = "hunter2-the-secret";

fn checker(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_core-replica-health"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Settings of ssh mode that are good, with some of them changed.
fn ssh(changed: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut environment = vec![
        ("REPL_SSH_USER", "monitor"),
        ("REPL_SSH_HOSTS", "127.0.0.1:1,127.0.0.1:2"),
        ("REPL_SQL_USER", "replmon"),
        ("REPL_SQL_PASS", SECRET),
    ];
    for (key, value) in changed {
        environment.retain(|(set, _)| set != key);
        environment.push((key, value));
    }
    checker(&environment, arguments)
}

#[track_caller]
fn refused(output: &Output, key: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(output.stdout.is_empty());
    assert!(said.contains(key), "{key}: {said}");
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn a_wrong_call_is_a_usage_error_and_help_is_none() {
    for arguments in [
        &["--nonsense"][..],
        &["--mode", "carrier-pigeon"],
        &["nonsense"],
        &["--format", "xml"],
    ] {
        refused(&checker(&[], arguments), "");
    }
    refused(&ssh(&[], &["watch", "--interval", "4"]), "--interval");
    refused(&ssh(&[], &["--interval", "86401"]), "--interval");
    let help = checker(&[], &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    for key in [
        "REPL_SSH_USER",
        "REPL_SSH_HOSTS",
        "REPL_SQL_USER",
        "REPL_SQL_PASS",
        "REPL_SQL_PASS_FILE",
        "REPL_SSH_IDENTITY_FILE",
        "REPL_SSH_KNOWN_HOSTS",
        "REPL_MYSQL_URLS",
        "REPL_MYSQL_SOCKET",
        "REPL_HEARTBEAT_TABLE",
    ] {
        assert!(text.contains(key), "{key}");
    }
}

#[test]
fn hosts_that_could_be_options_or_commands_are_refused() {
    for hosts in [
        "-oProxyCommand=x,127.0.0.1",
        "127.0.0.1,-p",
        "a b,c",
        "a;b,c",
        "$(id),c",
        "user@a,c",
        "a:0,b",
        "a:65536,b",
        "a:x,b",
        "a:22:22,b",
        "a",
        "a,b,c",
        "a,a",
        ",a",
        "a,",
        "[::1],b",
        "a\n,b",
    ] {
        refused(&ssh(&[("REPL_SSH_HOSTS", hosts)], &[]), "REPL_SSH_HOSTS");
    }
    for user in ["-oX", "a b", "a;b", "a@b", "$x"] {
        refused(&ssh(&[("REPL_SSH_USER", user)], &[]), "REPL_SSH_USER");
    }
}

#[test]
fn settings_that_are_missing_or_strange_are_named() {
    for key in [
        "REPL_SSH_USER",
        "REPL_SSH_HOSTS",
        "REPL_SQL_USER",
        "REPL_SQL_PASS",
    ] {
        refused(&ssh(&[(key, "")], &[]), key);
    }
    for (key, value) in [
        ("REPL_SSH_IDENTITY_FILE", "/no/such/file"),
        ("REPL_SSH_KNOWN_HOSTS", "/etc/passwd -o ProxyCommand=x"),
        ("REPL_MYSQL_SOCKET", "relative"),
        ("REPL_MYSQL_SOCKET", "/a\"\npassword=\"x"),
        ("REPL_SQL_USER", "a\"b"),
        ("REPL_HEARTBEAT_TABLE", "no_schema"),
        ("REPL_HEARTBEAT_TABLE", "a.b`; DROP TABLE c"),
        ("REPL_HEARTBEAT_TABLE", "a.b.c"),
        ("REPL_EXPECTED_DELAY", "-1"),
        ("REPL_EXPECTED_DELAY", "604801"),
        ("REPL_SQL_PASS", "with\nline break"),
        ("REPL_SQL_PASS_FILE", "/no/such/file"),
    ] {
        refused(&ssh(&[(key, value)], &[]), "REPL_");
    }
    // Both the value and the file.
    refused(
        &ssh(&[("REPL_SQL_PASS_FILE", "/dev/null")], &[]),
        "REPL_SQL_PASS",
    );
}

#[test]
fn addresses_of_direct_mode_have_tls_and_no_password() {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.pem");
    fs::write(&ca, "").unwrap();
    let good = format!(
        "mysql://u@127.0.0.1:1/?ssl-ca={}&tls-hostname=b",
        ca.display()
    );
    for url in [
        "mysql://u@127.0.0.1:1/".to_owned(),
        format!("mysql://u:{SECRET}@127.0.0.1:1/?ssl-ca={}", ca.display()),
        format!("postgres://u@127.0.0.1:1/?ssl-ca={}", ca.display()),
        format!("mysql://u@127.0.0.1:1/core?ssl-ca={}", ca.display()),
        format!(
            "mysql://u@127.0.0.1:1/?ssl-ca={}&ssl-mode=disabled",
            ca.display()
        ),
        format!("mysql://u@/?ssl-ca={}", ca.display()),
        "mysql://u@127.0.0.1:1/?ssl-ca=/no/such/file".to_owned(),
        "nonsense".to_owned(),
        good.clone(),
    ] {
        let urls = format!("{url},{good}");
        let environment = [
            ("REPL_MYSQL_URLS", urls.as_str()),
            ("REPL_SQL_PASS", SECRET),
        ];
        refused(&checker(&environment, &[]), "REPL_MYSQL_URLS");
    }
}

#[test]
fn when_nobody_answers_there_is_one_line_all_the_same_and_unknown_values_are_null() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().display().to_string();
    let changed = [("TMPDIR", folder.as_str()), ("PATH", "/usr/bin:/bin")];
    let output = ssh(&changed, &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["status"], "critical");
    assert_eq!(report["problems"].as_array().unwrap().len(), 2);
    for (part, field) in [
        ("primary", "version"),
        ("primary", "read_only"),
        ("replica", "io"),
        ("replica", "configured"),
        ("gtid", "errant"),
        ("lag", "seconds_behind_source"),
        ("lag", "effective_s"),
    ] {
        let fields = report[part].as_object().unwrap();
        assert_eq!(
            fields.get(field),
            Some(&serde_json::Value::Null),
            "{part}.{field}"
        );
    }
    assert_eq!(ssh(&changed, &["--exit-zero"]).status.code(), Some(0));
}

/// Members of the line, as they were agreed on.
const MEMBERS: [(&str, &str); 8] = [
    (
        "",
        "schema ts run_ms mode status exit_code summary primary replica gtid lag problems skipped",
    ),
    (
        "/primary",
        "name reachable version server_id server_uuid read_only gtid_executed gtid_purged binlog_file \
         replica_connected clock_offset_ms",
    ),
    (
        "/replica",
        "name reachable version server_id server_uuid read_only super_read_only configured channel source_uuid io \
         io_state sql sql_state io_errno io_error sql_errno sql_error worker_error retry auto_position ssl ssl_verify \
         filters sql_delay_s relay_log_bytes gtid_executed clock_offset_ms",
    ),
    ("/replica/retry", "attempt count interval_s"),
    (
        "/gtid",
        "missing missing_count errant errant_count purge_gap retrieved_not_applied_count",
    ),
    (
        "/lag",
        "seconds_behind_source heartbeat_s stale_at_least_s effective_s source primary_idle",
    ),
    ("/problems/0", "id severity host detail since runs hint"),
    ("/skipped/0", "check reason"),
];

/// Series of the text file, as they were agreed on.
const SERIES: [&str; 23] = [
    "check_up{host=\"127.0.0.1:1\"}",
    "check_up{host=\"127.0.0.1:2\"}",
    "check_timestamp_seconds",
    "check_duration_seconds",
    "configured",
    "io_state{state=\"yes\"}",
    "io_state{state=\"no\"}",
    "io_state{state=\"connecting\"}",
    "sql_running",
    "io_errno",
    "sql_errno",
    "seconds_behind",
    "heartbeat_age_seconds",
    "effective_lag_seconds",
    "gtid_missing_transactions",
    "gtid_errant_transactions",
    "purge_gap_transactions",
    "retry_attempts_left",
    "read_only{host=\"127.0.0.1:1\"}",
    "super_read_only{host=",
    "ssl",
    "cert_not_after_seconds{host=\"127.0.0.1:2\"}",
    "problem{id=\"host_unreachable\",severity=\"critical\"}",
];

#[test]
fn every_member_and_every_series_is_there_though_nothing_is_known() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().display().to_string();
    let metrics = home.path().join("metrics.prom");
    let changed = [("TMPDIR", folder.as_str()), ("PATH", "/usr/bin:/bin")];
    let output = ssh(&changed, &["--metrics-file", metrics.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for (place, names) in MEMBERS {
        let object = report.pointer(place).and_then(|value| value.as_object());
        let object = object.unwrap_or_else(|| panic!("{place} is no object: {report:#}"));
        for name in names.split_whitespace() {
            assert!(object.contains_key(name), "{place}/{name}: {report:#}");
        }
    }
    let text = fs::read_to_string(metrics).unwrap();
    for series in SERIES {
        let start = format!("mysql_repl_{series}");
        assert!(
            text.lines().any(|line| line.starts_with(&start)),
            "{start}: {text}"
        );
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn every_series_is_there_though_the_run_could_not_even_look() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().display().to_string();
    let metrics = home.path().join("metrics.prom");
    // The folder of its lock is not there.
    let state = home.path().join("nowhere/state");
    let changed = [("TMPDIR", folder.as_str()), ("PATH", "/usr/bin:/bin")];
    let arguments = ["--state-file", state.to_str().unwrap(), "--metrics-file"];
    let arguments = [&arguments[..], &[metrics.to_str().unwrap()]].concat();
    let output = ssh(&changed, &arguments);
    assert_eq!(output.status.code(), Some(3));
    let text = fs::read_to_string(metrics).unwrap();
    for series in SERIES {
        // Its own problem is another one.
        if series.starts_with("problem") {
            continue;
        }
        let start = format!("mysql_repl_{series}");
        assert!(
            text.lines().any(|line| line.starts_with(&start)),
            "{start}: {text}"
        );
    }
    assert!(
        text.contains("mysql_repl_check_up{host=\"127.0.0.1:1\"} 0\n"),
        "{text}"
    );
}
