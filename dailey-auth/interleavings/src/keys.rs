//! Keys that are nothing but their ids.

use std::sync::Arc;

#[derive(Debug, Clone)]
pub(crate) struct KeySet(pub(crate) &'static [&'static str]);

impl KeySet {
    pub(crate) fn find(&self, kid: &str) -> Option<&&'static str> {
        self.0.iter().find(|own| **own == kid)
    }

    pub(crate) fn same_keys(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[derive(Debug)]
pub(crate) struct ServedKeys(Arc<KeySet>);

impl ServedKeys {
    pub(crate) fn new(keys: Arc<KeySet>) -> Self {
        Self(keys)
    }

    pub(crate) fn key_set(&self) -> &Arc<KeySet> {
        &self.0
    }
}
