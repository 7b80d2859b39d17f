//! A POST with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) is carried out once,
//! however often it is sent: the first answer is kept for a day and given again.
//!
//! | with the same key comes | answer |
//! | --- | --- |
//! | the same request, later | the first answer, with `Idempotency-Replayed: true` |
//! | the same request, meanwhile | 409 `idempotency_in_progress` |
//! | another request, or one with a token that may do other things | 422 `idempotency_key_reused` |
//!
//! Keys are a subject's own. Records lie in a reserved space of the storage, so this holds over a
//! restart and with several replicas. It goes on when the client leaves. Where a process dies in the
//! middle, its key is free again after a minute, and the request may be carried out a second time. Not
//! kept are answers after which the same request may succeed: 401, 403, 408, 429, 5xx and 400
//! `body_incomplete`. Of a large answer, or one of very many, the status alone is
//! kept: a later request is told 409 `idempotency_answer_not_kept`.

mod record;

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dailey_http::problem::ProblemCode;
use dailey_http::{Problem, body, request_id};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::BodyExt;

use self::record::{Answer, Record, Verdict};
use crate::access::Scope;
use crate::digest::{CONTENT_DIGEST, REPR_DIGEST};
use crate::failure::failed;
use crate::key::{ObjectKey, Space};
use crate::preconditions::{Preconditions, Validators};
use crate::rate;
use crate::routes::{App, Caller, count};
use crate::storage::{Location, Storage, StorageError, records};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest key in characters.
const MAX_KEY_CHARACTERS: usize = 255;

/// A POST under way gives a sign of life this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// Others may take or give up the key in between; then it is looked at again.
const MAX_TRIES: usize = 4;

/// What of a request, besides its method, path and JSON body, makes it another one. Of a body that streams
/// these say all that is compared.
const HEADERS: [HeaderName; 10] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_UNMODIFIED_SINCE,
    CONTENT_DIGEST,
    REPR_DIGEST,
    HeaderName::from_static("upload-checksum"),
    HeaderName::from_static("upload-length"),
    HeaderName::from_static("upload-metadata"),
];

/// Around a route whose POSTs change something. A body that is not JSON streams through and is no part
/// of what is compared.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return next.run(request).await;
    }
    match claimed(app, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn claimed(app: App, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key(request.headers())?;
    let token = app.access.token(request.headers()).await?;
    let space = app.access.whose(&token)?;
    app.access.limits().subject(&space, Scope::Write)?;
    // An answer is for who may have it: a link that writes is not for a token that may only read.
    let may = [Scope::Read, Scope::Write].map(|scope| scope.is_in(&token));
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(Caller(token));
    let (body, read) = if body::is_content_type(&parts.headers, "application/json") {
        let most = count(app.limits.json_max_bytes);
        let bytes = body::read(body, most, app.limits.pace()).await?;
        (Body::from(bytes.clone()), bytes)
    } else {
        (body, Bytes::new())
    };
    let fingerprint = fingerprint(may, &parts, &read);
    let at = place(&space, &key);
    let work = async move {
        let state = match claim(&*app.storage, &at, &fingerprint).await {
            Ok(Claim::Ours(state)) => state,
            Ok(Claim::Told(verdict)) => return told(verdict),
            Err(error) => return Err(failed(error)),
        };
        let held = Held {
            app,
            space,
            at,
            fingerprint,
            state,
        };
        let request = Request::from_parts(parts, body);
        Ok(held.carry_out(next.run(request)).await)
    };
    // Not dropped when the client leaves: it may come back for the answer.
    let work = rate::counted(work);
    let work = match request_id::current() {
        Some(id) => tokio::spawn(id.scope(work)),
        None => tokio::spawn(work),
    };
    work.await.map_err(|_| Problem::internal())?
}

/// A structured string (RFC 9651 3.3.3), as the draft has it, or the bare text that many send.
fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let text = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    text.and_then(unquoted)
        .filter(|key| (1..=MAX_KEY_CHARACTERS).contains(&key.len()))
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "idempotency_key_invalid",
                "Idempotency-Key takes one text of 1 to 255 printable ASCII characters, like a new UUID",
            )
        })
}

