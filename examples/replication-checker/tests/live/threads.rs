//! Threads that stand, by hand or by an error, and an applier that is held up.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::Bed;

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn threads_that_stand_are_told_apart_with_their_errors() {
    let mut bed = Bed::start();
    bed.shows("00 healthy", &[]);
    bed.replica("STOP REPLICA IO_THREAD");
    bed.shows("01 fetching stopped", &["io_stopped"]);
    bed.replica("START REPLICA IO_THREAD; STOP REPLICA SQL_THREAD");
    bed.shows("02 applying stopped", &["sql_stopped"]);
    bed.replica("STOP REPLICA");
    bed.shows("02b both stopped", &["io_stopped", "sql_stopped"]);
    bed.replica("START REPLICA");
    bed.shows("back", &[]);

    bed.pair.replica.stop();
    bed.pair
        .replica
        .start_again(&["--skip-replica-start"])
        .unwrap();
    bed.shows(
        "16 restarted with skip_replica_start",
        &["io_stopped", "sql_stopped"],
    );
    bed.replica("START REPLICA");
    bed.shows("back", &[]);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn an_applier_that_stops_at_an_error_shows_the_workers_words() {
    let bed = Bed::start();
    bed.replica(
        "SET GLOBAL super_read_only = OFF; INSERT INTO core.t VALUES (9, 0); SET GLOBAL super_read_only = ON;",
    );
    bed.primary("INSERT INTO core.t VALUES (9, 1)");
    bed.shows("03 duplicate key (1062)", &["sql_stopped", "errant_gtids"]);
    let report = bed.check("ssh").report;
    assert_eq!(report["replica"]["sql_errno"], 1062);
    let error = report["replica"]["worker_error"].as_str().unwrap();
    assert!(error.contains("Duplicate entry '9' for key"), "{error}");
    // A row's value, which one can have taken out.
    let mut command = bed.checker("direct");
    command.arg("--redact-errors");
    let redacted = crate::bed::run(command).report.to_string();
    assert!(redacted.contains("Duplicate entry '…'"), "{redacted}");
    assert!(!redacted.contains("entry '9'"), "{redacted}");

    bed.replica(
        "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; DELETE FROM core.t WHERE id = 9; \
         SET GLOBAL super_read_only = ON; START REPLICA SQL_THREAD;",
    );
    bed.shows("03b repaired, errant left", &["errant_gtids"]);
    bed.heal_errant();
    bed.shows("04c empty transactions", &[]);

    bed.replica(
        "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; DELETE FROM core.t WHERE id = 9; \
         SET GLOBAL super_read_only = ON;",
    );
    // No arithmetic on GTIDs can see it; the reference says so, and so does this.
    bed.shows("15 unlogged write on the replica: blind", &[]);
    bed.primary("UPDATE core.t SET n = 2 WHERE id = 9");
    bed.shows("03c row missing (1032)", &["sql_stopped"]);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn an_applier_that_a_lock_holds_up_is_lag_and_a_long_transaction_is_none() {
    let bed = Bed::start();
    thread::scope(|scope| {
        let long = scope.spawn(|| {
            bed.primary("BEGIN; INSERT INTO core.t VALUES (1, 1); SELECT SLEEP(3); COMMIT;")
        });
        bed.shows("12a long transaction on the primary", &[]);
        long.join().unwrap();
    });
    thread::scope(|scope| {
        let locked = scope.spawn(|| {
            bed.replica("FLUSH TABLES core.t WITH READ LOCK; SELECT SLEEP(20); UNLOCK TABLES;")
        });
        // It has the lock when it sleeps.
        let sleeping = "SELECT COUNT(*) FROM performance_schema.processlist WHERE INFO LIKE 'SELECT SLEEP(20)%'";
        let deadline = Instant::now() + Duration::from_secs(15);
        while bed.replica(sleeping).trim() != "1" {
            assert!(Instant::now() < deadline, "it does not lock");
            thread::sleep(Duration::from_millis(50));
        }
        bed.primary("INSERT INTO core.t VALUES (2, 1)");
        bed.shows("12c applier held up by a lock", &["lag"]);
        let lag = &bed.check("direct").report["lag"];
        assert!(lag["heartbeat_s"].as_f64().unwrap() > 5.0, "{lag}");
        locked.join().unwrap();
    });
    bed.shows("back", &[]);
}

/// A small file system of its own for the relay logs, which only the server sees.
const SMALL_DISK: &str = r#"mkdir -p "$0" && mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@""#;

#[test]
#[ignore = "needs MySQL, sshd and root: `cargo xtask test` sets the servers up and runs this"]
fn a_full_disk_for_relay_logs_is_named_while_every_column_is_green() {
    let mut bed = Bed::start();
    bed.primary("CREATE TABLE core.large (id INT PRIMARY KEY, data LONGBLOB)");
    bed.pair.wait_until_caught_up().unwrap();
    bed.replica("STOP REPLICA; RESET REPLICA ALL;");
    bed.pair.replica.stop();
    let folder = bed.pair.replica.folder().join("relay");
    let relay_log = format!("--relay-log={}/relay-bin", folder.display());
    let wrapper = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        SMALL_DISK,
        folder.to_str().unwrap(),
    ];
    bed.pair
        .replica
        .start_again_in(&wrapper, &[&relay_log])
        .unwrap();
    bed.pair.replicate_from(bed.pair.primary.port()).unwrap();
    bed.shows("on a small disk", &[]);

    bed.primary("INSERT INTO core.large VALUES (1, REPEAT('x', 4 * 1024 * 1024))");
    bed.shows("14 relay disk full", &["disk_wait"]);
    let report = bed.check("ssh").report;
    assert_eq!(report["replica"]["io"], "Yes", "{report:#}");
    assert_eq!(report["replica"]["sql"], "Yes", "{report:#}");
    println!(
        "14 Seconds_Behind_Source is {}",
        report["lag"]["seconds_behind_source"]
    );

    make_room(&bed, &folder);
    // The server looks at its disk again once a minute.
    let deadline = Instant::now() + Duration::from_secs(90);
    while bed.check("direct").code != 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_secs(1));
    }
    bed.shows("14b disk cleared", &[]);
    assert_eq!(bed.replica("SELECT COUNT(*) FROM core.large"), "1\n");
}

/// Makes the small disk larger, seen from where the server sees it.
fn make_room(bed: &Bed, folder: &Path) {
    let pid_file = bed.replica("SELECT @@pid_file");
    let pid = std::fs::read_to_string(pid_file.trim()).unwrap();
    let status = Command::new("nsenter")
        .args(["--target", pid.trim(), "--mount", "mount"])
        .args(["-o", "remount,size=64m"])
        .arg(folder)
        .status()
        .unwrap();
    assert!(status.success());
}
