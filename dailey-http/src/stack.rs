//! The one layer that every request passes, in the one order that is right:
//! id → client → edge rules → preflight → route (panics caught) → CORS and security headers → metrics → access log.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use http::HeaderValue;
use pin_project_lite::pin_project;
use tower::Service;
use tower::layer::layer_fn;

use crate::access_log::{self, Access};
use crate::client::{self, ClientAddress, ForwardedProto, TrustedProxies};
use crate::cors::{Cors, Origins};
use crate::edge::Edge;
use crate::headers;
use crate::metrics::{self, Metrics, RouteMetrics};
use crate::problem::{self, Problem, ProblemCode};
use crate::request_id::{self, RequestId, Scoped};
use crate::unreadable::Unreadable;

/// Route label of requests that no route has taken.
const NO_ROUTE: &str = "none";

/// What surrounds a service's routes.
///
/// ```
/// use axum::{Router, routing::get};
/// use dailey_http::{Stack, metrics::Metrics};
///
/// let metrics = Metrics::new();
/// let routes = Router::new()
///     .route("/health/live", get(|| async { "ok" }))
///     .route("/metrics", metrics.route());
/// let app: Router = Stack::new(metrics).around(routes);
/// ```
#[derive(Clone, Debug)]
pub struct Stack {
    metrics: Metrics,
    trusted: TrustedProxies,
    cors: Cors,
    edge: Edge,
}

impl Stack {
    /// Trusts loopback proxies and lets no other origin in, until told otherwise.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            trusted: TrustedProxies::loopback(),
            cors: Cors::new(Origins::none()),
            edge: Edge::open(),
        }
    }

    /// Whose forwarding headers are believed.
    #[must_use]
    pub fn trusted_proxies(mut self, trusted: TrustedProxies) -> Self {
        self.trusted = trusted;
        self
    }

    /// What pages of other origins may do.
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = cors;
        self
    }

    /// Which hosts are ours, and whether plain http passes.
    #[must_use]
    pub fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }

    /// Puts it around `routes`, with problems for unknown paths and methods. Routes that are added
    /// to the result afterwards are outside of it.
    pub fn around(self, routes: Router) -> Router {
        let stack = Arc::new(self);
        routes
            .fallback(problem::not_found)
            .method_not_allowed_fallback(problem::method_not_allowed)
            .layer(layer_fn(move |routes: Route| Surrounded {
                stack: Arc::clone(&stack),
                routes,
            }))
    }
}

/// Routes with the stack around them. axum's `from_fn` does the same with more boxes.
#[derive(Clone)]
struct Surrounded {
    stack: Arc<Stack>,
    routes: Route,
}

impl Service<Request> for Surrounded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Route as Service<Request>>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (request, under_way) = UnderWay::begin(&self.stack, request);
        match under_way.refusal(&request) {
            Some(refusal) => Box::pin(std::future::ready(Ok(under_way.end(refusal, None)))),
            None => Box::pin(Answering {
                // What it does begins when it is polled first: a route only keeps the request until then.
                answer: under_way.id.clone().scoped(self.routes.call(request)),
                under_way,
            }),
        }
    }
}

pin_project! {
    /// The answer of a route. A panic answers 500 to its own request and leaves the others alone.
    struct Answering<F> {
        #[pin]
        answer: Scoped<F>,
        under_way: UnderWay,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let poll = || this.answer.as_mut().poll(context);
        let response = match std::panic::catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => response,
            // Not polled again after a panic, so what it left half done is never seen.
            Err(_) => {
                let internal = || Problem::internal().into_response();
                this.under_way.id.within(internal)
            }
        };
        let subject = request_id::subject(this.answer);
        Poll::Ready(Ok(this.under_way.end(response, subject.as_deref())))
    }
}

/// A request between its head and the head of its answer.
struct UnderWay {
    stack: Arc<Stack>,
    started: Instant,
    id: RequestId,
    method: &'static str,
    origin: Option<HeaderValue>,
    proto: ForwardedProto,
    route: Arc<RouteMetrics>,
}

impl UnderWay {
    fn begin(stack: &Arc<Stack>, mut request: Request) -> (Request, Self) {
        let started = Instant::now();
        let peer = client::peer(request.extensions()).map(|peer| peer.ip());
        let headers = request.headers();
        let id = RequestId::of(&stack.trusted, peer, headers);
        let origin = stack.cors.allowed(headers).cloned();
        let proto = peer.map_or(ForwardedProto::Unsaid, |peer| {
            stack.trusted.forwarded_proto(peer, headers)
        });
        let address = peer.map(|peer| stack.trusted.client_address(peer, headers));
        let matched = request.extensions().get::<MatchedPath>();
        let route = stack
            .metrics
            .of_route(matched.map_or(NO_ROUTE, MatchedPath::as_str));
        if let Some(address) = address {
            request.extensions_mut().insert(ClientAddress(address));
        }
        let under_way = Self {
            stack: Arc::clone(stack),
            started,
            id,
            method: metrics::known(request.method()),
            origin,
            proto,
            route,
        };
        (
            request.map(|body| under_way.route.received(body)),
            under_way,
        )
    }

    /// What keeps it from its route.
    fn refusal(&self, request: &Request) -> Option<Response> {
        self.id.within(|| {
            if let Some(unreadable) = request.extensions().get::<Unreadable>() {
                return Some(unreadable.problem().into_response());
            }
            let refusal = self.stack.edge.refusal(request, self.proto);
            refusal.or_else(|| self.stack.cors.preflight(request))
        })
    }

    fn end(&self, mut response: Response, subject: Option<&str>) -> Response {
        let out = response.headers_mut();
        self.stack.cors.complete(self.origin.as_ref(), out);
        headers::complete(out, self.proto);
        out.insert(request_id::HEADER, self.id.header_value());
        let (status, took) = (response.status(), self.started.elapsed());
        let code = response.extensions().get::<ProblemCode>();
        let code = code.map(|ProblemCode(code)| *code);
        self.stack
            .metrics
            .observe(&self.route, self.method, status, code, took);
        access_log::write(&Access {
            id: &self.id,
            route: self.route.name(),
            method: self.method,
            status,
            code,
            subject,
            took,
        });
        response.map(|body| self.route.sent(body))
    }
}