fn unquoted(text: &str) -> Option<String> {
    let Some(rest) = text.strip_prefix('"') else {
        return text
            .bytes()
            .all(|byte| byte.is_ascii_graphic())
            .then(|| text.to_owned());
    };
    let mut key = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|c| matches!(c, '"' | '\\'))?),
            c if c == ' ' || c.is_ascii_graphic() => key.push(c),
            _ => return None,
        }
    }
}

/// Where the record of a subject's key is.
fn place(space: &Space, key: &str) -> Location {
    let name = hash(&[
        space.app_id().as_bytes(),
        space.subject().as_bytes(),
        key.as_bytes(),
    ]);
    // Some folders rather than one that holds everybody's.
    let path = format!("{}/{name}", &name[..2]);
    Location {
        space: records_space(),
        key: ObjectKey::parse(path).expect("hexadecimal digits and a slash"),
    }
}

fn records_space() -> Space {
    Space::reserved("idempotency")
}

fn fingerprint(may: [bool; 2], parts: &Parts, body: &[u8]) -> String {
    let may = may.map(u8::from);
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let mut fields = Vec::with_capacity(HEADERS.len());
    for name in &HEADERS {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
        fields.push(hash(&values));
    }
    let fields = fields.concat();
    hash(&[
        &may,
        parts.method.as_str().as_bytes(),
        path.as_bytes(),
        fields.as_bytes(),
        body,
    ])
}

/// Each part with its length before it.
fn hash(parts: &[&[u8]]) -> String {
    let mut all = Context::new(&SHA256);
    for part in parts {
        all.update(&(part.len() as u64).to_be_bytes());
        all.update(part);
    }
    HEXLOWER.encode(all.finish().as_ref())
}

enum Claim {
    /// In this state of the record.
    Ours(Validators),
    Told(Verdict),
}

async fn claim(
    storage: &dyn Storage,
    at: &Location,
    fingerprint: &str,
) -> Result<Claim, StorageError> {
    for _ in 0..MAX_TRIES {
        let now = now_ms();
        let free = match records::read(storage, at).await? {
            None => Preconditions::create_only(),
            Some(found) => {
                // One that cannot be read holds nobody's answer.
                let record = serde_json::from_slice::<Record>(&found.bytes).ok();
                let verdict =
                    record.map_or(Verdict::Free, |record| record.verdict(fingerprint, now));
                if verdict != Verdict::Free {
                    return Ok(Claim::Told(verdict));
                }
                Preconditions::still(&found.state)
            }
        };
        let record = Record::under_way(fingerprint, now).to_bytes();
        if let Some(state) = records::write(storage, at, record, free).await? {
            return Ok(Claim::Ours(state));
        }
    }
    Ok(Claim::Told(Verdict::Wait))
}

fn told(verdict: Verdict) -> Result<Response, Problem> {
    match verdict {
        Verdict::Replay(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
            let mut headers = answer.headers();
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
            Ok((status, headers, answer.body).into_response())
        }
        Verdict::NotKept(status) => Err(Problem::new(
            StatusCode::CONFLICT,
            "idempotency_answer_not_kept",
            "the request was carried out, but its answer was not kept, since it is large or one of many: look at what \
             it was about",
        )
        .with("first_status", status)),
        Verdict::Other => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "this Idempotency-Key came with another request before: take a new key for each request",
        )),
        Verdict::Wait | Verdict::Free => Err(Problem::new(
            StatusCode::CONFLICT,
            "idempotency_in_progress",
            "the first request with this Idempotency-Key is still under way: ask again for its answer",
        )
        .header(header::RETRY_AFTER, HeaderValue::from_static("1"))),
    }
}

/// A key that is this request's.
struct Held {
    app: App,
    space: Space,
    at: Location,
    fingerprint: String,
    state: Validators,
}

