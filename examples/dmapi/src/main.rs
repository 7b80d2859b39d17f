//! The smallest DMAPI to copy: objects over HTTP, each user's apart by the claims of their token.
//!
//! ```sh
//! JWT_ISSUER=https://core.dailey.cloud CORE_APP_ID=6f9619ff-8b86-4d01-b42d-00cf4fc964ff cargo run -p example-dmapi
//! curl -H "Authorization: Bearer $TOKEN" -T cat.png http://127.0.0.1:4100/api/media/cat.png
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, get};
use dailey_auth::axum::{Authenticated, RequireScopes};
use dailey_auth::{Verifier, VerifierSettings};
use dailey_http::settings::{self, process_environment};
use dailey_http::{Problem, Stack, listen, logs, metrics::Metrics, signals};
use dailey_media::storage::local::LocalStorage;
use dailey_media::storage::{Commit, Committed, Location, Storage, StorageError, Target};
use dailey_media::{Description, ObjectKey, Space};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

/// Largest object.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Longest upload.
const MAX_UPLOAD: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct App {
    verifier: Verifier,
    storage: LocalStorage,
    audience: String,
}

/// Where the extractor of `dailey_auth` finds the verifier.
impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

fn routes(app: App, metrics: &Metrics) -> Router {
    let may = |scope: &str| RequireScopes::new(app.verifier.clone(), [scope]);
    let objects = get(read)
        .layer(may("media:read"))
        .merge(routing::put(put).layer(may("media:write")));
    Router::new()
        .route("/api/media/{*key}", objects)
        .route("/api/auth/validate", get(validate))
        .route("/health/live", get(|| async { "ok\n" }))
        .route("/metrics", metrics.route())
        .with_state(app)
}

/// The object that a request means: the space from the token's claims, the key from the path.
struct Own(Location);

impl FromRequestParts<App> for Own {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Authenticated(token) = Authenticated::from_request_parts(parts, app)
            .await
            .map_err(IntoResponse::into_response)?;
        let raw = parts.uri.path().strip_prefix("/api/media/");
        let key = ObjectKey::from_path(raw.unwrap_or_default())
            .map_err(|error| refused("key_invalid", error.to_string()).into_response())?;
        let space = Space::new(&app.audience, token.claims().subject());
        Ok(Self(Location { space, key }))
    }
}

async fn validate(Authenticated(token): Authenticated) -> String {
    format!("{}\n", token.claims().subject())
}

async fn read(State(app): State<App>, Own(at): Own) -> Result<Response, Problem> {
    let opened = app
        .storage
        .open(&at)
        .await
        .map_err(failed)?
        .ok_or_else(absent)?;
    // With the policy that keeps an uploaded page or script from acting in a browser.
    let mut headers = opened.object.headers(&at.key);
    headers.insert(header::CONTENT_LENGTH, opened.object.size.into());
    let body = opened.whole().await.map_err(failed)?;
    Ok((headers, body).into_response())
}

async fn put(
    State(app): State<App>,
    Own(at): Own,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let description = Description::read(&headers)
        .map_err(|error| refused("description_invalid", error.to_string()))?;
    let target = Target { at, description };
    let mut upload = app.storage.upload(target).await.map_err(failed)?;
    let receive = async {
        let mut body = Limited::new(body, MAX_BYTES);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::body_too_large(MAX_BYTES as u64))?;
            if let Ok(bytes) = frame.into_data() {
                upload.write(bytes).await.map_err(failed)?;
            }
        }
        Ok::<(), Problem>(())
    };
    let too_slow = |_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "send it again",
        )
    };
    timeout(MAX_UPLOAD, receive).await.map_err(too_slow)??;
    match upload.commit(Commit::default()).await.map_err(failed)? {
        Committed::Stored { .. } => Ok(StatusCode::NO_CONTENT),
        _ => Err(Problem::internal()),
    }
}

fn refused(code: &'static str, why: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, why)
}

fn absent() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "object_not_found", "there is none")
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
fn failed(error: StorageError) -> Problem {
    tracing::error!(%error, "the storage failed");
    Problem::unavailable("storage_unavailable", "try again", 5)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let lookup = &process_environment;
    let verifying = VerifierSettings::from_lookup(lookup)?;
    logs::init(verifying.environment(), lookup)?;
    // With several, a token may be for two of them, and then whose objects it means is not clear.
    let [app_id] = verifying.audiences() else {
        return Err("set CORE_APP_ID to one app id".into());
    };
    let app = App {
        verifier: verifying.builder().build()?,
        storage: LocalStorage::open("data")?,
        audience: app_id.clone(),
    };
    let mut terminations = signals::terminations()?;
    let address = (settings::bind(lookup)?, settings::port(lookup, 4100)?).into();
    let listener = listen::bind(address).await?;
    tracing::info!(%address, "listening");
    let metrics = Metrics::new();
    let routes = Stack::new(metrics.clone()).around(routes(app, &metrics));
    listen::serve(
        listener,
        routes,
        listen::Limits::default(),
        terminations.next(),
    )
    .await;
    Ok(())
}
