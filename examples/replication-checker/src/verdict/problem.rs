//! Every fault has its name, its severity and what to do about it here, and nowhere else.

use serde::Serialize;

/// How bad something is. The order is that of a report: the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data is in danger, or replication does not work.
    Critical,
    /// Something could not be checked, and might be anything.
    Unknown,
    /// Something to see to soon.
    Warning,
    /// Something to know.
    Info,
}

impl Severity {
    /// As it is written in reports and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

macro_rules! problems {
    ($($name:ident $id:literal $severity:ident $hint:literal)+) => {
        /// A fault, by its stable name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ProblemId {
            $(
                #[doc = concat!("`", $id, "`")]
                $name,
            )+
        }

        impl ProblemId {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $id),+ }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }

            /// What to do about it.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint),+ }
            }
        }
    };
}

problems! {
    HostUnreachable "host_unreachable" Critical
        "the host, its sshd or its mysqld did not answer this check, or did not let it in; replication itself may be well"
    NotAReplica "not_a_replica" Critical
        "no replication is configured: point it at its source (deploy/mysql/replication.sql) or reseed it"
    SameServerUuid "same_server_uuid" Critical
        "one data folder was copied to the other: stop the replica, remove auto.cnf in its data folder, start it"
    WrongSource "wrong_source" Critical
        "it follows another server than the one that is watched: correct the source, or what is watched"
    PrimaryReadOnly "primary_read_only" Critical
        "the source takes no writes: SET GLOBAL super_read_only = OFF, read_only = OFF, unless a failover is under way"
    BothWritable "both_writable" Critical
        "both servers take writes: stop writers, decide which is the source, make the other one super_read_only and reseed it"
    ReplicaWritable "replica_writable" Critical
        "SET PERSIST super_read_only = ON on the replica, then look for errant GTIDs"
    IoStopped "io_stopped" Critical
        "read the error; when its cause is gone: START REPLICA IO_THREAD"
    IoConnecting "io_connecting" Critical
        "the replica cannot reach or log in to its source: look at source, tunnel, password, certificate"
    SqlStopped "sql_stopped" Critical
        "read the worker's error; never skip a transaction that was not understood; when its cause is gone: START REPLICA SQL_THREAD"
    DiskWait "disk_wait" Critical
        "the replica's disk is full: free space; it goes on by itself within a minute"
    PurgeGap "purge_gap" Critical
        "the source has purged transactions that the replica needs: reseed it"
    ErrantGtids "errant_gtids" Critical
        "the replica has transactions that its source has not: compare the data, then reseed, or commit empty transactions with these GTIDs on the source"
    SourceAheadLost "source_ahead_lost" Critical
        "the source has lost transactions of its own that the replica has: it was reset or restored; stop writers and decide which data is right"
    NotEncrypted "not_encrypted" Critical
        "rows cross the network in clear: CHANGE REPLICATION SOURCE TO SOURCE_SSL = 1"
    StaleData "stale_data" Critical
        "the replica is minutes behind: do not fail over to it before it has caught up"
    CheckIncomplete "check_incomplete" Unknown
        "a check that must be made could not be made; unknown is not healthy"
    UnsupportedServer "unsupported_server" Unknown
        "this program knows MySQL from 8.0.22 on, with one channel"
    AlreadyRunning "already_running" Unknown
        "another run of this check has not ended: it hangs, or the interval is too short"
    Lag "lag" Warning
        "long transactions, locks or too little power on the replica"
    SuperReadOnlyOff "super_read_only_off" Warning
        "administrators and events can write on the replica: SET PERSIST super_read_only = ON"
    RetryBudget "retry_budget" Warning
        "the replica gives up for good when its source is away too long: CHANGE REPLICATION SOURCE TO SOURCE_RETRY_COUNT = 86400"
    PurgeHorizon "purge_horizon" Warning
        "the source keeps too little for a replica that is away: raise binlog_expire_logs_seconds, and let the replica catch up"
    FiltersSet "filters_set" Warning
        "transactions are dropped while everything looks well: remove the replication filter"
    AutoPositionOff "auto_position_off" Warning
        "CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION = 1"
    GtidMode "gtid_mode" Warning
        "gtid_mode and enforce_gtid_consistency must be ON"
    BinlogFormat "binlog_format" Warning
        "binlog_format must be ROW, with log_bin on"
    RowImage "row_image" Warning
        "binlog_row_image must be FULL"
    LogReplicaUpdatesOff "log_replica_updates_off" Warning
        "this server could not be the source of another: log_replica_updates = ON"
    BindAddressOpen "bind_address_open" Warning
        "MySQL listens beyond this machine: bind_address = 127.0.0.1"
    SslNotVerified "ssl_not_verified" Warning
        "anybody between the servers can read along: CHANGE REPLICATION SOURCE TO SOURCE_SSL_VERIFY_SERVER_CERT = 1, with a certificate that names the source"
    RequireSecureTransportOff "require_secure_transport_off" Warning
        "clients may connect without TLS: require_secure_transport = ON"
    CertExpiry "cert_expiry" Warning
        "renew the server's certificate, then ALTER INSTANCE RELOAD TLS"
    RelayLogRecoveryOff "relay_log_recovery_off" Warning
        "a crash can leave relay logs that do not fit: relay_log_recovery = ON in the file"
    SkipErrorsOrIdempotent "skip_errors_or_idempotent" Warning
        "errors are passed over in silence: replica_skip_errors = OFF, replica_exec_mode = STRICT"
    VersionSkew "version_skew" Warning
        "the replica must not be older than its source: upgrade the replica"
    DelayUnexpected "delay_unexpected" Warning
        "a delay is set that nobody announced (REPL_EXPECTED_DELAY): CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 0"
    EventSchedulerOnReplica "event_scheduler_on_replica" Warning
        "imported events run on the replica and write: event_scheduler = OFF"
    ClockSkew "clock_skew" Warning
        "set the host's clock (NTP): ages are measured with it"
    NoReplicaConnected "no_replica_connected" Warning
        "the source does not see its replica, which believes itself connected"
    SyncSettings "sync_settings" Warning
        "a crash can lose commits: sync_binlog = 1, innodb_flush_log_at_trx_commit = 1"
    PrimaryIdle "primary_idle" Info
        "nothing was written since the last run, so nothing shows that writes arrive"
    IntendedDelay "intended_delay" Info
        "the replica is behind on purpose"
    CheckDegraded "check_degraded" Info
        "some checks were left out: grant what is missing (deploy/mysql/accounts.sql)"
}

/// A fault that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub id: ProblemId,
    /// How bad it is now; less than the name says while it may still pass by itself.
    pub severity: Severity,
    /// Where.
    pub host: String,
    /// What was seen.
    pub detail: String,
}

impl Problem {
    /// A fault as bad as its name says.
    pub fn new(id: ProblemId, host: &str, detail: impl Into<String>) -> Self {
        Self {
            id,
            severity: id.severity(),
            host: host.to_owned(),
            detail: detail.into(),
        }
    }

    /// What the memory of earlier runs knows it by.
    pub fn key(&self) -> String {
        format!("{}@{}", self.id.as_str(), self.host)
    }
}

/// A check that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub check: String,
    /// Why.
    pub reason: String,
}
