//! `[limits]` of the configuration file: what an operator may set, within ceilings that the code sets.

use serde::Deserialize;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Largest single upload that any store takes: S3's.
const MAX_PUT_BYTES: u64 = 5 * GIB;

/// Most objects on a page and keys in a batch: S3's.
const MAX_PAGE: u32 = 1000;

/// Most uploads at once: each holds some MiB of memory with S3.
const MAX_UPLOADS: u32 = 1024;

/// Most open uploads of a subject: all of them are looked at when what is stored is counted.
const MAX_OPEN_UPLOADS: u32 = 10_000;

/// What may be asked of the service. Every quota may be 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Limits {
    /// Largest body of one PUT. Default: 95 MiB, below the 100 MB at which the edge in front cuts.
    pub put_max_bytes: u64,
    /// What all subjects of one app may store together. Default: 10 GiB.
    pub app_quota_bytes: u64,
    /// What one subject may store. Default: 1 GiB.
    pub user_quota_bytes: u64,
    /// Objects on a page of a list, when the request does not say. Default: 100.
    pub list_default_objects: u32,
    /// Most objects on a page. Default: 1000.
    pub list_max_objects: u32,
    /// Most keys in one batch of removals. Default: 1000.
    pub batch_max_keys: u32,
    /// Bodies that one subject may send at once. Default: 4.
    pub uploads_per_subject: u32,
    /// Resumable uploads that one subject may have begun and not ended. Default: 128, more than clients
    /// run side by side, so that who never ends any leaves no more than these behind.
    pub open_uploads_per_subject: u32,
    /// Bodies that all may send at once. Default: 64: some MiB of memory each.
    pub uploads_per_process: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            put_max_bytes: 95 * MIB,
            app_quota_bytes: 10 * GIB,
            user_quota_bytes: GIB,
            list_default_objects: 100,
            list_max_objects: MAX_PAGE,
            batch_max_keys: MAX_PAGE,
            uploads_per_subject: 4,
            open_uploads_per_subject: 128,
            uploads_per_process: 64,
        }
    }
}

impl Limits {
    /// What does not fit, and what would.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let pages = 1..=MAX_PAGE;
        let uploads = 1..=MAX_UPLOADS;
        if !(1..=MAX_PUT_BYTES).contains(&self.put_max_bytes) {
            Some(
                "[limits] put_max_bytes is not 1 to 5368709120 (5 GiB): larger objects need resumable uploads",
            )
        } else if !pages.contains(&self.list_max_objects) {
            Some("[limits] list_max_objects is not 1 to 1000")
        } else if !(1..=self.list_max_objects).contains(&self.list_default_objects) {
            Some("[limits] list_default_objects is not 1 to list_max_objects")
        } else if !pages.contains(&self.batch_max_keys) {
            Some("[limits] batch_max_keys is not 1 to 1000")
        } else if !uploads.contains(&self.uploads_per_process) {
            Some("[limits] uploads_per_process is not 1 to 1024")
        } else if !(1..=self.uploads_per_process).contains(&self.uploads_per_subject) {
            Some("[limits] uploads_per_subject is not 1 to uploads_per_process")
        } else if !(1..=MAX_OPEN_UPLOADS).contains(&self.open_uploads_per_subject) {
            Some("[limits] open_uploads_per_subject is not 1 to 10000")
        } else {
            None
        }
    }
}
