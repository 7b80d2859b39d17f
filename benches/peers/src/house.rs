//! What every speaker is told: whom to trust, for whom tokens are, and one good token to be timed with.

use std::path::{Path, PathBuf};

use benches::{APP, ISSUER, token};
use dailey_auth::testing::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Written as a file, read by every speaker.
#[derive(Clone, Serialize, Deserialize)]
pub struct House {
    pub issuer: String,
    pub audiences: Vec<String>,
    pub jwks: Value,
    pub kid: String,
    pub token: String,
}

/// Who verifies the corpus, and when.
#[derive(Deserialize)]
struct Policy {
    issuer: String,
    audiences: Vec<String>,
    now: u64,
}

/// One line of the corpus.
pub struct Row {
    pub topic: String,
    pub name: String,
    pub good: bool,
    pub token: String,
}

/// The corpus with the time at which it is judged.
pub struct Corpus {
    pub house: House,
    pub now: u64,
    pub rows: Vec<Row>,
}

impl House {
    /// One key and a token of Core's size.
    pub fn of_one_key(key: &SigningKey) -> Self {
        Self {
            issuer: ISSUER.to_owned(),
            audiences: vec![APP.to_owned()],
            jwks: serde_json::json!({ "keys": [key.jwk()] }),
            kid: key.kid().to_owned(),
            token: token(1, key),
        }
    }

    pub fn read(path: &Path) -> Self {
        serde_json::from_str(&read(path)).expect("the file was written by `House`")
    }
}

impl Corpus {
    /// The hostile corpus of `dailey-auth`. Tokens that are written in parts are put together.
    pub fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dailey-auth/tests/corpus");
        let policy: Policy =
            serde_json::from_str(&read(&folder.join("policy.json"))).expect("the policy");
        let jwks: Value = serde_json::from_str(&read(&folder.join("jwks.json"))).expect("the keys");
        let rows = files(&folder)
            .iter()
            .flat_map(|file| rows(file))
            .collect::<Vec<_>>();
        let good = rows.iter().find(|row| row.good).expect("a good token");
        let house = House {
            issuer: policy.issuer,
            audiences: policy.audiences,
            jwks,
            kid: String::new(),
            token: good.token.clone(),
        };
        Self {
            house,
            now: policy.now,
            rows,
        }
    }
}

fn rows(file: &Path) -> Vec<Row> {
    let topic = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a line of the corpus");
        Row {
            topic: topic.clone(),
            name: row["name"].as_str().unwrap_or_default().to_owned(),
            good: row["verdict"] == "accepted",
            token: text(&row["token"]),
        }
    };
    read(file).lines().map(row).collect()
}

/// A token's text; what is no UTF-8 stands as U+FFFD, which is as little base64url as the bytes were.
fn text(token: &Value) -> String {
    let part = |part: &Value| match part {
        Value::String(text) => text.clone().into_bytes(),
        part if part["hex"].is_string() => {
            let hex = part["hex"].as_str().unwrap_or_default();
            data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .expect("pairs of digits")
        }
        part => {
            let times = part["times"].as_u64().unwrap_or_default();
            let times = usize::try_from(times).expect("a length");
            part["repeat"]
                .as_str()
                .unwrap_or_default()
                .repeat(times)
                .into_bytes()
        }
    };
    let bytes: Vec<u8> = match token {
        Value::Array(parts) => parts.iter().flat_map(part).collect(),
        whole => part(whole),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the corpus");
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
