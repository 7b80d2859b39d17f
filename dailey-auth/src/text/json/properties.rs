//! The reader against `serde_json`: the same texts but for our limits, and the same values.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::*;

const LIMITS: Limits = Limits {
    depth: 16,
    members: 256,
};

fn accepts(text: &[u8]) -> bool {
    read_object(text, LIMITS, |_, _| {}).is_ok()
}

/// Whether our reading of an object's text has the members and values that `serde_json` found.
fn object_reads_alike(text: &str, theirs: &Json) -> bool {
    let theirs = theirs.as_object().unwrap();
    let mut ours = 0;
    read_object(text.as_bytes(), LIMITS, |name, value| {
        let known = theirs.get(&*name.unescaped());
        ours += usize::from(known.is_some_and(|known| reads_alike(value, known)));
    })
    .unwrap();
    ours == theirs.len()
}

fn reads_alike(ours: Value<'_>, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Value::Text(text), Json::String(theirs)) => {
            text.unescaped() == *theirs && text.means(theirs) && text.chars().eq(theirs.chars())
        }
        (Value::Number(number), Json::Number(theirs)) => {
            let as_serde: Json = serde_json::from_str(number.raw).unwrap();
            // Without `float_roundtrip` serde_json is off by some units in the last place.
            let close = |ours: f64| {
                let theirs = theirs.as_f64().unwrap();
                (ours - theirs).abs() <= theirs * 4.0 * f64::EPSILON + f64::MIN_POSITIVE
            };
            as_serde == Json::Number(theirs.clone()) && number.non_negative().is_none_or(close)
        }
        (Value::Array(values), Json::Array(theirs)) => {
            let ours: Vec<_> = values.values().collect();
            let mut pairs = ours.iter().zip(theirs);
            ours.len() == theirs.len() && pairs.all(|(ours, theirs)| reads_alike(*ours, theirs))
        }
        (Value::Object(text), theirs @ Json::Object(_)) => object_reads_alike(text, theirs),
        (Value::Other, Json::Bool(_) | Json::Null) => true,
        _ => false,
    }
}

/// What our limits are about, as `serde_json` reads it.
#[derive(Debug, Default)]
struct Shape {
    is_object: bool,
    depth: usize,
    members: usize,
    duplicate: bool,
}

impl Shape {
    fn contain(&mut self, inner: &Self) {
        self.depth = self.depth.max(inner.depth + 1);
        self.members += inner.members;
        self.duplicate |= inner.duplicate;
    }

    /// The first limit that is passed.
    fn beyond(&self) -> Option<&'static str> {
        [
            (!self.is_object, "not an object"),
            (self.depth > LIMITS.depth, "too deep"),
            (self.members > LIMITS.members, "too many members"),
            (self.duplicate, "a member twice"),
        ]
        .into_iter()
        .find_map(|(beyond, name)| beyond.then_some(name))
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

/// Scalars have no shape.
macro_rules! scalars {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E>(self, _: $type) -> Result<Shape, E> { Ok(Shape::default()) })*
    };
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Shape, A::Error> {
        let mut shape = Shape {
            depth: 1,
            ..Shape::default()
        };
        while let Some(inner) = values.next_element::<Shape>()? {
            shape.contain(&inner);
        }
        Ok(shape)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut shape = Shape {
            is_object: true,
            depth: 1,
            ..Shape::default()
        };
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            shape.members += 1;
            shape.duplicate |= !names.insert(name);
            shape.contain(&members.next_value()?);
        }
        Ok(shape)
    }
}

/// An object within our limits, as a program has it.
fn object() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        any::<String>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        (0..=1_u64 << 53).prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        Just(Json::Null),
    ];
    let name = || prop_oneof!["[a-e]{1,2}", any::<String>()];
    let value = scalar.prop_recursive(6, 100, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Json::from),
            proptest::collection::btree_map(name(), inner, 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    proptest::collection::btree_map(prop_oneof!["[a-e]{1,2}", any::<String>()], value, 0..12)
        .prop_map(|members| members.into_iter().collect())
}

