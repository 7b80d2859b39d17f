//! The verifiers of Rust that fetch a key set by themselves.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_jwt_auth::{JwtDecoder, RemoteJwksDecoder};
use dailey_auth::Verifier;
use dailey_auth::testing::ManualClock;
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use crate::rust::{Claims, axum_validation};

type Verdict = Pin<Box<dyn Future<Output = bool> + Send>>;
type Verify = Box<dyn Fn(String) -> Verdict>;

/// Live verifiers of one issuer.
pub struct Live {
    runtime: Arc<Runtime>,
    clock: ManualClock,
    verifiers: Vec<(&'static str, Verify)>,
}

impl Live {
    pub fn start(runtime: &Arc<Runtime>, url: &str, issuer: &str, audience: &str) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let clock = ManualClock::at(now.unwrap_or_default().as_secs());
        let _in_runtime = runtime.enter();
        Self {
            verifiers: vec![
                ("dailey-auth", ours(url, issuer, audience, &clock)),
                (
                    "jwt-authorizer",
                    jwt_authorizer(runtime, url, issuer, audience),
                ),
                (
                    "axum-jwt-auth",
                    axum_jwt_auth(runtime, url, issuer, audience),
                ),
            ],
            runtime: Arc::clone(runtime),
            clock,
        }
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.verifiers.iter().map(|(name, _)| *name).collect()
    }

    /// How many of the tokens are accepted.
    pub fn verify(&self, name: &str, tokens: Vec<String>, at_once: bool) -> usize {
        let (_, verify) = self
            .verifiers
            .iter()
            .find(|(other, _)| *other == name)
            .expect("a name");
        let verdicts = self.runtime.block_on(async {
            if at_once {
                let tasks = tokens.into_iter().map(|token| tokio::spawn(verify(token)));
                join_all(tasks)
                    .await
                    .into_iter()
                    .map(|done| done.unwrap_or(false))
                    .collect()
            } else {
                let mut verdicts = Vec::new();
                for token in tokens {
                    verdicts.push(verify(token).await);
                }
                verdicts
            }
        });
        verdicts.into_iter().filter(|accepted| *accepted).count()
    }

    /// Ours has a clock of its own; the others live by the preloaded one.
    pub fn shift(&self, by: Duration) {
        self.clock.advance(by);
        // What is due is done before the next question.
        let moment = Duration::from_millis(30);
        self.runtime
            .block_on(async { tokio::time::sleep(moment).await });
    }
}

fn ours(url: &str, issuer: &str, audience: &str, clock: &ManualClock) -> Verify {
    let verifier = Verifier::builder(issuer, [audience])
        .jwks_url(url)
        .allow_loopback_http()
        .clock(clock.clone())
        .build()
        .expect("a right policy");
    Box::new(move |token| {
        let verifier = verifier.clone();
        Box::pin(async move { verifier.verify(&token).await.is_ok() })
    })
}

fn jwt_authorizer(runtime: &Runtime, url: &str, issuer: &str, audience: &str) -> Verify {
    let validation = jwt_authorizer::Validation::new()
        .iss(&[issuer])
        .aud(&[audience]);
    let builder = jwt_authorizer::JwtAuthorizer::<Claims>::from_jwks_url(url);
    let authorizer = runtime.block_on(builder.validation(validation).build());
    let authorizer = Arc::new(authorizer.ok().expect("an address"));
    Box::new(move |token| {
        let authorizer = Arc::clone(&authorizer);
        Box::pin(async move { authorizer.check_auth(&token).await.is_ok() })
    })
}

fn axum_jwt_auth(runtime: &Runtime, url: &str, issuer: &str, audience: &str) -> Verify {
    let decoder = RemoteJwksDecoder::builder()
        .jwks_url(url.to_owned())
        .validation(axum_validation(issuer, &[audience.to_owned()]))
        .build()
        .expect("a decoder");
    let decoder = Arc::new(decoder);
    // Its own refresh goes on in the background until the runtime ends.
    let _ = runtime.block_on(decoder.initialize());
    Box::new(move |token| {
        let decoder = Arc::clone(&decoder);
        Box::pin(async move {
            JwtDecoder::<Claims>::decode(&*decoder, &token)
                .await
                .is_ok()
        })
    })
}
