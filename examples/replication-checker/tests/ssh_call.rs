//! How `ssh` is called: by a program in its place that writes down what it was given.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const SECRET: &str = "a \\ \"secret\" # of \u{e9}";

/// Writes arguments, environment and standard input into files that are named after the port.
const RECORDER: &str = r#"#!/bin/sh
port=none
for word in "$@"; do [ "$before" = -p ] && port=$word; before=$word; done
printf '%s\n' "$@" > "$HOME/$port.arguments"
env > "$HOME/$port.environment"
cat > "$HOME/$port.input"
echo "ssh: nobody is at home" >&2
exit 255
"#;

fn checked(home: &Path, arguments: &[&str]) -> Output {
    for name in ["key", "known_hosts"] {
        fs::write(home.join(name), "").unwrap();
        fs::set_permissions(home.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let programs = home.join("programs");
    fs::create_dir_all(&programs).unwrap();
    fs::write(programs.join("ssh"), RECORDER).unwrap();
    fs::set_permissions(programs.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_core-replica-health"))
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("LD_PRELOAD", "")
        .env("MYSQL_PWD", "of somebody else")
        .env("REPL_SSH_USER", "monitor")
        .env("REPL_SSH_HOSTS", "db1.example:2201,db2.example:2202")
        .env("REPL_SSH_IDENTITY_FILE", home.join("key"))
        .env("REPL_SSH_KNOWN_HOSTS", home.join("known_hosts"))
        .env("REPL_SQL_USER", "replmon")
        .env("REPL_SQL_PASS", SECRET)
        .output()
        .unwrap()
}

#[test]
fn it_gets_strict_options_one_constant_command_and_the_password_on_standard_input_alone() {
    let home = tempfile::tempdir().unwrap();
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    let output = checked(home.path(), &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let mut commands = BTreeSet::new();
    for (port, host) in [("2201", "db1.example"), ("2202", "db2.example")] {
        let arguments = read(&format!("{port}.arguments"));
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            &format!(
                "UserKnownHostsFile={}",
                home.path().join("known_hosts").display()
            ),
            "IdentitiesOnly=yes",
            "ClearAllForwardings=yes",
            "ConnectTimeout=5",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=2",
        ] {
            assert!(
                arguments.contains(&format!("-o\n{option}\n")),
                "{option}: {arguments}"
            );
        }
        // No configuration file, no agent; the host stands behind the end of all options.
        assert!(arguments.starts_with("-F\nnone\n"), "{arguments}");
        assert!(arguments.contains("\n-a\n"), "{arguments}");
        let (_, command) = arguments
            .split_once(&format!("-l\nmonitor\n--\n{host}\n"))
            .unwrap();
        commands.insert(command.to_owned());

        let input = read(&format!("{port}.input"));
        let quoted = "password='a \\\\ \"secret\" # of \u{e9}'\n";
        assert!(
            input.starts_with("[client]\n") && input.contains(quoted),
            "{input}"
        );
        for name in ["arguments", "environment"] {
            let text = read(&format!("{port}.{name}"));
            assert!(!text.contains("secret"), "{name}: {text}");
        }
        let environment = read(&format!("{port}.environment"));
        for key in ["REPL_", "MYSQL_PWD", "LD_PRELOAD"] {
            let passed = environment.lines().any(|line| line.starts_with(key));
            assert!(!passed, "{environment}");
        }
    }
    assert_eq!(
        commands.len(),
        1,
        "the same command for every host: {commands:?}"
    );
}

#[test]
fn people_see_who_follows_whom_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let output = checked(home.path(), &["--format", "text"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let [first, rest @ ..] = &*text.lines().collect::<Vec<_>>() else {
        panic!("it says nothing");
    };
    assert!(
        first.starts_with("CRITICAL  ") && first.contains("  by ssh, "),
        "{text}"
    );
    let picture = "
  db1.example:2201  primary  MySQL ?  unreachable
     │  fetches: ?   applies: ?   TLS ?
     ▼  lag unknown   missing: ?   errant: ?
  db2.example:2202  replica  MySQL ?  unreachable

  critical  host_unreachable on db1.example:2201: ssh: ssh: nobody is at home
            → the host, its sshd or its mysqld did not answer this check";
    assert!(rest.join("\n").starts_with(picture), "{text}");
}
