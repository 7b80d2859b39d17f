//! An issuer on loopback that publishes a key set over real HTTP, and fails on demand.

mod answer;
mod fault;

pub use fault::Fault;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::SigningKey;

/// An issuer on loopback. Stops when dropped.
///
/// It answers every request with its key set, an `ETag` and `Cache-Control: max-age=300`, honours
/// `If-None-Match`, and counts; a [`Fault`] has it misbehave.
///
/// ```
/// use std::time::Duration;
///
/// use dailey_auth::Verifier;
/// use dailey_auth::testing::{Fault, Issuer, SigningKey, TokenBuilder};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let (old, new) = (SigningKey::generate(), SigningKey::generate());
/// let issuer = Issuer::start(&[&old]).await?;
/// let verifier = Verifier::builder(issuer.url(), ["app"]).allow_loopback_http().build()?;
/// verifier.ready(Duration::from_secs(5)).await?;
/// let token = |key| TokenBuilder::new(&issuer.url(), "app").sign(key);
///
/// // A new key is found by its first token, with one fetch.
/// issuer.add(&new);
/// verifier.verify(&token(&new)).await?;
/// assert_eq!(issuer.requests(), 2);
///
/// // A removed key is refused from the next refresh on.
/// issuer.remove(old.kid());
/// verifier.refresh().await?;
/// assert_eq!(verifier.verify(&token(&old)).await.unwrap_err().code(), "kid_unknown");
///
/// // An issuer that fails changes nothing for the keys at hand.
/// issuer.set_fault(Fault::Status(500));
/// assert!(verifier.refresh().await.is_err());
/// verifier.verify(&token(&new)).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Debug)]
struct State {
    published: Mutex<Published>,
    counts: watch::Sender<Counts>,
}

/// What the next request is answered with.
#[derive(Debug)]
struct Published {
    keys: Vec<Value>,
    fault: Option<Fault>,
    cache_control: Option<String>,
    age_seconds: Option<u64>,
    etags: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    requests: usize,
    not_modified: usize,
    open: usize,
    most_open: usize,
}

/// How one request is answered.
struct Plan {
    document: String,
    fault: Option<Fault>,
    etag: Option<String>,
    headers: Vec<String>,
}

impl Issuer {
    /// Starts an issuer that publishes `keys`, on a free port and the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When no loopback port can be had.
    pub async fn start(keys: &[&SigningKey]) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            published: Mutex::new(Published {
                keys: keys.iter().map(|key| key.jwk()).collect(),
                fault: None,
                cache_control: Some("max-age=300".to_owned()),
                age_seconds: None,
                etags: true,
            }),
            counts: watch::Sender::default(),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&state))).abort_handle();
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// The issuer's base address, which is also its `iss`: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the key set.
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.url())
    }

    /// Publishes these keys from now on, and no others.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.state.published().keys = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Publishes one more key: the first step of a rotation.
    pub fn add(&self, key: &SigningKey) {
        self.state.published().keys.push(key.jwk());
    }

    /// No longer publishes the key with this id: the last step of a rotation.
    pub fn remove(&self, kid: &str) {
        self.state
            .published()
            .keys
            .retain(|key| key.get("kid").and_then(Value::as_str) != Some(kid));
    }

    /// Misbehaves from now on, or behaves again.
    pub fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        self.state.published().fault = fault.into();
    }

    /// What `Cache-Control` says from now on; `None` for no such header. At first `max-age=300`.
    pub fn set_cache_control<'a>(&self, value: impl Into<Option<&'a str>>) {
        self.state.published().cache_control = value.into().map(str::to_owned);
    }

    /// What `Age` says from now on, as a cache on the way would; `None` for no such header, as at
    /// first.
    pub fn set_age(&self, seconds: impl Into<Option<u64>>) {
        self.state.published().age_seconds = seconds.into();
    }

    /// Sends no `ETag` from now on, and so never 304.
    pub fn without_etags(&self) {
        self.state.published().etags = false;
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.state.counts().requests
    }

    /// Of those, how many were answered with 304 because nothing had changed.
    pub fn not_modified(&self) -> usize {
        self.state.counts().not_modified
    }

    /// The most requests that were ever under way at once.
    pub fn most_at_once(&self) -> usize {
        self.state.counts().most_open
    }

    /// Waits until there have been this many requests, answered or not. For ever, if they do not
    /// come: put a limit around it.
    pub async fn requested(&self, requests: usize) {
        let mut counts = self.state.counts.subscribe();
        // The sender is in our own state.
        let _ = counts.wait_for(|counts| counts.requests >= requests).await;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn published(&self) -> MutexGuard<'_, Published> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Counts a request, which is under way until the guard is dropped.
    fn count_request(&self) -> impl Drop {
        self.counts.send_modify(|counts| {
            counts.requests += 1;
            counts.open += 1;
            counts.most_open = counts.most_open.max(counts.open);
        });
        OpenRequest(&self.counts)
    }

    fn count_not_modified(&self) {
        self.counts.send_modify(|counts| counts.not_modified += 1);
    }

    fn plan(&self) -> Plan {
        let published = self.published();
        let document = json!({ "keys": published.keys }).to_string();
        let cache_control = published.cache_control.as_ref();
        let cache_control = cache_control.map(|value| format!("cache-control: {value}\r\n"));
        let age = published
            .age_seconds
            .map(|seconds| format!("age: {seconds}\r\n"));
        let headers = cache_control.into_iter().chain(age).collect();
        // The document names its keys, so its text tells one state from another.
        let digest = document.bytes().fold(0_u64, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        Plan {
            document,
            fault: published.fault.clone(),
            etag: published.etags.then(|| format!("\"{digest:x}\"")),
            headers,
        }
    }
}

struct OpenRequest<'a>(&'a watch::Sender<Counts>);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open -= 1);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A client that goes away in the middle is what these tests are about.
        tokio::spawn(async move { answer::answer(stream, &state).await.ok() });
    }
}
