//! One look at a key set document: one attempt, with the bounds in time and size of every fetch.

use crate::error::FetchError;
use crate::jwks::{Fetcher, HttpSettings, Source};
use crate::observer::Observers;

/// The document at a place, or why it could not be had.
pub(super) fn fetch(source: Source) -> Result<Vec<u8>, String> {
    let is_file = matches!(source, Source::File(_));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let fetched = runtime.block_on(async {
        let fetcher = Fetcher::new(source, HttpSettings::default(), Observers::new(Vec::new()))
            .map_err(|e| e.to_string())?;
        fetcher
            .document()
            .await
            .map_err(|error| match (error, is_file) {
                (FetchError::File, _) => {
                    "the key set file cannot be read: it must be a plain file that is there"
                        .to_owned()
                }
                (FetchError::Timeout, true) => "reading the key set file takes too long".to_owned(),
                (error, _) => error.to_string(),
            })
    });
    // Dropping it would wait for a name server or a disk that may never answer.
    runtime.shutdown_background();
    fetched
}
