//! Strings: their escapes, checked while reading and undone only where somebody asks.

use std::borrow::Cow;

use smallvec::SmallVec;

/// A string's text between its quotes, escapes checked but still in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(super) raw: &'a str,
    /// How many escapes are in it. A whole word, so that a text is three words and moves as such.
    pub(super) escapes: usize,
}

impl<'a> Text<'a> {
    /// A text that means what is written.
    pub(crate) fn plain(raw: &'a str) -> Self {
        Self { raw, escapes: 0 }
    }

    /// Where [`raw`](Self::raw) starts in `read`, the text that it was read from, in bytes.
    pub(crate) fn start_in(self, read: &str) -> usize {
        self.raw
            .as_ptr()
            .addr()
            .saturating_sub(read.as_ptr().addr())
    }

    /// The text as written, escapes and all.
    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    /// Whether [`raw`](Self::raw) holds an escape and so differs from what it means.
    pub(crate) fn is_escaped(self) -> bool {
        self.escapes > 0
    }

    /// What the text means.
    pub(crate) fn unescaped(self) -> Cow<'a, str> {
        if self.is_escaped() {
            self.chars().collect()
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// The characters of what the text means, without allocating.
    pub(crate) fn chars(self) -> impl Iterator<Item = char> + 'a {
        unescaped(self.raw)
    }

    /// Lets `read` see what the text means. Only a text with escapes is copied for it, and only a
    /// long one of those onto the heap.
    pub(crate) fn read_as<T>(self, read: impl FnOnce(&str) -> T) -> T {
        if !self.is_escaped() {
            return read(self.raw);
        }
        let mut bytes: SmallVec<[u8; 64]> = SmallVec::new();
        let mut utf8 = [0; 4];
        for character in self.chars() {
            bytes.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        }
        read(std::str::from_utf8(&bytes).unwrap_or_default())
    }

    pub(crate) fn means(self, other: &str) -> bool {
        if self.is_escaped() {
            self.chars().eq(other.chars())
        } else {
            self.raw == other
        }
    }

    pub(super) fn means_the_same(self, other: Text<'_>) -> bool {
        if self.escapes + other.escapes > 0 {
            self.chars().eq(other.chars())
        } else {
            self.raw == other.raw
        }
    }
}

/// What a string means that is written as `raw` between its quotes, escapes checked already.
pub(crate) fn unescaped(raw: &str) -> impl Iterator<Item = char> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (character, length) = first_character(rest)?;
        rest = rest.get(length..)?;
        Some(character)
    })
}

/// The first character of what `raw` means, and how many bytes it takes to write it.
pub(crate) fn first_character(raw: &str) -> Option<(char, usize)> {
    match raw.as_bytes() {
        [b'\\', b'u', ..] => {
            let first = code_unit(raw.as_bytes(), 0)?;
            match code_unit(raw.as_bytes(), 6) {
                Some(second) if is_high_surrogate(first) => Some((joined(first, second)?, 12)),
                _ => Some((char::from_u32(first)?, 6)),
            }
        }
        [b'\\', escape, ..] => Some((simple_escape(*escape)?, 2)),
        _ => {
            let next = raw.chars().next()?;
            Some((next, next.len_utf8()))
        }
    }
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

/// The UTF-16 code unit of the `\uXXXX` at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes.get(at..at.checked_add(6)?)? else {
        return None;
    };
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit << 4 | char::from(*digit).to_digit(16)?)
    })
}

fn is_high_surrogate(unit: u32) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn joined(high: u32, low: u32) -> Option<char> {
    if !is_high_surrogate(high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

/// The length of the escape at the start of `bytes`, if it is one; a lone surrogate is none.
pub(super) fn escape_length(bytes: &[u8]) -> Option<usize> {
    let escape = bytes.get(1)?;
    if *escape != b'u' {
        return simple_escape(*escape).map(|_| 2);
    }
    let unit = code_unit(bytes, 0)?;
    if char::from_u32(unit).is_some() {
        return Some(6);
    }
    joined(unit, code_unit(bytes, 6)?).map(|_| 12)
}
