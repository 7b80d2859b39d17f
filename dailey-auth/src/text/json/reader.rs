//! The one pass over a text: grammar, depth, number of members, and no name twice.

use super::names::Names;
use super::string::{Text, escape_length};
use super::{Array, JsonError, Limits, Number, Value};

pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) at: usize,
    limits: Limits,
    objects: usize,
    names: Names<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        Self {
            text,
            at: 0,
            limits,
            objects: 0,
            names: Names::new(),
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
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

    pub(super) fn object(
        &mut self,
        depth: usize,
        member: &mut impl FnMut(Text<'a>, Value<'a>),
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
            self.names.add(object, name, self.limits.members)?;
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

    /// Reads the value at hand, which stands in a container of level `depth`.
    pub(super) fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
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
            self.at += plain_length(rest);
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
                    let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                    self.at += escape_length(rest).ok_or(JsonError::Invalid)?;
                }
                _ => return Err(JsonError::Invalid),
            }
        }
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
