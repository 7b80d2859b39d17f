//! Byte ranges (RFC 9110 section 14): which part of an object a request wants.

use std::ops::Range;

use http::{HeaderMap, header};

use crate::digits::number;

/// Most parts in one answer: each costs a file handle or a request of its own.
pub(crate) const MAX_PARTS: u32 = 8;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, or one that cannot be read (14.2 lets a server ignore the field).
    Whole,
    /// These bytes; never empty.
    Part(Range<u64>),
    /// Two to eight parts, in the order in which they were asked for; none of them is empty, none
    /// touches another.
    Parts(Vec<Range<u64>>),
    /// Every range begins behind the end: 416.
    Unsatisfiable,
    /// More parts than one answer has: 416.
    TooMany,
}

/// What the `Range` field wants of an object of `size` bytes.
pub(crate) fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Wanted::Whole;
    };
    value
        .to_str()
        .ok()
        .and_then(|text| parse(text, size))
        .unwrap_or(Wanted::Whole)
}

fn parse(text: &str, size: u64) -> Option<Wanted> {
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let ranges: Vec<Range<u64>> = members(set)
        .map(|range| one(range, size))
        .collect::<Option<_>>()?;
    if ranges.is_empty() {
        return None;
    }
    // RFC 9110 14.1.2: the last so many bytes of an object that has fewer are all of it, and no part can
    // say so where that is none.
    let wants_last = |range: &str| range.starts_with('-') && number(&range[1..]) > Some(0);
    if size == 0 && members(set).any(wants_last) {
        return Some(Wanted::Whole);
    }
    let mut parts = merged(ranges);
    Some(match parts.len() {
        0 => Wanted::Unsatisfiable,
        1 => Wanted::Part(parts.remove(0)),
        count if count <= MAX_PARTS as usize => Wanted::Parts(parts),
        _ => Wanted::TooMany,
    })
}

fn members(set: &str) -> impl Iterator<Item = &str> {
    let ranges = set.split(',').map(|range| range.trim_matches([' ', '\t']));
    // RFC 9110 5.6.1.2: empty members of a list are passed over.
    ranges.filter(|range| !range.is_empty())
}

/// One range; empty when it begins behind the end.
fn one(text: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = text.split_once('-')?;
    Some(match (first, last) {
        ("", suffix) => size.saturating_sub(number(suffix)?)..size,
        (first, "") => number(first)?..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    })
}

/// Those that overlap or touch as one, in the place of the first of them (RFC 9110 15.3.7.2), so that
/// no answer is longer than the object.
fn merged(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut ranges: Vec<(usize, Range<u64>)> = ranges.into_iter().enumerate().collect();
    ranges.retain(|(_, range)| !range.is_empty());
    ranges.sort_by_key(|(_, range)| range.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::new();
    for (place, range) in ranges {
        match merged.last_mut() {
            Some((first, last)) if range.start <= last.end => {
                last.end = last.end.max(range.end);
                *first = place.min(*first);
            }
            _ => merged.push((place, range)),
        }
    }
    merged.sort_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, range)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_followed_and_what_cannot_be_read_is_ignored() {
        use Wanted::{Part, TooMany, Unsatisfiable, Whole};
        let parts = |parts: &[Range<u64>]| Wanted::Parts(parts.to_vec());
        let each = |count: u64| {
            let ranges: Vec<String> = (0..count).map(|n| format!("{0}-{0}", 2 * n)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let eight: Vec<Range<u64>> = (0..8).map(|n| 2 * n..2 * n + 1).collect();
        for (text, size, expected) in [
            ("bytes=0-0", 10, Part(0..1)),
            ("bytes=0-9", 10, Part(0..10)),
            ("bytes=5-", 10, Part(5..10)),
            ("bytes=5-99999999999999999999999", 10, Part(5..10)),
            ("bytes=-3", 10, Part(7..10)),
            ("bytes=-99", 10, Part(0..10)),
            ("Bytes=1-2", 10, Part(1..3)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-20", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Whole),
            ("bytes=0-,-5", 0, Whole),
            ("bytes=-0", 0, Unsatisfiable),
            ("bytes=5-2", 10, Whole),
            ("bytes=0-1,3-4", 10, parts(&[0..2, 3..5])),
            ("bytes=0-1 ,\t3-4 , ,-1", 10, parts(&[0..2, 3..5, 9..10])),
            ("bytes=6-7,0-1", 10, parts(&[6..8, 0..2])),
            // What overlaps or touches is one, where the first of it stood.
            ("bytes=8-9,0-2,1-4", 10, parts(&[8..10, 0..5])),
            ("bytes=0-2,3-4", 10, Part(0..5)),
            ("bytes=0-,0-,-10", 10, Part(0..10)),
            ("bytes=3-4,0-9,1-1", 10, Part(0..10)),
            // What lies behind the end is left out.
            ("bytes=0-1,20-30", 10, Part(0..2)),
            ("bytes=20-30,40-", 10, Unsatisfiable),
            ("bytes=0-1,5-2", 10, Whole),
            ("bytes=0-1,x", 10, Whole),
            ("bytes=,", 10, Whole),
            (&each(8), 100, Wanted::Parts(eight)),
            (&each(9), 100, TooMany),
            (&(each(9) + ",0-20"), 100, Part(0..21)),
            ("bytes=+1-2", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes", 10, Whole),
            ("lines=1-2", 10, Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            assert_eq!(wanted(&headers, size), expected, "{text} of {size}");
        }
    }
}
