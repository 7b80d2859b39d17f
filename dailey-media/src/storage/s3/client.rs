//! Requests to the bucket: the one file that knows how they are sent and how often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, BackoffConfig, ClientOptions, GetOptions, GetRange, GetResult, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, RetryConfig,
    UpdateVersion,
};
use serde::de::DeserializeOwned;
use url::Url;

use super::asking::Asking;
use super::fault::{Failure, RemoteError, failure};
use super::found::Found;
use super::names::{Names, Query};
use super::under_way::Uploads;
use crate::settings::{self, Addressing, S3Settings};

/// How long and how often the store is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a connection.
    pub(super) connect: Duration,
    /// For one request, its body included; for a body that is read, between two pieces.
    pub(super) request: Duration,
    /// Further tries.
    pub(super) retries: usize,
    /// No further try is waited for after this.
    pub(super) retry_within: Duration,
    /// Further tries of a change that may have been done, each after a look.
    pub(super) changes: usize,
}

impl Limits {
    /// For serving: a store that stumbles is asked again, one that is away is not waited for.
    pub(super) fn serving(limits: &settings::Limits) -> Self {
        Self {
            connect: Duration::from_secs(limits.s3_connect_seconds),
            request: Duration::from_secs(limits.s3_request_seconds),
            retries: limits.s3_retries,
            retry_within: Duration::from_secs(limits.s3_retry_seconds),
            changes: limits.s3_retries,
        }
    }

    /// For the proof before the start: within a check's 5 seconds, so that the reason is told and
    /// not only that it took too long.
    pub(super) const PROOF: Self = Self {
        connect: Duration::from_secs(2),
        request: Duration::from_millis(4500),
        retries: 0,
        retry_within: Duration::from_secs(5),
        // Of writers that race, a good store may send some away for a moment.
        changes: 3,
    };
}

/// Before the second try of a request of our own; doubled before each further one.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What must hold for what a change replaces.
#[derive(Clone, Debug)]
pub(super) enum Guard {
    Anything,
    Nothing,
    /// This state, by the store's own entity tag.
    Still(String),
}

/// The bucket.
#[derive(Debug)]
pub(super) struct Client {
    /// Whole requests within a time.
    store: AmazonS3,
    /// The same, each of them asked once.
    once: AmazonS3,
    /// Bodies of any length.
    reads: AmazonS3,
    /// Signs for those outside, and sends nothing.
    public: AmazonS3,
    /// Makes `store` with one header more.
    builder: AmazonS3Builder,
    /// What the library does not ask.
    asking: Asking,
    limits: Limits,
}

/// Gives every request the same connections.
#[derive(Clone, Debug)]
struct Shared(HttpClient);

