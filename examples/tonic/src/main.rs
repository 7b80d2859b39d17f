//! The smallest tonic service that verifies its tokens. Its messages and its service are written by hand,
//! so that no protoc is needed; with generated ones the layer and the methods are the same.
//!
//! ```sh
//! JWT_ISSUER=https://core.dailey.cloud CORE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff cargo run -p example-tonic
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use dailey_auth::tonic::{AuthLayer, require_scopes, verified};
use dailey_auth::{Verified, Verifier};
use tokio::signal::unix::{SignalKind, signal};
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// `message Empty {}`
#[derive(Clone, PartialEq, prost::Message)]
struct Empty {}

/// `message Text { string text = 1; }`
#[derive(Clone, PartialEq, prost::Message)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// Runs for a verified token only, whatever its scopes.
async fn hello(request: Request<Empty>) -> Result<Response<Text>, Status> {
    let token = verified(&request)?;
    answer(format!("hello {}", token.claims().subject()))
}

/// Runs for a verified token with the scope `reports:read` only.
async fn reports(request: Request<Empty>) -> Result<Response<Text>, Status> {
    let token = require_scopes(&request, &["reports:read"])?;
    answer(format!("the reports of {}", token.claims().subject()))
}

/// Runs without a token, too. A bad one is refused all the same, by the layer.
async fn public(request: Request<Empty>) -> Result<Response<Text>, Status> {
    answer(match request.extensions().get::<Verified>() {
        Some(token) => format!("welcome back {}", token.claims().subject()),
        None => "welcome".to_owned(),
    })
}

fn answer(text: String) -> Result<Response<Text>, Status> {
    Ok(Response::new(Text { text }))
}

/// `service Example { rpc Hello(Empty) returns (Text); … }`, as the generator writes it.
#[derive(Clone)]
struct Example;

impl Service<http::Request<Body>> for Example {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                "/example.Example/Hello" => grpc.unary(service_fn(hello), request).await,
                "/example.Example/Reports" => grpc.unary(service_fn(reports), request).await,
                "/example.Example/Public" => grpc.unary(service_fn(public), request).await,
                _ => Status::unimplemented("there is no such method").into_http(),
            })
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    // Names the environment key that is missing or wrong. No network call is waited for.
    let verifier = Verifier::from_env()?;
    let set = |key, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_owned());
    let address = format!("{}:{}", set("BIND", "127.0.0.1"), set("PORT", "8080"));
    tracing::info!(address, "listening");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Server::builder()
        // `optional` is for Public; the other methods refuse a call without a token by themselves.
        .layer(AuthLayer::new(verifier).optional())
        .serve_with_shutdown(address.parse()?, Example, async move {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        })
        .await?;
    Ok(())
}
