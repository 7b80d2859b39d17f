//! `dailey-auth jwks inspect`: says what each key of a set is worth.

use serde::Serialize;

use crate::keys::{JudgedKey, KeySet, SkipReason};

use super::arguments::InspectArguments;
use super::report::{self, Ink};
use super::{End, Failure, complain, document, print, settings};

mod described;

use described::Described;

pub(super) fn run(arguments: &InspectArguments) -> Result<End, Failure> {
    let setting = "FILE|URL";
    let source = settings::source(&arguments.place, setting, arguments.allow_loopback_http)?;
    let report = document::fetch(source).and_then(|json| {
        let judged = KeySet::judge_json(&json).map_err(|error| error.to_string())?;
        Ok(Report::of(&json, judged))
    });
    let report = report.unwrap_or_else(Report::failed);
    if arguments.json {
        print(&format!("{}\n", report::to_json(&report)))?;
    } else {
        print(&report.text(Ink::for_stdout()))?;
    }
    if let Some(error) = &report.error {
        complain(error);
    }
    Ok(match report.usable {
        _ if report.error.is_some() => End::CannotDecide,
        0 => End::Refused,
        _ => End::Accepted,
    })
}

/// What is said of a set.
#[derive(Serialize)]
struct Report {
    /// How many different keys are used.
    usable: usize,
    /// Why there is nothing to say.
    error: Option<String>,
    keys: Vec<Row>,
}

/// What is said of an entry.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    described: Described,
    used: bool,
    /// Why it is not used: a stable word, and in words.
    code: Option<&'static str>,
    reason: Option<String>,
    hint: Option<&'static str>,
}

impl Report {
    fn of(json: &[u8], judged: Vec<JudgedKey>) -> Self {
        let mut used: Vec<Box<str>> = Vec::new();
        let described = described::entries(json);
        let keys = judged
            .into_iter()
            .zip(described)
            .map(|(JudgedKey { kid, key }, described)| {
                let reason = key.as_ref().err().copied();
                if let (Some(kid), Ok(_)) = (kid, &key)
                    && !used.contains(&kid)
                {
                    used.push(kid);
                }
                Row {
                    described,
                    used: reason.is_none(),
                    code: reason.map(code),
                    reason: reason.map(|reason| reason.to_string()),
                    hint: reason.map(hint),
                }
            })
            .collect();
        Self {
            usable: used.len(),
            error: None,
            keys,
        }
    }

    fn failed(reason: String) -> Self {
        Self {
            usable: 0,
            error: Some(reason),
            keys: Vec::new(),
        }
    }

    fn text(&self, ink: Ink) -> String {
        if self.error.is_some() {
            return String::new();
        }
        let mut text = String::new();
        for row in &self.keys {
            let described = &row.described;
            let word = |text: &Option<String>| {
                text.as_deref()
                    .map_or_else(|| "-".to_owned(), report::harmless)
            };
            let bits = described
                .bits
                .map_or_else(String::new, |bits| format!(" {bits} bits"));
            let mark = match row.code {
                None => ink.good("✓ used   "),
                Some("private_key") => ink.bad("! ALARM  "),
                Some(_) => ink.bad("✗ refused"),
            };
            let kid = described
                .kid
                .as_deref()
                .map_or_else(|| "(no kid)".to_owned(), report::harmless);
            let mut lines = vec![
                format!("{mark} {}", ink.bold(&kid)),
                format!(
                    "    {}{bits}, use {}, alg {}",
                    word(&described.kty),
                    word(&described.usage),
                    word(&described.alg)
                ),
                format!("    thumbprint {}", word(&described.thumbprint)),
            ];
            if let (Some(reason), Some(hint)) = (&row.reason, row.hint) {
                lines.push(format!("    {reason}"));
                lines.push(format!("    → {hint}"));
            }
            for line in lines {
                text.push_str(&line);
                text.push('\n');
            }
        }
        let verdict = match self.usable {
            0 => ink.bad("no usable key: no token can be verified with this set"),
            1 => "1 usable key".to_owned(),
            several => format!("{several} usable keys"),
        };
        text.push_str(&verdict);
        text.push('\n');
        text
    }
}

/// A stable word for a reason.
fn code(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::PrivateKey => "private_key",
        SkipReason::KidMissing => "kid_missing",
        SkipReason::KidAmbiguous => "kid_ambiguous",
        SkipReason::KeyTypeNotAllowed => "key_type_not_allowed",
        SkipReason::AlgorithmNotAllowed => "algorithm_not_allowed",
        SkipReason::UseNotAllowed => "use_not_allowed",
        SkipReason::ModulusSize => "modulus_size",
        SkipReason::ExponentNotAllowed => "exponent_not_allowed",
        SkipReason::Malformed => "malformed",
        SkipReason::NotPinned => "not_pinned",
    }
}

/// What to do about a refused key.
fn hint(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::PrivateKey => {
            "whoever has read this set can sign tokens: take the key out of use now, make a new one, \
             and publish its public half alone"
        }
        SkipReason::KidMissing => {
            "give the key a `kid`, such as its thumbprint, and write it into the tokens' header"
        }
        SkipReason::KidAmbiguous => "give each key a `kid` of its own, such as its thumbprint",
        SkipReason::KeyTypeNotAllowed => {
            "tokens are verified with RSA keys only; other keys may stand in the set"
        }
        SkipReason::AlgorithmNotAllowed => {
            "if it shall verify access tokens, publish it with `alg` RS256 or without `alg`"
        }
        SkipReason::UseNotAllowed => {
            "if it shall verify access tokens, publish it with `use` sig, or `key_ops` with verify"
        }
        SkipReason::ModulusSize => "make a key of 2048 to 8192 bits",
        SkipReason::ExponentNotAllowed => "make a key with the exponent 65537 (`e` is AQAB)",
        SkipReason::Malformed => {
            "write `n` and `e` as RFC 7518 section 6.3.1 says: base64url, no padding, no leading zero bytes"
        }
        SkipReason::NotPinned => "pin its thumbprint first",
    }
}
