//! What is kept of a POST under its key, and what a later one with the same key is told. Pure.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::storage::records::MAX_RECORD_BYTES;

/// How long an answer is kept.
pub(super) const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a POST under way holds its key without a sign of life: then its process is dead.
pub(super) const LEASE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Of the request, in hexadecimal digits.
    pub(super) fingerprint: String,
    pub(super) written_ms: u64,
    pub(super) state: State,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum State {
    UnderWay,
    Answered(Answer),
    /// Carried out, with an answer that was too large to be kept, alone or with those before it.
    NotKept {
        status: u16,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// What a request with the key of a record is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key is free again.
    Free,
    /// The key belongs to another request.
    Other,
    /// The first is under way.
    Wait,
    Replay(Answer),
    NotKept(u16),
}

impl Record {
    pub(super) fn under_way(fingerprint: &str, now_ms: u64) -> Self {
        Self {
            fingerprint: fingerprint.to_owned(),
            written_ms: now_ms,
            state: State::UnderWay,
        }
    }

    pub(super) fn answered(
        fingerprint: &str,
        now_ms: u64,
        answer: Option<Answer>,
        status: StatusCode,
    ) -> Self {
        let status = status.as_u16();
        let not_kept = State::NotKept { status };
        let record = Self {
            fingerprint: fingerprint.to_owned(),
            written_ms: now_ms,
            state: answer.map_or(not_kept, State::Answered),
        };
        if record.to_bytes().len() <= MAX_RECORD_BYTES {
            return record;
        }
        Self {
            state: State::NotKept { status },
            ..record
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn verdict(self, fingerprint: &str, now_ms: u64) -> Verdict {
        // A clock that was set back makes nothing younger than new.
        let age = Duration::from_millis(now_ms.saturating_sub(self.written_ms));
        let held = match self.state {
            State::UnderWay => LEASE,
            State::Answered(_) | State::NotKept { .. } => KEPT,
        };
        if age >= held {
            return Verdict::Free;
        }
        if self.fingerprint != fingerprint {
            return Verdict::Other;
        }
        match self.state {
            State::Answered(answer) => Verdict::Replay(answer),
            State::NotKept { status } => Verdict::NotKept(status),
            State::UnderWay => Verdict::Wait,
        }
    }
}

impl Answer {
    /// `None` for a body that is not text.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let headers = headers
            .iter()
            .filter(|(name, _)| **name != header::CONTENT_LENGTH);
        let headers = headers.filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        Some(Self {
            status: status.as_u16(),
            headers: headers.collect(),
            body: std::str::from_utf8(body).ok()?.to_owned(),
        })
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let pairs = self.headers.iter().filter_map(|(name, value)| {
            Some((
                HeaderName::try_from(name).ok()?,
                HeaderValue::try_from(value).ok()?,
            ))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }
}

/// Whether such an answer says that something was done or decided, so that it is the answer to every
/// repetition. After any other, the same request may well succeed.
pub(super) fn is_final(status: StatusCode, code: Option<&str>) -> bool {
    let repeatable = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
    );
    // The bytes were spoilt on their way, or broke off.
    let badly_arrived = matches!(
        code,
        Some("body_incomplete" | "digest_mismatch" | "checksum_mismatch")
    );
    !(status.is_server_error() || repeatable || badly_arrived)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Answer::new(StatusCode::CREATED, &headers, b"{}").unwrap()
    }

    #[test]
    fn a_key_is_held_for_its_time_by_its_own_request() {
        let [lease, kept] = [LEASE, KEPT].map(|time| u64::try_from(time.as_millis()).unwrap());
        let under_way = || Record::under_way("a", 1000);
        let done = || Record::answered("a", 1000, Some(answer()), StatusCode::CREATED);
        for (record, fingerprint, now, expected) in [
            (under_way(), "a", 1000, Verdict::Wait),
            (under_way(), "a", 999 + lease, Verdict::Wait),
            (under_way(), "a", 1000 + lease, Verdict::Free),
            (under_way(), "b", 1000, Verdict::Other),
            (under_way(), "b", 1000 + lease, Verdict::Free),
            // The clock was set back.
            (under_way(), "a", 0, Verdict::Wait),
            (done(), "a", 1000, Verdict::Replay(answer())),
            (done(), "a", 999 + kept, Verdict::Replay(answer())),
            (done(), "a", 1000 + kept, Verdict::Free),
            (done(), "b", 1000 + lease, Verdict::Other),
        ] {
            assert_eq!(
                record.verdict(fingerprint, now),
                expected,
                "{fingerprint} at {now}"
            );
        }
    }

    #[test]
    fn an_answer_too_large_to_be_kept_is_remembered_as_that() {
        let body = vec![b'x'; MAX_RECORD_BYTES];
        let large = Answer::new(StatusCode::OK, &HeaderMap::new(), &body);
        let record = Record::answered("a", 0, large, StatusCode::OK);
        assert!(record.to_bytes().len() < 1000);
        assert_eq!(record.verdict("a", 1), Verdict::NotKept(200));
    }

    #[test]
    fn what_may_succeed_later_is_not_kept() {
        for (status, kept) in [
            (200, true),
            (201, true),
            (400, true),
            (404, true),
            (409, true),
            (422, true),
            (401, false),
            (403, false),
            (408, false),
            (429, false),
            (500, false),
            (503, false),
            (507, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_final(status, None), kept, "{status}");
        }
        for code in ["body_incomplete", "digest_mismatch", "checksum_mismatch"] {
            assert!(!is_final(StatusCode::BAD_REQUEST, Some(code)), "{code}");
        }
    }
}
