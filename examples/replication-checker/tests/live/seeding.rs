//! `core-replica-seed` on real servers: what it refuses, that what it makes is a true copy while the source is
//! written to, and that a second run mends what a failure left.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use testbed::mysql::Server;
use testbed::parts::MysqlPart;

use crate::bed::{Bed, executable};

pub(crate) const PASSWORD: &str = "seeder's \\ # password";

pub(crate) fn bed() -> Bed {
    let bed = Bed::start();
    bed.primary(
        "CREATE USER seeder@127.0.0.1 IDENTIFIED BY 'seeder''s \\\\ # password' REQUIRE SSL; \
         GRANT ALL ON *.* TO seeder@127.0.0.1 WITH GRANT OPTION;",
    );
    bed.pair.wait_until_caught_up().unwrap();
    let part = MysqlPart::find().unwrap();
    let programs = bed.home.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    for name in ["mysql", "mysqldump"] {
        executable(&programs.join(name), &part.client_script(name));
    }
    bed
}

pub(crate) fn url(server: &Server) -> String {
    format!(
        "mysql://seeder@127.0.0.1:{}/?ssl-ca={}&tls-hostname={}",
        server.port(),
        server.ca_file().display(),
        server.name()
    )
}

pub(crate) fn uuid(server: &Server) -> String {
    server
        .sql("SELECT @@server_uuid")
        .unwrap()
        .trim()
        .to_owned()
}

pub(crate) fn seed(
    bed: &Bed,
    source: &Server,
    target: &Server,
    uuid: &str,
    more: &[&str],
) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_core-replica-seed"));
    command
        .args(["--source", &url(source), "--target", &url(target)])
        .args(["--erase-target", uuid])
        .args(more)
        .env_clear()
        .env(
            "PATH",
            format!(
                "{}:/usr/bin:/bin",
                bed.home.path().join("programs").display()
            ),
        )
        .env("SEED_SOURCE_PASS", PASSWORD)
        .env("SEED_TARGET_PASS", PASSWORD)
        .env("SEED_REPL_PASS", &bed.pair.primary.passwords().replicator)
        .stdin(Stdio::null());
    command
}

/// Runs a seeding by clone to its end. There is no supervisor here: the target shuts down when it has
/// everything, and is started again.
pub(crate) fn through_the_restart(mut seeding: Command, target: &mut Server) -> Output {
    let seeding = seeding
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = target.wait_until_ended(Duration::from_secs(60));
    let started = ended.then(|| target.start_again(&[]));
    let output = seeding.wait_with_output().unwrap();
    started
        .unwrap_or_else(|| panic!("it never ended: {output:?}"))
        .unwrap();
    output
}

fn object(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains(PASSWORD));
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Writes rows until it is told that all is done; how many.
fn load(source: &Server, done: &AtomicBool) -> u32 {
    let mut rows = 0;
    while !done.load(Ordering::SeqCst) {
        rows += 1;
        let statements = format!(
            "INSERT INTO core.t VALUES ({rows}, 0); UPDATE core.t SET n = n + 1 WHERE id % 7 = 0; \
             INSERT INTO core.no_key VALUES ({rows}); DELETE FROM core.t WHERE id = {rows} - 50;"
        );
        source.sql(&statements).unwrap();
    }
    rows
}

