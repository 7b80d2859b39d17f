//! Forty states of real servers, each with the verdict that it must get.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use replication_checker::client_output;
use replication_checker::gtid::GtidSet;
use replication_checker::observation::{Contact, Differences, Host, Observed, Reading};
use replication_checker::replica_status::ReplicaStatus;
use replication_checker::report::{self, Mode};
use replication_checker::row::Row;
use replication_checker::scrub::Scrub;
use replication_checker::verdict::{History, Seeing, find_roles, judge};
use serde_json::Value;

const PRIMARY_UUID: &str = "18237c20-e732-11f1-ba60-02fc00000001";
const REPLICA_UUID: &str = "8a142f3d-e732-11f1-8046-02fc00000001";

/// Configuration without a fault.
const HEALTHY: [(&str, &str); 13] = [
    ("gtid_mode", "ON"),
    ("enforce_gtid_consistency", "ON"),
    ("log_bin", "ON"),
    ("binlog_format", "ROW"),
    ("binlog_row_image", "FULL"),
    ("log_replica_updates", "ON"),
    ("sync_binlog", "1"),
    ("innodb_flush_log_at_trx_commit", "1"),
    ("bind_address", "127.0.0.1"),
    ("require_secure_transport", "ON"),
    ("relay_log_recovery", "ON"),
    ("replica_skip_errors", "OFF"),
    ("replica_exec_mode", "STRICT"),
];

struct Capture {
    rows: Vec<Row>,
    trailer: String,
}

impl Capture {
    fn read(text: &str) -> Self {
        // The status ends with the first line of the measurements after it.
        let marks = ["# heartbeat", "errant_on_replica"];
        let end = marks
            .iter()
            .filter_map(|mark| text.find(mark))
            .min()
            .unwrap();
        Self {
            rows: client_output::vertical(&text[..end]).unwrap(),
            trailer: text[end..].to_owned(),
        }
    }

    /// What stands after a name in the measurements.
    fn measured(&self, name: &str) -> Option<&str> {
        self.trailer
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    }

    fn has(&self, words: &str) -> bool {
        self.trailer.contains(words)
    }

    fn set(&self, name: &str) -> Option<GtidSet> {
        GtidSet::parse(self.measured(name).unwrap_or_default()).ok()
    }

    fn seeing(&self) -> Seeing {
        let status = self
            .rows
            .first()
            .map(|row| ReplicaStatus::from_row(row).unwrap());
        let one_uuid = status
            .as_ref()
            .is_some_and(|status| status.io_error.contains("equal MySQL server UUIDs"));
        let (read_only, super_read_only) = match self.measured("read_only") {
            Some(values) => values.split_once('\t').unwrap(),
            None if self.has("read_only=1, super_read_only=0") => ("1", "0"),
            None => panic!("the capture does not say whether the replica is read-only"),
        };
        let source = status
            .as_ref()
            .and_then(|status| status.source_uuid.clone())
            .unwrap_or_else(|| PRIMARY_UUID.to_owned());
        let heartbeat_us = self.measured("heartbeat_age_s").map(|text| {
            let seconds: f64 = text.parse().unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "some seconds")]
            let microseconds = (seconds * 1e6) as i64;
            microseconds
        });
        let replica = observed(
            if one_uuid { PRIMARY_UUID } else { REPLICA_UUID },
            &[
                ("read_only", read_only),
                ("super_read_only", super_read_only),
                (
                    "event_scheduler",
                    if self.has("event_scheduler=ON") {
                        "ON"
                    } else {
                        "OFF"
                    },
                ),
            ],
            status,
            heartbeat_us.map(|age| (source.clone(), age)),
            self.measured("worker_error").map(str::to_owned),
        );
        let primary = observed(
            &source,
            &[("read_only", "OFF"), ("super_read_only", "OFF")],
            None,
            heartbeat_us.map(|_| (source.clone(), 100_000)),
            None,
        );
        let is_unreachable = self.measured("missing_on_replica") == Some("UNKNOWN");
        let hosts = [
            Host {
                name: "coredb1".to_owned(),
                contact: if is_unreachable {
                    Contact::Unreachable("no answer".to_owned())
                } else {
                    Contact::Observed(Box::new(primary))
                },
            },
            Host {
                name: "coredb2".to_owned(),
                contact: Contact::Observed(Box::new(replica)),
            },
        ];
        let errant = match self.trailer.split_once("event imported as ENABLED): ") {
            Some((_, set)) => GtidSet::parse(set).ok(),
            None => self.set("errant_on_replica"),
        };
        Seeing {
            roles: find_roles(&hosts, None),
            hosts,
            differences: Ok(Differences {
                missing: self.set("missing_on_replica"),
                errant,
                purge_gap: self.set("precheck: purged-minus-executed"),
                not_applied: Some(GtidSet::default()),
                has_awaited: Some(true),
                ..Differences::default()
            }),
            expected_delay_s: 0,
            now: Timestamp::UNIX_EPOCH,
        }
    }
}

