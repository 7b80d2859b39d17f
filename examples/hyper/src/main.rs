//! The smallest service on plain hyper that verifies its tokens: the tower layer and a `match`.
//!
//! ```sh
//! JWT_ISSUER=https://core.dailey.cloud CORE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff cargo run -p example-hyper
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/hello
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use dailey_auth::bearer::{Refusal, require_scopes};
use dailey_auth::tower::AuthLayer;
use dailey_auth::{Rejection, Verified, Verifier};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::{Layer as _, service_fn};

/// Behind the layer: a token that is here is verified. `None` stands for a request without one.
fn route(
    method: &Method,
    path: &str,
    token: Option<&Verified>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let Some(token) = token else {
        // The one path that is open to everybody.
        return match (method, path) {
            (&Method::GET, "/public") => Ok(text("welcome\n".to_owned())),
            _ => Err(Rejection::TokenMissing.into()),
        };
    };
    let subject = token.claims().subject();
    match (method, path) {
        (&Method::GET, "/public") => Ok(text(format!("welcome back {subject}\n"))),
        (&Method::GET, "/hello") => Ok(text(format!("hello {subject}\n"))),
        (&Method::GET, "/reports") => {
            require_scopes(token, &["reports:read"])?;
            Ok(text(format!("the reports of {subject}\n")))
        }
        _ => {
            let mut response = text("there is nothing here\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

fn text(text: String) -> Response<Full<Bytes>> {
    Response::new(text.into())
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let token = request.extensions().get::<Verified>();
    let answer = route(request.method(), request.uri().path(), token);
    Ok(answer.unwrap_or_else(Refusal::into_response))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    // Names the environment key that is missing or wrong. No network call is waited for.
    let auth = AuthLayer::new(Verifier::from_env()?).optional();
    let service = TowerToHyperService::new(auth.layer(service_fn(answer)));
    let listener = TcpListener::bind(address()).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => { tracing::warn!(%error, "accept"); continue; }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let mut http = http1::Builder::new();
        // Whoever sends its head slowly does not hold a connection for ever.
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(10));
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = graceful.watch(connection);
        // What goes wrong here went wrong at the client's end.
        tokio::spawn(async move { connection.await.ok() });
    }
    drop(tokio::time::timeout(Duration::from_secs(5), graceful.shutdown()).await);
    Ok(())
}

/// `BIND` and `PORT`, 127.0.0.1 and 8080 without them.
fn address() -> String {
    let set = |key, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_owned());
    format!("{}:{}", set("BIND", "127.0.0.1"), set("PORT", "8080"))
}
