//! A page of the bucket's keys as they are. The library's own lists stop at a key that it would not
//! make itself, and other tools make such.

use serde::Deserialize;

use super::asking;

/// Which page.
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    pub(super) after: Option<&'a str>,
    pub(super) to_next_slash: bool,
    pub(super) limit: usize,
    /// Where the page before ended, in the store's own words.
    pub(super) token: Option<&'a str>,
}

/// One page, as the store gives it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Names {
    contents: Vec<Content>,
    common_prefixes: Vec<CommonPrefix>,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    key: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    prefix: String,
}

impl Names {
    /// Keys and the sizes of their objects; and whether there are more.
    pub(super) fn into_sizes(self) -> (Vec<(String, u64)>, bool) {
        let sizes = self.contents.into_iter();
        let sizes = sizes.map(|content| (content.key, content.size));
        (sizes.collect(), self.next_continuation_token.is_some())
    }

    /// Keys, prefixes with their slash, and where it goes on.
    pub(super) fn into_parts(self) -> (Vec<String>, Vec<String>, Option<String>) {
        let keys = self.contents.into_iter().map(|content| content.key);
        let prefixes = self.common_prefixes.into_iter().map(|one| one.prefix);
        let next = self.next_continuation_token;
        (keys.collect(), prefixes.collect(), next)
    }
}

impl Query<'_> {
    /// As it stands in the address.
    pub(super) fn text(&self) -> String {
        let limit = self.limit.to_string();
        let pairs = [
            ("continuation-token", self.token),
            ("delimiter", self.to_next_slash.then_some("/")),
            ("list-type", Some("2")),
            ("max-keys", Some(&limit)),
            ("prefix", Some(self.prefix)),
            ("start-after", self.after),
        ];
        let given = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        asking::query(given)
    }
}
