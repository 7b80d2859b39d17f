//! Any text as the output of MySQL's client, in its three forms: what cannot be read is never a
//! number, and rows written anew as XML are the same rows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use replication_checker::client_output::{tsv, vertical, xml};
use replication_checker::replica_status::ReplicaStatus;
use replication_checker::row::Row;
use replication_checker::scrub::{MAX_TEXT_CHARS, Scrub};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let sets = xml(text).unwrap_or_default();
    for set in &sets {
        let printed = print(&set.statement, &set.rows);
        assert_eq!(xml(&printed).expect("what we write we read"), [set.clone()]);
    }
    let rows = [
        vertical(text).unwrap_or_default(),
        tsv(text).unwrap_or_default(),
    ]
    .concat();
    for row in sets.iter().flat_map(|set| &set.rows).chain(&rows) {
        if let Ok(status) = ReplicaStatus::from_row(row) {
            reads_what_is_there(row, &status);
        }
    }
    let shown = Scrub::new(vec!["hunter2".to_owned()], true).text(text);
    assert!(shown.chars().count() <= MAX_TEXT_CHARS + 1 && !shown.contains(char::is_control));
});

fn reads_what_is_there(row: &Row, status: &ReplicaStatus) {
    for (name, read) in [
        ("Seconds_Behind_Source", status.seconds_behind_source),
        ("Relay_Log_Space", status.relay_log_bytes),
        ("SQL_Delay", status.sql_delay_s),
    ] {
        let digits = row.text(name).filter(|text| {
            let digits = text.strip_prefix('+').unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        assert!(read.is_none() || digits.is_some(), "{name} is no number");
    }
    assert_eq!(
        status.sql_running == Some(true),
        row.text("Replica_SQL_Running") == Some("Yes")
    );
    assert!(status.filters.iter().all(|filter| filter.contains('=')));
    for (name, set) in [
        ("Executed_Gtid_Set", &status.executed),
        ("Retrieved_Gtid_Set", &status.retrieved),
    ] {
        assert!(set.is_none() || row.text(name).is_some());
    }
    let _ = status.retry_attempt();
}

fn print(statement: &str, rows: &[Row]) -> String {
    let mut text = format!("<resultset statement=\"{}\">", escaped(statement));
    for row in rows {
        text.push_str("<row>");
        for (name, value) in row.iter() {
            match value {
                Some(value) => {
                    let (name, value) = (escaped(name), escaped(value));
                    text.push_str(&format!("<field name=\"{name}\">{value}</field>"));
                }
                None => text.push_str(&format!(
                    "<field name=\"{}\" xsi:nil=\"true\" />",
                    escaped(name)
                )),
            }
        }
        text.push_str("</row>");
    }
    text + "</resultset>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
