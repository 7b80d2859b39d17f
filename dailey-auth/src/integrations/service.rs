//! The gate before a tower service, for every way of saying no.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use tower_service::Service;

use super::bearer::Refusal;
use super::gate::{Admitted, Gate};
use crate::verifier::Verified;

/// A response, or the error of the service behind the gate.
pub(super) type Answer<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

/// A service behind a gate.
#[derive(Debug, Clone)]
pub(super) struct Guarded<S> {
    gate: Gate,
    inner: S,
}

impl<S> Guarded<S> {
    pub(super) fn new(gate: Gate, inner: S) -> Self {
        Self { gate, inner }
    }

    pub(super) fn poll_ready<B>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Request<B>>,
    {
        self.inner.poll_ready(cx)
    }

    /// Lets the request through or answers it with `refuse`; its body is not touched.
    pub(super) fn call<B, R>(
        &mut self,
        request: Request<B>,
        refuse: fn(Refusal) -> Response<R>,
    ) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send,
        B: Send + 'static,
        R: 'static,
    {
        // The service that was polled ready must be the one that is called; its clone was not.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let gate = self.gate.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match admit(&gate, &mut parts).await {
                Ok(_) => inner.call(Request::from_parts(parts, body)).await,
                Err(refusal) => Ok(refuse(refusal)),
            }
        })
    }
}

/// The verdict on a request, which goes on with it: `Verified` among its extensions.
pub(super) async fn admit(gate: &Gate, parts: &mut Parts) -> Result<Option<Verified>, Refusal> {
    // Never the verdict of another gate under this one's name.
    parts.extensions.remove::<Verified>();
    let before = parts.extensions.remove::<Admitted>();
    let authorization = parts.headers.get_all(header::AUTHORIZATION).iter();
    let admitted = gate
        .admit(authorization.map(HeaderValue::as_bytes), before)
        .await?;
    // Whoever logs the request's headers after us does not log the token.
    if let Some(value) = parts.headers.get_mut(header::AUTHORIZATION) {
        value.set_sensitive(true);
    }
    let Some(admitted) = admitted else {
        return Ok(None);
    };
    let token = admitted.token().clone();
    parts.extensions.insert(token.clone());
    parts.extensions.insert(admitted);
    Ok(Some(token))
}
