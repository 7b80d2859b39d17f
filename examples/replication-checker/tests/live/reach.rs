//! When the check itself cannot get through: that is said, and never taken for a fault of replication.

use std::fs;

use testbed::sshd::KeyPair;

use crate::bed::{Bed, MODES, run};

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn a_host_that_cannot_be_asked_is_unreachable_and_nothing_else() {
    let mut bed = Bed::start();
    // sshd answers, mysqld does not.
    bed.pair.replica.stop();
    bed.shows("replica's mysqld is down", &["host_unreachable"]);
    let report = bed.check("ssh").report;
    let detail = report["problems"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("2002"), "{detail}");
    bed.pair.replica.start_again(&[]).unwrap();
    bed.shows("back", &[]);

    bed.ssh[1].stop();
    let down = bed.check("ssh");
    assert!(down.problems().contains("host_unreachable"));
    assert_eq!(
        (down.problems().len(), down.code),
        (1, 2),
        "{:#}",
        down.report
    );
    bed.ssh[1].start_again().unwrap();
    assert_eq!(bed.check("ssh").code, 0);
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn strange_hosts_keys_passwords_and_authorities_are_refused() {
    let bed = Bed::start();
    let only_unreachable = |what: &str, command| {
        let run = run(command);
        let problems = run.report["problems"].as_array().unwrap();
        assert_eq!(run.code, 2, "{what}: {:#}", run.report);
        assert_eq!(problems.len(), 2, "{what}: {:#}", run.report);
        for problem in problems {
            assert_eq!(problem["id"], "host_unreachable", "{what}");
        }
        let detail = problems[0]["detail"].as_str().unwrap();
        println!("{what}: {detail}");
        detail.to_owned()
    };
    for mode in MODES {
        let mut command = bed.checker(mode);
        command.env("REPL_SQL_PASS", "wrong # password \\ \"");
        let detail = only_unreachable(&format!("wrong SQL password, {mode}"), command);
        assert!(
            detail.contains("1045") || detail.contains("Access denied"),
            "{detail}"
        );
    }

    let mut command = bed.checker("ssh");
    let empty = bed.home.path().join("no_known_hosts");
    fs::write(&empty, "").unwrap();
    command.env("REPL_SSH_KNOWN_HOSTS", &empty);
    let detail = only_unreachable("unknown host key", command);
    assert!(detail.contains("Host key verification failed"), "{detail}");

    let mut command = bed.checker("ssh");
    let stranger = KeyPair::generate(&bed.home.path().join("stranger")).unwrap();
    command.env("REPL_SSH_IDENTITY_FILE", stranger.private_file());
    let detail = only_unreachable("key that is not let in", command);
    assert!(detail.contains("Permission denied"), "{detail}");

    // The name in the certificate.
    let mut command = bed.checker("direct");
    let urls = [&bed.pair.primary, &bed.pair.replica].map(|server| {
        format!(
            "mysql://replmon@127.0.0.1:{}/?ssl-ca={}&tls-hostname={}.invalid",
            server.port(),
            server.ca_file().display(),
            server.name()
        )
    });
    command.env("REPL_MYSQL_URLS", urls.join(","));
    let detail = only_unreachable("name not in the certificate", command);
    assert!(detail.contains("certificate"), "{detail}");
}

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn checks_without_their_grants_are_left_out_and_said_so() {
    let bed = Bed::start();
    bed.primary(
        "REVOKE SELECT ON performance_schema.replication_applier_status_by_worker FROM replmon@localhost, replmon@127.0.0.1; \
         REVOKE SELECT ON repl_heartbeat.beat FROM replmon@localhost, replmon@127.0.0.1;",
    );
    bed.pair.wait_until_caught_up().unwrap();
    for mode in MODES {
        let run = bed.check(mode);
        assert_eq!(run.code, 0, "{:#}", run.report);
        let skipped = run.report["skipped"].to_string();
        assert!(skipped.contains("\"worker_error\""), "{skipped}");
        assert!(skipped.contains("\"heartbeat\""), "{skipped}");
        let problem = &run.report["problems"][0];
        assert_eq!(problem["id"], "check_degraded");
    }
    bed.primary("REVOKE REPLICATION CLIENT ON *.* FROM replmon@localhost, replmon@127.0.0.1");
    bed.pair.wait_until_caught_up().unwrap();
    bed.shows("no REPLICATION CLIENT: unknown", &["check_incomplete"]);
    assert_eq!(bed.check("direct").code, 3);
}
