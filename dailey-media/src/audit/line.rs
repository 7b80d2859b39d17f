//! One line of the audit log: JSON whose last member is the SHA-256 of the line without it. Pure.
//!
//! ```text
//! {"seq":7,"time":"…","request_id":"…",…,"prev":"<hash of line 6>","hash":"<hash of this line>"}
//! ```

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

/// What the first line has in `prev`.
pub(crate) const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Longest line in bytes: two keys and the rest, escaped, are far below.
pub(super) const MAX_LINE_BYTES: usize = 32 * 1024;

const HASH_MEMBER: &str = ",\"hash\":\"";
const END: &str = "\"}";

/// One change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) request_id: Option<String>,
    pub(crate) app: String,
    pub(crate) sub: String,
    pub(crate) via: Via,
    pub(crate) action: Action,
    pub(crate) key: String,
    /// Of a copy or move: the key of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    pub(crate) outcome: Outcome,
}

/// By what right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Via {
    Token,
    /// A link that the subject gave.
    Link,
    /// A resumable upload that the subject began.
    Upload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    Put,
    Copy,
    Move,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Created,
    Replaced,
    Deleted,
    /// The storage failed in the middle.
    Unknown,
}

/// Closes what a crash left of a line.
#[derive(Clone, Debug, Serialize)]
struct Recovery {
    action: &'static str,
    torn_bytes: usize,
    torn_sha256: String,
}

const RECOVERED: &str = "recovered";

/// Where the chain goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
}

#[derive(Serialize)]
struct Numbered<'a, T> {
    seq: u64,
    time: &'a str,
    #[serde(flatten)]
    entry: &'a T,
    prev: &'a str,
}

/// A line that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) head: Head,
    pub(super) prev: String,
    /// The hash of the torn line before it, which it closes.
    pub(super) closes: Option<String>,
}

impl Head {
    /// Before the first line.
    pub(super) fn start() -> Self {
        Self {
            seq: 0,
            hash: START.to_owned(),
        }
    }

    /// The next line, without its end.
    pub(super) fn write(&mut self, time: &str, entry: &Entry) -> Result<String, serde_json::Error> {
        self.chain(time, entry)
    }

    /// The line that closes a torn one.
    pub(super) fn close(&mut self, time: &str, torn: &[u8]) -> Result<String, serde_json::Error> {
        let recovery = Recovery {
            action: RECOVERED,
            torn_bytes: torn.len(),
            torn_sha256: hex_digest(torn),
        };
        self.chain(time, &recovery)
    }

    fn chain<T: Serialize>(&mut self, time: &str, entry: &T) -> Result<String, serde_json::Error> {
        let seq = self.seq + 1;
        let prev = &self.hash;
        let mut line = serde_json::to_string(&Numbered {
            seq,
            time,
            entry,
            prev,
        })?;
        let hash = hex_digest(line.as_bytes());
        line.pop();
        line = line + HASH_MEMBER + &hash + END;
        *self = Self { seq, hash };
        Ok(line)
    }
}

/// `None` for what is not a line as it was written.
pub(super) fn read(line: &[u8]) -> Option<Read> {
    #[derive(Deserialize)]
    struct Members {
        seq: u64,
        action: String,
        prev: String,
        hash: String,
        torn_sha256: Option<String>,
    }

    let text = std::str::from_utf8(line).ok()?;
    let members: Members = serde_json::from_str(text).ok()?;
    let end = format!("{HASH_MEMBER}{}{END}", members.hash);
    let body = text.strip_suffix(end.as_str())?;
    if hex_digest(format!("{body}}}").as_bytes()) != members.hash {
        return None;
    }
    Some(Read {
        head: Head {
            seq: members.seq,
            hash: members.hash,
        },
        prev: members.prev,
        closes: members.torn_sha256.filter(|_| members.action == RECOVERED),
    })
}

pub(super) fn hex_digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}
