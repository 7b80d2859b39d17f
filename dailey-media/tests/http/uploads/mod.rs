//! Resumable uploads: tus 1.0.0, as a client meets it.

mod faults;
mod full_disk;
mod lifetime;
mod peer;
mod protocol;
mod refusals;
mod replicas;
mod room;
mod together;

use std::path::Path;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use reqwest::{Method, RequestBuilder, Response};

use crate::service::{Service, header};

/// `Upload-Metadata` that names an object.
pub(crate) fn metadata(key: &str) -> String {
    format!("key {}", BASE64.encode(key.as_bytes()))
}

impl Service {
    /// A request of tus by `user-1`.
    pub(crate) fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("tus-resumable", "1.0.0")
    }

    pub(crate) fn creation(&self, key: &str, length: u64) -> RequestBuilder {
        self.tus(Method::POST, "/api/uploads")
            .header("upload-length", length)
            .header("upload-metadata", metadata(key))
    }

    /// Begins an upload; its path.
    pub(crate) async fn begin(&self, key: &str, length: u64) -> String {
        let created = self.creation(key, length).send().await.unwrap();
        assert_eq!(created.status(), 201, "{created:?}");
        header(&created, "location").to_owned()
    }

    pub(crate) fn patch(&self, path: &str, offset: u64) -> RequestBuilder {
        self.tus(Method::PATCH, path)
            .header("upload-offset", offset)
            .header("content-type", "application/offset+octet-stream")
    }

    pub(crate) async fn append(&self, path: &str, offset: u64, bytes: &[u8]) -> Response {
        self.patch(path, offset)
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap()
    }

    /// What HEAD says of an upload's offset.
    pub(crate) async fn offset(&self, path: &str) -> u64 {
        let head = self.tus(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), 200, "{head:?}");
        header(&head, "upload-offset").parse().unwrap()
    }
}

/// The test took longer than what it asks about may live, so it saw nothing.
pub(crate) struct TooSlow;

/// Tests with an expiry so short that it can be waited for: `shortest` seconds, and where this machine paused for as
/// long between two steps, once more with more.
pub(crate) async fn with_expiry(
    shortest: u64,
    test: impl AsyncFn(Service, Lifetime) -> Result<(), TooSlow>,
) {
    for seconds in [shortest, 8, 30] {
        let environment = [("UPLOAD_EXPIRY_SECONDS", &*seconds.to_string())];
        let service = Service::start_with_env(&environment).await;
        if test(service, Lifetime(Duration::from_secs(seconds)))
            .await
            .is_ok()
        {
            return;
        }
    }
    panic!("this machine pauses for too long");
}

/// How long an upload lives that nobody goes on with.
#[derive(Clone, Copy)]
pub(crate) struct Lifetime(pub(crate) Duration);

impl Lifetime {
    /// Whether an upload must be there that was gone on with `since` then, or later.
    pub(crate) fn holds(self, since: Instant) -> Result<(), TooSlow> {
        if since.elapsed() < self.0 {
            Ok(())
        } else {
            Err(TooSlow)
        }
    }
}

fn files_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_in(&entry.path()),
        _ => 1,
    });
    files.sum()
}

/// States and bytes of uploads in the store, where a test can look into it.
pub(crate) async fn left_behind(service: &Service) -> Option<usize> {
    if let (Some(bytes), Some(states)) = (
        service.local("resumable"),
        service.local("objects/.d/uploads.d"),
    ) {
        return Some(files_in(&bytes) + files_in(&states));
    }
    let bucket = service.store.open_bucket()?;
    let mut found = 0;
    for (query, mark) in [
        ("list-type=2&prefix=.dailey/uploads/", "<Key>"),
        ("list-type=2&prefix=.dailey/rests/", "<Key>"),
        ("list-type=2&prefix=.dailey/multiparts/", "<Key>"),
        ("uploads", "<UploadId>"),
    ] {
        let list = reqwest::get(format!("{bucket}?{query}")).await.unwrap();
        assert_eq!(list.status(), 200);
        found += list.text().await.unwrap().matches(mark).count();
    }
    Some(found)
}

/// Bytes in which every part is unlike any other.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
