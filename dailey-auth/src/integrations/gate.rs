//! Who gets through: a verifier, and what is asked of a token. It knows no framework.

use std::sync::Arc;

use super::bearer::{self, Refusal};
use crate::error::Rejection;
use crate::verifier::{Verified, Verifier};

/// A verifier and what is asked of a token. Closed unless something opens it.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    verifier: Verifier,
    scopes: Arc<[String]>,
    presence: Presence,
}

/// Whether a request may come without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    /// A request without an `Authorization` header passes as nobody; a bad token is refused all the same.
    Optional,
}

/// A verdict that goes on with the request, so that the next gate need not reach it again. It holds for
/// gates of the very same verifier only: another one may serve other audiences.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    by: Verifier,
    token: Verified,
}

impl Gate {
    pub(super) fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            scopes: Arc::default(),
            presence: Presence::Required,
        }
    }

    pub(super) fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        let more = scopes.into_iter().map(Into::into);
        self.scopes = self.scopes.iter().cloned().chain(more).collect();
        self
    }

    pub(super) fn presence(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    /// The verdict on a request with these `Authorization` headers. `None` only where a request may
    /// come without a token and did; nobody holds a scope, so scopes always need a token.
    pub(super) async fn admit<'a>(
        &self,
        authorization: impl IntoIterator<Item = &'a [u8]>,
        before: Option<Admitted>,
    ) -> Result<Option<Admitted>, Refusal> {
        let admitted = match before {
            Some(before) if before.by.is_same(&self.verifier) => before,
            _ => match bearer::optional(authorization)? {
                Some(token) => Admitted {
                    token: self.verifier.verify(token).await?,
                    by: self.verifier.clone(),
                },
                None if self.presence == Presence::Optional && self.scopes.is_empty() => {
                    return Ok(None);
                }
                None => return Err(Rejection::TokenMissing.into()),
            },
        };
        bearer::require_scopes(&admitted.token, &self.scopes)?;
        Ok(Some(admitted))
    }
}

impl Admitted {
    pub(super) fn token(&self) -> &Verified {
        &self.token
    }
}
