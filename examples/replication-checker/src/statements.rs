//! What the servers are asked, in both modes. Each statement stands on a line of its own, so that an error
//! of the command-line client ("at line 3") names it.

use std::collections::BTreeMap;

use crate::gtid::GtidSet;
use crate::row::Row;

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Version and server id; every kind of server answers.
    Version,
    /// `SHOW REPLICA STATUS`.
    ReplicaStatus,
    /// `server_uuid`, what was executed, what was purged.
    GtidSets,
    /// Configuration that is checked.
    Variables,
    /// When the server's certificate ends.
    Certificate,
    /// The errors of the applier's workers.
    Workers,
    /// The row that the source writes every second.
    Heartbeat,
    /// Replicas that are connected.
    Replicas,
    /// The binary log that is written now.
    BinaryLog,
    /// The server's clock, asked last.
    Clock,
    /// Differences of GTID sets.
    Differences,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows, or none.
    Rows(Vec<Row>),
    /// The server refused; its error number, where it gave one, and its words.
    Refused(Option<u16>, String),
}

/// All answers of one server.
pub type Answers = BTreeMap<Question, Answer>;

/// A question with its statement.
pub type Statement = (Question, String);

/// Variables that are looked at. One that a server does not have is simply not in the answer.
const VARIABLES: &str = "SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value \
    FROM performance_schema.global_variables WHERE VARIABLE_NAME IN ('gtid_mode', \
    'enforce_gtid_consistency', 'binlog_format', 'binlog_row_image', 'log_replica_updates', \
    'sync_binlog', 'innodb_flush_log_at_trx_commit', 'binlog_expire_logs_seconds', 'read_only', \
    'super_read_only', 'bind_address', 'require_secure_transport', 'relay_log_recovery', \
    'replica_skip_errors', 'replica_exec_mode', 'event_scheduler', 'log_bin')";

/// A `schema.table` that may stand in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatTable(String);

impl HeartbeatTable {
    /// Reads `schema.table`: letters, digits, `_` and `$` alone.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |name: &str| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$')
        };
        let (schema, table) = text.split_once('.')?;
        (is_name(schema) && is_name(table)).then(|| Self(format!("`{schema}`.`{table}`")))
    }
}

/// What both servers are asked first.
pub fn first(heartbeat: Option<&HeartbeatTable>) -> Vec<Statement> {
    let mut statements = vec![
        (
            Question::Version,
            "SELECT VERSION() AS version, @@server_id AS server_id".to_owned(),
        ),
        (Question::ReplicaStatus, "SHOW REPLICA STATUS".to_owned()),
        (
            Question::GtidSets,
            "SELECT @@GLOBAL.server_uuid AS server_uuid, @@GLOBAL.gtid_executed AS executed, \
             @@GLOBAL.gtid_purged AS purged"
                .to_owned(),
        ),
    ];
    if let Some(HeartbeatTable(table)) = heartbeat {
        statements.push((
            Question::Heartbeat,
            format!(
                "SELECT server_uuid, TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) AS age_us \
                 FROM {table} LIMIT 16"
            ),
        ));
    }
    statements.extend([
        (Question::Variables, VARIABLES.to_owned()),
        (
            Question::Certificate,
            "SHOW GLOBAL STATUS LIKE 'Ssl_server_not_after'".to_owned(),
        ),
        (
            Question::Workers,
            "SELECT LAST_ERROR_NUMBER AS number, LAST_ERROR_MESSAGE AS message \
             FROM performance_schema.replication_applier_status_by_worker \
             WHERE LAST_ERROR_NUMBER <> 0 LIMIT 1"
                .to_owned(),
        ),
        (Question::Replicas, "SHOW REPLICAS".to_owned()),
        (Question::BinaryLog, "SHOW BINARY LOG STATUS".to_owned()),
        clock(),
    ]);
    statements
}

/// What the source is asked once the replica's set is known: so what the replica has and the source has
/// not is truly errant, for the source's set only grows. `awaited` is what the source had earlier.
pub fn differences(replica: &GtidSet, retrieved: &GtidSet, awaited: &GtidSet) -> Vec<Statement> {
    vec![
        (
            Question::Differences,
            format!(
                "SELECT @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged, \
                 GTID_SUBTRACT(@@GLOBAL.gtid_executed, '{replica}') AS missing, \
                 GTID_SUBTRACT('{replica}', @@GLOBAL.gtid_executed) AS errant, \
                 GTID_SUBTRACT(@@GLOBAL.gtid_purged, '{replica}') AS purge_gap, {}",
                replica_alone(replica, retrieved, awaited)
            ),
        ),
        clock(),
    ]
}

/// What any server can say of the replica's sets, when the source cannot be asked.
pub fn differences_without_source(
    replica: &GtidSet,
    retrieved: &GtidSet,
    awaited: &GtidSet,
) -> Vec<Statement> {
    let columns = replica_alone(replica, retrieved, awaited);
    vec![
        (Question::Differences, format!("SELECT {columns}")),
        clock(),
    ]
}

fn replica_alone(replica: &GtidSet, retrieved: &GtidSet, awaited: &GtidSet) -> String {
    format!(
        "GTID_SUBTRACT('{retrieved}', '{replica}') AS not_applied, \
         GTID_SUBSET('{awaited}', '{replica}') AS has_awaited"
    )
}

fn clock() -> Statement {
    (Question::Clock, "SELECT UTC_TIMESTAMP(6) AS utc".to_owned())
}
