//! Multipart uploads that the bucket has under way, in its own words.

use std::time::Duration;

use jiff::Timestamp;
use object_store::path::Path;
use serde::Deserialize;

use super::asking;

/// What the store answers.
#[derive(Debug, Deserialize)]
pub(super) struct Uploads {
    #[serde(rename = "Upload", default)]
    uploads: Vec<UnderWay>,
    /// Whether there are more than on this page. In every such answer, and in no other.
    #[serde(rename = "IsTruncated")]
    pub(super) has_more: bool,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UnderWay {
    key: String,
    #[serde(rename = "UploadId")]
    pub(super) upload: String,
    initiated: String,
}

impl Uploads {
    /// Asks for the uploads of all keys that begin with this one: those of this very key come first.
    pub(super) fn query(key: &Path) -> String {
        asking::query([("prefix", key.as_ref()), ("uploads", "")])
    }

    /// Those of this very key.
    pub(super) fn to(&self, key: &Path) -> impl Iterator<Item = &UnderWay> {
        let uploads = self.uploads.iter();
        uploads.filter(move |one| one.key == key.as_ref())
    }
}

impl UnderWay {
    /// By the store's clock; one whose time cannot be read is not.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        let Ok(begun) = self.initiated.parse::<Timestamp>() else {
            return false;
        };
        let since = Timestamp::now().duration_since(begun);
        Duration::try_from(since).is_ok_and(|since| since >= age)
    }
}
