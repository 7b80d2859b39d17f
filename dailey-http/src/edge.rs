//! What production demands of the way a request came: to a host that is ours, and over https where a
//! trusted proxy says how.
//!
//! | the request | its answer |
//! | --- | --- |
//! | HTTP/1.1 without `Host`, or with several | 400 `host_invalid` (RFC 9112 3.2), everywhere |
//! | a `Host` that is not ours, or a loopback name by way of a proxy | 421 `host_unknown` |
//! | plain http by a trusted proxy, GET or HEAD | 308 to the configured origin, never to the `Host` |
//! | plain http by a trusted proxy, otherwise or without a configured origin | 403 `https_required` |

use std::net::IpAddr;
use std::str::FromStr;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use dailey_auth::Environment;
use http::uri::Authority;
use http::{HeaderValue, Method, StatusCode, Uri, Version, header};

use crate::client::{self, ForwardedProto};
use crate::cors;
use crate::problem::Problem;

/// Where the public reaches the service: an exact https origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin {
    origin: String,
    host: String,
}

impl PublicOrigin {
    /// An exact origin, as a browser would send it (`https://media.example`).
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        cors::check(text, Environment::Production)?;
        let host = Uri::from_str(text)
            .ok()
            .and_then(|uri| uri.host().map(str::to_owned))
            .ok_or("is not an origin: write it like https://media.example")?;
        Ok(Self {
            origin: text.to_owned(),
            host,
        })
    }

    /// The origin as text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.origin
    }
}

/// The rules that hold at the edge of a service.
#[derive(Clone, Debug, Default)]
pub struct Edge(Option<Production>);

#[derive(Clone, Debug)]
struct Production {
    origin: Option<PublicOrigin>,
    names: Names,
    bound: IpAddr,
}

/// Which names are ours.
#[derive(Clone, Debug)]
enum Names {
    /// The configured origin's host.
    OfOrigin,
    /// This domain and everything below it.
    Below(&'static str),
}

impl Edge {
    /// Any host, and plain http: for development.
    pub fn open() -> Self {
        Self(None)
    }

    /// The host of `origin`, to which plain http is sent. The address `bound` stands for the service, too,
    /// and loopback names for who comes directly from this machine: its own checks have no other name.
    pub fn at(origin: PublicOrigin, bound: IpAddr) -> Self {
        Self(Some(Production {
            origin: Some(origin),
            names: Names::OfOrigin,
            bound,
        }))
    }

    /// Where nobody configured an origin: every name in `domain`. Plain http is sent to `origin`;
    /// without one there is nowhere to send it to, and it is refused.
    pub fn below(domain: &'static str, origin: Option<PublicOrigin>, bound: IpAddr) -> Self {
        Self(Some(Production {
            origin,
            names: Names::Below(domain),
            bound,
        }))
    }

    /// The answer to a request that does not pass.
    pub(crate) fn refusal(&self, request: &Request, proto: ForwardedProto) -> Option<Response> {
        let host = match Host::of(request) {
            Ok(host) => host,
            Err(problem) => return Some(problem.into_response()),
        };
        let production = self.0.as_ref()?;
        if let Host::Named(host) = host
            && !production.is_ours(host.host(), || {
                client::is_direct_loopback(request.extensions(), request.headers())
            })
        {
            return Some(unknown_host().into_response());
        }
        (proto == ForwardedProto::Other).then(|| production.over_http(request))
    }
}

impl Production {
    fn is_ours(&self, host: &str, is_direct: impl FnOnce() -> bool) -> bool {
        if host.eq_ignore_ascii_case("localhost") {
            return is_direct();
        }
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            let address = address.to_canonical();
            // Bound to it or not: who comes through a proxy asks for a public name.
            if address.is_loopback() {
                return is_direct() || self.names_literally(host);
            }
            // Bound to every address, it has all of them; an address cannot be rebound as a name can.
            let ours = self.bound.is_unspecified() || address == self.bound.to_canonical();
            return ours || self.names_literally(host);
        }
        match &self.names {
            Names::OfOrigin => self.names_literally(host),
            Names::Below(domain) => {
                let host = host.to_ascii_lowercase();
                let below = host.strip_suffix(domain);
                below.is_some_and(|labels| labels.is_empty() || labels.ends_with('.'))
            }
        }
    }

