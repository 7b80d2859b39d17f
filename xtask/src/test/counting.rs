//! How many tests passed and failed, from what the test runners wrote. What cannot be read counts as
//! nothing, and the caller makes that a failure.

use std::fmt;
use std::ops::Add;

/// Tests that passed and tests that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// cargo-nextest's summary line: `Summary [ 1.2s] 14/15 tests run: 12 passed (1 slow), 2 failed, 3 skipped`.
/// Tests that were to run and did not count as failed.
pub(crate) fn nextest(output: &str) -> Option<Tally> {
    let line = output
        .lines()
        .rev()
        .find_map(|line| line.trim_start().strip_prefix("Summary ["))?;
    let (_, rest) = line.split_once(']')?;
    let (ran, results) = rest.split_once(" run: ")?;
    let (done, planned) = numbers(
        ran.trim()
            .strip_suffix("tests")
            .or_else(|| ran.trim().strip_suffix("test"))?,
    )?;
    let mut tally = Tally {
        passed: 0,
        failed: planned.checked_sub(done)?,
    };
    let mut seen = 0;
    for result in without_parentheses(results).split(',') {
        let (number, what) = result.trim().split_once(' ')?;
        let number: usize = number.parse().ok()?;
        match what.trim() {
            "passed" => tally.passed += number,
            "failed" | "exec failed" | "timed out" => tally.failed += number,
            "skipped" => continue,
            _ => return None,
        }
        seen += number;
    }
    (seen == done).then_some(tally)
}

/// libtest's result lines, one for each test program or package:
/// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
pub(crate) fn libtest(output: &str) -> Option<Tally> {
    let mut tally = None;
    for line in output
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "))
    {
        let (_, results) = line.split_once(". ")?;
        let number = |what: &str| {
            let found = results
                .split(';')
                .find_map(|result| result.trim().strip_suffix(what))?;
            found.trim().parse::<usize>().ok()
        };
        let one = Tally {
            passed: number("passed")?,
            failed: number("failed")?,
        };
        tally = Some(tally.unwrap_or_default() + one);
    }
    tally
}

/// `14/15` or `15`, with white space around.
fn numbers(text: &str) -> Option<(usize, usize)> {
    let text = text.trim();
    let (done, planned) = text.split_once('/').unwrap_or((text, text));
    Some((done.parse().ok()?, planned.parse().ok()?))
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    text.chars()
        .filter(|letter| match letter {
            '(' => {
                depth += 1;
                false
            }
            ')' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Tally, libtest, nextest};

    type Counter = fn(&str) -> Option<Tally>;

    /// Each captured output names what it must be counted as in its first line: `# 3 passed, 1 failed` or
    /// `# not counted`.
    fn captured_outputs_are_counted(runner: &str, count: Counter, at_least: usize) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(runner);
        let mut files = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let (verdict, output) = text.split_once('\n').unwrap();
            let counted =
                count(output).map_or_else(|| "not counted".to_owned(), |tally| tally.to_string());
            assert_eq!(format!("# {counted}"), verdict, "{}", path.display());
            files += 1;
        }
        assert!(
            files >= at_least,
            "only {files} captured outputs of {runner}"
        );
    }

    #[test]
    fn captured_outputs_of_nextest_are_counted() {
        captured_outputs_are_counted("nextest", nextest, 6);
    }

    #[test]
    fn captured_outputs_of_libtest_are_counted() {
        captured_outputs_are_counted("libtest", libtest, 3);
    }
}
