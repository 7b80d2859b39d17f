//! `--xml`: a `resultset` element for each statement that gave rows, with the statement in it. A statement
//! without rows prints nothing.

use super::{OutputError, within_bounds};
use crate::row::Row;

/// The rows of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// The statement, as the client read it.
    pub statement: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// Everything that `--xml` printed.
pub fn result_sets(output: &str) -> Result<Vec<ResultSet>, OutputError> {
    within_bounds(output)?;
    let mut sets = Vec::new();
    let mut rest = output;
    while let Some(start) = rest.find("<resultset ") {
        rest = &rest[start + "<resultset ".len()..];
        let (head, body) = rest
            .split_once('>')
            .ok_or(OutputError("a result set is cut off"))?;
        let (body, after) = body
            .split_once("</resultset>")
            .ok_or(OutputError("a result set is cut off"))?;
        let statement =
            attribute(head, "statement").ok_or(OutputError("a result set has no statement"))?;
        sets.push(ResultSet {
            statement: statement.trim().to_owned(),
            rows: rows(body)?,
        });
        rest = after;
    }
    Ok(sets)
}

fn rows(body: &str) -> Result<Vec<Row>, OutputError> {
    let mut rows = Vec::new();
    let mut rest = body;
    while let Some(start) = rest.find("<row>") {
        let (row, after) = rest[start + "<row>".len()..]
            .split_once("</row>")
            .ok_or(OutputError("a row is cut off"))?;
        rows.push(columns(row)?);
        rest = after;
    }
    Ok(rows)
}

fn columns(row: &str) -> Result<Row, OutputError> {
    let mut columns = Row::default();
    let mut rest = row;
    while let Some(start) = rest.find("<field ") {
        let (head, after) = rest[start + "<field ".len()..]
            .split_once('>')
            .ok_or(OutputError("a field is cut off"))?;
        let name = attribute(head, "name").ok_or(OutputError("a field has no name"))?;
        if head.trim_end().ends_with('/') {
            // `xsi:nil="true" /`
            columns.push(name, None);
            rest = after;
            continue;
        }
        let (value, after) = after
            .split_once("</field>")
            .ok_or(OutputError("a field is cut off"))?;
        columns.push(name, Some(unescaped(value)));
        rest = after;
    }
    Ok(columns)
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let start = head.find(&format!("{name}=\""))? + name.len() + 2;
    let value = &head[start..];
    Some(unescaped(&value[..value.find('"')?]))
}

/// The client escapes these four and nothing else.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
