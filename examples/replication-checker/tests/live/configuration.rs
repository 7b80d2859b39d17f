//! Faults of configuration: on the servers, and of the channel.

use std::fs;

use testbed::mysql::Certificates;

use crate::bed::{Bed, MODES, run};

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn variables_that_make_replication_unsound_have_their_names() {
    let bed = Bed::start();
    let on_replica = |what: &str, fault: &str, undo: &str, problems: &[&str]| {
        bed.replica(fault);
        bed.shows(what, problems);
        bed.replica(undo);
    };
    on_replica(
        "05 replica takes writes",
        "SET GLOBAL read_only = OFF",
        "SET GLOBAL super_read_only = ON",
        &["replica_writable"],
    );
    on_replica(
        "super_read_only off",
        "SET GLOBAL super_read_only = OFF",
        "SET GLOBAL super_read_only = ON",
        &["super_read_only_off"],
    );
    on_replica(
        "event scheduler on the replica",
        "SET GLOBAL event_scheduler = ON",
        "SET GLOBAL event_scheduler = OFF",
        &["event_scheduler_on_replica"],
    );
    on_replica(
        "errors passed over",
        "STOP REPLICA SQL_THREAD; SET GLOBAL replica_exec_mode = IDEMPOTENT; START REPLICA SQL_THREAD",
        "STOP REPLICA SQL_THREAD; SET GLOBAL replica_exec_mode = STRICT; START REPLICA SQL_THREAD",
        &["skip_errors_or_idempotent"],
    );
    on_replica(
        "sync settings",
        "SET GLOBAL sync_binlog = 0",
        "SET GLOBAL sync_binlog = 1",
        &["sync_settings"],
    );
    on_replica(
        "TLS not required",
        "SET GLOBAL require_secure_transport = OFF",
        "SET GLOBAL require_secure_transport = ON",
        &["require_secure_transport_off"],
    );
    let on_primary = |what: &str, fault: &str, undo: &str, problems: &[&str]| {
        bed.primary(fault);
        bed.shows(what, problems);
        bed.primary(undo);
    };
    on_primary(
        "primary read-only",
        "SET GLOBAL read_only = ON",
        "SET GLOBAL read_only = OFF",
        &["primary_read_only"],
    );
    on_primary(
        "binary logs kept for an hour",
        "SET GLOBAL binlog_expire_logs_seconds = 3600",
        "SET GLOBAL binlog_expire_logs_seconds = 2592000",
        &["purge_horizon"],
    );
    on_primary(
        "row image",
        "SET GLOBAL binlog_row_image = MINIMAL",
        "SET GLOBAL binlog_row_image = FULL",
        &["row_image"],
    );
    bed.shows("back", &[]);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn faults_of_the_channel_have_their_names() {
    let bed = Bed::start();
    bed.replica("STOP REPLICA SQL_THREAD; CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = (core.t); START REPLICA SQL_THREAD");
    bed.shows("20 filter", &["filters_set"]);
    bed.replica("STOP REPLICA SQL_THREAD; CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = (); START REPLICA SQL_THREAD");
    bed.change_source("SOURCE_AUTO_POSITION = 0");
    bed.shows("23 auto-position off", &["auto_position_off"]);
    bed.change_source("SOURCE_AUTO_POSITION = 1");

    bed.change_source("SOURCE_DELAY = 20");
    bed.shows("13 delay", &["delay_unexpected"]);
    for mode in MODES {
        let mut command = bed.checker(mode);
        command.env("REPL_EXPECTED_DELAY", "20");
        let run = run(command);
        assert_eq!((run.code, run.problems().len()), (0, 0), "{}", run.report);
    }
    bed.change_source("SOURCE_DELAY = 0");

    bed.change_source("SOURCE_RETRY_COUNT = 10");
    bed.shows("ten tries", &["retry_budget"]);
    bed.change_source("SOURCE_RETRY_COUNT = 86400");

    bed.change_source("SOURCE_SSL_VERIFY_SERVER_CERT = 0");
    bed.shows("certificate not verified", &["ssl_not_verified"]);
    bed.change_source("SOURCE_SSL_VERIFY_SERVER_CERT = 1");
    let password = bed.pair.primary.passwords().replicator.clone();
    bed.change_source("SOURCE_PASSWORD = 'wrong'");
    bed.shows("09 wrong password", &["io_connecting"]);
    bed.change_source(&format!("SOURCE_PASSWORD = '{password}'"));

    let folder = bed.home.path().join("stranger");
    fs::create_dir(&folder).unwrap();
    let stranger = Certificates::new().write_ca(&folder).unwrap();
    bed.change_source(&format!("SOURCE_SSL_CA = '{}'", stranger.display()));
    bed.shows("11 wrong CA", &["io_connecting"]);
    let ca = bed.pair.replica.ca_file();
    bed.change_source(&format!("SOURCE_SSL_CA = '{}'", ca.display()));
    // `localhost` is not in the certificate.
    bed.change_source("SOURCE_HOST = 'localhost'");
    bed.shows("11b name not in the certificate", &["io_connecting"]);
    bed.change_source("SOURCE_HOST = '127.0.0.1', SOURCE_AUTO_POSITION = 1");
    bed.shows("11c back", &[]);

    bed.change_source("SOURCE_SSL = 0");
    bed.shows("10 no TLS, refused", &["io_connecting", "not_encrypted"]);
    bed.primary(
        "SET GLOBAL require_secure_transport = OFF; ALTER USER replicator@127.0.0.1 REQUIRE NONE;",
    );
    // What caching_sha2_password remembers of an earlier login would let it in without TLS.
    bed.primary("FLUSH PRIVILEGES");
    bed.change_source("SOURCE_SSL = 0");
    bed.shows(
        "10b no TLS, not required of the account",
        &[
            "io_connecting",
            "not_encrypted",
            "require_secure_transport_off",
        ],
    );
    assert_eq!(bed.check("direct").report["replica"]["io_errno"], 2061);
    bed.change_source("SOURCE_SSL = 0, GET_SOURCE_PUBLIC_KEY = 1");
    bed.shows(
        "10c no TLS, in clear",
        &["not_encrypted", "require_secure_transport_off"],
    );
}
