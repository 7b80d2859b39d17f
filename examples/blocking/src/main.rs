//! The smallest service without a runtime that verifies its tokens: threads, and `blocking::Verifier`.
//! What it does fits any server that has no integration of its own.
//!
//! ```sh
//! JWT_ISSUER=https://core.dailey.cloud CORE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff cargo run -p example-blocking
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/hello
//! ```

use std::error::Error;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use dailey_auth::bearer::{self, Refusal};
use dailey_auth::blocking::Verifier;

mod http;

/// Most connections at a time; the next one waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;

/// How often is looked whether there is a connection or a signal.
const POLL: Duration = Duration::from_millis(10);

fn route(verifier: &Verifier, request: &http::Request) -> Result<String, Refusal> {
    // Every `Authorization` header goes in: two of them are refused, and so is a bad token.
    let token = bearer::optional(request.headers("authorization"))?;
    let token = token.map(|token| verifier.verify(token)).transpose()?;
    let Some(token) = token else {
        // The one path that is open to everybody.
        return match request.path() {
            "/public" => Ok("welcome\n".to_owned()),
            _ => Err(dailey_auth::Rejection::TokenMissing.into()),
        };
    };
    let subject = token.claims().subject();
    match request.path() {
        "/public" => Ok(format!("welcome back {subject}\n")),
        "/reports" => {
            bearer::require_scopes(&token, &["reports:read"])?;
            Ok(format!("the reports of {subject}\n"))
        }
        _ => Ok(format!("hello {subject}\n")),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    // Names the environment key that is missing or wrong. No network call is waited for.
    let verifier = Verifier::from_env()?;
    let listener = TcpListener::bind(address())?;
    listener.set_nonblocking(true)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // One clone is with each thread that answers.
    let busy = Arc::new(());
    while !stop.load(Ordering::Relaxed) {
        if Arc::strong_count(&busy) > MAX_CONNECTIONS {
            thread::sleep(POLL);
            continue;
        }
        match listener.accept() {
            Ok((stream, _)) => {
                let (verifier, busy) = (verifier.clone(), Arc::clone(&busy));
                thread::Builder::new().spawn(move || {
                    // What goes wrong here went wrong at the client's end.
                    http::serve(&stream, |request| route(&verifier, request)).ok();
                    drop(busy);
                })?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(POLL),
            Err(error) => {
                tracing::warn!(%error, "accept");
                thread::sleep(POLL);
            }
        }
    }
    while Arc::strong_count(&busy) > 1 {
        thread::sleep(POLL);
    }
    Ok(())
}

/// `BIND` and `PORT`, 127.0.0.1 and 8080 without them.
fn address() -> String {
    let set = |key, default: &str| std::env::var(key).unwrap_or_else(|_| default.to_owned());
    format!("{}:{}", set("BIND", "127.0.0.1"), set("PORT", "8080"))
}
