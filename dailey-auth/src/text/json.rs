//! A strict reader for one JSON object (RFC 8259): one pass, every member looked at.
//!
//! Refused, wherever it stands: bad UTF-8, a byte order mark, control characters, lone surrogates,
//! numbers outside the grammar, anything after the object, too many levels or members, and a
//! member name that stands twice in one object, compared after unescaping (RFC 8259 section 4
//! calls such objects unpredictable; RFC 7519 section 4 lets a parser refuse them).
//!
//! Nothing is converted while reading: values are handed out as slices of the text, and typed
//! reads ([`Text`], [`Number`]) are made from them without overflow and without panics.

use std::borrow::Cow;

use smallvec::SmallVec;

/// How much one text may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Levels of nesting; the outer object is level 1.
    pub(crate) depth: usize,
    /// Members of all objects together.
    pub(crate) members: usize,
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
    mut member: impl FnMut(Text<'a>, Value<'a>),
) -> Result<(), JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Invalid)?;
    let mut reader = Reader::new(text, limits);
    reader.space();
    reader.object(1, &mut member)?;
    reader.space();
    if reader.at == text.len() {
        Ok(())
    } else {
        Err(JsonError::Invalid)
    }
}

/// A string's text between its quotes, escapes checked but still in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    raw: &'a str,
    start: usize,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Where [`raw`](Self::raw) starts in the text that was read, in bytes.
    pub(crate) fn start(self) -> usize {
        self.start
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

    fn means_the_same(self, other: Text<'_>) -> bool {
        if self.escaped || other.escaped {
            self.chars().eq(other.chars())
        } else {
            self.raw == other.raw
        }
    }

    /// A hash of what the text means. Only ever a shortcut before a full comparison, so that
    /// chosen collisions cost time, within the limit on members, and nothing else.
    fn hash(self) -> u32 {
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

/// Undoes the escapes of text that [`Reader::string`] has checked.
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
    start: usize,
    limits: Limits,
}

impl<'a> Array<'a> {
    /// The values in order.
    pub(crate) fn values(self) -> impl Iterator<Item = Value<'a>> {
        let mut reader = Reader::new(self.raw, self.limits);
        let base = self.start;
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
            let mut value = reader.value(1).ok()?;
            match &mut value {
                Value::Text(text) => text.start += base,
                Value::Array(array) => array.start += base,
                _ => {}
            }
            Some(value)
        })
    }
}

