//! The units, as `systemd-analyze` reads them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use testbed::parts::SystemdPart;

/// The services that hold keys or meet strangers; the tunnel between the databases has a user of its own.
const HARDENED: [&str; 3] = ["dailey-core", "dailey-media", "core-replica-health"];

/// `systemd-analyze security`: 10 is everything, 0 is nothing. Below this is called "ok".
const MOST_EXPOSURE: f64 = 2.0;

/// A root folder with systemd's own units, ours, and the programs that they name.
fn installed(part: &SystemdPart) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let units = root.join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::create_dir_all(root.join("usr/lib")).unwrap();
    let theirs = part.root().join("usr/lib/systemd");
    std::os::unix::fs::symlink(theirs, root.join("usr/lib/systemd")).unwrap();
    for entry in fs::read_dir(deploy_tests::root().join("deploy/systemd")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter_map(|line| line.split_once('=')) {
            if let ("ExecStart" | "ExecReload", command) = line {
                let program = command.split(' ').next().unwrap();
                let program = root.join(program.trim_start_matches('/'));
                fs::create_dir_all(program.parent().unwrap()).unwrap();
                fs::write(&program, "").unwrap();
                fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        fs::copy(&path, units.join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn analyze(part: &SystemdPart, root: &Path, arguments: &[&str], unit: &str) -> Output {
    let mut command: Command = part.analyze();
    command.args(arguments);
    command.arg(format!("--root={}", root.display())).arg(unit);
    command.env("LC_ALL", "C.UTF-8").output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
#[ignore = "needs systemd: `cargo xtask test` sets it up and runs this"]
fn systemd_takes_every_unit_without_a_word() {
    let part = SystemdPart::find().unwrap_or_else(|error| panic!("{error}"));
    let root = installed(&part);
    let mut units = 0;
    for entry in fs::read_dir(root.path().join("etc/systemd/system")).unwrap() {
        let unit = entry.unwrap().file_name().into_string().unwrap();
        let verify = ["verify", "--man=no", "--recursive-errors=no"];
        let output = analyze(&part, root.path(), &verify, &unit);
        let said = text(&output);
        assert!(output.status.success() && said.is_empty(), "{unit}: {said}");
        units += 1;
    }
    assert!(units >= HARDENED.len());
}

#[test]
#[ignore = "needs systemd: `cargo xtask test` sets it up and runs this"]
fn a_service_is_exposed_to_next_to_nothing() {
    let part = SystemdPart::find().unwrap_or_else(|error| panic!("{error}"));
    let root = installed(&part);
    for name in HARDENED {
        let unit = format!("{name}.service");
        let security = ["security", "--offline=true", "--no-pager"];
        let output = analyze(&part, root.path(), &security, &unit);
        let said = text(&output);
        let (_, level) = said
            .split_once("exposure level for ")
            .unwrap_or_else(|| panic!("{said}"));
        let level = level.split(' ').nth(1).unwrap();
        assert!(level.parse::<f64>().unwrap() <= MOST_EXPOSURE, "{said}");
    }
}

#[test]
fn every_service_ends_is_bounded_and_comes_back() {
    for name in HARDENED {
        let path = deploy_tests::root().join(format!("deploy/systemd/{name}.service"));
        let unit = fs::read_to_string(path).unwrap();
        for line in [
            "DynamicUser=yes",
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "Restart=on-failure",
            "Environment=DAILEY_ENV=production",
            "MemoryMax=",
            "TasksMax=",
            "TimeoutStopSec=",
        ] {
            let found = unit.lines().any(|one| one.starts_with(line));
            assert!(found, "{name}: {line}");
        }
        assert!(!unit.contains("ListenStream"), "{name}");
        // Of a credential that is named and not there a service never starts: Core needs none with SQLite.
        let named = unit
            .lines()
            .filter(|one| one.starts_with("LoadCredential="));
        assert_eq!(named.count() == 0, name == "dailey-core", "{name}");
        // Passwords and keys come as credentials, never in the unit.
        for secret in ["PASSWORD=", "PASS=", "SECRET="] {
            assert!(!unit.contains(secret), "{name}: {secret}");
        }
    }
}
