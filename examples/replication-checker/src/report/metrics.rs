//! The report as an OpenMetrics text file. A series is always there: what is unknown is NaN.

use std::fmt::Write as _;

use super::Report;

/// The text. `names` are the two hosts' as they are configured: a run that could not look knows no others.
pub fn metrics(report: &Report, names: &[String; 2]) -> String {
    let mut text = Text(String::new());
    let (primary, replica) = (report.primary.as_ref(), report.replica.as_ref());
    let host = |name: &str| format!("{{host=\"{}\"}}", escaped(name));
    let mut hosts: Vec<(&str, bool, Option<bool>, Option<&String>)> = primary
        .map(|host| {
            let ends = host.cert_not_after.as_ref();
            (host.name.as_str(), host.reachable, host.read_only, ends)
        })
        .into_iter()
        .chain(replica.map(|host| {
            let ends = host.cert_not_after.as_ref();
            (host.name.as_str(), host.reachable, host.read_only, ends)
        }))
        .collect();
    if hosts.is_empty() {
        hosts.extend(names.iter().map(|name| (name.as_str(), false, None, None)));
    }

    text.family(
        "mysql_repl_check_up",
        "Whether the host answered this check.",
    );
    for (name, reachable, ..) in &hosts {
        text.sample(&host(name), Some(u8::from(*reachable).into()));
    }
    text.family("mysql_repl_check_timestamp_seconds", "When this check ran.");
    let when = report.ts.parse::<jiff::Timestamp>().ok();
    text.sample("", when.map(|time| time.as_duration().as_secs_f64()));
    text.family(
        "mysql_repl_check_duration_seconds",
        "How long this check took.",
    );
    text.sample("", Some(number(report.run_ms) / 1000.0));

    text.family("mysql_repl_configured", "Whether the replica has a source.");
    text.sample("", replica.and_then(|host| host.configured).map(flag));
    text.family("mysql_repl_io_state", "State of the thread that fetches.");
    let io = replica.and_then(|host| host.io);
    for (state, word) in [("yes", "Yes"), ("no", "No"), ("connecting", "Connecting")] {
        text.sample(
            &format!("{{state=\"{state}\"}}"),
            io.map(|io| flag(io == word)),
        );
    }
    let sql = replica.and_then(|host| host.sql);
    let errno = |number: Option<u32>| number.map(f64::from);
    for (name, help, value) in [
        (
            "mysql_repl_sql_running",
            "Whether the thread that applies runs.",
            sql.map(|sql| flag(sql == "Yes")),
        ),
        (
            "mysql_repl_io_errno",
            "Error of the thread that fetches, 0 for none.",
            errno(replica.and_then(|host| host.io_errno)),
        ),
        (
            "mysql_repl_sql_errno",
            "Error of the thread that applies, 0 for none.",
            errno(replica.and_then(|host| host.sql_errno)),
        ),
        (
            "mysql_repl_seconds_behind",
            "Seconds_Behind_Source; NaN when MySQL says NULL.",
            report.lag.seconds_behind_source.map(number),
        ),
        (
            "mysql_repl_heartbeat_age_seconds",
            "Age of the heartbeat row on the replica.",
            report.lag.heartbeat_s,
        ),
        (
            "mysql_repl_effective_lag_seconds",
            "The worst of all measures of lag, less the delay that is demanded.",
            report.lag.effective_s,
        ),
        (
            "mysql_repl_gtid_missing_transactions",
            "Transactions that the replica lacks.",
            report.gtid.missing_count.map(number),
        ),
        (
            "mysql_repl_gtid_errant_transactions",
            "Transactions that the replica has and its source has not.",
            report.gtid.errant_count.map(number),
        ),
        (
            "mysql_repl_purge_gap_transactions",
            "Transactions that the replica needs and its source has purged.",
            report.gtid.purge_gap_count.map(number),
        ),
        (
            "mysql_repl_retry_attempts_left",
            "Tries to connect before the replica gives up for good.",
            replica.and_then(|host| {
                let left = host.retry.count?;
                Some(number(left.saturating_sub(host.retry.attempt.unwrap_or(0))))
            }),
        ),
        (
            "mysql_repl_ssl",
            "Whether replication is encrypted.",
            replica.and_then(|host| host.ssl).map(flag),
        ),
    ] {
        text.family(name, help);
        text.sample("", value);
    }
    text.family("mysql_repl_read_only", "read_only of the host.");
    for (name, _, read_only, _) in &hosts {
        text.sample(&host(name), read_only.map(flag));
    }
    text.family("mysql_repl_super_read_only", "super_read_only of the host.");
    if let Some(replica) = replica {
        text.sample(&host(&replica.name), replica.super_read_only.map(flag));
    } else {
        // Which of the two it is, only a run that looks finds out.
        for (name, ..) in &hosts {
            text.sample(&host(name), None);
        }
    }
    text.family(
        "mysql_repl_cert_not_after_seconds",
        "When the host's certificate ends.",
    );
    for (name, _, _, ends) in &hosts {
        let ends = ends.and_then(|ends| ends.parse::<jiff::Timestamp>().ok());
        text.sample(
            &host(name),
            ends.map(|time| time.as_duration().as_secs_f64()),
        );
    }
    text.family("mysql_repl_problem", "A problem that was found.");
    let mut said = std::collections::BTreeSet::new();
    for problem in &report.problems {
        let (id, severity) = (problem.id, problem.severity.as_str());
        // One series for an id, whichever host has it.
        if said.insert((id, severity)) {
            text.sample(
                &format!("{{id=\"{id}\",severity=\"{severity}\"}}"),
                Some(1.0),
            );
        }
    }
    text.0.push_str("# EOF\n");
    text.0
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} gauge\n# HELP {name} {help}");
    }

    /// A sample of the family that was begun last.
    fn sample(&mut self, labels: &str, value: Option<f64>) {
        let family = self
            .0
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("# HELP "))
            .and_then(|rest| rest.split(' ').next())
            .unwrap_or_default()
            .to_owned();
        let value = value.map_or("NaN".to_owned(), |value| value.to_string());
        let _ = writeln!(self.0, "{family}{labels} {value}");
    }
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count above 2^52 is not worth its last digits"
)]
fn number(value: u64) -> f64 {
    value as f64
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
