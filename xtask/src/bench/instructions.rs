//! What gungraun printed, as a table, held to the one in `benches/RESULTS.md`. The bench itself is
//! `benches/benches/instructions.rs`.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::terminal::grouped;

/// Its name, and that of the feature which builds it.
pub(super) const NAME: &str = "instructions";

/// Where the counts are written down.
pub(super) const RESULTS: &str = "benches/RESULTS.md";

/// What all others are held against, by its name.
const BARE: &str = "bare: rsa_2048";

/// How many more than written down are still the same, in percent: the seed that is left to chance
/// makes 1 or 2.
const TOLERANCE_PERCENT: u64 = 5;

/// One count.
pub(super) struct Row {
    name: String,
    instructions: u64,
    allocations: u64,
}

/// The rows in what was printed: a line of JSON for each.
pub(super) fn rows(printed: &str) -> Vec<Row> {
    let messages = printed
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    messages.filter_map(|message| row(&message)).collect()
}

fn row(message: &Value) -> Option<Row> {
    let function = message["function_name"].as_str()?.replace('_', " ");
    let id = message["id"].as_str()?;
    let count = |metric: &str| {
        let profiles = message["profiles"].as_array()?;
        let mut counts = profiles.iter().filter_map(|profile| {
            profile["data"]["total"]["metrics"][metric]["values"]["new"].as_u64()
        });
        counts.next()
    };
    Some(Row {
        name: format!("{function}: {id}"),
        instructions: count("Ir")?,
        allocations: count("TotalBlocks")?,
    })
}

/// As it stands in `RESULTS.md`.
pub(super) fn table(rows: &[Row]) -> String {
    let mut table = "| | instructions | beyond bare | × bare | allocations |\n\
                     | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    let bare = instructions_of(rows, BARE);
    for row in rows {
        let (beyond, ratio) = match bare {
            Some(bare) if row.name != BARE => (
                row.instructions
                    .checked_sub(bare)
                    .map_or_else(|| "–".to_owned(), grouped),
                thousandths(row.instructions, bare),
            ),
            _ => ("–".to_owned(), "1".to_owned()),
        };
        let _ = writeln!(
            table,
            "| {} | {} | {beyond} | {ratio} | {} |",
            row.name,
            grouped(row.instructions),
            row.allocations
        );
    }
    table
}

/// What is to be said about the rows beside those that are written down; an error where some take
/// more instructions.
pub(super) fn compare(rows: &[Row], results: &str) -> Result<String, String> {
    let written = written(results);
    let bare = instructions_of(rows, BARE);
    let (Some(bare), Some(written_bare)) = (bare, written.get(BARE).copied()) else {
        return Err(format!("the row `{BARE}` is missing, here or in {RESULTS}"));
    };
    // aws-lc-rs chooses its code by the processor; on another one all rows may be others.
    if bare.abs_diff(written_bare) * 100 > bare {
        return Ok(format!(
            "not held to {RESULTS}: the bare operation is another one here (processor, aws-lc-rs)"
        ));
    }
    // What is ours: without the bare operation, where that is in it.
    let ours = |count: u64, bare: u64| count.checked_sub(bare).unwrap_or(count);
    let mut more = Vec::new();
    for row in rows.iter().filter(|row| row.name != BARE) {
        let now = ours(row.instructions, bare);
        match written.get(&*row.name) {
            None => more.push(format!("`{}` is not written down", row.name)),
            Some(before) => {
                let before = ours(*before, written_bare);
                if now * 100 > before * (100 + TOLERANCE_PERCENT) {
                    more.push(format!("`{}`: {before} before, {now} now", row.name));
                }
            }
        }
    }
    if more.is_empty() {
        return Ok(format!(
            "none takes more than {TOLERANCE_PERCENT} % more than in {RESULTS}, the bare operation left out"
        ));
    }
    Err(format!(
        "more instructions than in {RESULTS} by more than {TOLERANCE_PERCENT} %, the bare operation left out \
         (write the new table there if that is meant): {}",
        more.join("; ")
    ))
}

/// Names and instructions of the tables in `RESULTS.md`.
fn written(results: &str) -> HashMap<&str, u64> {
    let rows = results.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (name, count) = (cells.next()?, cells.next()?);
        Some((name, count.replace(' ', "").parse().ok()?))
    });
    rows.collect()
}

fn instructions_of(rows: &[Row], name: &str) -> Option<u64> {
    let mut rows = rows.iter().filter(|row| row.name == name);
    rows.next().map(|row| row.instructions)
}

/// A ratio with three digits behind the point.
fn thousandths(part: u64, whole: u64) -> String {
    let ratio = (part * 1000 + whole / 2) / whole.max(1);
    format!("{}.{:03}", ratio / 1000, ratio % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As gungraun prints it, without what is not read.
    fn printed(bare: u64, accepted: u64, refused: u64) -> String {
        let line = |function: &str, id: &str, count: u64| {
            let profile = |metric: &str, count: u64| {
                serde_json::json!({
                    "data": { "total": { "metrics": { metric: { "values": { "new": count } } } } }
                })
            };
            serde_json::json!({
                "function_name": function, "id": id,
                "profiles": [profile("Ir", count), profile("TotalBlocks", 26)],
            })
            .to_string()
        };
        format!(
            "   Compiling benches\n{}\n{}\n{}\n",
            line("bare", "rsa_2048", bare),
            line("accepted", "try_verify", accepted),
            line("refused", "kid_unknown", refused)
        )
    }

    #[test]
    fn a_table_says_what_was_printed_and_can_be_read_again() {
        let table = table(&rows(&printed(295_437, 311_064, 5_178)));
        assert_eq!(
            table,
            "| | instructions | beyond bare | × bare | allocations |\n\
             | --- | ---: | ---: | ---: | ---: |\n\
             | bare: rsa_2048 | 295 437 | – | 1 | 26 |\n\
             | accepted: try_verify | 311 064 | 15 627 | 1.053 | 26 |\n\
             | refused: kid_unknown | 5 178 | – | 0.018 | 26 |\n"
        );
        assert_eq!(written(&table)["accepted: try_verify"], 311_064);
    }

    #[test]
    fn what_is_ours_may_not_grow() {
        let results = table(&rows(&printed(300_000, 310_000, 1_000)));
        let compare = |bare, accepted, refused| {
            super::compare(&rows(&printed(bare, accepted, refused)), &results)
        };
        assert!(compare(300_000, 310_500, 1_050).is_ok());
        assert!(compare(300_000, 301_000, 10).is_ok());
        let more = compare(300_000, 310_501, 1_051).unwrap_err();
        assert!(more.contains("`accepted: try_verify`: 10000 before, 10501 now"));
        assert!(more.contains("`refused: kid_unknown`: 1000 before, 1051 now"));
        // On another processor everything may be otherwise.
        let other = compare(200_000, 400_000, 9_000);
        assert!(other.is_ok_and(|said| said.contains("not held to")));
    }

    #[test]
    fn a_row_that_is_not_written_down_is_an_error() {
        let table = table(&rows(&printed(300_000, 310_000, 1_000)));
        let without = table.replace("| refused: kid_unknown", "| refused: another");
        let rows = rows(&printed(300_000, 310_000, 1_000));
        assert!(
            compare(&rows, &without)
                .unwrap_err()
                .contains("kid_unknown")
        );
        assert!(compare(&rows, "").is_err());
    }
}
