//! Whether an audit log is as it was written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;

use super::line::{self, Head, MAX_LINE_BYTES, START};

/// A log without a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Intact {
    /// How many lines there are.
    pub lines: u64,
    /// Number of the first line, if there is one.
    pub first_seq: Option<u64>,
    /// Number of the last line, if there is one.
    pub last_seq: Option<u64>,
    /// Hash of the last line: kept elsewhere, it shows whether the end is missing later.
    pub last_hash: Option<String>,
    /// Lines that a crash tore and the next start closed.
    pub torn_lines: u64,
}

/// The first fault of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}{detail}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct Finding {
    /// In which line, counted from 1.
    pub line: Option<u64>,
    /// Stable name of the fault.
    pub code: &'static str,
    /// What is wrong.
    pub detail: String,
}

/// Reads the log at `path`. It must begin with line 1, or with the line that follows the hash `after`,
/// and end with the hash `end`, where one is given.
///
/// # Errors
/// The first [`Finding`].
pub fn verify(path: &Path, after: Option<&str>, end: Option<&str>) -> Result<Intact, Finding> {
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut reader = BufReader::new(file);
    let mut walk = Walk {
        intact: Intact::default(),
        number: 0,
        last: None,
        after: after.map(str::to_owned),
        torn: None,
    };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        let read = (&mut reader).take(most).read_until(b'\n', &mut bytes);
        if read.map_err(|error| unreadable(&error))? == 0 {
            break;
        }
        walk.number += 1;
        let Some(line) = bytes.strip_suffix(b"\n") else {
            return Err(walk.fault(
                "line_torn",
                "it has no end: a crash tore it, which the next start closes, or it is just being written",
            ));
        };
        walk.line(line)?;
    }
    walk.end(end)
}

struct Walk {
    intact: Intact,
    number: u64,
    last: Option<Head>,
    after: Option<String>,
    /// The hash of the line before, where it was not one of ours.
    torn: Option<String>,
}

impl Walk {
    fn line(&mut self, bytes: &[u8]) -> Result<(), Finding> {
        let Some(read) = line::read(bytes) else {
            if self.torn.is_some() {
                return Err(self.changed_before());
            }
            self.torn = Some(line::hex_digest(bytes));
            return Ok(());
        };
        match (self.torn.take(), &read.closes) {
            (None, None) => {}
            (Some(torn), Some(closes)) if torn == *closes => self.intact.torn_lines += 1,
            (Some(_), _) => return Err(self.changed_before()),
            (None, Some(_)) => {
                return Err(self.fault("line_missing", "the torn line that it closes is not there"));
            }
        }
        let (seq, prev) = match &self.last {
            Some(last) => (last.seq + 1, last.hash.clone()),
            None => match &self.after {
                Some(after) => (read.head.seq, after.clone()),
                None => (1, START.to_owned()),
            },
        };
        if read.head.seq != seq {
            let detail = format!(
                "it is number {}, but {seq} is next: lines were removed, added or moved",
                read.head.seq
            );
            return Err(self.fault("line_missing", detail));
        }
        if read.prev != prev {
            return Err(self.fault("chain_broken", "it does not follow the line before it"));
        }
        self.intact.lines += 1;
        self.intact.first_seq.get_or_insert(seq);
        self.last = Some(read.head);
        Ok(())
    }

    fn end(mut self, expected: Option<&str>) -> Result<Intact, Finding> {
        if self.torn.is_some() {
            self.number += 1;
            return Err(self.changed_before());
        }
        let last = self.last.take();
        let hash = last.as_ref().map(|last| last.hash.as_str());
        if expected.is_some() && hash != expected {
            return Err(Finding {
                line: None,
                code: "end_missing",
                detail: "the last line is not the one that was expected: lines are missing at the end, or were added".into(),
            });
        }
        self.intact.last_seq = last.as_ref().map(|last| last.seq);
        self.intact.last_hash = last.map(|last| last.hash);
        Ok(self.intact)
    }

    fn changed_before(&self) -> Finding {
        Finding {
            line: Some(self.number - 1),
            code: "line_changed",
            detail: "it is not as it was written".into(),
        }
    }

    fn fault(&self, code: &'static str, detail: impl Into<String>) -> Finding {
        Finding {
            line: Some(self.number),
            code,
            detail: detail.into(),
        }
    }
}

