//! Conditional requests (RFC 9110 section 13): pure, the same for every store.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Most entity tags in one field.
const MAX_TAGS: usize = 64;

/// What tells one state of an object from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The strong entity tag with its quotes.
    pub etag: String,
    /// Last change in whole seconds since 1970, as HTTP dates have it.
    pub modified_seconds: u64,
}

/// The conditions of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
// The fields' names are those of the header fields.
#[allow(clippy::struct_field_names)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<u64>,
    if_unmodified_since: Option<u64>,
}

/// What a reading request's conditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadVerdict {
    Proceed,
    NotModified,
    Failed,
}

/// `If-Match` or `If-None-Match` is not `*` or a list of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "If-Match and If-None-Match take `*` or a list of at most 64 entity tags in quotes, as the ETag header gave them"
)]
pub struct MalformedPrecondition;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    List(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    weak: bool,
    /// With its quotes.
    opaque: String,
}

impl Preconditions {
    /// `If-Match`: only what is still in this state.
    pub(crate) fn still(state: &Validators) -> Self {
        let tag = Tag {
            weak: false,
            opaque: state.etag.clone(),
        };
        Self {
            if_match: Some(Tags::List(vec![tag])),
            ..Self::default()
        }
    }

    /// `If-None-Match: *`: only where nothing is yet.
    pub(crate) fn create_only() -> Self {
        Self {
            if_none_match: Some(Tags::Any),
            ..Self::default()
        }
    }

    /// Reads a request's conditions. A date that is none is ignored (RFC 9110 13.1.3).
    ///
    /// # Errors
    /// `MalformedPrecondition`: a condition that cannot be read must not count as met.
    pub fn read(headers: &HeaderMap) -> Result<Self, MalformedPrecondition> {
        let if_match = tags(headers, &header::IF_MATCH)?;
        let if_none_match = tags(headers, &header::IF_NONE_MATCH)?;
        Ok(Self {
            // RFC 9110 13.1.3, 13.1.4: ignored beside the entity tag's condition.
            if_modified_since: date(headers, &header::IF_MODIFIED_SINCE)
                .filter(|_| if_none_match.is_none()),
            if_unmodified_since: date(headers, &header::IF_UNMODIFIED_SINCE)
                .filter(|_| if_match.is_none()),
            if_match,
            if_none_match,
        })
    }

    /// Whether there is no condition.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the object must be absent: `If-None-Match: *`.
    pub fn wants_absence(&self) -> bool {
        self.if_none_match == Some(Tags::Any)
    }

    /// Whether a change may be made to the `current` state (`None`: there is no object).
    pub fn allow_change(&self, current: Option<&Validators>) -> bool {
        self.unchanged(current)
            && !self
                .if_none_match
                .as_ref()
                .is_some_and(|tags| tags.weakly_match(current))
    }

    /// Whether a change may be made to an object that is there, but whose state cannot be told: a
    /// condition that cannot be tried must not count as met.
    pub fn allow_change_of_unknown(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_unmodified_since.is_none()
    }

    /// What to answer to GET or HEAD of an object that is there (RFC 9110 13.2.2).
    pub(crate) fn read_verdict(&self, current: &Validators) -> ReadVerdict {
        if !self.unchanged(Some(current)) {
            return ReadVerdict::Failed;
        }
        let known = match &self.if_none_match {
            Some(tags) => tags.weakly_match(Some(current)),
            None => self
                .if_modified_since
                .is_some_and(|since| current.modified_seconds <= since),
        };
        if known {
            ReadVerdict::NotModified
        } else {
            ReadVerdict::Proceed
        }
    }

    fn unchanged(&self, current: Option<&Validators>) -> bool {
        let tag_holds = self
            .if_match
            .as_ref()
            .is_none_or(|tags| tags.strongly_match(current));
        let date_holds = self
            .if_unmodified_since
            .is_none_or(|since| current.is_none_or(|current| current.modified_seconds <= since));
        tag_holds && date_holds
    }
}

