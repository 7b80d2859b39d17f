//! The one pass over a text: grammar, depth, number of members, and no name twice.

use smallvec::SmallVec;

use super::string::{Text, escape_length};
use super::{Array, JsonError, Limits, Number, Value};

/// A member name that was seen, for the comparison with later ones of the same object.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    object: usize,
    hash: u32,
    name: Text<'a>,
}

pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) at: usize,
    limits: Limits,
    objects: usize,
    // Real tokens have about a dozen members: these stay on the stack.
    seen: SmallVec<[Seen<'a>; 24]>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, limits: Limits) -> Self {
        Self {
            text,
            at: 0,
            limits,
            objects: 0,
            seen: SmallVec::new(),
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