/// JSON as somebody writes it: any white space, any escapes, names twice, too deep, too wide.
fn written() -> impl Strategy<Value = String> {
    let right = select(
        &[
            "a",
            "b",
            "c",
            "\\u0061",
            "\\u0062",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "é",
            "😀",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\u{7f}",
        ][..],
    );
    let wrong = select(&["\\ud83d", "\\ude00", "\n", "\\x", "\\u00"][..]);
    let text = vec(prop_oneof![200 => right, 1 => wrong], 0..4)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()));
    let space =
        || prop_oneof![200 => select(&["", "", "", " ", "\n", "\t\r "][..]), 1 => Just("\u{b}")];
    let no_value = select(
        &[
            "01", "1.", "-", "nul", "TRUE", ".5", "1e", "+1", "", "1e400",
        ][..],
    );
    let scalar = prop_oneof![
        90 => text.clone(),
        90 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        40 => select(&["true", "false", "null"][..]).prop_map(str::to_owned),
        1 => no_value.prop_map(str::to_owned),
    ];
    let inner_text = text.clone();
    let value = scalar.prop_recursive(20, 60, 5, move |inner| {
        let member = (inner_text.clone(), inner.clone(), space(), space())
            .prop_map(|(name, value, left, right)| format!("{left}{name}{right}:{left}{value}"));
        let deep =
            (inner.clone(), 12..18_usize, any::<bool>()).prop_map(|(inner, levels, list)| {
                let (open, close) = if list { ("[", "]") } else { ("{\"a\":", "}") };
                format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))
            });
        let wide = (250..260_usize).prop_map(|count| {
            let members: Vec<_> = (0..count)
                .map(|index| format!("\"{index}\":{index}"))
                .collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![
            6 => (vec(inner, 0..5), space()).prop_map(|(values, space)| {
                format!("[{space}{}{space}]", values.join(&format!("{space},")))
            }),
            8 => (vec(member, 0..5), space())
                .prop_map(|(members, space)| format!("{{{space}{}{space}}}", members.join(","))),
            1 => deep,
            1 => wide,
        ]
    });
    let outer =
        (vec((text, value.clone()), 0..6), space(), space()).prop_map(|(members, left, right)| {
            let members: Vec<_> = members
                .into_iter()
                .map(|(name, value)| format!("{name}:{value}"))
                .collect();
            format!("{left}{{{}}}{right}", members.join(","))
        });
    prop_oneof![8 => outer, 1 => value]
}

/// Up to three changes of bytes.
fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    let byte = prop_oneof![
        select(&b"{}[]:,\"\\u0123456789abcdef.-+eE \n"[..]),
        any::<u8>()
    ];
    prop_oneof![
        5 => Just(Vec::new()),
        1 => vec((any::<Index>(), 0..3_u8, byte), 1..4),
    ]
}

fn change(text: &mut Vec<u8>, changes: &[(Index, u8, u8)]) {
    for (at, kind, byte) in changes {
        if text.is_empty() {
            return;
        }
        let at = at.index(text.len());
        match kind {
            0 => text[at] = *byte,
            1 => text.insert(at, *byte),
            _ => drop(text.remove(at)),
        }
    }
}

proptest! {
    #[test]
    fn what_serde_json_prints_is_read_with_the_same_members_and_values(object in object()) {
        for text in [object.to_string(), serde_json::to_string_pretty(&object).unwrap()] {
            // Printing and reading a float is not exact in serde_json, so it reads its own text.
            let theirs: Json = serde_json::from_str(&text).unwrap();
            prop_assert!(object_reads_alike(&text, &theirs), "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        accepts(&bytes);
        let inside = [b"{\"a\":", &bytes[..], b"}"].concat();
        accepts(&inside);
        let name = [b"{\"", &bytes[..], b"\":1}"].concat();
        accepts(&name);
    }
}

/// Exactly our limits tell the two readers apart, and one number: `1e400` is of the grammar, and
/// `serde_json` cannot say what it is, where this reader is asked only for numbers that matter.
#[test]
fn the_reader_takes_what_serde_json_takes_within_our_limits_and_reads_it_alike() {
    let tally = RefCell::new(BTreeMap::<&str, usize>::new());
    let count = |end| *tally.borrow_mut().entry(end).or_default() += 1;
    proptest!(ProptestConfig::with_cases(4_000), |(text in written(), changes in changes())| {
        let mut text = text.into_bytes();
        change(&mut text, &changes);
        let ours = accepts(&text);
        match serde_json::from_slice::<Shape>(&text) {
            Ok(shape) => {
                prop_assert_eq!(ours, shape.beyond().is_none(), "{:?}", String::from_utf8_lossy(&text));
                count(shape.beyond().unwrap_or("both accept"));
                if ours {
                    let text = std::str::from_utf8(&text).unwrap();
                    let theirs = serde_json::from_str(text).unwrap();
                    prop_assert!(object_reads_alike(text, &theirs), "{}", text);
                }
            }
            Err(error) if error.to_string().starts_with("number out of range") => {
                count("number out of range");
            }
            Err(_) => {
                prop_assert!(!ours, "{:?}", String::from_utf8_lossy(&text));
                count("both refuse");
            }
        }
    });
    let tally = tally.into_inner();
    println!("{tally:?}");
    let ends: Vec<_> = tally.keys().copied().collect();
    assert_eq!(
        ends,
        [
            "a member twice",
            "both accept",
            "both refuse",
            "not an object",
            "number out of range",
            "too deep",
            "too many members",
        ]
    );
}
