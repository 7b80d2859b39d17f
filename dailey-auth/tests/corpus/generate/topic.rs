//! One file of the corpus in the making: rows, and the compact spelling of long tokens.

use super::forge::Forge;
use super::keys::{Key, Keys};
use crate::loader::{ACCEPTED, Part, Row, Token};

/// Repetitions of four bytes from which on a stretch is written as a repetition.
const MIN_REPEAT: usize = 48;

/// The rows of one topic.
pub(crate) struct Topic<'k> {
    pub(crate) keys: &'k Keys,
    rows: Vec<Row>,
}

impl<'k> Topic<'k> {
    pub(crate) fn new(keys: &'k Keys) -> Self {
        Self {
            keys,
            rows: Vec::new(),
        }
    }

    /// A good token of the key that most tokens are signed with.
    pub(crate) fn good(&self) -> Forge<'k> {
        Forge::new(&self.keys.main)
    }

    /// A good token of another key.
    #[allow(clippy::unused_self)] // reads like `good`
    pub(crate) fn good_of(&self, key: &'k Key) -> Forge<'k> {
        Forge::new(key)
    }

    /// A token that must be let in.
    pub(crate) fn accept(
        &mut self,
        name: &str,
        why: &str,
        source: &str,
        token: impl Into<Vec<u8>>,
    ) {
        self.row(ACCEPTED, name, why, source, token.into());
    }

    /// A token that must be refused with `verdict`: a code, or a code, a colon and a claim.
    pub(crate) fn refuse(
        &mut self,
        verdict: &str,
        name: &str,
        why: &str,
        source: &str,
        token: impl Into<Vec<u8>>,
    ) {
        assert_ne!(verdict, ACCEPTED, "{name}");
        self.row(verdict, name, why, source, token.into());
    }

    /// A token that must get `verdict`, whichever it is: for tables that hold both.
    pub(crate) fn row(
        &mut self,
        verdict: &str,
        name: &str,
        why: &str,
        source: &str,
        token: Vec<u8>,
    ) {
        let (verdict, claim) = match verdict.split_once(':') {
            Some((verdict, claim)) => (verdict, Some(claim.to_owned())),
            None => (verdict, None),
        };
        self.rows.push(Row {
            name: name.to_owned(),
            why: why.to_owned(),
            source: source.to_owned(),
            verdict: verdict.to_owned(),
            claim,
            token: written(token),
        });
    }

    /// The file: a row a line.
    pub(crate) fn lines(&self) -> String {
        self.rows
            .iter()
            .map(|row| serde_json::to_string(row).expect("a row is plain data") + "\n")
            .collect()
    }
}

/// The token as one text, or in parts where it repeats itself or is no text.
fn written(token: Vec<u8>) -> Token {
    let text = match String::from_utf8(token) {
        Ok(text) => text,
        Err(error) => {
            let (good, bad) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
            return Token::Parts(vec![
                Part::Text(String::from_utf8_lossy(good).into_owned()),
                Part::Hex {
                    hex: data_encoding::HEXLOWER.encode(bad),
                },
            ]);
        }
    };
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    let (mut at, mut done) = (0, 0);
    while at + 4 <= bytes.len() {
        let unit = &bytes[at..at + 4];
        let times = bytes[at..]
            .chunks_exact(4)
            .take_while(|chunk| *chunk == unit)
            .count();
        if times >= MIN_REPEAT && unit.is_ascii() {
            if at > done {
                parts.push(Part::Text(text[done..at].to_owned()));
            }
            let repeat = text[at..at + 4].to_owned();
            parts.push(Part::Repeat { repeat, times });
            at += 4 * times;
            done = at;
        } else {
            at += 1;
        }
    }
    if parts.is_empty() {
        return Token::Text(text);
    }
    if done < text.len() {
        parts.push(Part::Text(text[done..].to_owned()));
    }
    Token::Parts(parts)
}
