//! A strict reader for one JSON object (RFC 8259): one pass, every member looked at.
//!
//! Refused, wherever it stands: bad UTF-8, a byte order mark, control characters, lone surrogates,
//! numbers outside the grammar, anything after the object, too many levels or members, and a
//! member name that stands twice in one object, compared after unescaping (RFC 8259 section 4
//! calls such objects unpredictable; RFC 7519 section 4 lets a parser refuse them).
//!
//! Nothing is converted while reading: values are handed out as slices of the text, and typed
//! reads ([`Text`], [`Number`]) are made from them without overflow and without panics.

mod names;
#[cfg(test)]
mod number_properties;
#[cfg(test)]
mod properties;
mod reader;
mod string;
#[cfg(test)]
mod tests;

pub(crate) use string::{Text, first_character, unescaped};

use reader::Reader;

/// How much one text may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Levels of nesting; the outer object is level 1.
    pub(crate) depth: usize,
    /// Members of all objects together.
    pub(crate) members: usize,
}

impl Limits {
    /// For a text that was held to its limits already.
    const NONE: Self = Self {
        depth: usize::MAX,
        members: usize::MAX,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    Invalid,
    DuplicateMember,
    TooDeep,
}

/// A value of a member or of an array.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(Text<'a>),
    Number(Number<'a>),
    Array(Array<'a>),
    Object(&'a str),
    /// `true`, `false` or `null`, which no registered claim or key parameter may be.
    Other,
}

impl<'a> Value<'a> {
    pub(crate) fn text(self) -> Option<Text<'a>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads `bytes` as one object and hands each of its own members to `member`.
///
/// Members of inner objects are checked as strictly, but not handed out: [`read_object`] on
/// [`Value::Object`]'s text does that.
pub(crate) fn read_object<'a>(
    bytes: &'a [u8],
    limits: Limits,
    member: impl FnMut(Text<'a>, Value<'a>),
) -> Result<(), JsonError> {
    // RFC 8725 section 3.7: UTF-8 and nothing else.
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Invalid)?;
    read_object_text(text, limits, member)
}

/// The same for what is known to be UTF-8.
pub(crate) fn read_object_text<'a>(
    text: &'a str,
    limits: Limits,
    mut member: impl FnMut(Text<'a>, Value<'a>),
) -> Result<(), JsonError> {
    let mut reader = Reader::new(text, limits);
    reader.space();
    reader.object(1, &mut member).ok_or(reader.error())?;
    reader.space();
    if reader.at == text.len() {
        Ok(())
    } else {
        Err(JsonError::Invalid)
    }
}

/// A number of the RFC 8259 grammar, not converted yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number<'a> {
    raw: &'a str,
}

impl Number<'_> {
    /// The value from 0 to 2^53: up to there every whole number is one `f64`, so that nothing is
    /// rounded into the range. `-0` is refused with the other negatives, since no issuer has a
    /// reason to write it.
    pub(crate) fn non_negative(self) -> Option<f64> {
        const LARGEST: u64 = 1 << 53;
        if let Ok(whole) = self.raw.parse::<u64>() {
            #[allow(clippy::cast_precision_loss)] // none up to 2^53
            return (whole <= LARGEST).then_some(whole as f64);
        }
        #[allow(clippy::cast_precision_loss)]
        let below = 0.0..LARGEST as f64;
        let value = self.raw.parse::<f64>().ok();
        value.filter(|value| !self.raw.starts_with('-') && below.contains(value))
    }
}

/// An array's text, brackets included, every value in it checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array<'a> {
    raw: &'a str,
}

impl<'a> Array<'a> {
    /// The values in order.
    pub(crate) fn values(self) -> impl Iterator<Item = Value<'a>> {
        let mut reader = Reader::new(self.raw, Limits::NONE);
        reader.at = 1;
        std::iter::from_fn(move || {
            reader.space();
            if reader.peek() == Some(b',') {
                reader.at += 1;
                reader.space();
            }
            if reader.peek() == Some(b']') {
                return None;
            }
            // The text was checked when the array was read, so nothing can fail here.
            reader.value(1)
        })
    }
}