impl HttpConnector for Shared {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// Tries of one request.
pub(super) struct Tries {
    limits: Limits,
    started: Instant,
    pause: Duration,
    retries: usize,
}

impl Tries {
    /// Waits for the time of another try.
    ///
    /// # Errors
    /// `error`, by which the last one ended, where there is to be none.
    pub(super) async fn again(&mut self, error: RemoteError) -> Result<(), RemoteError> {
        if !error.may_pass()
            || self.retries >= self.limits.retries
            || self.started.elapsed() + self.pause > self.limits.retry_within
        {
            return Err(error);
        }
        tokio::time::sleep(self.pause).await;
        self.retries += 1;
        self.pause *= 2;
        Ok(())
    }
}

impl Client {
    pub(super) fn new(settings: &S3Settings, limits: Limits) -> Result<Self, RemoteError> {
        let http = || {
            reqwest::Client::builder()
                .connect_timeout(limits.connect)
                .http1_only()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
        };
        // Only a TLS stack that cannot be set up fails here.
        let whole = http().timeout(limits.request).build();
        let reading = http().read_timeout(limits.request).build();
        let patient = http().build();
        let (Ok(whole), Ok(reading), Ok(patient)) = (whole, reading, patient) else {
            return Err(RemoteError::Unreachable);
        };
        let by_host = settings.addressing == Addressing::Host;
        let base = base(settings, &settings.endpoint)?;
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_endpoint(&base)
            .with_virtual_hosted_style_request(by_host)
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(&settings.secret_access_key)
            .with_allow_http(settings.endpoint.scheme() == "http")
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_disable_bulk_delete(true)
            .with_disable_tagging(true)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: limits.retries,
                retry_timeout: limits.retry_within,
            });
        let with = |client| builder.clone().with_http_connector(Shared(client));
        let http = HttpClient::new(whole);
        let builder_of_whole = with(http.clone());
        let public = builder_of_whole
            .clone()
            .with_endpoint(self::base(settings, &settings.public_endpoint)?);
        Ok(Self {
            store: build(builder_of_whole.clone())?,
            reads: build(with(HttpClient::new(reading)))?,
            public: build(public)?,
            once: build(once(builder_of_whole.clone()))?,
            builder: builder_of_whole,
            asking: Asking {
                http,
                patient: HttpClient::new(patient),
                name: settings.bucket.clone(),
                bucket: if by_host {
                    format!("{base}/")
                } else {
                    format!("{base}/{}", settings.bucket)
                },
                credential: AwsCredential {
                    key_id: settings.access_key_id.clone(),
                    secret_key: settings.secret_access_key.clone(),
                    token: None,
                },
                region: settings.region.clone(),
            },
            limits,
        })
    }

    pub(super) async fn head(&self, path: &Path) -> Result<Option<Found>, RemoteError> {
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match self.store.get_opts(path, options).await.map_err(failure) {
            Ok(got) => Found::read(&got).map(Some),
            Err(Failure::Absent) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// All bytes, and what is known of the object: one answer, which stays that of this object whatever
    /// takes its place meanwhile.
    pub(super) async fn get(&self, path: &Path) -> Result<GetResult, Failure> {
        let options = GetOptions::default();
        self.reads.get_opts(path, options).await.map_err(failure)
    }

    /// The bytes from the start up to `end`, and what is known of the object.
    pub(super) async fn get_start(&self, path: &Path, end: u64) -> Result<GetResult, Failure> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..end)),
            ..GetOptions::default()
        };
        self.reads.get_opts(path, options).await.map_err(failure)
    }

    /// A range of the bytes that the store has under `etag`, and of no others.
    pub(super) async fn get_still(
        &self,
        path: &Path,
        etag: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<GetResult, Failure> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            if_match: Some(etag.to_owned()),
            ..GetOptions::default()
        };
        let got = self.reads.get_opts(path, options).await.map_err(failure)?;
        // Not every store tries the condition.
        if got.meta.e_tag.as_deref() == Some(etag) {
            Ok(got)
        } else {
            Err(Failure::Condition)
        }
    }

    pub(super) async fn put(
        &self,
        path: &Path,
        payload: PutPayload,
        attributes: Attributes,
        guard: &Guard,
    ) -> Result<(), Failure> {
        let mode = match guard {
            Guard::Anything => PutMode::Overwrite,
            Guard::Nothing => PutMode::Create,
            Guard::Still(etag) => PutMode::Update(UpdateVersion {
                e_tag: Some(etag.clone()),
                version: None,
            }),
        };
        let options = PutOptions {
            mode,
            attributes,
            ..PutOptions::default()
        };
        let put = self.store.put_opts(path, payload, options).await;
        put.map(drop).map_err(failure)
    }

    /// Under a condition it is asked once: a second try would find nothing where the first one's answer was
    /// lost, and nobody could tell whose doing that was.
    pub(super) async fn delete(&self, path: &Path, guard: &Guard) -> Result<(), Failure> {
        match guard {
            Guard::Anything | Guard::Nothing => self.store.delete(path).await.map_err(failure),
            Guard::Still(etag) => {
                let store = guarded(once(self.builder.clone()), &header::IF_MATCH, etag)?;
                match store.delete(path).await.map_err(failure) {
                    // It knows no conditions here: what was looked at a moment ago has to do.
                    Err(Failure::NotSupported) => self.store.delete(path).await.map_err(failure),
                    deleted => deleted,
                }
            }
        }
    }

    /// Asked once: each try begins another upload, of which the caller must know.
    pub(super) async fn begin(
        &self,
        path: &Path,
        attributes: Attributes,
    ) -> Result<String, Failure> {
        let options = PutMultipartOptions {
            attributes,
            ..PutMultipartOptions::default()
        };
        let begun = self.once.create_multipart_opts(path, options).await;
        begun.map_err(failure)
    }

    pub(super) async fn put_part(
        &self,
        path: &Path,
        upload: &String,
        index: usize,
        payload: PutPayload,
    ) -> Result<PartId, Failure> {
        let put = self.store.put_part(path, upload, index, payload).await;
        put.map_err(failure)
    }

    pub(super) async fn complete(
        &self,
        path: &Path,
        upload: &String,
        parts: Vec<PartId>,
        guard: &Guard,
    ) -> Result<(), Failure> {
        let with_condition;
        let store = match condition(guard) {
            None => &self.store,
            Some((name, value)) => {
                with_condition = guarded(self.builder.clone(), &name, value)?;
                &with_condition
            }
        };
        let completed = store.complete_multipart(path, upload, parts).await;
        completed.map(drop).map_err(failure)
    }

    /// Copies an object with its headers. Asked once: who asks again looks first.
    pub(super) async fn copy(&self, from: &Path, to: &Path, guard: &Guard) -> Result<(), Failure> {
        self.asking.copy(from, to, condition(guard)).await
    }

    pub(super) async fn abort(&self, path: &Path, upload: &String) -> Result<(), Failure> {
        let aborted = self.store.abort_multipart(path, upload).await;
        aborted.map_err(failure)
    }

    /// A page of keys.
    pub(super) async fn names(&self, query: &Query<'_>) -> Result<Names, RemoteError> {
        self.asked(&query.text()).await
    }

    /// Multipart uploads under way to this key, and perhaps others: a page of them.
    pub(super) async fn uploads_to(&self, key: &Path) -> Result<Uploads, RemoteError> {
        self.asked(&Uploads::query(key)).await
    }

    async fn asked<T: DeserializeOwned>(&self, query: &str) -> Result<T, RemoteError> {
        let mut tries = self.tries();
        loop {
            match self.asking.ask(query).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => tries.again(failure.into()).await?,
            }
        }
    }

    /// For what is tried again here, as the library tries again what it asks.
    pub(super) fn tries(&self) -> Tries {
        Tries {
            limits: self.limits,
            started: Instant::now(),
            pause: FIRST_PAUSE,
            retries: 0,
        }
    }

    /// How often a change that failed is tried again, after a look whether it was done.
    pub(super) fn changes_again(&self) -> usize {
        self.limits.changes
    }

    /// Signs links for those outside.
    pub(super) fn public(&self) -> &AmazonS3 {
        &self.public
    }

    /// For a reserved space, where every key is one of ours.
    pub(super) fn lister(&self) -> &AmazonS3 {
        &self.store
    }
}

