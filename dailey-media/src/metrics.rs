//! What DMAPI counts beside what every service does (`dailey_http::metrics`) and the verifier
//! (`dailey_auth::metrics`).
//!
//! | name | type | what |
//! | --- | --- | --- |
//! | `dailey_media_storage_errors_total{code}` | counter | what the store failed, by the problem's code; `probe_failed` for its proofs, `read_broken` for objects that broke off |
//! | `dailey_media_storage_usable` | gauge | 1 after a proof that the store can be written and read |
//! | `dailey_media_limiter_refusals_total{policy}` | counter | requests beyond a rate, by its name |

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use dailey_http::metrics::Registry;
use dailey_http::problem::ProblemCode;
use http_body_util::BodyExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::rate;

/// Codes of problems that the store is to blame for, or at least its slowness.
const STORAGE_CODES: [&str; 5] = [
    "object_damaged",
    "quota_unknown",
    "storage_busy",
    "storage_full",
    "storage_unavailable",
];

/// A proof of the store that failed.
const PROBE_FAILED: &str = "probe_failed";

/// An object whose bytes ended before they should, its answer being under way.
const READ_BROKEN: &str = "read_broken";

/// DMAPI's own counts. All clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaMetrics(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    storage_errors: Family<CodeLabels, Counter>,
    storage_usable: Gauge,
    limiter_refusals: Family<PolicyLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: &'static str,
}

impl MediaMetrics {
    /// Every series is there from the start, at zero: a rate over it has a beginning.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for code in STORAGE_CODES.into_iter().chain([PROBE_FAILED, READ_BROKEN]) {
            drop(self.0.storage_errors.get_or_create(&CodeLabels { code }));
        }
        for policy in rate::POLICIES {
            drop(
                self.0
                    .limiter_refusals
                    .get_or_create(&PolicyLabels { policy }),
            );
        }
        registry.register(
            "dailey_media_storage_errors",
            "What the store failed: requests, proofs, objects that broke off",
            self.0.storage_errors.clone(),
        );
        registry.register(
            "dailey_media_storage_usable",
            "Whether the store passed its last proof",
            self.0.storage_usable.clone(),
        );
        registry.register(
            "dailey_media_limiter_refusals",
            "Requests beyond a rate",
            self.0.limiter_refusals.clone(),
        );
    }

    /// Counts an answer; `policy` is the rate that it was limited by, if it was.
    pub(crate) fn answered(&self, response: &Response, policy: Option<&'static str>) {
        let Some(ProblemCode(code)) = response.extensions().get().copied() else {
            return;
        };
        self.failed(code);
        if let Some(policy) = policy {
            let labels = PolicyLabels { policy };
            self.0.limiter_refusals.get_or_create(&labels).inc();
        }
    }

    /// Counts a problem that is told in whatever way, if the store is to blame for it.
    pub(crate) fn failed(&self, code: &'static str) {
        if STORAGE_CODES.contains(&code) {
            self.storage_error(code);
        }
    }

    /// The same body; that it breaks off is counted.
    pub(crate) fn watched(&self, body: Body) -> Body {
        let counts = self.clone();
        Body::new(body.map_err(move |error| {
            counts.storage_error(READ_BROKEN);
            error
        }))
    }

    fn storage_error(&self, code: &'static str) {
        let labels = CodeLabels { code };
        self.0.storage_errors.get_or_create(&labels).inc();
    }

    /// A proof of the store ended.
    pub(crate) fn probed(&self, good: bool) {
        self.0.storage_usable.set(i64::from(good));
        if !good {
            self.storage_error(PROBE_FAILED);
        }
    }
}
