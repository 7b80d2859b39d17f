//! The smallest axum service that verifies its tokens.
//!
//! ```sh
//! JWT_ISSUER=https://core.dailey.cloud CORE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff cargo run -p example-axum
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/hello
//! ```

use std::error::Error;

use axum::Router;
use axum::routing::get;
use dailey_auth::Verifier;
use dailey_auth::axum::{Authenticated, RequireScopes};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn app(verifier: Verifier) -> Router {
    let reports_read = RequireScopes::new(verifier.clone(), ["reports:read"]);
    Router::new()
        .route("/hello", get(hello))
        .route("/reports", get(reports).layer(reports_read))
        .route("/public", get(public))
        .with_state(verifier)
}

/// Runs for a verified token only, whatever its scopes.
async fn hello(Authenticated(token): Authenticated) -> String {
    format!("hello {}\n", token.claims().subject())
}

/// Runs for a verified token with the scope `reports:read` only: the layer at its route sees to it.
async fn reports(Authenticated(token): Authenticated) -> String {
    format!("the reports of {}\n", token.claims().subject())
}

/// Runs without a token, too. A bad one is refused all the same.
async fn public(token: Option<Authenticated>) -> String {
    match token {
        Some(Authenticated(token)) => format!("welcome back {}\n", token.claims().subject()),
        None => "welcome\n".to_owned(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    // Names the environment key that is missing or wrong. No network call is waited for.
    let verifier = Verifier::from_env()?;
    let listener = TcpListener::bind(address()).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    axum::serve(listener, app(verifier))
        .with_graceful_shutdown(async move {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        })
        .await?;
    Ok(())
}

/// `BIND` and `PORT`, 127.0.0.1 and 8080 without them.
fn address() -> String {
    let set = |key, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_owned());
    format!("{}:{}", set("BIND", "127.0.0.1"), set("PORT", "8080"))
}
