//! Replication through the ssh tunnel as it is deployed: the unit's own command, the key's own restrictions,
//! and a real sshd. Needs the parts `mysql` and `sshd`, so it is ignored unless asked for.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::mysql::Pair;
use testbed::sshd::{KeyPair, Sshd};
use testbed::{Child, free_port};

const UNIT: &str = include_str!("../../deploy/systemd/coredb-tunnel.service");
const AUTHORIZED_KEYS: &str = include_str!("../../deploy/mysql/tunnel_authorized_keys");

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn the_replica_follows_through_the_deployed_tunnel_whose_key_can_do_nothing_else() {
    let pair = Pair::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let key = KeyPair::generate(&home.path().join("key")).unwrap();
    let port = pair.primary.port().to_string();
    let authorized = AUTHORIZED_KEYS
        .replace("{{tunnel_public_key}}", &key.public_line().unwrap())
        .replace("3306", &port);
    let mut server = Sshd::start(&home.path().join("sshd"), &authorized, home.path()).unwrap();
    fs::write(
        home.path().join("known_hosts"),
        server.known_hosts_line().unwrap(),
    )
    .unwrap();
    let near = free_port().unwrap();
    let tunnel = || {
        let log = home.path().join("tunnel.log");
        let child = Child::start("tunnel", command(home.path(), near, &port, &server), &log);
        let child = child.unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", near)).is_err() {
            assert!(Instant::now() < deadline, "{}", child.log_tail(20));
            std::thread::sleep(Duration::from_millis(50));
        }
        child
    };
    let first = tunnel();
    pair.replica.sql("STOP REPLICA").unwrap();
    pair.replicate_from(near).unwrap();
    pair.primary
        .sql("CREATE TABLE core.t (id INT PRIMARY KEY); INSERT INTO core.t VALUES (1);")
        .unwrap();
    pair.wait_until_caught_up().unwrap();

    // A tunnel that broke is opened again by the unit, and replication goes on by itself.
    drop(first);
    pair.primary.sql("INSERT INTO core.t VALUES (2)").unwrap();
    let second = tunnel();
    pair.wait_until_caught_up().unwrap();
    assert_eq!(
        pair.replica.sql("SELECT COUNT(*) FROM core.t").unwrap(),
        "2\n"
    );
    drop(second);

    // What else the key could be tried for.
    let other_port = pair.replica.port();
    for wanted in [
        vec!["id".to_owned()],
        vec!["-W".to_owned(), format!("127.0.0.1:{other_port}")],
        vec![
            "-N".to_owned(),
            "-R".to_owned(),
            "127.0.0.1:0:127.0.0.1:1".to_owned(),
        ],
    ] {
        let output = ssh(home.path(), &server, &wanted);
        let said = String::from_utf8_lossy(&output.stdout);
        let code = output.status.code();
        assert!(
            !matches!(code, Some(0 | 124)),
            "{wanted:?} {code:?}: {said}"
        );
        assert!(!said.contains("uid="), "{wanted:?}");
    }
    server.stop();
}

/// The unit's command, with ports, paths, account and host of this test put in.
fn command(home: &Path, near: u16, far: &str, server: &Sshd) -> Command {
    let line = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let put_in = [
        ("/etc/coredb-tunnel", home.display().to_string()),
        (
            "127.0.0.1:3307:127.0.0.1:3306",
            format!("127.0.0.1:{near}:127.0.0.1:{far}"),
        ),
        (
            "-l coredb-tunnel coredb1",
            format!("-p {} -l {} 127.0.0.1", server.port(), Sshd::user()),
        ),
    ];
    let mut line = line.to_owned();
    for (wanted, value) in put_in {
        assert!(line.contains(wanted), "{wanted}");
        line = line.replace(wanted, &value);
    }
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn ssh(home: &Path, server: &Sshd, wanted: &[String]) -> std::process::Output {
    let (options, remote): (Vec<_>, Vec<_>) = wanted
        .iter()
        .partition(|word| wanted.len() > 1 || word.starts_with('-'));
    Command::new("timeout")
        .args(["10", "ssh", "-F", "none", "-o", "BatchMode=yes"])
        .args([
            "-o",
            "ExitOnForwardFailure=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
        ])
        .arg(format!(
            "UserKnownHostsFile={}",
            home.join("known_hosts").display()
        ))
        .arg("-i")
        .arg(home.join("key"))
        .args(["-p", &server.port().to_string(), "-l", &Sshd::user()])
        .args(options)
        .arg("127.0.0.1")
        .args(remote)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}
