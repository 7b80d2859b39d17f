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
use tower::Service;
use tower::layer::layer_fn;

use crate::access_log::{self, Access};
use crate::client::{self, ClientAddress, ForwardedProto, TrustedProxies};
use crate::cors::{Cors, Origins};
use crate::edge::Edge;
use crate::headers;
use crate::metrics::{self, Metrics};
use crate::problem::{self, Problem, ProblemCode};
use crate::request_id::{self, RequestId};

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
struct Surrounded<S> {
    stack: Arc<Stack>,
    routes: S,
}

impl<S> Service<Request> for Surrounded<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.routes.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let waiting = self.clone();
        let Self { stack, routes } = std::mem::replace(self, waiting);
        Box::pin(async move { Ok(answer(&stack, request, routes).await) })
    }
}

async fn answer(
    stack: &Stack,
    request: Request,
    mut routes: impl Service<Request, Response = Response, Error = Infallible>,
) -> Response {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let peer = client::peer(&parts.extensions).map(|peer| peer.ip());
    let id = RequestId::of(&stack.trusted, peer, &parts.headers);
    let method = metrics::known(&parts.method);
    let matched = parts.extensions.get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let origin = stack.cors.allowed(&parts.headers).cloned();
    let proto = peer.map_or(ForwardedProto::Unsaid, |peer| {
        stack.trusted.forwarded_proto(peer, &parts.headers)
    });
    if let Some(peer) = peer {
        let address = stack.trusted.client_address(peer, &parts.headers);
        parts.extensions.insert(ClientAddress(address));
    }
    let route_metrics = stack.metrics.of_route(route);
    let body = route_metrics.received(body);

    let (mut response, subject) = id
        .clone()
        .observed(async {
            let early = stack.edge.refusal(&parts, proto);
            if let Some(early) = early.or_else(|| stack.cors.preflight(&parts)) {
                return early;
            }
            let request = Request::from_parts(parts, body);
            catch_panic(async { routes.call(request).await }).await
        })
        .await;

    let out = response.headers_mut();
    stack.cors.complete(origin.as_ref(), out);
    headers::complete(out, proto);
    out.insert(request_id::HEADER, id.header_value());
    let (status, took) = (response.status(), started.elapsed());
    let code = response.extensions().get::<ProblemCode>();
    let code = code.map(|ProblemCode(code)| *code);
    stack
        .metrics
        .observe(&route_metrics, method, status, code, took);
    access_log::write(&Access {
        id: &id,
        route,
        method,
        status,
        code,
        subject: subject.as_deref(),
        took,
    });
    response.map(|body| route_metrics.sent(body))
}

/// A panic answers 500 to its own request and leaves the others alone.
async fn catch_panic(handler: impl Future<Output = Result<Response, Infallible>>) -> Response {
    let mut handler = std::pin::pin!(handler);
    let answered = std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context)));
        // Not polled again after a panic, so what it left half done is never seen.
        polled.unwrap_or_else(|_| Poll::Ready(Ok(Problem::internal().into_response())))
    });
    let Ok(response) = answered.await;
    response
}
