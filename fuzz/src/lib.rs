//! What several targets hold against: a plain reading of JSON, told by another library.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The members of an object in their order, a name that stands twice twice. Values are as they were
/// written: a number that nobody reads may be larger than any type.
pub struct Members(pub Vec<(String, Box<RawValue>)>);

impl Members {
    /// What `serde_json` reads; a text that it refuses must not have been accepted.
    pub fn of_accepted(json: &[u8]) -> Self {
        serde_json::from_slice(json).expect("what is accepted is JSON to others too")
    }

    /// The one member of this name.
    pub fn get(&self, name: &str) -> Option<Value> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        let value = found.next().map(|(_, value)| value);
        assert!(found.next().is_none(), "no name stands twice");
        value.map(|value| serde_json::from_str(value.get()).expect("a value that is read"))
    }

    /// The text of the one member of this name.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .map(|value| value.as_str().expect("a text").to_owned())
    }

    /// Written anew, the names in another order.
    pub fn print(&self) -> String {
        let member = |(name, value): &(String, Box<RawValue>)| {
            let name = Value::from(name.as_str());
            format!("{name}:{value}")
        };
        let members: Vec<String> = self.0.iter().rev().map(member).collect();
        format!("{{{}}}", members.join(","))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The pieces of an input between its zero bytes, as many as are asked for; missing ones are empty.
pub fn pieces<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut pieces = data.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| pieces.next().unwrap_or_default())
}

/// The same for texts; `None` where one is not UTF-8.
pub fn texts<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    std::str::from_utf8(data).ok()?;
    Some(pieces(data).map(|piece| std::str::from_utf8(piece).unwrap_or_default()))
}
