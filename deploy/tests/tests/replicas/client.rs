//! A client that tries again where a replica may be gone, and nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

pub(crate) const CORE: &str = "https://core.dailey.cloud";
pub(crate) const MEDIA: &str = "https://media.dailey.cloud";

/// Before each request: all of them together stay below the 50 a second that one address has at the edge.
const PACE: Duration = Duration::from_millis(100);

/// Longer than any replica is away.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    unanswered: Arc<AtomicUsize>,
}

/// An answer of a service.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// It is not the first attempt's.
    pub(crate) late: bool,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            unanswered: Arc::default(),
        }
    }

    /// How many attempts had no answer so far.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    pub(crate) fn request(&self, method: Method, url: &str, token: &str) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(token)
    }

    pub(crate) fn json(&self, url: &str, body: &Value) -> RequestBuilder {
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json");
        request.body(body.to_string())
    }

    /// The answer, however often it takes.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Answer {
        let started = Instant::now();
        let mut late = false;
        loop {
            if let Some(answer) = self.ask_once(request.try_clone().unwrap()).await {
                return Answer { late, ..answer };
            }
            assert!(started.elapsed() < PATIENCE, "no answer to {request:?}");
            late = true;
        }
    }

    /// The answer; `None` where the connection broke or there was nobody behind the edge.
    pub(crate) async fn ask_once(&self, request: RequestBuilder) -> Option<Answer> {
        tokio::time::sleep(PACE).await;
        let answer = whole(request).await.filter(|answer| {
            let nobody = [
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            !nobody.contains(&answer.status)
        });
        if answer.is_none() {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

async fn whole(request: RequestBuilder) -> Option<Answer> {
    let answer = request.send().await.ok()?;
    Some(Answer {
        status: answer.status(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.ok()?.to_vec(),
        late: false,
    })
}

impl Answer {
    /// Demands a status.
    #[track_caller]
    pub(crate) fn must_be(&self, status: u16) {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "late: {}\n{body}", self.late);
    }

    /// Whether it did what was asked. `already` is the answer where an attempt before, without an answer, has done it.
    #[track_caller]
    pub(crate) fn is_done(&self, status: u16, already: u16) -> bool {
        if self.late && self.status.as_u16() == already {
            return false;
        }
        self.must_be(status);
        true
    }

    pub(crate) fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}
