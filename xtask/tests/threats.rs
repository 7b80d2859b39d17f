//! The threat table of SECURITY.md names tests that are there.

use std::fs;
use std::path::Path;

/// Rows that were written down; fewer means that one went without a word.
const THREATS: usize = 26;

#[test]
fn every_threat_names_tests_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("| threat |").unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut threats = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [threat, _, held_by] = cells[..] else {
            panic!("three cells: {row}");
        };
        let mut held = 0;
        for named in held_by.split('`').filter(|text| text.contains("::")) {
            let (file, name) = named.split_once("::").unwrap();
            let code = fs::read_to_string(root.join(file));
            let code = code.unwrap_or_else(|_| panic!("{threat}: there is no {file}"));
            assert!(
                code.contains(&format!("fn {name}(")),
                "{threat}: {file} has no {name}"
            );
            held += 1;
        }
        assert!(held > 0, "{threat} is held by no test");
        threats += 1;
    }
    assert!(threats >= THREATS, "only {threats} threats");
}
