//! The three forms that MySQL's client prints, of the real replica: they read alike.

use std::process::Command;
use std::time::{Duration, Instant};

use replication_checker::client_output;
use replication_checker::replica_status::ReplicaStatus;
use replication_checker::row::Row;
use testbed::mysql::Pair;
use testbed::parts::MysqlPart;

#[test]
#[ignore = "needs MySQL and sshd: `cargo xtask test` sets them up and runs this"]
fn vertical_tab_separated_and_xml_output_of_a_real_replica_read_alike() {
    let pair = Pair::start().unwrap();
    // An error, several lines of sets and NULLs; nothing that moves between two prints.
    pair.replica
        .sql(
            "STOP REPLICA; SET GLOBAL super_read_only = OFF; CREATE TABLE core.own (id INT); \
             SET GLOBAL super_read_only = ON; CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = 'wrong', \
             SOURCE_RETRY_COUNT = 1, SOURCE_CONNECT_RETRY = 1; START REPLICA IO_THREAD;",
        )
        .unwrap();
    let stopped = |pair: &Pair| {
        let status = pair.replica.sql("SHOW REPLICA STATUS").unwrap();
        status.contains("attempt 1/1") && status.contains("\tNo\tNo\t")
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !stopped(&pair) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(100));
    }
    let rows = [
        client_output::vertical(&printed(&pair, "--vertical")).unwrap(),
        client_output::tsv(&printed(&pair, "--batch")).unwrap(),
        client_output::xml(&printed(&pair, "--xml"))
            .unwrap()
            .remove(0)
            .rows,
    ];
    let [vertical, tsv, xml] = rows.map(|rows| {
        assert_eq!(rows.len(), 1);
        let row: &Row = &rows[0];
        assert_eq!(row.columns(), 60);
        ReplicaStatus::from_row(row).unwrap()
    });
    assert_eq!(vertical, tsv);
    assert_eq!(vertical, xml);
    assert_eq!(xml.io_errno, Some(1045));
    assert_eq!(xml.seconds_behind_source, None);
    assert_eq!(xml.executed.unwrap().servers(), 2);
}

fn printed(pair: &Pair, form: &str) -> String {
    let client = MysqlPart::find().unwrap().client("mysql");
    let output = Command::new(client.get_program())
        .args(client.get_args())
        .arg(format!(
            "--defaults-file={}",
            pair.replica.folder().join("root.cnf").display()
        ))
        .args([form, "-e", "SHOW REPLICA STATUS"])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
