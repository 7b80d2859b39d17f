//! What comes out of a verification, and only out of one.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::policy::seconds_since_epoch;
use crate::token::{Claims, Header};

/// A token whose signature, type, issuer, audience and times are right.
///
/// It can only be had from [`Verifier`](crate::Verifier), so a function that takes one needs no
/// check of its own. Owned; [`Debug`](std::fmt::Debug) shows nothing of the token.
#[derive(Debug, Clone)]
pub struct Verified {
    claims: Claims,
    verified_at: SystemTime,
}

impl Verified {
    pub(crate) fn new(claims: Claims, verified_at: SystemTime) -> Self {
        Self {
            claims,
            verified_at,
        }
    }

    pub(super) fn verified_at(&self) -> SystemTime {
        self.verified_at
    }

    /// The registered claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The header: which key signed, which type was said.
    pub fn header(&self) -> Header<'_> {
        self.claims.header()
    }

    /// All claims as a type of one's own.
    ///
    /// # Errors
    ///
    /// When the claims do not fit the type. A claim that the type leaves out is not looked at; a
    /// number that no `f64` holds (`1e400`, which RFC 8259 section 6 allows) fits no type.
    pub fn claims_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.claims.json())
    }

    /// Whether `scope` is one of the granted scopes (RFC 6749 section 3.3: compared exactly,
    /// case included). Nothing and texts with spaces are never granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        let granted = self.claims.scope().unwrap_or_default();
        !scope.is_empty() && granted.split(' ').any(|one| one == scope)
    }

    /// How long the token is still valid, counted from its verification and without leeway; zero
    /// when only the leeway kept it alive.
    pub fn expires_in(&self) -> Duration {
        let left = self.claims.expires_at().as_secs_f64() - seconds_since_epoch(self.verified_at);
        Duration::try_from_secs_f64(left).unwrap_or_default()
    }
}
