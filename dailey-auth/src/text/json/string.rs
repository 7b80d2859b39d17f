//! Strings: their escapes, checked while reading and undone only where somebody asks.

use std::borrow::Cow;

/// A string's text between its quotes, escapes checked but still in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(super) raw: &'a str,
    pub(super) start: usize,
    pub(super) escaped: bool,
}

impl<'a> Text<'a> {
    /// Where [`raw`](Self::raw) starts in the text that was read, in bytes.
    pub(crate) fn start(self) -> usize {
        self.start
    }

    /// The same text in a larger one, in which what was read starts at `base`.
    pub(super) fn shift(&mut self, base: usize) {
        self.start += base;
    }

    /// The text as written, escapes and all.
    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    /// Whether [`raw`](Self::raw) holds an escape and so differs from what it means.
    pub(crate) fn is_escaped(self) -> bool {
        self.escaped
    }

    /// What the text means.
    pub(crate) fn unescaped(self) -> Cow<'a, str> {
        if self.escaped {
            self.chars().collect()
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// The characters of what the text means, without allocating.
    pub(crate) fn chars(self) -> impl Iterator<Item = char> + 'a {
        Unescape { rest: self.raw }
    }

    pub(crate) fn means(self, other: &str) -> bool {
        if self.escaped {
            self.chars().eq(other.chars())
        } else {
            self.raw == other
        }
    }

    pub(super) fn means_the_same(self, other: Text<'_>) -> bool {
        if self.escaped || other.escaped {
            self.chars().eq(other.chars())
        } else {
            self.raw == other.raw
        }
    }

    /// A hash of what the text means. Only ever a shortcut before a full comparison, so that
    /// chosen collisions cost time, within the limit on members, and nothing else.
    pub(super) fn hash(self) -> u32 {
        let mut hash = Fnv::new();
        if self.escaped {
            let mut utf8 = [0; 4];
            self.chars()
                .for_each(|c| hash.write(c.encode_utf8(&mut utf8).as_bytes()));
        } else {
            hash.write(self.raw.as_bytes());
        }
        hash.0
    }
}

/// FNV-1a.
struct Fnv(u32);

impl Fnv {
    fn new() -> Self {
        Self(0x811c_9dc5)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// Undoes the escapes of text that the reader has checked.
struct Unescape<'a> {
    rest: &'a str,
}

impl Iterator for Unescape<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let (next, length) = match self.rest.as_bytes() {
            [b'\\', b'u', ..] => {
                let first = code_unit(self.rest.as_bytes(), 0)?;
                match code_unit(self.rest.as_bytes(), 6) {
                    Some(second) if is_high_surrogate(first) => (joined(first, second)?, 12),
                    _ => (char::from_u32(first)?, 6),
                }
            }
            [b'\\', escape, ..] => (simple_escape(*escape)?, 2),
            _ => {
                let next = self.rest.chars().next()?;
                (next, next.len_utf8())
            }
        };
        self.rest = self.rest.get(length..)?;
        Some(next)
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
