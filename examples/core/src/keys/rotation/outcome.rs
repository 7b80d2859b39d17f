//! What the steps of a rotation say when they are done: printed for people, or as JSON with these very names.

use std::path::PathBuf;

use serde::Serialize;

use super::super::kid::Kid;

/// A key was made.
#[derive(Debug, Serialize)]
pub struct Generated {
    /// Its name.
    pub kid: Kid,
    /// Where it is.
    pub private_key_file: PathBuf,
}

/// A key is published.
#[derive(Debug, Serialize)]
pub struct Published {
    /// Its name.
    pub kid: Kid,
    /// Where its public half is.
    pub public_key_file: PathBuf,
    /// When every verifier will know it.
    pub known_everywhere_at: jiff::Timestamp,
}

/// A key signs.
#[derive(Debug, Serialize)]
pub struct Activated {
    /// Its name.
    pub kid: Kid,
    /// The one before it.
    pub previous_kid: Kid,
    /// When the one before it may be retired.
    pub retire_previous_after: jiff::Timestamp,
    /// What should be looked at.
    pub warnings: Vec<String>,
}

/// A key is no longer published.
#[derive(Debug, Serialize)]
pub struct Retired {
    /// Its name.
    pub kid: Kid,
    /// When no verifier that reaches Core accepts it any more, if Core is reloaded now.
    pub caches_refreshed_at: jiff::Timestamp,
}

/// When a key may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// After its last token.
    AfterLastToken,
    /// Now, whatever breaks: it is compromised.
    Now,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It signs and is published.
    Active,
    /// Verifiers know it.
    Published,
    /// Nobody knows it yet.
    Unpublished,
    /// Nobody accepts it any more.
    Retired,
}

/// A key in the list.
#[derive(Debug, Serialize)]
pub struct ListedKey {
    /// Its name.
    pub kid: Kid,
    /// Where it stands.
    pub state: KeyState,
    /// Since when.
    pub since: Option<jiff::Timestamp>,
}
