//! What was acknowledged, and so must be there; what nobody answered, and so may be there or not.

use std::collections::BTreeMap;

use super::wrong;
use crate::stop::Outcome;

/// The bytes of an object, or none.
pub(super) type Content = Option<Vec<u8>>;

/// Objects by key, each with the contents that it may have: one when the last change was acknowledged,
/// more when an answer never came.
#[derive(Default)]
pub(super) struct Objects(BTreeMap<String, Vec<Content>>);

impl Objects {
    pub(super) fn acknowledged(&mut self, key: &str, content: Content) {
        self.0.insert(key.to_owned(), vec![content]);
    }

    pub(super) fn unanswered(&mut self, key: &str, content: Content) {
        self.0
            .entry(key.to_owned())
            .or_insert_with(|| vec![None])
            .push(content);
    }

    pub(super) fn may_be_there(&self, key: &str) -> bool {
        self.0
            .get(key)
            .is_some_and(|possible| possible.iter().any(Option::is_some))
    }

    pub(super) fn may_be_absent(&self, key: &str) -> bool {
        self.0
            .get(key)
            .is_none_or(|possible| possible.iter().any(Option::is_none))
    }

    /// What was read must be what may be there; from now on it is what is there.
    pub(super) fn seen(&mut self, key: &str, content: Content) -> Outcome<()> {
        let possible = self.0.entry(key.to_owned()).or_insert_with(|| vec![None]);
        if !possible.contains(&content) {
            return Err(wrong(format!(
                "the object {key} has {}, and {} contents are possible",
                content.map_or("no bytes".to_owned(), |bytes| format!(
                    "{} other bytes",
                    bytes.len()
                )),
                possible.len()
            )));
        }
        *possible = vec![content];
        Ok(())
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// What a full list must name; unanswered ones were looked at before.
    pub(super) fn present(&self) -> Vec<String> {
        let there = self
            .0
            .iter()
            .filter(|(_, possible)| possible.iter().all(Option::is_some));
        there.map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Objects;

    #[test]
    fn what_was_acknowledged_must_be_there_and_what_was_not_answered_may_be() {
        let mut objects = Objects::default();
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        objects.acknowledged("a", bytes("1"));
        objects.seen("a", bytes("1")).unwrap();
        objects.seen("a", None).unwrap_err();
        objects.seen("a", bytes("2")).unwrap_err();
        assert!(objects.may_be_there("a") && !objects.may_be_absent("a"));
        assert!(!objects.may_be_there("b") && objects.may_be_absent("b"));
        objects.unanswered("a", bytes("2"));
        objects.seen("a", bytes("2")).unwrap();
        // Once it was seen it is decided.
        objects.seen("a", bytes("1")).unwrap_err();
        objects.acknowledged("a", None);
        assert!(objects.present().is_empty());
        objects.seen("b", bytes("?")).unwrap_err();
    }
}