/// Everything in which the two can differ, compared when the source is quiet.
fn assert_true_copy(bed: &Bed) {
    bed.pair.wait_until_caught_up().unwrap();
    for table in ["core.t", "core.no_key"] {
        let sum = format!("CHECKSUM TABLE {table}");
        assert_eq!(bed.primary(&sum), bed.replica(&sum), "{table}");
    }
    let accounts = "SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2";
    assert_eq!(bed.primary(accounts), bed.replica(accounts));
    assert_eq!(
        bed.replica("SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'"),
        "0\n"
    );
    bed.shows("seeded", &[]);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_target_that_must_not_be_erased_is_refused_and_untouched() {
    let bed = bed();
    let (primary, replica) = (&bed.pair.primary, &bed.pair.replica);
    let refused = |code: &str, mut command: Command| {
        let output = command.arg("--json").output().unwrap();
        let object = object(&output);
        assert_eq!(output.status.code(), Some(2), "{object:#}");
        assert_eq!(object["refused"], code, "{object:#}");
        assert_eq!(object["left"], "untouched");
    };
    let of_replica = uuid(replica);
    refused(
        "target_mismatch",
        seed(&bed, primary, replica, &uuid(primary), &[]),
    );
    refused(
        "target_is_primary",
        seed(&bed, replica, primary, &uuid(primary), &[]),
    );
    refused(
        "same_server",
        seed(&bed, replica, replica, &of_replica, &[]),
    );
    bed.primary("CREATE TABLE core.other (id INT) ENGINE = MyISAM");
    bed.pair.wait_until_caught_up().unwrap();
    refused(
        "not_innodb",
        seed(&bed, primary, replica, &of_replica, &["--method", "dump"]),
    );
    let mut command = seed(&bed, primary, replica, &of_replica, &["--method", "dump"]);
    command.env("PATH", "/nowhere");
    refused("dump_impossible", command);
    bed.primary("DROP TABLE core.other");
    bed.pair.wait_until_caught_up().unwrap();
    bed.shows("untouched", &[]);
    bed.replica("SET GLOBAL super_read_only = OFF; CREATE TABLE core.own (id INT); SET GLOBAL super_read_only = ON;");
    refused(
        "errant_gtids",
        seed(&bed, primary, replica, &of_replica, &[]),
    );
    bed.shows("untouched, with its own table", &["errant_gtids"]);

    let mut command = seed(&bed, primary, replica, &of_replica, &[]);
    let output = command.env_remove("SEED_REPL_PASS").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_dump_while_the_source_is_written_to_makes_a_true_copy() {
    let bed = bed();
    bed.primary("CREATE TABLE core.no_key (n INT)");
    bed.pair.wait_until_caught_up().unwrap();
    // Broken in every way that a dump must mend: own data, own accounts, own schema.
    bed.replica(
        "SET GLOBAL super_read_only = OFF; CREATE DATABASE extra; CREATE TABLE extra.t (id INT); \
         CREATE USER extra@localhost; DELETE FROM core.t; INSERT INTO core.no_key VALUES (-1);",
    );
    let target = uuid(&bed.pair.replica);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| load(&bed.pair.primary, &done));
        let more = ["--method", "dump", "--discard-errant", "--json"];
        let output = seed(&bed, &bed.pair.primary, &bed.pair.replica, &target, &more)
            .output()
            .unwrap();
        done.store(true, Ordering::SeqCst);
        let rows = writer.join().unwrap();
        let object = object(&output);
        assert_eq!(output.status.code(), Some(0), "{object:#}");
        assert_eq!(object["method"], "dump");
        assert!(object["proof"]["tables_equal"].as_array().unwrap().len() >= 2);
        println!("seeded by dump while {rows} rounds were written: {object}");
    });
    assert_true_copy(&bed);
    assert_eq!(bed.replica("SHOW DATABASES LIKE 'extra'"), "");
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_clone_while_the_source_is_written_to_makes_a_true_copy() {
    let mut bed = bed();
    bed.primary("CREATE TABLE core.no_key (n INT)");
    bed.pair.wait_until_caught_up().unwrap();
    bed.replica(
        "SET GLOBAL super_read_only = OFF; CREATE DATABASE extra; DELETE FROM core.t; \
         STOP REPLICA; RESET REPLICA ALL;",
    );
    let target = uuid(&bed.pair.replica);
    let more = ["--discard-errant", "--json"];
    let seeding = seed(&bed, &bed.pair.primary, &bed.pair.replica, &target, &more);
    let done = AtomicBool::new(false);
    let (source, replica) = (&bed.pair.primary, &mut bed.pair.replica);
    let output = thread::scope(|scope| {
        let writer = scope.spawn(|| load(source, &done));
        let output = through_the_restart(seeding, replica);
        done.store(true, Ordering::SeqCst);
        let rows = writer.join().unwrap();
        println!("seeded by clone while {rows} rounds were written");
        output
    });
    let object = object(&output);
    assert_eq!(output.status.code(), Some(0), "{object:#}");
    assert_eq!(object["method"], "clone");
    assert_eq!(uuid(&bed.pair.replica), target);
    assert_true_copy(&bed);
    assert_eq!(bed.replica("SHOW DATABASES LIKE 'extra'"), "");
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_failure_in_the_middle_is_named_and_a_second_run_mends_it() {
    let mut bed = bed();
    bed.primary("CREATE TABLE core.no_key (n INT)");
    bed.pair.wait_until_caught_up().unwrap();
    let target = uuid(&bed.pair.replica);
    let more = ["--method", "dump"];
    let mut command = seed(&bed, &bed.pair.primary, &bed.pair.replica, &target, &more);
    let mut seeding = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(seeding.stdout.take().unwrap()).lines();
    let copying = lines.find(|line| line.as_ref().unwrap().starts_with("copying"));
    assert_eq!(copying.unwrap().unwrap(), "copying by dump");
    bed.pair.replica.kill();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(seeding.wait().unwrap().code(), Some(1), "{rest:?}");
    let last = rest.last().unwrap();
    assert!(
        last.contains("erased and partly filled; run this again"),
        "{rest:?}"
    );

    bed.pair.replica.start_again(&[]).unwrap();
    let output = seed(&bed, &bed.pair.primary, &bed.pair.replica, &target, &more)
        .arg("--json")
        .output()
        .unwrap();
    let object = object(&output);
    assert_eq!(output.status.code(), Some(0), "{object:#}");
    assert_true_copy(&bed);
}
