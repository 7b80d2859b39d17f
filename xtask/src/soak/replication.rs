//! Core's database and its replica: faults between the two are made and mended here; which and when, `faults` says.

use std::path::Path;
use std::time::{Duration, Instant};

use testbed::mysql::Pair;
use testbed::{Proxy, Traffic};

use super::chance::Chance;
use super::faults::{Fault, Faults, Heard};
use super::watcher::Watcher;
use super::wrong;
use crate::stop::{Outcome, Stop, failed};

/// From the start to the first fault.
const FIRST: Duration = Duration::from_secs(2);

/// A table that only the faults write.
const ROWS: &str = "CREATE DATABASE soak; CREATE TABLE soak.rows (id INT PRIMARY KEY, n INT);";

/// The pair, what is between its two servers, and who watches.
pub(super) struct Replication {
    pub(super) pair: Pair,
    between: Proxy,
    pub(super) watcher: Watcher,
    pub(super) faults: Faults,
    /// Rows that could not be applied.
    rows: u32,
}

impl Replication {
    /// Two servers that were just started, with a connection between them that can be cut.
    pub(super) fn start(
        checker: &Path,
        folder: &Path,
        pair: Pair,
        chance: Chance,
    ) -> Outcome<Self> {
        let between = Proxy::start(pair.primary.port())
            .map_err(|error| failed("cannot start a proxy", error))?;
        pair.replica.sql("STOP REPLICA;").map_err(sql)?;
        pair.replicate_from(between.port()).map_err(sql)?;
        pair.primary.sql(ROWS).map_err(sql)?;
        pair.wait_until_caught_up().map_err(sql)?;
        let watcher = Watcher::start(checker, folder, &pair)?;
        Ok(Self {
            pair,
            between,
            watcher,
            faults: Faults::from(chance, Instant::now() + FIRST),
            rows: 0,
        })
    }

    /// Reads what the checker says and goes on; what happened. No new fault when `is_last`.
    pub(super) fn step(&mut self, is_last: bool) -> Outcome<Vec<String>> {
        let mut said = Vec::new();
        for line in self.watcher.lines()? {
            match self.faults.hear(&line, Instant::now())? {
                Heard::Nothing => {}
                Heard::Named(fault, number) => {
                    self.mend(fault)?;
                    let problems = line.problems.join(", ");
                    said.push(format!("{fault}: {problems} in line {number}"));
                }
                Heard::Gone(fault, number) => {
                    said.push(format!("{fault}: well again in line {number}"));
                }
            }
        }
        let due = (!is_last)
            .then(|| self.faults.due(Instant::now()))
            .flatten();
        if let Some(fault) = due {
            self.make(fault)?;
            said.push(format!("{fault} …"));
        }
        Ok(said)
    }

    fn make(&mut self, fault: Fault) -> Outcome<()> {
        let replica = &self.pair.replica;
        match fault {
            Fault::FetchingStopped => replica.sql("STOP REPLICA IO_THREAD;").map(drop),
            Fault::ApplyingStopped => replica.sql("STOP REPLICA SQL_THREAD;").map(drop),
            Fault::ReplicaKilled => {
                self.pair.replica.kill();
                Ok(())
            }
            Fault::RowBroken => {
                self.rows += 1;
                let row = format!("INSERT INTO soak.rows VALUES ({}, 0);", self.rows);
                // Not in the replica's own log: mended, nothing of it is left.
                let alone = format!(
                    "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; {row} SET GLOBAL super_read_only = ON;"
                );
                replica
                    .sql(&alone)
                    .and_then(|_| self.pair.primary.sql(&row))
                    .map(drop)
            }
            Fault::ConnectionCut => {
                self.between.set(Traffic::Breaks);
                Ok(())
            }
            Fault::ConnectionStalled => {
                self.between.set(Traffic::Stalls);
                Ok(())
            }
            Fault::ReplicaWritable => replica.sql("SET GLOBAL read_only = OFF;").map(drop),
        }
        .map_err(sql)
    }

    fn mend(&mut self, fault: Fault) -> Outcome<()> {
        let replica = &self.pair.replica;
        match fault {
            Fault::FetchingStopped => replica.sql("START REPLICA IO_THREAD;").map(drop),
            Fault::ApplyingStopped => replica.sql("START REPLICA SQL_THREAD;").map(drop),
            Fault::ReplicaKilled => self.pair.replica.start_again(&[]),
            Fault::RowBroken => replica
                .sql(&format!(
                    "SET GLOBAL super_read_only = OFF; SET sql_log_bin = 0; DELETE FROM soak.rows WHERE id = {}; \
                     SET GLOBAL super_read_only = ON; START REPLICA SQL_THREAD;",
                    self.rows
                ))
                .map(drop),
            Fault::ConnectionCut | Fault::ConnectionStalled => {
                self.between.set(Traffic::Flows);
                Ok(())
            }
            Fault::ReplicaWritable => replica.sql("SET GLOBAL super_read_only = ON;").map(drop),
        }
        .map_err(sql)
    }

    /// In the end: the replica has what its source has, to the last row.
    pub(super) fn compare(&self) -> Outcome<()> {
        self.pair.wait_until_caught_up().map_err(sql)?;
        let tables = "SELECT GROUP_CONCAT(CONCAT(table_schema, '.', table_name) ORDER BY 1) \
                      FROM information_schema.tables WHERE table_schema IN ('core', 'soak');";
        let tables = self.pair.primary.sql(tables).map_err(sql)?;
        let question = format!("CHECKSUM TABLE {};", tables.trim());
        let primary = self.pair.primary.sql(&question).map_err(sql)?;
        let replica = self.pair.replica.sql(&question).map_err(sql)?;
        if primary != replica {
            return Err(wrong(format!(
                "the replica's tables differ from its source's:\n{primary}\n{replica}"
            )));
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err has it")]
pub(super) fn sql(error: testbed::mysql::Error) -> Stop {
    Stop::because(error.to_string())
}
