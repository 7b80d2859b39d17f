//! `SHOW REPLICA STATUS`, its one row read into types. What is NULL, missing or unreadable stays unknown.

use crate::gtid::GtidSet;
use crate::row::Row;

/// The state of the thread that fetches from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoThread {
    /// It runs, as far as it knows.
    Yes,
    /// It is stopped.
    No,
    /// It tries to connect.
    Connecting,
}

impl IoThread {
    /// As MySQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "Yes",
            Self::No => "No",
            Self::Connecting => "Connecting",
        }
    }
}

/// What a replica says of its replication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Channel name; the default channel has none.
    pub channel: String,
    /// `server_uuid` of the source, once it was reached.
    pub source_uuid: Option<String>,
    /// The thread that fetches.
    pub io: Option<IoThread>,
    /// What it is doing, in MySQL's words.
    pub io_state: String,
    /// Whether the thread that applies runs.
    pub sql_running: Option<bool>,
    /// What it is doing, in MySQL's words.
    pub sql_state: String,
    /// Error of the fetching thread; 0 is none.
    pub io_errno: Option<u32>,
    /// Its text.
    pub io_error: String,
    /// Error of the applying thread; 0 is none.
    pub sql_errno: Option<u32>,
    /// Its text.
    pub sql_error: String,
    /// Seconds between two tries to connect.
    pub connect_retry_s: Option<u64>,
    /// Tries before it stops for good.
    pub retry_count: Option<u64>,
    /// Whether it asks by GTID.
    pub auto_position: Option<bool>,
    /// Whether TLS is demanded.
    pub ssl: Option<bool>,
    /// Whether the source's certificate is verified.
    pub ssl_verify: Option<bool>,
    /// Filters that are set, as `Name=value`.
    pub filters: Vec<String>,
    /// Delay that is demanded, in seconds.
    pub sql_delay_s: Option<u64>,
    /// The lag that MySQL reports, in seconds; it reports none when something is stopped.
    pub seconds_behind_source: Option<u64>,
    /// Size of the relay logs in bytes.
    pub relay_log_bytes: Option<u64>,
    /// Transactions that were fetched.
    pub retrieved: Option<GtidSet>,
    /// Transactions that were applied.
    pub executed: Option<GtidSet>,
}

/// The columns that hold filters; each is empty on a healthy replica.
const FILTERS: [&str; 8] = [
    "Replicate_Do_DB",
    "Replicate_Ignore_DB",
    "Replicate_Do_Table",
    "Replicate_Ignore_Table",
    "Replicate_Wild_Do_Table",
    "Replicate_Wild_Ignore_Table",
    "Replicate_Rewrite_DB",
    "Replicate_Ignore_Server_Ids",
];

/// The row is not that of a server this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the replica status has no column Replica_IO_Running: this is MariaDB or a MySQL before 8.0.22"
)]
pub struct UnknownColumns;

impl ReplicaStatus {
    /// Reads the row.
    pub fn from_row(row: &Row) -> Result<Self, UnknownColumns> {
        if !row.has("Replica_IO_Running") {
            return Err(UnknownColumns);
        }
        let text = |name: &str| row.text(name).unwrap_or_default().to_owned();
        let yes = |name: &str| match row.text(name) {
            Some("Yes") => Some(true),
            // `Ignored`: TLS is wanted, but the server was built without it.
            Some("No" | "Ignored") => Some(false),
            _ => None,
        };
        let set = |name: &str| row.text(name).and_then(|text| GtidSet::parse(text).ok());
        Ok(Self {
            channel: text("Channel_Name"),
            source_uuid: row.filled("Source_UUID").map(str::to_owned),
            io: match row.text("Replica_IO_Running") {
                Some("Yes") => Some(IoThread::Yes),
                Some("No") => Some(IoThread::No),
                Some("Connecting") => Some(IoThread::Connecting),
                _ => None,
            },
            io_state: text("Replica_IO_State"),
            sql_running: yes("Replica_SQL_Running"),
            sql_state: text("Replica_SQL_Running_State"),
            io_errno: row.number("Last_IO_Errno"),
            io_error: text("Last_IO_Error"),
            sql_errno: row.number("Last_SQL_Errno"),
            sql_error: text("Last_SQL_Error"),
            connect_retry_s: row.number("Connect_Retry"),
            retry_count: row.number("Source_Retry_Count"),
            auto_position: row.number::<u8>("Auto_Position").map(|value| value != 0),
            ssl: yes("Source_SSL_Allowed"),
            ssl_verify: yes("Source_SSL_Verify_Server_Cert"),
            filters: FILTERS
                .iter()
                .filter_map(|name| Some(format!("{name}={}", row.filled(name)?)))
                .collect(),
            sql_delay_s: row.number("SQL_Delay"),
            seconds_behind_source: row.number("Seconds_Behind_Source"),
            relay_log_bytes: row.number("Relay_Log_Space"),
            retrieved: set("Retrieved_Gtid_Set"),
            executed: set("Executed_Gtid_Set"),
        })
    }

    /// Which try to connect this is, from `This was attempt 6/10`; only while it has not succeeded.
    pub fn retry_attempt(&self) -> Option<u64> {
        if self.io == Some(IoThread::Yes) || self.io_errno == Some(0) {
            return None;
        }
        let (_, rest) = self.io_error.split_once("This was attempt ")?;
        rest.split_once('/')?.0.parse().ok()
    }
}
