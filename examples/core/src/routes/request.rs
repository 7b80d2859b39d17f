//! Who asks, and how failures of the store are told.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use dailey_http::Problem;
use dailey_http::client::ClientAddress;
use dailey_http::request_id;
use http::StatusCode;
use http::request::Parts;
use uuid::Uuid;

use crate::store::{Context, StoreError};

/// The request as the audit sees it, and what its login attempts are counted under.
pub(super) struct Caller {
    pub(super) context: Context,
    pub(super) network: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let address = parts
            .extensions
            .get::<ClientAddress>()
            .map(|address| address.0.to_canonical());
        let context = Context {
            address: address.map(|address| address.to_string()),
            request_id: request_id::current().map(|id| id.as_str().to_owned()),
            actor: None,
        };
        Ok(Self {
            context,
            network: network(address),
        })
    }
}

/// An IPv4 address, or the /64 of an IPv6 one: that much belongs to one subscriber.
fn network(address: Option<IpAddr>) -> String {
    match address {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// An id as Core writes them. Other spellings of the same number are other texts.
pub(super) fn parse_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    text.eq_ignore_ascii_case(&id.hyphenated().to_string())
        .then_some(id)
}

/// A failure of the store as an answer.
pub(super) fn problem(error: &StoreError) -> Problem {
    match error {
        StoreError::NameTaken => {
            Problem::new(StatusCode::CONFLICT, "name_taken", error.to_string())
        }
        StoreError::EmailTaken => {
            Problem::new(StatusCode::CONFLICT, "email_taken", error.to_string())
        }
        StoreError::NoSuchApp => {
            Problem::new(StatusCode::NOT_FOUND, "app_unknown", error.to_string())
        }
        StoreError::NoSuchUser => {
            Problem::new(StatusCode::NOT_FOUND, "user_unknown", error.to_string())
        }
        StoreError::CoreApp => Problem::new(
            StatusCode::CONFLICT,
            "core_app_protected",
            error.to_string(),
        ),
        StoreError::Busy => Problem::unavailable("database_busy", error.to_string(), 2),
        StoreError::TooNew { .. } | StoreError::Failed(_) | StoreError::Unreachable(_) => {
            tracing::error!(%error, "the database failed");
            Problem::unavailable(
                "database_unavailable",
                "the database does not answer; try again in a few seconds",
                5,
            )
        }
    }
}

/// A failure to sign as an answer.
pub(super) fn signing_failed(error: crate::token::SigningFailed) -> Problem {
    tracing::error!(%error, "a token could not be signed");
    Problem::internal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_subscriber_is_one_network() {
        let network = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    #[test]
    fn an_id_has_one_form() {
        let id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
        assert!(parse_id(id).is_some());
        assert!(parse_id(&id.replace('-', "")).is_none());
        assert!(parse_id(&format!("{{{id}}}")).is_none());
        assert!(parse_id(&format!("urn:uuid:{id}")).is_none());
    }
}
