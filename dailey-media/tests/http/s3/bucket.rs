//! A bucket, seen past DMAPI as another tool sees it, and DMAPIs on it.

use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response};
use tempfile::TempDir;
use testbed::s3::{Kind, S3Server, server_at};
use testbed::{Proxy, Traffic};

use crate::raw::Raw;
use crate::service::{APP, Service};
use crate::store::Store;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// All at once, and without quotas: the server is asked only for what decides.
const RACE: &str = "[limits]\nuploads_per_subject = 64\nuser_quota_bytes = 0\nuser_quota_objects = 0\napp_quota_bytes = 0\n";

pub(super) struct Bucket {
    pub(super) server: S3Server,
    /// Between DMAPI and the server.
    pub(super) proxy: Proxy,
    pub(super) store: Store,
    /// Straight to the server.
    pub(super) raw: Raw,
    client: Client,
    folder: TempDir,
}

impl Bucket {
    /// To be called from the test's own thread: the server dies with the thread that started it.
    pub(super) fn on(kind: Kind) -> Self {
        let folder = TempDir::new().unwrap();
        let server = S3Server::start(kind, folder.path()).unwrap();
        let proxy = Proxy::start(server.port()).unwrap();
        let store = Store::in_bucket(&server.place()).through(proxy.port());
        Self {
            server,
            proxy,
            raw: Raw::of(&store).unwrap(),
            store,
            client: Client::builder().no_proxy().build().unwrap(),
            folder,
        }
    }

    /// On moto, where multipart uploads are completed whatever the condition and copies made only under theirs;
    /// and the DMAPIs on it copy.
    pub(super) fn with_copies() -> Self {
        let mut bucket = Self::on(Kind::Moto);
        bucket.store = bucket.store.with_copies();
        bucket.set(Traffic::CopiesUnderConditions);
        bucket
    }

    /// A DMAPI on it, through the proxy.
    pub(super) async fn service(&self) -> Service {
        Service::start_on(self.store.clone()).await
    }

    /// A DMAPI on it, straight to the server, that lets all of a race in at once.
    pub(super) async fn racing_service(&self) -> Service {
        let store = self.store.clone().through(self.server.port());
        Service::racing_on(store, RACE).await
    }

    /// The same, through the proxy.
    pub(super) async fn racing_service_behind_proxy(&self) -> Service {
        Service::racing_on(self.store.clone(), RACE).await
    }

    /// Straight to moto, which wants a signature but does not look at it.
    pub(super) fn request(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        let Store::S3 { place, bucket, .. } = &self.store else {
            panic!("a bucket is no local folder");
        };
        let (_, port) = server_at(place).unwrap();
        let url = format!("http://127.0.0.1:{port}/{bucket}{path_and_query}");
        let unsigned = "AWS4-HMAC-SHA256 Credential=testkey/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        self.client
            .request(method, url)
            .header(AUTHORIZATION, unsigned)
    }

    /// Puts an object of `user-1` there, as another tool would.
    pub(super) async fn put(&self, key: &str, body: impl Into<reqwest::Body>, headers: HeaderMap) {
        let path = format!("/{APP}/user-1/{key}");
        let put = self.request(Method::PUT, &path).headers(headers).body(body);
        let put = put.send().await.unwrap();
        assert_eq!(put.status(), 200, "{path}");
    }

    pub(super) async fn get(&self, key: &str) -> Response {
        let path = format!("/{APP}/user-1/{key}");
        loop {
            // The server closes a connection whenever it likes.
            if let Ok(answer) = self.request(Method::GET, &path).send().await {
                return answer;
            }
        }
    }

    /// How many keys begin with this.
    pub(super) async fn count(&self, prefix: &str) -> usize {
        let path = format!("?list-type=2&prefix={prefix}");
        let list = self.request(Method::GET, &path).send().await.unwrap();
        list.text().await.unwrap().matches("<Key>").count()
    }

    /// How many multipart uploads are under way.
    pub(super) async fn uploads(&self) -> usize {
        let list = self.request(Method::GET, "?uploads").send().await.unwrap();
        list.text().await.unwrap().matches("<UploadId>").count()
    }

    /// Waits until nothing of an upload is left.
    pub(super) async fn until_clean(&self) {
        let deadline = Instant::now() + PATIENCE;
        let left = async || {
            let (notes, staged) = (".dailey/multiparts/", ".dailey/staging/");
            self.uploads().await + self.count(notes).await + self.count(staged).await
        };
        while left().await > 0 {
            assert!(Instant::now() < deadline, "an upload is left over");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How many files s3s-fs is writing.
    pub(super) fn unfinished_files(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path().join("buckets")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(".tmp."))
            .count()
    }

    pub(super) fn set(&self, traffic: Traffic) {
        self.proxy.set(traffic);
    }
}

/// Bytes that are nowhere alike, so that a mix is noticed.
pub(super) fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
