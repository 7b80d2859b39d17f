//! One id for each request: in the response, in every problem, in every log line.
//!
//! It is ours (UUID v7, so that ids sort by time) unless a trusted proxy sent a well-formed one.

use std::cell::RefCell;
use std::net::IpAddr;
use std::pin::Pin;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

use crate::client::TrustedProxies;

/// `X-Request-Id`.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken over from a proxy, in bytes. nginx's `$request_id` has 32, a UUID 36.
pub const MAX_BYTES: usize = 64;

tokio::task_local! {
    static CURRENT: Current;
}

/// What is known of the request that the current task is answering.
pub(crate) struct Current {
    id: RequestId,
    subject: RefCell<Option<String>>,
}

impl Current {
    fn new(id: RequestId) -> Self {
        Self {
            id,
            subject: RefCell::new(None),
        }
    }
}

/// See [`RequestId::scope`].
pub(crate) type Scoped<F> = TaskLocalFuture<Current, F>;

/// What [`made_by`] was told in `scope`, which ends with it.
pub(crate) fn subject<F>(scope: Pin<&mut Scoped<F>>) -> Option<String> {
    let current = scope.take_value();
    current.and_then(|current| current.subject.into_inner())
}

/// The id of the request that the current task is answering, inside a [`Stack`](crate::Stack).
pub fn current() -> Option<RequestId> {
    CURRENT.try_with(|current| current.id.clone()).ok()
}

/// Says in the access log whose request the current task is answering. `pseudonym` must be one: a keyed
/// hash, never the subject itself. Outside of a [`Stack`](crate::Stack) nothing happens.
pub fn made_by(pseudonym: String) {
    let _ = CURRENT.try_with(|current| current.subject.replace(Some(pseudonym)));
}

/// A request's id: 1 to [`MAX_BYTES`] characters of `A-Z a-z 0-9 - _ .`. Its clones share one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// A new id.
    pub fn new() -> Self {
        Self(value_of(Uuid::now_v7()))
    }

    /// The one that a trusted proxy sent, else a new one.
    pub fn of(trusted: &TrustedProxies, peer: Option<IpAddr>, headers: &HeaderMap) -> Self {
        let believed = peer.is_some_and(|peer| trusted.contains(peer));
        believed
            .then(|| Self::sent(headers))
            .flatten()
            .unwrap_or_else(Self::new)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as a header's value.
    pub(crate) fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Answers `future` under this id: [`current`] is this id inside it.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        self.scoped(future).await
    }

    /// As [`scope`](Self::scope), with what [`made_by`] was told.
    pub(crate) fn scoped<F: Future>(self, future: F) -> Scoped<F> {
        CURRENT.scope(Current::new(self), future)
    }

    /// What `work` gives under this id.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Current::new(self.clone()), work)
    }

    fn sent(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let text = value.to_str().ok()?;
        let well_formed = (1..=MAX_BYTES).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        well_formed.then(|| Self(value.clone()))
    }
}

fn value_of(id: Uuid) -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
        .expect("hexadecimal digits and hyphens")
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn who_made_a_request_is_known_though_its_answer_panics() {
        let mut scope = Box::pin(RequestId::new().scoped(async {
            made_by("pseudonym".into());
            assert_eq!(1, 2, "as a handler would");
        }));
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| scope.as_mut().poll(&mut context)));
        assert!(polled.is_err());
        assert_eq!(subject(scope.as_mut()).as_deref(), Some("pseudonym"));
    }
}
