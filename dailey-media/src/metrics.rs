//! What DMAPI counts beside what every service does (`dailey_http::metrics`) and the verifier
//! (`dailey_auth::metrics`).
//!
//! | name | type | what |
//! | --- | --- | --- |
//! | `dailey_media_storage_errors_total{code}` | counter | requests that the store failed, by the problem's code; `probe_failed` for its proofs |
//! | `dailey_media_storage_usable` | gauge | 1 after a proof that the store can be written and read |
//! | `dailey_media_limiter_refusals_total{policy}` | counter | requests beyond a rate, by its name |

use std::sync::Arc;

use axum::response::Response;
use dailey_http::metrics::Registry;
use dailey_http::problem::ProblemCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::rate;

/// Codes of problems that the store is to blame for.
const STORAGE_CODES: [&str; 4] = [
    "object_damaged",
    "storage_busy",
    "storage_full",
    "storage_unavailable",
];

/// A proof of the store that failed.
const PROBE_FAILED: &str = "probe_failed";

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
        for code in STORAGE_CODES.into_iter().chain([PROBE_FAILED]) {
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
            "Requests that the store failed, and its failed proofs",
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
        if STORAGE_CODES.contains(&code) {
            self.0
                .storage_errors
                .get_or_create(&CodeLabels { code })
                .inc();
        }
        if let Some(policy) = policy {
            let labels = PolicyLabels { policy };
            self.0.limiter_refusals.get_or_create(&labels).inc();
        }
    }

    /// A proof of the store ended.
    pub(crate) fn probed(&self, good: bool) {
        self.0.storage_usable.set(i64::from(good));
        if !good {
            let labels = CodeLabels { code: PROBE_FAILED };
            self.0.storage_errors.get_or_create(&labels).inc();
        }
    }
}
