//! A real ssh server that belongs to a test. It needs the part `sshd`, so it is ignored unless asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use testbed::sshd::{KeyPair, Sshd};

#[test]
#[ignore = "needs sshd: `cargo xtask test` sets it up and runs this"]
fn a_session_finds_the_programs_it_is_given_and_only_a_known_key_is_let_in() {
    let home = tempfile::tempdir().unwrap();
    let programs = home.path().join("programs");
    fs::create_dir(&programs).unwrap();
    let program = programs.join("greet");
    fs::write(&program, "#!/bin/sh\necho hello\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let key = KeyPair::generate(&home.path().join("key")).unwrap();
    let stranger = KeyPair::generate(&home.path().join("stranger")).unwrap();
    let authorized = key.public_line().unwrap();
    let server = Sshd::start(&home.path().join("sshd"), &authorized, &programs).unwrap();
    let known_hosts = home.path().join("known_hosts");
    fs::write(&known_hosts, server.known_hosts_line().unwrap()).unwrap();

    let session = |key: &KeyPair| {
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args([
                "-o",
                &format!("UserKnownHostsFile={}", known_hosts.display()),
            ])
            .arg("-i")
            .arg(key.private_file())
            .args(["-p", &server.port().to_string(), "-l", &Sshd::user()])
            .args(["127.0.0.1", "greet"])
            .output()
            .unwrap()
    };
    let greeted = session(&key);
    let said = String::from_utf8_lossy(&greeted.stderr);
    assert_eq!(
        greeted.stdout,
        b"hello\n",
        "{said}\n{}",
        server.log_tail(20)
    );
    assert_eq!(session(&stranger).status.code(), Some(255));
}
