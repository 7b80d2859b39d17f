//! The rows, by what they try.

mod accepted;
mod claims;
mod header;
mod json;
mod keys;
mod kid;
mod measured;
mod order;
mod signature;
mod text;
mod times;

use super::topic::Topic;

/// Fills the topic of this name.
pub(crate) fn fill(name: &str, topic: &mut Topic<'_>) {
    match name {
        "measured" => measured::fill(topic),
        "accepted" => accepted::fill(topic),
        "text" => text::fill(topic),
        "json" => json::fill(topic),
        "header" => header::fill(topic),
        "kid" => kid::fill(topic),
        "keys" => keys::fill(topic),
        "signature" => signature::fill(topic),
        "claims" => claims::fill(topic),
        "times" => times::fill(topic),
        "order" => order::fill(topic),
        other => unreachable!("{other} is not a topic"),
    }
}
