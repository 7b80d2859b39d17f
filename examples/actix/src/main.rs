//! The smallest Actix Web service that verifies its tokens.
//!
//! ```sh
//! JWT_ISSUER=https://core.dailey.cloud CORE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff cargo run -p example-actix
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/hello
//! ```

use std::error::Error;

use actix_web::{App, HttpServer, rt, web};
use dailey_auth::Verifier;
use dailey_auth::actix::{Authenticated, MaybeAuthenticated, RequireScopes};

fn routes(config: &mut web::ServiceConfig, verifier: Verifier) {
    let reports_read = RequireScopes::new(verifier.clone(), ["reports:read"]);
    config
        .app_data(web::Data::new(verifier))
        .route("/hello", web::get().to(hello))
        .route("/reports", web::get().to(reports).wrap(reports_read))
        .route("/public", web::get().to(public));
}

/// Runs for a verified token only, whatever its scopes.
async fn hello(Authenticated(token): Authenticated) -> String {
    format!("hello {}\n", token.claims().subject())
}

/// Runs for a verified token with the scope `reports:read` only: the middleware at its route sees to it.
async fn reports(Authenticated(token): Authenticated) -> String {
    format!("the reports of {}\n", token.claims().subject())
}

/// Runs without a token, too. A bad one is refused all the same.
async fn public(MaybeAuthenticated(token): MaybeAuthenticated) -> String {
    match token {
        Some(token) => format!("welcome back {}\n", token.claims().subject()),
        None => "welcome\n".to_owned(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    rt::System::new().block_on(async {
        // Names the environment key that is missing or wrong. No network call is waited for.
        let verifier = Verifier::from_env()?;
        // All workers share this one verifier and its key set.
        let app = move || App::new().configure(|config| routes(config, verifier.clone()));
        let server = HttpServer::new(app).shutdown_timeout(5).bind(address())?;
        tracing::info!(address = ?server.addrs(), "listening");
        // Ends in order at SIGTERM and SIGINT.
        server.run().await?;
        Ok(())
    })
}

/// `BIND` and `PORT`, 127.0.0.1 and 8080 without them.
fn address() -> String {
    let set = |key, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_owned());
    format!("{}:{}", set("BIND", "127.0.0.1"), set("PORT", "8080"))
}