/// Whether `If-Range` lets a range be sent (RFC 9110 13.1.5): true without the field. Only a
/// strong tag or the exact date count, and the date only when the second is over in which the object
/// was changed: before, another change may come to have the same date (8.8.2.2).
pub(crate) fn if_range_holds(headers: &HeaderMap, current: &Validators, now_seconds: u64) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else {
        return true;
    };
    match value.to_str() {
        Ok(text) if text.starts_with('"') => text == current.etag,
        Ok(text) => {
            parse_date(text) == Some(current.modified_seconds)
                && current.modified_seconds < now_seconds
        }
        Err(_) => false,
    }
}

impl Tags {
    /// RFC 9110 8.8.3.2: both strong, and equal.
    fn strongly_match(&self, current: Option<&Validators>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(tags), Some(current)) => tags
                .iter()
                .any(|tag| !tag.weak && tag.opaque == current.etag),
        }
    }

    fn weakly_match(&self, current: Option<&Validators>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(tags), Some(current)) => tags.iter().any(|tag| tag.opaque == current.etag),
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tags>, MalformedPrecondition> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let mut list = Vec::new();
    for line in &lines {
        let mut rest = line
            .to_str()
            .map_err(|_| MalformedPrecondition)?
            .trim_matches([' ', '\t']);
        if rest == "*" {
            return if lines.len() == 1 {
                Ok(Some(Tags::Any))
            } else {
                Err(MalformedPrecondition)
            };
        }
        while !rest.is_empty() {
            let (tag, after) = Tag::take(rest).ok_or(MalformedPrecondition)?;
            list.push(tag);
            rest = after.trim_start_matches([' ', '\t']);
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start_matches([' ', '\t', ',']),
                None if rest.is_empty() => {}
                None => return Err(MalformedPrecondition),
            }
        }
    }
    if list.is_empty() || list.len() > MAX_TAGS {
        return Err(MalformedPrecondition);
    }
    Ok(Some(Tags::List(list)))
}

impl Tag {
    /// One entity tag (RFC 9110 8.8.3) and what comes after it.
    fn take(text: &str) -> Option<(Self, &str)> {
        let (weak, quoted) = text
            .strip_prefix("W/")
            .map_or((false, text), |quoted| (true, quoted));
        let end = quoted.strip_prefix('"')?.find('"')? + 2;
        let (opaque, rest) = quoted.split_at(end);
        Some((
            Self {
                weak,
                opaque: opaque.to_owned(),
            },
            rest,
        ))
    }
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    parse_date(value.to_str().ok()?)
}

