//! Whose request it is, for routes behind something that asks that as well.

use axum::extract::FromRequestParts;
use dailey_auth::Verified;
use dailey_http::Problem;
use http::request::Parts;

use super::App;

/// The request's verified token: from whoever verified it on the way here, else verified now.
#[derive(Clone)]
pub(crate) struct Caller(pub(crate) Verified);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match parts.extensions.remove() {
            Some(caller) => Ok(caller),
            None => app.access.token(&parts.headers).await.map(Self),
        }
    }
}
