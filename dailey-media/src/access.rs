//! From a request's token to what it may do: the one place where space and scope are decided.

use std::collections::BTreeSet;

use dailey_auth::{Verified, Verifier, VerifyError, bearer};
use dailey_http::{Problem, request_id};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::key::Space;
use crate::pseudonym::Pseudonyms;
use crate::rate::RateLimits;

/// What a route needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Read,
    Write,
    /// More bytes for an upload that was begun with [`Scope::Write`].
    Append,
    /// How far an upload is: for who may write as well as for who may read.
    Progress,
}

impl Scope {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read | Self::Progress => "media:read",
            Self::Write | Self::Append => "media:write",
        }
    }

    /// Whether the token has it.
    pub(crate) fn is_in(self, token: &Verified) -> bool {
        token.has_scope(self.as_str())
            || (self == Self::Progress && token.has_scope(Self::Write.as_str()))
    }
}

/// Seconds after which a client may ask again when no verdict was possible.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Verifies tokens and knows which audiences are ours.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    verifier: Verifier,
    audiences: BTreeSet<String>,
    limits: RateLimits,
    pseudonyms: Pseudonyms,
}

impl Access {
    pub(crate) fn new(
        verifier: Verifier,
        audiences: impl IntoIterator<Item = String>,
        limits: RateLimits,
        pseudonyms: Pseudonyms,
    ) -> Self {
        Self {
            verifier,
            audiences: audiences.into_iter().collect(),
            limits,
            pseudonyms,
        }
    }

    pub(crate) fn limits(&self) -> &RateLimits {
        &self.limits
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The request's verified token. It stands in the one `Authorization` header and nowhere else.
    pub(crate) async fn verify(&self, headers: &HeaderMap) -> Result<Verified, VerifyError> {
        let authorization = headers.get_all(header::AUTHORIZATION).iter();
        let token = bearer::required(authorization.map(HeaderValue::as_bytes))?;
        let verified = self.verifier.verify(token).await?;
        request_id::made_by(self.pseudonyms.of(verified.claims()));
        Ok(verified)
    }

    /// The space that the request's token opens, if it has the scope.
    pub(crate) async fn space(&self, headers: &HeaderMap, scope: Scope) -> Result<Space, Problem> {
        self.open(&self.token(headers).await?, scope)
    }

    /// The request's verified token, whatever it is good for.
    pub(crate) async fn token(&self, headers: &HeaderMap) -> Result<Verified, Problem> {
        match self.verify(headers).await {
            Ok(token) => Ok(token),
            Err(error) => {
                // That nobody can say is not the client's fault.
                if matches!(error, VerifyError::Rejected(_)) {
                    self.limits.stranger()?;
                }
                Err(refused(error))
            }
        }
    }

    /// Whether this app's objects are served here.
    pub(crate) fn knows_app(&self, app_id: &str) -> bool {
        self.audiences.contains(app_id)
    }

    /// The space that the token opens, if it has the scope. What is refused counts as well: to find out
    /// has cost as much.
    pub(crate) fn open(&self, token: &Verified, scope: Scope) -> Result<Space, Problem> {
        let space = self.whose(token)?;
        self.limits.subject(&space, scope)?;
        if !scope.is_in(token) {
            return Err(insufficient(scope));
        }
        Ok(space)
    }

    /// The space that the token is about, whatever it may do there.
    pub(crate) fn whose(&self, token: &Verified) -> Result<Space, Problem> {
        let claims = token.claims();
        let ours: BTreeSet<&str> = claims
            .audiences()
            .filter(|audience| self.audiences.contains(*audience))
            .collect();
        let mut ours = ours.into_iter();
        if let (Some(app_id), None) = (ours.next(), ours.next()) {
            return Ok(Space::new(app_id, claims.subject()));
        }
        self.limits.stranger()?;
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "audience_ambiguous",
            "the token is for more than one app of this service, so whose objects it means cannot be told: \
             ask for a token with one audience",
        ))
    }
}

/// The answer to a token that did not get through.
pub(crate) fn refused(error: VerifyError) -> Problem {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut problem = Problem::new(status, error.code(), error.to_string());
    if let Some(claim) = error.claim() {
        problem = problem.with("claim", claim);
    }
    match error.www_authenticate().map(HeaderValue::try_from) {
        Some(Ok(challenge)) => problem.header(header::WWW_AUTHENTICATE, challenge),
        _ => problem.header(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into()),
    }
}

/// RFC 6750 3.1.
fn insufficient(scope: Scope) -> Problem {
    let scope = scope.as_str();
    let challenge = HeaderValue::try_from(format!(
        "Bearer error=\"insufficient_scope\", scope=\"{scope}\""
    ))
    .expect("scopes are plain ASCII constants");
    Problem::new(
        StatusCode::FORBIDDEN,
        "insufficient_scope",
        format!("the token lacks the scope {scope}: ask for a token that has it"),
    )
    .with("scope", scope)
    .header(header::WWW_AUTHENTICATE, challenge)
}