fn parse_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: &str = "Tue, 24 Nov 2026 12:00:00 GMT";
    const LATER: &str = "Tue, 24 Nov 2026 12:00:01 GMT";
    const EARLIER: &str = "Tue, 24 Nov 2026 11:59:59 GMT";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn current() -> Validators {
        Validators {
            etag: "\"a\"".into(),
            modified_seconds: parse_date(THEN).unwrap(),
        }
    }

    #[test]
    fn reading_follows_the_order_of_rfc_9110() {
        use ReadVerdict::{Failed, NotModified, Proceed};
        for (pairs, expected) in [
            (&[][..], Proceed),
            (&[(header::IF_MATCH, "\"a\"")], Proceed),
            (&[(header::IF_MATCH, "\"x\", \"a\"")], Proceed),
            (&[(header::IF_MATCH, "*")], Proceed),
            (&[(header::IF_MATCH, "\"b\"")], Failed),
            // A weak tag never matches strongly.
            (&[(header::IF_MATCH, "W/\"a\"")], Failed),
            (&[(header::IF_NONE_MATCH, "\"a\"")], NotModified),
            (&[(header::IF_NONE_MATCH, "W/\"a\"")], NotModified),
            (&[(header::IF_NONE_MATCH, "\"b\",\"a\"")], NotModified),
            (
                &[
                    (header::IF_NONE_MATCH, "\"b\""),
                    (header::IF_NONE_MATCH, "\"a\""),
                ],
                NotModified,
            ),
            (&[(header::IF_NONE_MATCH, "*")], NotModified),
            (&[(header::IF_NONE_MATCH, "\"b\"")], Proceed),
            (&[(header::IF_MODIFIED_SINCE, THEN)], NotModified),
            (&[(header::IF_MODIFIED_SINCE, LATER)], NotModified),
            (&[(header::IF_MODIFIED_SINCE, EARLIER)], Proceed),
            (&[(header::IF_MODIFIED_SINCE, "yesterday")], Proceed),
            // The tag decides alone.
            (
                &[
                    (header::IF_NONE_MATCH, "\"b\""),
                    (header::IF_MODIFIED_SINCE, THEN),
                ],
                Proceed,
            ),
            (&[(header::IF_UNMODIFIED_SINCE, THEN)], Proceed),
            (&[(header::IF_UNMODIFIED_SINCE, EARLIER)], Failed),
            (
                &[
                    (header::IF_MATCH, "\"a\""),
                    (header::IF_UNMODIFIED_SINCE, EARLIER),
                ],
                Proceed,
            ),
            (
                &[
                    (header::IF_MATCH, "\"b\""),
                    (header::IF_NONE_MATCH, "\"a\""),
                ],
                Failed,
            ),
        ] {
            let conditions = Preconditions::read(&headers(pairs)).unwrap();
            assert_eq!(conditions.read_verdict(&current()), expected, "{pairs:?}");
        }
    }

    #[test]
    fn changes_need_their_conditions() {
        for (pairs, absent, present) in [
            (&[][..], true, true),
            (&[(header::IF_NONE_MATCH, "*")], true, false),
            (&[(header::IF_NONE_MATCH, "\"a\"")], true, false),
            (&[(header::IF_NONE_MATCH, "\"b\"")], true, true),
            (&[(header::IF_MATCH, "*")], false, true),
            (&[(header::IF_MATCH, "\"a\"")], false, true),
            (&[(header::IF_MATCH, "\"b\"")], false, false),
            (&[(header::IF_UNMODIFIED_SINCE, EARLIER)], true, false),
            (&[(header::IF_MODIFIED_SINCE, LATER)], true, true),
        ] {
            let conditions = Preconditions::read(&headers(pairs)).unwrap();
            assert_eq!(conditions.allow_change(None), absent, "{pairs:?}, absent");
            assert_eq!(
                conditions.allow_change(Some(&current())),
                present,
                "{pairs:?}, present"
            );
        }
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_never_taken_as_met() {
        for malformed in ["", "a", "\"a", "\"a\" \"b\"", "*, \"a\"", "w/\"a\"", ","] {
            assert!(
                Preconditions::read(&headers(&[(header::IF_MATCH, malformed)])).is_err(),
                "{malformed}"
            );
        }
        let many = vec!["\"a\""; 65].join(",");
        assert!(Preconditions::read(&headers(&[(header::IF_NONE_MATCH, &many)])).is_err());
    }

    #[test]
    fn if_range_takes_a_strong_tag_or_the_exact_date_of_a_second_that_is_over() {
        let then = current().modified_seconds;
        for (value, now, holds) in [
            ("\"a\"", then, true),
            ("W/\"a\"", then + 1, false),
            ("\"b\"", then + 1, false),
            (THEN, then + 1, true),
            (THEN, then, false),
            // A clock that was set back.
            (THEN, then - 1, false),
            (LATER, then + 9, false),
            (EARLIER, then + 9, false),
            ("x", then + 1, false),
        ] {
            let headers = headers(&[(header::IF_RANGE, value)]);
            let held = if_range_holds(&headers, &current(), now);
            assert_eq!(held, holds, "{value} at {now}");
        }
        assert!(if_range_holds(&HeaderMap::new(), &current(), 0));
    }
}
