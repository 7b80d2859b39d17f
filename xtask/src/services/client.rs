//! Plain HTTP to a service on loopback: bounded, with a deadline, no proxy, no redirects.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request, Response};

use crate::stop::{Outcome, Stop, failed};

/// Longest wait for one answer; a service may itself wait 2 s for keys.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);

/// Most bytes read of an answer.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// Most of an unexpected answer that is shown.
const SHOWN_CHARACTERS: usize = 300;

/// A client for the services on loopback.
#[derive(Clone)]
pub(crate) struct Client(Agent);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new() -> Self {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_DEADLINE))
            .max_redirects(0)
            .proxy(None)
            .build();
        Self(settings.into())
    }

    /// GET, with a bearer token or without.
    pub(crate) fn get(&self, url: &str, token: Option<&str>) -> Outcome<Answer> {
        self.send("GET", url, &authorized(token), &[])
    }

    /// POST of JSON, with a bearer token or without.
    pub(crate) fn post(&self, url: &str, token: Option<&str>, body: &Value) -> Outcome<Answer> {
        let mut fields = authorized(token);
        fields.push(("Content-Type", "application/json".to_owned()));
        self.send("POST", url, &fields, body.to_string().as_bytes())
    }

    /// PUT of bytes.
    pub(crate) fn put(
        &self,
        url: &str,
        token: &str,
        content_type: &str,
        body: &[u8],
    ) -> Outcome<Answer> {
        let mut fields = authorized(Some(token));
        fields.push(("Content-Type", content_type.to_owned()));
        self.send("PUT", url, &fields, body)
    }

    /// Any request.
    pub(crate) fn send(
        &self,
        method: &str,
        url: &str,
        fields: &[(&str, String)],
        body: &[u8],
    ) -> Outcome<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in fields {
            request = request.header(*name, value);
        }
        let unfit = |error| failed(format!("no request to {url}"), error);
        let answer = match method {
            "GET" | "HEAD" | "DELETE" => self.0.run(request.body(()).map_err(unfit)?),
            _ => self.0.run(request.body(body).map_err(unfit)?),
        };
        read(url, answer)
    }
}

/// The header fields of a request with a token.
pub(crate) fn authorized(token: Option<&str>) -> Vec<(&'static str, String)> {
    token
        .map(|token| ("Authorization", format!("Bearer {token}")))
        .into_iter()
        .collect()
}

impl Answer {
    /// Its JSON, when it has the status that was expected.
    pub(crate) fn json(&self, expected: u16) -> Outcome<Value> {
        self.expect(expected)?;
        serde_json::from_slice(&self.body).map_err(|error| failed("the answer is not JSON", error))
    }

    /// An error when it has another status.
    pub(crate) fn expect(&self, expected: u16) -> Outcome<()> {
        if self.status == expected {
            return Ok(());
        }
        // Only refusals carry no secret; what a success carries is not shown.
        let shown: String = match self.status {
            400.. => String::from_utf8_lossy(&self.body)
                .chars()
                .take(SHOWN_CHARACTERS)
                .collect(),
            _ => "not shown".to_owned(),
        };
        Err(Stop::because(format!(
            "the answer was {} instead of {expected}: {shown}",
            self.status
        )))
    }

    /// The text of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The stable code of a problem (RFC 9457) or of an error of OAuth (RFC 6749), or what there is instead.
    pub(crate) fn code(&self) -> String {
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|problem| {
                let code = problem["code"].as_str().or(problem["error"].as_str());
                code.map(str::to_owned)
            })
            .unwrap_or_else(|| format!("status {} without a code", self.status))
    }
}

fn read(url: &str, answer: Result<Response<ureq::Body>, ureq::Error>) -> Outcome<Answer> {
    let mut answer = answer.map_err(|error| failed(format!("no answer from {url}"), error))?;
    let body = answer
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER_BYTES)
        .read_to_vec()
        .map_err(|error| failed(format!("the answer from {url} broke off"), error))?;
    Ok(Answer {
        status: answer.status().as_u16(),
        headers: std::mem::take(answer.headers_mut()),
        body,
    })
}