    fn names_literally(&self, host: &str) -> bool {
        let origin = self.origin.as_ref();
        origin.is_some_and(|origin| origin.host.eq_ignore_ascii_case(host))
    }

    fn over_http(&self, request: &Request) -> Response {
        let safe = request.method() == Method::GET || request.method() == Method::HEAD;
        let path = request.uri().path_and_query();
        let target = self.origin.as_ref().zip(path).filter(|_| safe);
        let location = target.and_then(|(origin, path)| {
            HeaderValue::try_from(format!("{}{path}", origin.as_str())).ok()
        });
        match location {
            Some(location) => {
                let headers = [(header::LOCATION, location)];
                (StatusCode::PERMANENT_REDIRECT, headers).into_response()
            }
            // What was sent in the clear is not asked for again: a body, or a token with it.
            None => Problem::new(
                StatusCode::FORBIDDEN,
                "https_required",
                "the request came over plain http: send it over https, and take a token that it carried as stolen",
            )
            .into_response(),
        }
    }
}

/// Whom a request is for.
enum Host {
    Named(Authority),
    /// HTTP/1.0 need not say.
    Unsaid,
}

impl Host {
    /// RFC 9112 3.2: the target's authority if it has one, else the one `Host`.
    fn of(request: &Request) -> Result<Self, Problem> {
        let mut values = request.headers().get_all(header::HOST).iter();
        let named = match (values.next(), values.next()) {
            (None, _) if request.version() < Version::HTTP_11 => None,
            (Some(value), None) => {
                let named = value.to_str().ok().and_then(|text| text.parse().ok());
                // User information is no part of a host (RFC 9110 7.2).
                let named = named.filter(|host: &Authority| !host.as_str().contains('@'));
                Some(named.ok_or_else(invalid_host)?)
            }
            _ => return Err(invalid_host()),
        };
        let named = request.uri().authority().cloned().or(named);
        Ok(named.map_or(Self::Unsaid, Self::Named))
    }
}

fn invalid_host() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "host_invalid",
        "the request does not say which host it is for: send exactly one Host header",
    )
}

fn unknown_host() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "host_unknown",
        "this service does not have that host name: use its public address (operators: PUBLIC_ORIGIN or the proxy's Host)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn is_ours(edge: &Edge, host: &str) -> bool {
        edge.0.as_ref().unwrap().is_ours(host, || true)
    }

    #[test]
    fn a_name_is_ours_as_a_whole_or_not_at_all() {
        let origin = PublicOrigin::parse("https://media.dailey.cloud").unwrap();
        let at = Edge::at(origin, LOOPBACK);
        let below = Edge::below("dailey.cloud", None, LOOPBACK);
        for (host, ours_at, ours_below) in [
            ("media.dailey.cloud", true, true),
            ("MEDIA.dailey.cloud", true, true),
            ("other.dailey.cloud", false, true),
            ("dailey.cloud", false, true),
            ("media.dailey.cloud.evil.example", false, false),
            ("evildailey.cloud", false, false),
            ("media.dailey.cloud.", false, false),
            ("localhost", true, true),
            ("127.0.0.1", true, true),
            ("[::1]", true, true),
            ("203.0.113.7", false, false),
            ("localhost.evil.example", false, false),
        ] {
            assert_eq!(is_ours(&at, host), ours_at, "{host}");
            assert_eq!(is_ours(&below, host), ours_below, "{host}");
        }
        let everywhere = Edge::below("dailey.cloud", None, "0.0.0.0".parse().unwrap());
        assert!(is_ours(&everywhere, "203.0.113.7"));
        assert!(!is_ours(&everywhere, "evil.example"));
        let everywhere = everywhere.0.unwrap();
        for loopback in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(!everywhere.is_ours(loopback, || false), "{loopback}");
        }
    }

    #[test]
    fn a_public_origin_is_https_and_nothing_more_than_an_origin() {
        for refused in [
            "http://media.example",
            "https://media.example/",
            "https://media.example:443",
            "https://MEDIA.example",
            "https://user@media.example",
            "media.example",
            "*",
            "",
        ] {
            assert!(PublicOrigin::parse(refused).is_err(), "{refused}");
        }
        let origin = PublicOrigin::parse("https://media.example:8443").unwrap();
        assert_eq!(
            (origin.as_str(), &*origin.host),
            ("https://media.example:8443", "media.example")
        );
    }
}