/// A member name that was seen, for the comparison with later ones of the same object.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    object: usize,
    hash: u32,
    name: Text<'a>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    limits: Limits,
    objects: usize,
    // Real tokens have about a dozen members: these stay on the stack.
    seen: SmallVec<[Seen<'a>; 24]>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, limits: Limits) -> Self {
        Self {
            text,
            at: 0,
            limits,
            objects: 0,
            seen: SmallVec::new(),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(JsonError::Invalid);
        }
        self.at += 1;
        Ok(())
    }

    fn object(
        &mut self,
        depth: usize,
        member: &mut dyn FnMut(Text<'a>, Value<'a>),
    ) -> Result<(), JsonError> {
        self.expect(b'{')?;
        if depth > self.limits.depth {
            return Err(JsonError::TooDeep);
        }
        let object = self.objects;
        self.objects += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.name_once(object, name)?;
            self.space();
            self.expect(b':')?;
            self.space();
            let value = self.value(depth)?;
            member(name, value);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.expect(b'}'),
            }
            self.space();
        }
    }

    fn name_once(&mut self, object: usize, name: Text<'a>) -> Result<(), JsonError> {
        let hash = name.hash();
        let twice = self.seen.iter().any(|seen| {
            seen.hash == hash && seen.object == object && seen.name.means_the_same(name)
        });
        if twice {
            return Err(JsonError::DuplicateMember);
        }
        if self.seen.len() >= self.limits.members {
            return Err(JsonError::Invalid);
        }
        self.seen.push(Seen { object, hash, name });
        Ok(())
    }

    /// Reads the value at hand, which stands in a container of level `depth`.
    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'{') => {
                self.object(depth + 1, &mut |_, _| {})?;
                Ok(Value::Object(self.slice(start)?))
            }
            Some(b'[') => {
                self.array(depth + 1)?;
                Ok(Value::Array(Array {
                    raw: self.slice(start)?,
                    start,
                    limits: self.limits,
                }))
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Ok(Value::Number(Number {
                    raw: self.slice(start)?,
                }))
            }
            _ => {
                for literal in ["true", "false", "null"] {
                    let rest = self.text.get(start..).unwrap_or_default();
                    if rest.starts_with(literal) {
                        self.at += literal.len();
                        return Ok(Value::Other);
                    }
                }
                Err(JsonError::Invalid)
            }
        }
    }

    fn slice(&self, start: usize) -> Result<&'a str, JsonError> {
        self.text.get(start..self.at).ok_or(JsonError::Invalid)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        self.expect(b'[')?;
        if depth > self.limits.depth {
            return Err(JsonError::TooDeep);
        }
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => return self.expect(b']'),
            }
            self.space();
        }
    }

    fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            self.at += rest.iter().position(special).ok_or(JsonError::Invalid)?;
            match self.peek() {
                Some(b'"') => {
                    let raw = self.slice(start)?;
                    self.at += 1;
                    return Ok(Text {
                        raw,
                        start,
                        escaped,
                    });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += self.escape_length()?;
                }
                _ => return Err(JsonError::Invalid),
            }
        }
    }

    /// The length of the escape at hand; a lone surrogate is none.
    fn escape_length(&self) -> Result<usize, JsonError> {
        let bytes = self.text.as_bytes();
        let escape = bytes.get(self.at + 1).ok_or(JsonError::Invalid)?;
        if *escape != b'u' {
            return simple_escape(*escape).map(|_| 2).ok_or(JsonError::Invalid);
        }
        let unit = code_unit(bytes, self.at).ok_or(JsonError::Invalid)?;
        if char::from_u32(unit).is_some() {
            return Ok(6);
        }
        let low = code_unit(bytes, self.at + 6).ok_or(JsonError::Invalid)?;
        joined(unit, low).map(|_| 12).ok_or(JsonError::Invalid)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            // RFC 8259 section 6: no leading zeros. A digit after it fails at the next separator.
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(JsonError::Invalid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        depth: 16,
        members: 256,
    };

    fn verdict(text: impl AsRef<[u8]>) -> Result<(), JsonError> {
        read_object(text.as_ref(), LIMITS, |_, _| {})
    }

    #[test]
    fn strict_objects_are_read() {
        for text in [
            "{}",
            " \t\r\n{ \"a\" : 1 , \"b\" : [ ] }\n",
            r#"{"a":"\u0041\ud83d\ude00\/\"\\\b\f\n\r\t"}"#,
            r#"{"a":[1,-0,0.5,1e3,1E+3,1e-3,[],{}],"b":{"a":null},"c":true,"d":false}"#,
            "{\"a\":\"\u{7f}\u{80}\u{ffff}\"}",
            r#"{"a":{"a":{"a":1}}}"#,
        ] {
            assert_eq!(verdict(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn everything_outside_the_grammar_is_refused() {
        for text in [
            "",
            " ",
            "7",
            "\"a\"",
            "[]",
            "null",
            "{",
            "}",
            "{}{}",
            "{} x",
            "{}\0",
            "\u{feff}{}",
            "{a:1}",
            "{'a':1}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[,1]}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":[1}"#,
            r#"{"a":01}"#,
            r#"{"a":+1}"#,
            r#"{"a":.5}"#,
            r#"{"a":1.}"#,
            r#"{"a":1e}"#,
            r#"{"a":1e+}"#,
            r#"{"a":-}"#,
            r#"{"a":--1}"#,
            r#"{"a":0x1}"#,
            r#"{"a":NaN}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":1_0}"#,
            r#"{"a":tru}"#,
            r#"{"a":TRUE}"#,
            r#"{"a":nul}"#,
            r#"{"a":"\x41"}"#,
            r#"{"a":"\u12"}"#,
            r#"{"a":"\u+123"}"#,
            r#"{"a":"\U0041"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":"\ud800\ud800"}"#,
            r#"{"a":"\ud800x"}"#,
            r#"{"a":"\udc00\ud800"}"#,
            r#"{"a":"\ud800\u0041"}"#,
            "{\"a\":\"\n\"}",
            "{\"a\":\"\0\"}",
            "{\"a\":\"\u{1f}\"}",
            r#"{"a":"b}"#,
            r#"{"a":"\"#,
            "{\"a\":1}\u{a0}",
            "{\u{b}}",
            "/**/{}",
            "{\"a\":1//\n}",
        ] {
            assert_eq!(verdict(text), Err(JsonError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn bad_utf8_is_refused() {
        for bytes in [
            &b"{\"a\":\"\xff\"}"[..],
            b"{\"a\":\"\xc0\xaf\"}",         // overlong slash
            b"{\"a\":\"\xed\xa0\x80\"}",     // a surrogate
            b"{\"a\":\"\xf4\x90\x80\x80\"}", // beyond U+10FFFF
            b"{\"a\":\"\xe2\x82\"}",         // cut short
            b"\xef\xbb\xbf{}",
            b"{\0\"\0a\0\"\0:\x001\0}\0", // UTF-16
        ] {
            assert_eq!(verdict(bytes), Err(JsonError::Invalid), "{bytes:?}");
        }
    }

    #[test]
    fn a_name_stands_once_in_an_object_however_it_is_spelt() {
        for text in [
            r#"{"aud":1,"aud":1}"#,
            r#"{"aud":1,"\u0061ud":2}"#,
            r#"{"\u0061ud":1,"a\u0075d":2}"#,
            r#"{"":1,"":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"x":[{"a":1},{"a":1,"a":2}]}"#,
            r#"{"\ud83d\ude00":1,"😀":2}"#,
            r#"{"/":1,"\/":2}"#,
            r#"{"a":{"b":1},"c":2,"a":3}"#,
        ] {
            assert_eq!(verdict(text), Err(JsonError::DuplicateMember), "{text}");
        }
        for text in [
            r#"{"a":{"a":1},"b":{"a":1}}"#,
            r#"{"a":1,"A":2,"a ":3,"":4}"#,
        ] {
            assert_eq!(verdict(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn sixteen_levels_are_read_and_seventeen_are_not() {
        let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        assert_eq!(verdict(nested(16)), Ok(()));
        assert_eq!(verdict(nested(17)), Err(JsonError::TooDeep));
        assert_eq!(verdict(nested(5_000)), Err(JsonError::TooDeep));
        let arrays =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(verdict(arrays(15)), Ok(()));
        assert_eq!(verdict(arrays(16)), Err(JsonError::TooDeep));
    }

    #[test]
    fn two_hundred_and_fifty_six_members_are_read_and_one_more_is_not() {
        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"m{n}\":{{}}")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert_eq!(verdict(members(256)), Ok(()));
        assert_eq!(verdict(members(257)), Err(JsonError::Invalid));
    }

    #[test]
    fn texts_mean_what_they_say() {
        let json = r#"{"a":"\u0041\ud83d\ude00\/\n","b":"plain"}"#;
        let mut values = Vec::new();
        read_object(json.as_bytes(), LIMITS, |_, value| {
            values.push(value.text().unwrap());
        })
        .unwrap();
        assert_eq!(values[0].unescaped(), "A😀/\n");
        assert!(values[0].means("A😀/\n") && !values[0].means("A😀/"));
        assert_eq!(values[1].unescaped(), "plain");
        let start = values[1].start();
        assert_eq!(&json[start..start + 5], values[1].raw());
    }

    #[test]
    fn array_values_are_handed_out_with_their_place() {
        let json = r#"{"aud" : [ "one" , "t\u0077o", 3, [ "in" ], {} ] }"#;
        let mut texts = Vec::new();
        read_object(json.as_bytes(), LIMITS, |_, value| {
            let Value::Array(array) = value else {
                panic!("not an array")
            };
            texts.extend(array.values());
        })
        .unwrap();
        assert_eq!(texts.len(), 5);
        let one = texts[0].text().unwrap();
        assert_eq!(&json[one.start()..one.start() + 3], "one");
        assert_eq!(texts[1].text().unwrap().unescaped(), "two");
        assert!(matches!(texts[2], Value::Number(_)));
        let Value::Array(inner) = texts[3] else {
            panic!("not an array")
        };
        let inner = inner.values().next().unwrap().text().unwrap();
        assert_eq!(&json[inner.start()..inner.start() + 2], "in");
    }

    #[test]
    fn numbers_never_overflow_and_never_become_infinite() {
        let read = |raw| Number { raw }.non_negative();
        assert_eq!(read("1700000000.5"), Some(1_700_000_000.5));
        assert_eq!(read("1e3"), Some(1000.0));
        assert_eq!(read("0"), Some(0.0));
        assert_eq!(read("9007199254740992"), Some(9_007_199_254_740_992.0));
        for refused in [
            "1e400",
            "1e300",
            "-1",
            "-0",
            "-0.0",
            "-1e400",
            "9007199254740993",
            "9007199254740992.5",
            "18446744073709551616",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
        assert_eq!(read(&format!("1{}", "0".repeat(6_000))), None);
    }
}