/// Scheme, host and port; with the bucket in front of the host where it stands there.
fn base(settings: &S3Settings, endpoint: &Url) -> Result<String, RemoteError> {
    let mut endpoint = endpoint.clone();
    if let (Addressing::Host, Some(domain)) = (settings.addressing, endpoint.domain()) {
        let host = format!("{}.{domain}", settings.bucket);
        let set = endpoint.set_host(Some(&host));
        set.map_err(|_| RemoteError::Unreachable)?;
    }
    Ok(endpoint.as_str().trim_end_matches('/').to_owned())
}

/// The header that says it.
fn condition(guard: &Guard) -> Option<(HeaderName, &str)> {
    match guard {
        Guard::Anything => None,
        Guard::Nothing => Some((header::IF_NONE_MATCH, "*")),
        Guard::Still(etag) => Some((header::IF_MATCH, etag)),
    }
}

/// The bucket with one header more in every request, on the same connections. The library has no other way
/// to put a condition on these requests.
fn guarded(builder: AmazonS3Builder, name: &HeaderName, value: &str) -> Result<AmazonS3, Failure> {
    let broken = Failure::Other(RemoteError::Broken);
    let Ok(value) = HeaderValue::from_str(value) else {
        return Err(broken);
    };
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    let options = ClientOptions::new().with_default_headers(headers);
    build(builder.with_client_options(options)).map_err(Failure::Other)
}

/// Without further tries.
fn once(builder: AmazonS3Builder) -> AmazonS3Builder {
    builder.with_retry(RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    })
}

fn build(builder: AmazonS3Builder) -> Result<AmazonS3, RemoteError> {
    builder.build().map_err(|_| RemoteError::Unreachable)
}

/// Shared by all that use the bucket.
pub(super) type SharedClient = Arc<Client>;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn what_is_configured_is_what_serving_has() {
        let limits = settings::Limits {
            s3_connect_seconds: 1,
            s3_request_seconds: 4,
            s3_retries: 2,
            s3_retry_seconds: 3,
            ..settings::Limits::default()
        };
        let Limits {
            connect,
            request,
            retries,
            retry_within,
            changes,
        } = Limits::serving(&limits);
        let seconds = [connect, request, retry_within].map(|time| time.as_secs());
        assert_eq!(seconds, [1, 4, 3]);
        assert_eq!([retries, changes], [2, 2]);
    }

    /// A store that says of every request that it failed, and how often it was asked.
    async fn failing() -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                counter.fetch_add(1, Ordering::Relaxed);
                let answer =
                    "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (port, asked)
    }

    /// How often a store that fails is asked for an object, and for a page.
    async fn asked(limits: Limits) -> [usize; 2] {
        let (port, asked) = failing().await;
        let client = Client::new(&super::super::ground::settings(port), limits).unwrap();
        client.head(&Path::from("a")).await.unwrap_err();
        let head = asked.swap(0, Ordering::Relaxed);
        let query = Query {
            prefix: "",
            after: None,
            to_next_slash: false,
            limit: 1,
            token: None,
        };
        client.names(&query).await.unwrap_err();
        [head, asked.load(Ordering::Relaxed)]
    }

    #[tokio::test]
    async fn a_store_that_fails_is_asked_again_as_often_and_as_long_as_the_limits_say() {
        for retries in [0, 2] {
            let limits = Limits {
                retries,
                ..Limits::serving(&settings::Limits::default())
            };
            assert_eq!(asked(limits).await, [retries + 1; 2]);
        }
        let at_once = Limits {
            retries: 5,
            retry_within: Duration::ZERO,
            ..Limits::serving(&settings::Limits::default())
        };
        assert_eq!(asked(at_once).await, [1; 2]);
    }
}
