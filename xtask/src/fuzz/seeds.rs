//! Inputs to begin with: the token corpus, the captures of MySQL, and the lines in `fuzz/seeds`.

use std::fs;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::stop::{Outcome, failed};

const CORPUS: &str = "dailey-auth/tests/corpus";
const CAPTURES: &str = "examples/replication-checker/tests/captures";

/// Writes the seeds of a target into a folder, one a file.
pub(super) fn write(root: &Path, target: &str, folder: &Path) -> Outcome<()> {
    let mut seeds = match target {
        "token" => tokens(root)?
            .into_iter()
            .filter_map(|token| Some([parts(&token)?.0, parts(&token)?.1].join(&0)))
            .collect(),
        "header" => tokens(root)?
            .iter()
            .filter_map(|token| Some(parts(token)?.0))
            .collect(),
        "claims" => tokens(root)?
            .iter()
            .filter_map(|token| Some(parts(token)?.1))
            .collect(),
        "key_set" => key_sets(root)?,
        "snapshot" => snapshots(root)?,
        "replica_status" => captures(root)?,
        "gtid_set" => captures(root)?
            .iter()
            .flat_map(|capture| gtid_sets(capture))
            .collect(),
        _ => Vec::new(),
    };
    let lines = root.join(format!("fuzz/seeds/{target}.txt"));
    if lines.is_file() {
        seeds.extend(read(&lines)?.lines().map(unescaped));
    }
    for (number, seed) in seeds.iter().enumerate() {
        let file = folder.join(format!("seed-{number:04}"));
        fs::write(&file, seed)
            .map_err(|error| failed(format!("cannot write {}", file.display()), error))?;
    }
    Ok(())
}

fn tokens(root: &Path) -> Outcome<Vec<String>> {
    let mut tokens = Vec::new();
    for text in files(&root.join(CORPUS), "jsonl")? {
        let rows = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // Long ones are written in parts: what they try is their length.
        tokens.extend(rows.filter_map(|row| row["token"].as_str().map(str::to_owned)));
    }
    Ok(tokens)
}

/// Decoded header and payload, where they are base64url.
fn parts(token: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut segments = token
        .split('.')
        .map(|segment| BASE64URL_NOPAD.decode(segment.as_bytes()).ok());
    Some((segments.next()??, segments.next()??))
}

fn published(root: &Path) -> Outcome<Vec<Value>> {
    let file = root.join(CORPUS).join("jwks.json");
    let set: Value = serde_json::from_str(&read(&file)?)
        .map_err(|error| failed(format!("cannot read {}", file.display()), error))?;
    Ok(set["keys"].as_array().cloned().unwrap_or_default())
}

fn key_sets(root: &Path) -> Outcome<Vec<Vec<u8>>> {
    let keys = published(root)?;
    let alone = keys.iter().map(|key| json!({ "keys": [key] }));
    Ok(alone
        .chain([json!({ "keys": keys })])
        .map(|set| set.to_string().into_bytes())
        .collect())
}

fn snapshots(root: &Path) -> Outcome<Vec<Vec<u8>>> {
    let snapshot = |key: &Value| {
        let document = json!({
            "issuer": "https://core.example",
            "source": "https://core.example/.well-known/jwks.json",
            "fetched_at": 1_799_999_000,
            "keys": [key],
        });
        document.to_string().into_bytes()
    };
    Ok(published(root)?.iter().map(snapshot).collect())
}

fn captures(root: &Path) -> Outcome<Vec<Vec<u8>>> {
    let texts = files(&root.join(CAPTURES), "txt")?;
    Ok(texts.into_iter().map(String::into_bytes).collect())
}

/// What stands behind `…Gtid_Set:`, with the lines that go on.
fn gtid_sets(capture: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(capture);
    text.split("Gtid_Set: ")
        .skip(1)
        .map(|rest| rest.split("Auto_Position").next().unwrap_or_default())
        .map(|rest| {
            rest.lines()
                .take_while(|line| !line.contains(": "))
                .collect::<Vec<_>>()
                .join("\n")
        })
        .map(String::into_bytes)
        .collect()
}

/// The texts of the files with this ending, in the order of their names.
fn files(folder: &Path, ending: &str) -> Outcome<Vec<String>> {
    let entries = fs::read_dir(folder)
        .map_err(|error| failed(format!("cannot read {}", folder.display()), error))?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|error| failed(format!("cannot read {}", path.display()), error))
}

/// A line's bytes: `\0`, `\n`, `\t`, `\\` and `\xNN` stand for one each.
fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'0', after @ ..]) => (0, after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                (u8::from_str_radix(digits, 16).unwrap_or_default(), after)
            }
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{unescaped, write};

    #[test]
    fn lines_are_unescaped() {
        assert_eq!(unescaped(r"a\0b\x00\xff\n\t\\\q"), b"a\0b\0\xff\n\t\\\\q");
    }

    #[test]
    fn every_target_has_seeds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let names = super::super::chosen(root, None).unwrap();
        assert!(names.len() >= 13);
        for name in names {
            let folder = tempfile::tempdir().unwrap();
            write(root, &name, folder.path()).unwrap();
            let seeds: BTreeSet<_> = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|seed| std::fs::read(seed.unwrap().path()).unwrap())
                .collect();
            assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
        }
    }
}