fn observed(
    uuid: &str,
    variables: &[(&str, &str)],
    status: Option<ReplicaStatus>,
    heartbeat: Option<(String, i64)>,
    worker_error: Option<String>,
) -> Observed {
    Observed {
        version: "9.7.4".to_owned(),
        server_id: None,
        server_uuid: Some(uuid.to_owned()),
        executed: Some(GtidSet::default()),
        purged: Some(GtidSet::default()),
        replica_status: Reading::Known(status),
        variables: Reading::Known(
            HEALTHY
                .iter()
                .chain(variables)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        ),
        certificate_ends: None,
        worker_error: Reading::Known(worker_error),
        heartbeats: heartbeat.map(|row| Reading::Known(BTreeMap::from([row]))),
        replicas: Reading::Unknown("not granted".to_owned()),
        binlog_file: None,
        clock_offset_ms: Some(0),
    }
}

fn captures() -> Vec<(String, Capture, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut all: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let expected =
                fs::read_to_string(folder.join(format!("{name}.expected.json"))).unwrap();
            let capture = Capture::read(&fs::read_to_string(&path).unwrap());
            (name, capture, serde_json::from_str(&expected).unwrap())
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

#[test]
fn each_captured_state_gets_its_verdict_and_no_other() {
    let mut wrong = Vec::new();
    let all = captures();
    assert_eq!(all.len(), 40);
    for (name, capture, expected) in all {
        let seeing = capture.seeing();
        let verdict = judge(&seeing, &History::Untracked);
        let report = report::build(&seeing, &verdict, Mode::Ssh, 0, &Scrub::default());
        let problems: BTreeMap<&str, &str> = report
            .problems
            .iter()
            .map(|problem| (problem.id, problem.severity.as_str()))
            .collect();
        let got = serde_json::json!({
            "status": report.status,
            "exit_code": report.exit_code,
            "problems": problems,
        });
        if got != expected {
            wrong.push(format!("{name}\n  wanted {expected}\n  got    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_three_forms_of_the_clients_output_read_alike() {
    for (name, capture, _) in captures() {
        let Some(row) = capture.rows.first() else {
            continue;
        };
        let expected = ReplicaStatus::from_row(row).unwrap();
        let names = column_names(&name);
        let tsv = [
            names.join("\t"),
            names
                .iter()
                .map(|column| match row.text(column) {
                    None => "NULL".to_owned(),
                    Some(value) => value.replace('\\', "\\\\").replace('\n', "\\n"),
                })
                .collect::<Vec<_>>()
                .join("\t"),
        ]
        .join("\n");
        let from_tsv = client_output::tsv(&tsv).unwrap();
        assert_eq!(
            ReplicaStatus::from_row(&from_tsv[0]).unwrap(),
            expected,
            "{name}"
        );

        let fields: String = names
            .iter()
            .map(|column| match row.text(column) {
                None => format!("\t<field name=\"{column}\" xsi:nil=\"true\" />\n"),
                Some(value) => {
                    let value = value
                        .replace('&', "&amp;")
                        .replace('<', "&lt;")
                        .replace('>', "&gt;")
                        .replace('"', "&quot;");
                    format!("\t<field name=\"{column}\">{value}</field>\n")
                }
            })
            .collect();
        let xml = format!(
            "<?xml version=\"1.0\"?>\n\n<resultset statement=\"SHOW REPLICA STATUS\n\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n  <row>\n{fields}  </row>\n</resultset>\n"
        );
        let sets = client_output::xml(&xml).unwrap();
        assert_eq!(sets[0].statement, "SHOW REPLICA STATUS");
        assert_eq!(
            ReplicaStatus::from_row(&sets[0].rows[0]).unwrap(),
            expected,
            "{name}"
        );
    }
}

/// The names in a capture, in order, read by the shape of its lines alone.
fn column_names(name: &str) -> Vec<String> {
    let path = format!("{}/tests/captures/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('#') && !line.starts_with("errant_on_replica"))
        .filter_map(|line| line.split_once(": "))
        .filter(|(column, _)| column.len() >= 29)
        .map(|(column, _)| column.trim().to_owned())
        .collect()
}
