//! `OpenMetrics`: what every service counts, and room for its own.
//!
//! Labels come from small fixed sets: the route's template, never a path; known methods only.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use foldhash::fast::RandomState;
use http::{Method, StatusCode, header};
use hyper::body::{Frame, SizeHint};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
pub use prometheus_client::registry::{Registry, Unit};

use crate::client::is_direct_loopback;
use crate::problem::{self, Problem};

/// Upper bounds of the duration buckets in seconds.
const DURATION_BUCKETS: [f64; 11] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Smaller bodies of a known size are counted as a whole, others as they move.
const SMALL_BODY_BYTES: u64 = 64 * 1024;

/// The service's metrics. Cheap to clone; all clones count together.
///
/// | name | type | what |
/// | --- | --- | --- |
/// | `http_requests_total{route,method,status}` | counter | requests answered |
/// | `http_request_duration_seconds{route}` | histogram | from a request's head to its response's head |
/// | `http_request_body_bytes_total{route}` | counter | bytes of bodies that were taken in |
/// | `http_response_body_bytes_total{route}` | counter | bytes of bodies that were given out |
/// | `http_problems_total{code}` | counter | refusals, by the code of the problem |
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    families: Families,
    routes: Arc<Known<String, Arc<RouteMetrics>>>,
}

#[derive(Clone, Debug)]
struct Families {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    received: Family<RouteLabels, Counter>,
    sent: Family<RouteLabels, Counter>,
    problems: Family<ProblemLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    code: &'static str,
}

/// What was looked up by labels once. Requests read it side by side, without waiting for each other.
type Known<K, V> = ArcSwap<HashMap<K, V, RandomState>>;

/// Adds an entry. Whoever adds one at the same time may be the one that stays: they count as one.
fn know<K: Clone + Eq + Hash, V: Clone>(known: &Known<K, V>, key: &K, value: &V) {
    known.rcu(|known| {
        let mut more = HashMap::clone(known);
        more.insert(key.clone(), value.clone());
        more
    });
}

/// What is counted for one route, at hand without a search by labels.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    route: String,
    requests: Known<(&'static str, u16), Counter>,
    duration: Histogram,
    received: Counter,
    sent: Counter,
}

impl Metrics {
    /// What every service counts.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same and what `register` adds.
    pub fn with(register: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::default();
        let families = Families {
            requests: Family::default(),
            durations: Family::new_with_constructor(
                (|| Histogram::new(DURATION_BUCKETS)) as fn() -> Histogram,
            ),
            received: Family::default(),
            sent: Family::default(),
            problems: Family::default(),
        };
        registry.register(
            "http_requests",
            "Requests answered",
            families.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its response's head",
            Unit::Seconds,
            families.durations.clone(),
        );
        registry.register_with_unit(
            "http_request_body",
            "Bytes of request bodies",
            Unit::Bytes,
            families.received.clone(),
        );
        registry.register_with_unit(
            "http_response_body",
            "Bytes of response bodies",
            Unit::Bytes,
            families.sent.clone(),
        );
        registry.register(
            "http_problems",
            "Refusals by code",
            families.problems.clone(),
        );
        register(&mut registry);
        Self {
            registry: Arc::new(registry),
            families,
            routes: Arc::default(),
        }
    }

    /// The handler of `GET /metrics`: `OpenMetrics` text for a direct loopback peer, 404 for
    /// everybody else, so that a forgotten proxy rule shows nothing.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let metrics = self.clone();
        get(move |request: Request| async move { metrics.answer(&request) })
    }

    /// There are as many as there are templates.
    pub(crate) fn of_route(&self, route: &str) -> Arc<RouteMetrics> {
        if let Some(metrics) = self.routes.load().get(route) {
            return Arc::clone(metrics);
        }
        let labels = RouteLabels {
            route: route.to_owned(),
        };
        let families = &self.families;
        let metrics = Arc::new(RouteMetrics {
            route: route.to_owned(),
            requests: Known::default(),
            duration: families.durations.get_or_create(&labels).clone(),
            received: families.received.get_or_create(&labels).clone(),
            sent: families.sent.get_or_create(&labels).clone(),
        });
        know(&self.routes, &route.to_owned(), &metrics);
        metrics
    }

    pub(crate) fn observe(
        &self,
        route: &RouteMetrics,
        method: &'static str,
        status: StatusCode,
        problem: Option<&'static str>,
        took: Duration,
    ) {
        route.duration.observe(took.as_secs_f64());
        route.answered(&self.families.requests, method, status.as_u16());
        if let Some(code) = problem {
            let labels = ProblemLabels { code };
            self.families.problems.get_or_create(&labels).inc();
        }
    }

    fn answer(&self, request: &Request) -> Response {
        if !is_direct_loopback(request.extensions(), request.headers()) {
            return problem::absent().into_response();
        }
        let mut body = String::new();
        if text::encode(&mut body, &self.registry).is_err() {
            tracing::error!("a metric could not be written");
            return Problem::internal().into_response();
        }
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(header::CONTENT_TYPE, content_type)], body).into_response()
    }
}

impl RouteMetrics {
    fn answered(&self, family: &Family<RequestLabels, Counter>, method: &'static str, status: u16) {
        if let Some(counter) = self.requests.load().get(&(method, status)) {
            counter.inc();
            return;
        }
        let labels = RequestLabels {
            route: self.route.clone(),
            method,
            status,
        };
        let counter = family.get_or_create(&labels).clone();
        counter.inc();
        know(&self.requests, &(method, status), &counter);
    }

    /// The template.
    pub(crate) fn name(&self) -> &str {
        &self.route
    }

    /// The body of a request, counted.
    pub(crate) fn received(&self, body: Body) -> Body {
        counted(body, &self.received)
    }

    /// The body of a response, counted.
    pub(crate) fn sent(&self, body: Body) -> Body {
        counted(body, &self.sent)
    }
}

fn counted(body: Body, counter: &Counter) -> Body {
    match body.size_hint().exact() {
        Some(0) => body,
        Some(bytes) if bytes <= SMALL_BODY_BYTES => {
            counter.inc_by(bytes);
            body
        }
        _ => Body::new(CountedBody {
            body,
            counter: counter.clone(),
        }),
    }
}

/// Counts bytes as they move.
struct CountedBody {
    body: Body,
    counter: Counter,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
        {
            self.counter.inc_by(bytes.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The method as a label. A client can invent methods without end; they all count as one.
pub(crate) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
