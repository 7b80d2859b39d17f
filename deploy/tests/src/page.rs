//! The pages of `docs/`: their fenced blocks, run in order in one shell.
//!
//! ```` ```sh ```` is run and must succeed, ```` ```sh fails ```` must not. A ```` ```text ```` block is what the block before it must
//! have printed, line by line, where `…` stands for anything, and alone for any lines. Other languages are the test's own business.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The heading that it stands under.
    pub section: String,
    /// What stands behind the fence.
    pub language: String,
    /// Its lines.
    pub text: String,
}

/// The blocks of a page of the checkout.
pub fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(crate::root().join(page)).unwrap();
    let mut blocks = Vec::new();
    let mut section = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        }
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block {
                section: section.clone(),
                language: language.to_owned(),
                text: text.join("\n"),
            });
        }
    }
    blocks
}

/// Demands that `said` has these lines, in order, and no others.
#[track_caller]
pub fn assert_said(said: &str, expected: &str) {
    let said_lines: Vec<&str> = said.lines().collect();
    let expected_lines: Vec<&str> = expected.lines().collect();
    assert!(
        all_fit(&said_lines, &expected_lines),
        "the page says\n{expected}\nand this came\n{said}"
    );
}

/// Whether lines are as expected, a line `…` being any number of them.
fn all_fit(said: &[&str], expected: &[&str]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((&"…", rest)) => (0..=said.len()).any(|skipped| all_fit(&said[skipped..], rest)),
        Some((line, rest)) => said
            .split_first()
            .is_some_and(|(first, others)| fits(first, line) && all_fit(others, rest)),
    }
}

/// Whether a line is as expected, `…` being anything.
fn fits(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|start| line.strip_prefix(start)) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        open = part.is_empty();
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    open || rest.is_empty()
}

/// One shell for all blocks of a page.
#[derive(Debug)]
pub struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
    blocks: usize,
}

/// Printed after each block.
const END: &str = "\u{1}end of block";

impl Shell {
    /// Starts `command`, which is to become an `sh` that reads its standard input.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            folder: tempfile::tempdir().unwrap(),
            blocks: 0,
        }
    }

    /// Runs a block, each command of which must succeed; what it printed on standard output.
    #[track_caller]
    pub fn run(&mut self, text: &str) -> String {
        let file = self.written(text);
        // The shell itself ends at the first command that fails.
        self.ask(&format!(". '{file}' < /dev/null; echo '{END}'\n"), text)
    }

    /// Runs a block that must be refused.
    #[track_caller]
    pub fn run_refused(&mut self, text: &str) {
        let file = self.written(text);
        let line = format!(
            "if (. '{file}') < /dev/null 2>&1; then echo taken; else echo refused; fi; echo '{END}'\n"
        );
        let said = self.ask(&line, text);
        assert!(
            said.ends_with("refused\n"),
            "nothing refused\n{text}\nit said\n{said}"
        );
    }

    fn written(&mut self, text: &str) -> String {
        self.blocks += 1;
        let file = self.folder.path().join(format!("{}.sh", self.blocks));
        fs::write(&file, format!("{text}\n")).unwrap();
        file.display().to_string()
    }

    #[track_caller]
    fn ask(&mut self, line: &str, text: &str) -> String {
        self.input.write_all(line.as_bytes()).unwrap();
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let count = self.output.read_line(&mut line).unwrap();
            assert_ne!(count, 0, "a command failed in\n{text}\nit said\n{said}");
            if let Some((before, _)) = line.split_once(END) {
                said.push_str(before);
                return said;
            }
            said.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::{Shell, all_fit, fits};
    use std::process::Command;

    #[test]
    fn a_line_fits_where_only_the_dots_differ() {
        for (line, expected, good) in [
            ("same", "same", true),
            ("same", "sam", false),
            ("took 12 ms, all well", "took … ms, all well", true),
            ("took 12 ms, all bad", "took … ms, all well", false),
            ("process 12", "process …", true),
            ("a process 12", "process …", false),
        ] {
            assert_eq!(fits(line, expected), good, "{line} / {expected}");
        }
    }

    #[test]
    fn a_line_of_dots_alone_is_any_lines() {
        let said = ["a", "b", "c"];
        for (expected, good) in [
            (&["a", "b", "c"][..], true),
            (&["a", "…", "c"], true),
            (&["…", "a", "…", "b", "c", "…"], true),
            (&["…"], true),
            (&["a", "c"], false),
            (&["a", "b"], false),
            (&["…", "b"], false),
            (&["b", "…"], false),
            (&["…", "c", "…", "b", "…"], false),
        ] {
            assert_eq!(all_fit(&said, expected), good, "{expected:?}");
        }
    }

    #[test]
    fn a_shell_keeps_what_a_block_set_and_ends_where_one_fails() {
        let mut sh = Command::new("sh");
        sh.arg("-eu");
        let mut shell = Shell::start(sh);
        shell.run("A=1\nsay() { echo \"$A $1\"; }");
        assert_eq!(shell.run("cat\nsay 2"), "1 2\n");
        shell.run_refused("false");
        let failed = std::panic::AssertUnwindSafe(|| shell.run("false\necho on"));
        assert!(std::panic::catch_unwind(failed).is_err());
    }
}