fn unreadable(error: &io::Error) -> Finding {
    Finding {
        line: None,
        code: "file_unreadable",
        detail: format!("the file cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::audit::line::{Action, Entry, Outcome, Via};
    use crate::audit::log::Log;

    fn entry(key: &str) -> Entry {
        Entry {
            request_id: None,
            app: "app".into(),
            sub: "ada".into(),
            via: Via::Token,
            action: Action::Put,
            key: key.into(),
            from: None,
            size: Some(1),
            sha256: None,
            outcome: Outcome::Created,
        }
    }

    fn log(path: &Path, keys: &[&str]) {
        let mut log = Log::open(path, Head::start()).unwrap();
        for key in keys {
            log.write([entry(key)].iter()).unwrap();
        }
    }

    fn code(path: &Path) -> String {
        match verify(path, None, None) {
            Ok(intact) => format!("{} intact, {} torn", intact.lines, intact.torn_lines),
            Err(finding) => format!("{} {}", finding.code, finding.line.unwrap_or_default()),
        }
    }

    #[test]
    fn every_tampering_is_found_in_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        log(&path, &["a", "b \"c\"\n", "é", "d", "e"]);
        assert_eq!(code(&path), "5 intact, 0 torn");
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let join = |lines: &[&str]| lines.join("\n") + "\n";
        let mut swapped = lines.clone();
        swapped.swap(1, 2);
        let mut doubled = lines.clone();
        doubled.insert(2, lines[1]);
        for (text, expected) in [
            (
                whole.replace("\"key\":\"d\"", "\"key\":\"x\""),
                "line_changed 4",
            ),
            (
                whole.replace("\"key\":\"e\"", "\"key\":\"x\""),
                "line_changed 5",
            ),
            (join(&lines[1..]), "line_missing 1"),
            (join(&[&lines[..2], &lines[3..]].concat()), "line_missing 3"),
            (join(&swapped), "line_missing 2"),
            (join(&doubled), "line_missing 3"),
            (whole[..whole.len() - 1].to_owned(), "line_torn 5"),
            (whole[..whole.len() - 9].to_owned(), "line_torn 5"),
            (
                format!("{}{}", lines[0], join(&lines[1..])),
                "line_changed 1",
            ),
            (whole.replace("\"seq\":3", "\"seq\": 3"), "line_changed 3"),
            (format!("{whole}x\n"), "line_changed 6"),
            (format!("\n{whole}"), "line_changed 1"),
            ("x".repeat(100_000), "line_torn 1"),
            (String::new(), "0 intact, 0 torn"),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(code(&path), expected, "{text}");
        }
        // A missing end shows only against what is kept elsewhere.
        std::fs::write(&path, &whole).unwrap();
        let last = verify(&path, None, None).unwrap().last_hash.unwrap();
        assert!(verify(&path, None, Some(&last)).is_ok());
        std::fs::write(&path, join(&lines[..4])).unwrap();
        assert_eq!(code(&path), "4 intact, 0 torn");
        let finding = verify(&path, None, Some(&last)).unwrap_err();
        assert_eq!(finding.code, "end_missing");
        // A line of another log, right in itself.
        let other = folder.path().join("other");
        log(&other, &["a", "z"]);
        let other = std::fs::read_to_string(&other).unwrap();
        let theirs = other.lines().nth(1).unwrap();
        std::fs::write(&path, join(&[lines[0], theirs, lines[2]])).unwrap();
        assert_eq!(code(&path), "chain_broken 2");
    }

    #[test]
    fn a_torn_line_is_closed_by_the_next_start_and_stays_to_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        log(&path, &["a", "b"]);
        let whole = std::fs::read(&path).unwrap();
        let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in [1, 20, second - 1, second + 1, second + 20, whole.len() - 2] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            log(&path, &["c"]);
            let whole = usize::from(cut >= second - 1);
            // All but its end is there.
            let torn = u64::from(cut != second - 1);
            assert_eq!(
                code(&path),
                format!("{} intact, {torn} torn", whole + 1 + usize::from(torn == 1)),
                "{cut}"
            );
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replacen("\"seq\"", "\"sEq\"", 1)).unwrap();
            assert!(code(&path).starts_with("line_changed"), "{cut}");
        }
        // Whole but for its end.
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        log(&path, &["c"]);
        assert_eq!(code(&path), "3 intact, 0 torn");
        // What is closed cannot be taken away or changed.
        std::fs::write(&path, &whole[..second + 20]).unwrap();
        log(&path, &["c"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        std::fs::write(&path, [&lines[..1], &lines[2..]].concat().join("\n") + "\n").unwrap();
        assert_eq!(code(&path), "line_missing 2");
        let torn = lines[1].to_owned() + "x";
        std::fs::write(
            &path,
            [lines[0], &torn, lines[2], lines[3]].join("\n") + "\n",
        )
        .unwrap();
        assert_eq!(code(&path), "line_changed 2");
    }

    #[test]
    fn what_cannot_be_continued_or_is_open_to_others_is_not_opened() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let open = || {
            Log::open(&path, Head::start())
                .map(drop)
                .map_err(|error| error.to_string())
        };
        log(&path, &["a"]);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let held = Log::open(&path, Head::start()).unwrap();
        assert!(open().unwrap_err().contains("in use"));
        drop(held);
        assert_eq!(open(), Ok(()));
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"something else\n").unwrap();
        assert!(open().unwrap_err().contains("not as it was written"));
        std::fs::write(&path, "x".repeat(100_000)).unwrap();
        assert!(open().unwrap_err().contains("not as it was written"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(open().unwrap_err().contains("chmod 600"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(open().unwrap_err().contains("not a file"));
    }
}
