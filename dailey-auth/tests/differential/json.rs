//! JSON as a writer sees it: order, duplicates and the spelling of numbers are kept.

use serde_json::Value;

use crate::dice::Dice;

/// A JSON text in the making, which need not become a right one.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    /// A number, a literal or nonsense, as it is to be written.
    Raw(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(Json, Json)>),
}

impl Json {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn raw(text: impl Into<String>) -> Self {
        Self::Raw(text.into())
    }

    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Text(text) if text == wanted)
    }

    /// Compact, or with white space and escapes where the dice say so.
    pub(crate) fn print(&self, dice: &mut Dice, plain: bool) -> String {
        let mut out = String::new();
        let (space, escape) = if plain {
            (0, 0)
        } else {
            (dice.pick(&[0, 3, 10]), dice.pick(&[0, 2, 20, 100]))
        };
        let mut printer = Printer {
            out: &mut out,
            dice,
            space,
            escape,
        };
        printer.space();
        printer.value(self);
        printer.space();
        out
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::text(text),
            Value::Array(values) => Self::List(values.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| (Self::text(name), Self::from(value)))
                    .collect(),
            ),
            other => Self::raw(other.to_string()),
        }
    }
}

struct Printer<'a> {
    out: &'a mut String,
    dice: &'a mut Dice,
    /// Chances in a hundred.
    space: usize,
    escape: usize,
}

impl Printer<'_> {
    fn space(&mut self) {
        while self.dice.chance(self.space) {
            self.out.push(self.dice.pick(&[' ', '\t', '\n', '\r']));
        }
    }

    fn sign(&mut self, sign: char) {
        self.space();
        self.out.push(sign);
        self.space();
    }

    fn value(&mut self, value: &Json) {
        match value {
            Json::Raw(raw) => self.out.push_str(raw),
            Json::Text(text) => self.text(text),
            Json::List(values) => {
                self.sign('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        self.sign(',');
                    }
                    self.value(value);
                }
                self.sign(']');
            }
            Json::Object(members) => {
                self.sign('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        self.sign(',');
                    }
                    self.value(name);
                    self.sign(':');
                    self.value(value);
                }
                self.sign('}');
            }
        }
    }

    fn text(&mut self, text: &str) {
        use std::fmt::Write as _;

        self.out.push('"');
        for character in text.chars() {
            let must = matches!(character, '"' | '\\' | '\0'..='\x1f');
            if !must && !self.dice.chance(self.escape) {
                self.out.push(character);
                continue;
            }
            let short = "\"\"\\\\//b\u{8}f\u{c}n\nr\rt\t".as_bytes();
            let short = short
                .chunks(2)
                .find(|pair| character == char::from(pair[1]));
            if let Some(pair) = short.filter(|_| self.dice.chance(50)) {
                self.out.push('\\');
                self.out.push(char::from(pair[0]));
                continue;
            }
            let upper = self.dice.chance(50);
            for unit in character.encode_utf16(&mut [0; 2]) {
                let written = if upper {
                    write!(self.out, "\\u{unit:04X}")
                } else {
                    write!(self.out, "\\u{unit:04x}")
                };
                written.expect("a String takes everything");
            }
        }
        self.out.push('"');
    }
}
