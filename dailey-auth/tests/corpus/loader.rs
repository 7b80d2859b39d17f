//! Reads the corpus: what to try, and what must come of it.
//!
//! Stands alone, so that every runner can take it in with `#[path]`: this crate's tests and those
//! of the services. Knows nothing of how the tokens were made.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The verdict of a token that must be let in.
pub(crate) const ACCEPTED: &str = "accepted";

/// Every file of tokens, in the order in which a token is looked at.
pub(crate) const TOPICS: [&str; 11] = [
    "measured",
    "accepted",
    "text",
    "json",
    "header",
    "kid",
    "keys",
    "signature",
    "claims",
    "times",
    "order",
];

/// One line of a topic's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// Unique in the whole corpus.
    pub(crate) name: String,
    /// What is tried, and why the verdict is right.
    pub(crate) why: String,
    /// Where the idea is from: `measured row 41`, `attack: crit ignored`, an RFC, a rule.
    pub(crate) source: String,
    /// `accepted`, or the code of the refusal.
    pub(crate) verdict: String,
    /// The claim that a `claim_missing` or `claim_invalid` is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claim: Option<String>,
    pub(crate) token: Token,
}

/// A token's bytes, written down so that two megabytes need no two megabytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Token {
    Text(String),
    Parts(Vec<Part>),
}

/// A stretch of a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Part {
    Text(String),
    Repeat {
        repeat: String,
        times: usize,
    },
    /// Bytes that are no UTF-8, two digits each.
    Hex {
        hex: String,
    },
}

impl Row {
    /// The token as it would come in.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match &self.token {
            Token::Text(text) => text.clone().into_bytes(),
            Token::Parts(parts) => parts.iter().flat_map(Part::bytes).collect(),
        }
    }

    /// The token for an interface that takes text: what is no UTF-8 stands as U+FFFD, which is as
    /// little base64url as the bytes were.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The verdict in one word: `accepted`, `expired`, `claim_invalid:exp`.
    pub(crate) fn expected(&self) -> String {
        outcome(&self.verdict, self.claim.as_deref())
    }
}

impl Part {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Repeat { repeat, times } => repeat.repeat(*times).into_bytes(),
            Self::Hex { hex } => data_encoding::HEXLOWER
                .decode(hex.as_bytes())
                .expect("the corpus writes lower-case digits in pairs"),
        }
    }
}

/// A verdict in one word, to compare with [`Row::expected`].
pub(crate) fn outcome(verdict: &str, claim: Option<&str>) -> String {
    match claim {
        Some(claim) => format!("{verdict}:{claim}"),
        None => verdict.to_owned(),
    }
}

/// Who verifies, and when: `policy.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    /// The time of every verification, in seconds since the epoch.
    pub(crate) now: u64,
    pub(crate) leeway_seconds: u64,
    pub(crate) max_lifetime_seconds: u64,
}

/// The folder of the corpus.
pub(crate) fn folder() -> PathBuf {
    // From any package of this repository: they stand side by side.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dailey-auth/tests/corpus")
}

/// The key set that the issuer publishes.
pub(crate) fn jwks() -> Vec<u8> {
    read("jwks.json")
}

pub(crate) fn policy() -> Policy {
    serde_json::from_slice(&read("policy.json")).expect("policy.json is a policy")
}

/// Every token of the corpus.
pub(crate) fn rows() -> Vec<Row> {
    TOPICS.into_iter().flat_map(topic).collect()
}

fn topic(name: &str) -> Vec<Row> {
    let file = format!("{name}.jsonl");
    let text = String::from_utf8(read(&file)).expect("the corpus is UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}")))
        .collect()
}

fn read(file: &str) -> Vec<u8> {
    let path = folder().join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
