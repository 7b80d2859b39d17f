//! GTID sets as text: read strictly, counted, told apart by server. Arithmetic on them is left to servers.

use std::fmt;

/// Largest set that is taken in, in bytes of text.
pub const MAX_SET_BYTES: usize = 1024 * 1024;

/// Longest tag (MySQL's own limit).
const MAX_TAG_BYTES: usize = 32;

/// A set of transactions, as a server wrote it, without white space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    text: String,
}

/// The text is not a GTID set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a GTID set")]
pub struct GtidError;

impl GtidSet {
    /// Reads `uuid:1-23,uuid:5:tag:1-2`, with white space around commas; nothing is the empty set.
    pub fn parse(text: &str) -> Result<Self, GtidError> {
        if text.len() > MAX_SET_BYTES {
            return Err(GtidError);
        }
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if !text.is_empty() {
            for member in text.split(',') {
                transactions(member).ok_or(GtidError)?;
            }
        }
        Ok(Self { text })
    }

    /// Whether it holds no transaction.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// How many transactions it holds.
    pub fn count(&self) -> u64 {
        self.members()
            .filter_map(transactions)
            .fold(0, u64::saturating_add)
    }

    /// How many servers' transactions it holds.
    pub fn servers(&self) -> usize {
        self.members().count()
    }

    /// What of it came from this server, and what from others.
    #[must_use]
    pub fn split_by_server(&self, server_uuid: &str) -> (Self, Self) {
        let of_server = |member: &&str| {
            member
                .split(':')
                .next()
                .is_some_and(|uuid| uuid.eq_ignore_ascii_case(server_uuid))
        };
        let (ours, others): (Vec<&str>, Vec<&str>) = self.members().partition(of_server);
        let joined = |members: Vec<&str>| Self {
            text: members.join(","),
        };
        (joined(ours), joined(others))
    }

    /// The text: letters, digits, `-`, `:`, `,` and `_` alone, so it can stand in a statement.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        self.text.split(',').filter(|member| !member.is_empty())
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// How many transactions `uuid:1-3:tag:1:7-9` names; nothing when it is not written like that.
fn transactions(member: &str) -> Option<u64> {
    let mut parts = member.split(':');
    if !is_uuid(parts.next()?) {
        return None;
    }
    let mut total: u64 = 0;
    // A tag must be followed by an interval, and so must the UUID.
    let mut interval_wanted = true;
    for part in parts {
        if let Some(length) = interval(part) {
            total = total.saturating_add(length);
            interval_wanted = false;
        } else if is_tag(part) {
            interval_wanted = true;
        } else {
            return None;
        }
    }
    (!interval_wanted).then_some(total)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_tag(text: &str) -> bool {
    text.len() <= MAX_TAG_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `7` or `7-9`, from 1.
fn interval(text: &str) -> Option<u64> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    (first >= 1 && last >= first).then(|| (last - first).unsigned_abs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "18237c20-e732-11f1-ba60-02fc00000001";
    const B: &str = "8a142f3d-e732-11f1-8046-02fc00000001";

    #[test]
    fn sets_are_counted_across_lines_intervals_and_tags() {
        for (text, count) in [
            (String::new(), 0),
            (format!("{A}:1"), 1),
            (format!("{A}:1-23"), 23),
            (format!("{A}:1-3:7:9-10"), 6),
            (format!("{A}:1-23,\n{B}:1-2"), 25),
            (format!("{A}:1-281:mytag:1"), 282),
            (format!("{A}:tag:1-2:other_1:5"), 3),
        ] {
            assert_eq!(GtidSet::parse(&text).unwrap().count(), count, "{text}");
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in [
            "x",
            A,
            &format!("{A}:"),
            &format!("{A}:0"),
            &format!("{A}:3-2"),
            &format!("{A}:1-"),
            &format!("{A}:tag"),
            &format!("{A}:1:tag"),
            &format!("{A}:1,,{B}:1"),
            &format!("{A}:1'"),
            &format!("{A}:+1"),
            &format!("{A}:99999999999999999999"),
        ] {
            assert_eq!(GtidSet::parse(text), Err(GtidError), "{text}");
        }
    }

    #[test]
    fn a_set_is_split_by_the_server_that_wrote() {
        let set = GtidSet::parse(&format!("{A}:1-2,{B}:4:tag:1")).unwrap();
        let (ours, others) = set.split_by_server(&A.to_uppercase());
        assert_eq!(ours.as_str(), format!("{A}:1-2"));
        assert_eq!(others.as_str(), format!("{B}:4:tag:1"));
    }
}
