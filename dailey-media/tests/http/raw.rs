//! The S3 server itself, past DMAPI: requests that are signed and may have any header.

use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer;
use reqwest::{Client, Method, RequestBuilder};
use testbed::s3::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, server_at};

use crate::service::APP;
use crate::store::Store;

/// Longer than any test.
const LIFE: Duration = Duration::from_secs(3600);

pub(crate) struct Raw {
    store: AmazonS3,
    client: Client,
}

impl Raw {
    /// `None` where objects are local files.
    pub(crate) fn of(store: &Store) -> Option<Self> {
        let Store::S3 { place, bucket, .. } = store else {
            return None;
        };
        let (_, port) = server_at(place).unwrap();
        let store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region("us-east-1")
            .with_endpoint(format!("http://127.0.0.1:{port}"))
            .with_access_key_id(ACCESS_KEY_ID)
            .with_secret_access_key(SECRET_ACCESS_KEY)
            .with_allow_http(true)
            .build();
        Some(Self {
            store: store.unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
        })
    }

    /// Where an object of `user-1` lies, for this method.
    pub(crate) async fn url(&self, method: Method, key: &str) -> String {
        let path = Path::parse(format!("{APP}/user-1/{key}")).unwrap();
        let url = self.store.signed_url(method, &path, LIFE).await.unwrap();
        url.into()
    }

    pub(crate) async fn request(&self, method: Method, key: &str) -> RequestBuilder {
        let url = self.url(method.clone(), key).await;
        self.client.request(method, url)
    }

    /// How many keys there are in this folder.
    pub(crate) async fn count(&self, folder: &str) -> usize {
        let keys = self.store.list(Some(&Path::from(folder)));
        keys.try_collect::<Vec<_>>().await.unwrap().len()
    }
}