impl Held {
    async fn carry_out(mut self, work: impl Future<Output = Response>) -> Response {
        let mut work = std::pin::pin!(work);
        let response = loop {
            if let Ok(response) = tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
                break response;
            }
            let record = Record::under_way(&self.fingerprint, now_ms());
            self.write(&record).await;
        };
        let (parts, body) = response.into_parts();
        // Answers to POSTs are in memory already.
        let Ok(body) = body.collect().await else {
            return Problem::internal().into_response();
        };
        let body = body.to_bytes();
        let code = parts.extensions.get().map(|ProblemCode(code)| *code);
        if record::is_final(parts.status, code) {
            let answer = Answer::new(parts.status, &parts.headers, &body);
            let mut record = Record::answered(&self.fingerprint, now_ms(), answer, parts.status);
            // What is kept counts in no quota, so it is bounded by how fast it grows.
            let bytes = record.to_bytes().len();
            if !self.app.access.limits().keep(&self.space, bytes) {
                record = Record::answered(&self.fingerprint, now_ms(), None, parts.status);
            }
            self.write(&record).await;
        } else {
            self.give_up().await;
        }
        Response::from_parts(parts, Body::from(body))
    }

    /// Where it fails, the key is free when its time is over: the work itself is not undone by it.
    async fn write(&mut self, record: &Record) {
        let still = Preconditions::still(&self.state);
        match records::write(&*self.app.storage, &self.at, record.to_bytes(), still).await {
            Ok(Some(state)) => self.state = state,
            Ok(None) => {
                tracing::warn!("an idempotency key was taken over while its request was under way");
            }
            Err(error) => {
                tracing::warn!(%error, "an answer could not be kept for its idempotency key");
            }
        }
    }

    async fn give_up(&self) {
        let still = Preconditions::still(&self.state);
        if let Err(error) = self.app.storage.delete(&self.at, &still).await {
            tracing::warn!(%error, "an idempotency key could not be given up");
        }
    }
}

/// Removes the records whose time is over at `now_ms`; how many.
pub(crate) async fn sweep(storage: &dyn Storage, now_ms: u64) -> Result<u64, StorageError> {
    let kept = u64::try_from(record::KEPT.as_millis()).unwrap_or(u64::MAX);
    records::remove_older(storage, &records_space(), now_ms.saturating_sub(kept)).await
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::local::LocalStorage;

    #[test]
    fn a_key_is_printable_quoted_or_not() {
        let long = "k".repeat(255);
        let too_long = "k".repeat(256);
        for (text, expected) in [
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                Some("8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ),
            ("\"8e03\"", Some("8e03")),
            ("\"a \\\"b\\\\\"", Some("a \"b\\")),
            ("\"a", None),
            ("\"a\"b", None),
            ("\"a\\b\"", None),
            ("\"\"", None),
            ("", None),
            ("a b", None),
            ("é", None),
            (&long, Some(&*long)),
            (&too_long, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(text).unwrap());
            assert_eq!(key(&headers).ok().as_deref(), expected, "{text}");
        }
        let mut twice = HeaderMap::new();
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(key(&twice).is_err());
    }

    #[tokio::test]
    async fn a_dead_process_holds_its_key_for_a_minute_and_a_sweep_removes_what_is_a_day_old() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalStorage::open(root.path()).unwrap();
        let at = place(&Space::new("app", "ada"), "k");
        assert_ne!(at, place(&Space::new("app", "bob"), "k"));
        assert!(matches!(
            claim(&store, &at, "a").await.unwrap(),
            Claim::Ours(_)
        ));
        let again = claim(&store, &at, "a").await.unwrap();
        assert!(matches!(again, Claim::Told(Verdict::Wait)));
        // As if it were a minute later.
        let old = now_ms() - u64::try_from(record::LEASE.as_millis()).unwrap();
        let record = Record::under_way("a", old).to_bytes();
        records::write(&store, &at, record, Preconditions::default())
            .await
            .unwrap();
        assert!(matches!(
            claim(&store, &at, "b").await.unwrap(),
            Claim::Ours(_)
        ));
        let day = u64::try_from(record::KEPT.as_millis()).unwrap();
        assert_eq!(sweep(&store, now_ms() + day - 5000).await.unwrap(), 0);
        assert_eq!(sweep(&store, now_ms() + day).await.unwrap(), 1);
        assert!(records::read(&store, &at).await.unwrap().is_none());
    }
}
