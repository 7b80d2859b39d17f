//! The one pass over a text: grammar, depth, number of members, and no name twice.

use super::names::Names;
use super::string::{Text, escape_length};
use super::{Array, JsonError, Limits, Number, Value};

/// Reads from the front. A failed read gives `None`, and [`error`](Self::error) says why: so what
/// is read stays in registers, with no room for a reason beside it.
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) at: usize,
    limits: Limits,
    objects: u32,
    names: Names<'a>,
    error: JsonError,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        Self {
            text,
            at: 0,
            limits,
            objects: 0,
            names: Names::new(),
            error: JsonError::Invalid,
        }
    }

    /// Why a read failed.
    pub(super) fn error(&self) -> JsonError {
        self.error
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Goes one level down.
    fn enter(&mut self, opening: u8, depth: usize) -> Option<()> {
        self.expect(opening)?;
        if depth > self.limits.depth {
            self.error = JsonError::TooDeep;
            return None;
        }
        self.space();
        Some(())
    }

    pub(super) fn object(
        &mut self,
        depth: usize,
        member: &mut impl FnMut(Text<'a>, Value<'a>),
    ) -> Option<()> {
        self.enter(b'{', depth)?;
        let object = self.objects;
        self.objects += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = self.string()?;
            if let Err(error) = self.names.add(object, name, self.limits.members) {
                self.error = error;
                return None;
            }
            self.space();
            self.expect(b':')?;
            self.space();
            // Most values are strings; read right here, they stay in registers.
            let value = match self.peek()? {
                b'"' => Value::Text(self.string()?),
                _ => self.value(depth)?,
            };
            member(name, value);
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.expect(b'}'),
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.enter(b'[', depth)?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.value(depth)?;
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                _ => return self.expect(b']'),
            }
            self.space();
        }
    }

    /// Reads the value at hand, which stands in a container of level `depth`.
    pub(super) fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'{' => {
                self.object(depth + 1, &mut |_, _| {})?;
                self.since(start).map(Value::Object)
            }
            b'[' => {
                self.array(depth + 1)?;
                self.since(start).map(|raw| Value::Array(Array { raw }))
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                self.since(start).map(|raw| Value::Number(Number { raw }))
            }
            _ => {
                let rest = self.text.get(start..)?;
                let literal = ["true", "false", "null"]
                    .into_iter()
                    .find(|literal| rest.starts_with(literal))?;
                self.at += literal.len();
                Some(Value::Other)
            }
        }
    }

    /// What was read from `start` on.
    fn since(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    // Inlined, a string stays in registers: a fifth of the time of reading a token's claims.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn string(&mut self) -> Option<Text<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escapes = 0;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let plain = plain_length(rest);
            self.at += plain;
            match rest.get(plain)? {
                b'"' => {
                    let raw = self.since(start)?;
                    self.at += 1;
                    return Some(Text { raw, escapes });
                }
                b'\\' => {
                    escapes += 1;
                    self.at += escape_length(rest.get(plain..)?)?;
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            // RFC 8259 section 6: no leading zeros. A digit after it fails at the next separator.
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek()? == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if let b'e' | b'E' = self.peek()? {
            self.at += 1;
            if let b'+' | b'-' = self.peek()? {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

/// How many bytes at the start of `bytes` stand for themselves in a string: neither a quote nor a
/// backslash nor a control character. Eight at a time, since most of a token is in its strings.
fn plain_length(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte that is zero; above the first of them also of others, so only
    // the lowest one counts.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let below_space = |word: u64| word.wrapping_sub(LOW * 0x20) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = below_space(word)
            | zeros(word ^ (LOW * u64::from(b'"')))
            | zeros(word ^ (LOW * u64::from(b'\\')));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::plain_length;

    #[test]
    fn what_stands_for_itself_is_found_at_every_place() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'x'; length];
                    bytes[at] = byte;
                    let special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let expected = if special { at } else { length };
                    assert_eq!(
                        plain_length(&bytes),
                        expected,
                        "{byte:#04x} at {at} of {length}"
                    );
                    // Another one behind it changes nothing.
                    bytes.push(b'"');
                    assert_eq!(plain_length(&bytes), expected);
                }
            }
        }
    }
}
