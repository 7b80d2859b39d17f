//! `--batch`: a line of names, then a line for each row, tabs between, `\n`, `\t`, `\\` and `\0` escaped.

use super::{OutputError, within_bounds};
use crate::row::Row;

/// Rows of `--batch` output; an empty result prints nothing at all. The word `NULL` counts as NULL, as in
/// the vertical form.
pub fn rows(output: &str) -> Result<Vec<Row>, OutputError> {
    within_bounds(output)?;
    let mut lines = output.lines().filter(|line| !line.is_empty());
    let Some(header) = lines.next() else {
        return Ok(Vec::new());
    };
    let names: Vec<&str> = header.split('\t').collect();
    lines
        .map(|line| {
            let values: Vec<&str> = line.split('\t').collect();
            if values.len() != names.len() {
                return Err(OutputError("a row has not as many columns as its header"));
            }
            let columns = names.iter().zip(values);
            Ok(columns
                .map(|(name, value)| (*name, (value != "NULL").then(|| unescaped(value))))
                .collect())
        })
        .collect()
}

fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('0') => text.push('\0'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text
}
