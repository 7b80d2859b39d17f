//! An issuer on loopback that publishes a key set over real HTTP, and fails on demand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::SigningKey;

/// Largest request head that is read.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How an issuer misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Accepts and never answers.
    Stall,
    /// Sends the body a byte at a time, at this pace.
    Drip(Duration),
    /// Promises the whole body and closes after half of it.
    Cut,
    /// Answers with this status and no body; a redirect points at another port.
    Status(u16),
    /// Answers 200 with this content type and body.
    Body(&'static str, Vec<u8>),
}

/// An issuer on loopback. Stops when dropped.
///
/// It answers every request with its key set, an `ETag` and `Cache-Control: max-age=300`, honours
/// `If-None-Match`, and counts.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Debug)]
struct State {
    document: Mutex<String>,
    fault: Mutex<Option<Fault>>,
    requests: AtomicUsize,
    not_modified: AtomicUsize,
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
            document: Mutex::new(document(keys)),
            fault: Mutex::new(None),
            requests: AtomicUsize::new(0),
            not_modified: AtomicUsize::new(0),
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

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[&SigningKey]) {
        *lock(&self.state.document) = document(keys);
    }

    /// Misbehaves from now on, or behaves again.
    pub fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        *lock(&self.state.fault) = fault.into();
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Of those, how many were answered with 304.
    pub fn not_modified(&self) -> usize {
        self.state.not_modified.load(Ordering::SeqCst)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn document(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // A client that goes away in the middle is what these tests are about.
        tokio::spawn(async move { answer(stream, &state).await.ok() });
    }
}

async fn answer(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    state.requests.fetch_add(1, Ordering::SeqCst);
    let fault = lock(&state.fault).clone();
    let body = lock(&state.document).clone();
    // The document names its keys, so its length and text tell one state from another.
    let etag = format!(
        "\"{:x}\"",
        body.bytes().fold(0_u64, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(byte))
        })
    );
    match fault {
        None if head.contains(&etag) => {
            state.not_modified.fetch_add(1, Ordering::SeqCst);
            let head = format!(
                "HTTP/1.1 304 Not Modified\r\netag: {etag}\r\ncache-control: max-age=300\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
        None => {
            let head = ok(
                "application/json",
                body.len(),
                &format!("etag: {etag}\r\ncache-control: max-age=300\r\n"),
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await
        }
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::Drip(pace)) => {
            stream
                .write_all(ok("application/json", body.len(), "").as_bytes())
                .await?;
            for byte in body.bytes() {
                tokio::time::sleep(pace).await;
                stream.write_all(&[byte]).await?;
            }
            Ok(())
        }
        Some(Fault::Cut) => {
            let half = body.get(..body.len() / 2).unwrap_or_default();
            let head = ok("application/json", body.len(), "");
            stream.write_all(format!("{head}{half}").as_bytes()).await
        }
        Some(Fault::Status(status)) => {
            let head = format!(
                "HTTP/1.1 {status} Fault\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
        Some(Fault::Body(content_type, body)) => {
            stream
                .write_all(ok(content_type, body.len(), "").as_bytes())
                .await?;
            stream.write_all(&body).await
        }
    }
}

fn ok(content_type: &str, length: usize, more: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n"
    )
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < MAX_HEAD_BYTES {
        match stream.read(&mut chunk).await? {
            0 => break,
            read => head.extend_from_slice(chunk.get(..read).unwrap_or_default()),
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
