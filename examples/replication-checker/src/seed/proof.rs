//! Shows that the target is a true copy that follows: sets of transactions, threads, and rows.

use std::time::Duration;

use serde::Serialize;

use super::server::{Server, identifier};

/// Longest that the target may take to catch up, in seconds.
const CATCH_UP_S: u64 = 30 * 60;

/// Most tables whose rows are compared.
const MAX_TABLES: usize = 8;

/// Largest table whose rows are compared, in rows as estimated: writers to it wait meanwhile.
const MAX_ROWS: u64 = 200_000;

/// Longest that comparing one table may take, catching up included.
const TABLE_LIMIT: Duration = Duration::from_secs(120);

/// What was shown.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Proof {
    /// Transactions that the target has and the source has not.
    pub(super) errant_count: u64,
    /// Transactions that the target lacks and the source has purged.
    pub(super) purge_gap_count: u64,
    /// Tables that have the same checksum on both.
    pub(super) tables_equal: Vec<String>,
}

pub(super) async fn prove(source: &mut Server, target: &mut Server) -> Result<Proof, String> {
    let wanted = source.set("@@GLOBAL.gtid_executed").await?;
    wait_for(target, wanted.as_str(), CATCH_UP_S).await?;
    // The target's set first: what is on its way is not errant.
    let has = target.set("@@GLOBAL.gtid_executed").await?;
    let errant = source
        .set(&format!("GTID_SUBTRACT('{has}', @@GLOBAL.gtid_executed)"))
        .await?;
    let gap = source
        .set(&format!("GTID_SUBTRACT(@@GLOBAL.gtid_purged, '{has}')"))
        .await?;
    let status = target.rows("SHOW REPLICA STATUS").await?;
    let runs = |name: &str| status.first().and_then(|row| row.text(name)) == Some("Yes");
    if !runs("Replica_IO_Running") || !runs("Replica_SQL_Running") {
        return Err("the target does not replicate".to_owned());
    }
    let mut proof = Proof {
        errant_count: errant.count(),
        purge_gap_count: gap.count(),
        tables_equal: Vec::new(),
    };
    if proof.errant_count > 0 || proof.purge_gap_count > 0 {
        return Err(format!(
            "the target has {} errant transactions and a gap of {}",
            proof.errant_count, proof.purge_gap_count
        ));
    }
    for table in sample(source).await? {
        compare(source, target, &table).await?;
        proof.tables_equal.push(table);
    }
    Ok(proof)
}

async fn sample(source: &mut Server) -> Result<Vec<String>, String> {
    let rows = source
        .rows(&format!(
            "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM information_schema.TABLES \
             WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE = 'InnoDB' AND COALESCE(TABLE_ROWS, 0) <= {MAX_ROWS} \
             AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema') \
             ORDER BY TABLE_ROWS DESC, s, t LIMIT {MAX_TABLES}"
        ))
        .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let (schema, table) = (row.text("s")?, row.text("t")?);
            Some(format!("{}.{}", identifier(schema), identifier(table)))
        })
        .collect())
}

/// Writers to the table wait while both sides count it at the same transaction.
async fn compare(source: &mut Server, target: &mut Server, table: &str) -> Result<(), String> {
    let compared = tokio::time::timeout(TABLE_LIMIT, async {
        source.run(&[&format!("LOCK TABLES {table} READ")]).await?;
        let wanted = source.set("@@GLOBAL.gtid_executed").await?;
        wait_for(target, wanted.as_str(), 60).await?;
        let statement = format!("CHECKSUM TABLE {table}");
        let mut sums = Vec::new();
        for server in [&mut *source, &mut *target] {
            let rows = server.rows(&statement).await?;
            sums.push(
                rows.first()
                    .and_then(|row| row.text("Checksum"))
                    .map(str::to_owned),
            );
        }
        if sums[0].is_some() && sums[0] == sums[1] {
            Ok(())
        } else {
            Err(format!("{table} differs between source and target"))
        }
    })
    .await
    .unwrap_or_else(|_| Err(format!("{table} could not be compared in time")));
    let unlocked = source.run(&["UNLOCK TABLES"]).await;
    compared.and(unlocked)
}

async fn wait_for(target: &mut Server, set: &str, seconds: u64) -> Result<(), String> {
    let statement = format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{set}', {seconds}) AS value");
    let limit = Duration::from_secs(seconds + 10);
    let rows = target.rows_within(&statement, limit).await;
    let rows = rows.map_err(|failure| target.words(&failure))?;
    match rows.first().and_then(|row| row.text("value")) {
        Some("0") => Ok(()),
        _ => Err(format!("the target did not catch up within {seconds} s")),
    }
}
