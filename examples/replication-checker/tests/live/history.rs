//! Transactions that one side has and the other lacks for good, and servers that are not who they should be.

use crate::bed::Bed;

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn transactions_of_the_replicas_own_are_errant_while_all_is_green() {
    let bed = Bed::start();
    bed.replica(
        "SET GLOBAL super_read_only = OFF; INSERT INTO core.t VALUES (100, 0); SET GLOBAL super_read_only = ON;",
    );
    bed.shows("04 errant GTID, all green", &["errant_gtids"]);
    let report = bed.check("ssh").report;
    assert_eq!(report["gtid"]["errant_count"], 1);
    assert_eq!(report["replica"]["io"], "Yes");
    assert_eq!(report["replica"]["sql"], "Yes");
    assert_eq!(report["lag"]["seconds_behind_source"], 0);
    bed.heal_errant();
    bed.shows("04c empty transactions", &[]);

    // As a dump brings it: ENABLED, its definer root, the scheduler on.
    bed.replica(
        "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; \
         CREATE EVENT core.imported ON SCHEDULE EVERY 1 SECOND DO \
         INSERT INTO core.t SELECT COALESCE(MAX(id), 0) + 1000, 0 FROM core.t; \
         SET sql_log_bin = 1; SET GLOBAL event_scheduler = ON;",
    );
    bed.shows(
        "24 imported event writes",
        &[
            "errant_gtids",
            "event_scheduler_on_replica",
            "super_read_only_off",
        ],
    );
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_write_that_the_primary_kept_from_its_binary_log_raises_no_alarm_until_it_breaks_something() {
    let bed = Bed::start();
    bed.primary("SET sql_log_bin = 0; INSERT INTO core.t VALUES (1, 0);");
    // No arithmetic on GTIDs can see it; only checksums of rows could.
    bed.shows("21 unlogged write on the primary: blind", &[]);
    bed.primary("UPDATE core.t SET n = 1 WHERE id = 1");
    bed.shows("21 then 1032", &["sql_stopped"]);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn servers_that_are_taken_for_one_another_are_named() {
    let mut bed = Bed::start();
    bed.replica("SET GLOBAL server_id = 1; STOP REPLICA; START REPLICA;");
    bed.shows("18 same server_id", &["io_stopped"]);
    bed.replica("SET GLOBAL server_id = 2; START REPLICA;");
    bed.shows("back", &[]);

    bed.pair.replica.stop();
    let own = std::fs::read(bed.pair.replica.folder().join("data/auto.cnf")).unwrap();
    std::fs::copy(
        bed.pair.primary.folder().join("data/auto.cnf"),
        bed.pair.replica.folder().join("data/auto.cnf"),
    )
    .unwrap();
    bed.pair.replica.start_again(&[]).unwrap();
    bed.shows("18b same server_uuid", &["io_stopped", "same_server_uuid"]);
    bed.pair.replica.stop();
    std::fs::write(bed.pair.replica.folder().join("data/auto.cnf"), own).unwrap();
    bed.pair.replica.start_again(&[]).unwrap();
    bed.shows("back", &[]);

    bed.replica("STOP REPLICA; RESET REPLICA ALL;");
    bed.shows("17 not a replica", &["not_a_replica"]);
    bed.replica("SET GLOBAL read_only = OFF");
    bed.shows(
        "not a replica, and both take writes",
        &["not_a_replica", "both_writable"],
    );
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_source_that_purged_what_the_replica_needs_is_a_purge_gap() {
    let bed = Bed::start();
    bed.replica("STOP REPLICA IO_THREAD");
    bed.primary(
        "INSERT INTO core.t VALUES (1, 1); FLUSH BINARY LOGS; INSERT INTO core.t VALUES (2, 1);",
    );
    let log = bed.primary("SHOW BINARY LOG STATUS");
    let current = log.split('\t').next().unwrap();
    bed.primary(&format!("PURGE BINARY LOGS TO '{current}'"));
    // Known before the replica notices.
    bed.shows("08 purged, not noticed yet", &["io_stopped", "purge_gap"]);
    bed.replica("START REPLICA IO_THREAD");
    bed.shows("08 purged", &["io_stopped", "purge_gap"]);
    assert_eq!(bed.check("direct").report["replica"]["io_errno"], 13114);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_source_that_lost_its_own_transactions_is_not_called_errant() {
    let bed = Bed::start();
    bed.primary("RESET BINARY LOGS AND GTIDS");
    bed.replica("STOP REPLICA; START REPLICA;");
    bed.shows(
        "19 source lost its transactions",
        &["io_stopped", "source_ahead_lost"],
    );
}
