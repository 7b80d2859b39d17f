//! CORS (Fetch, "CORS protocol"): exact origins, preflights answered before authentication, and
//! never credentials: a browser sends its token in `Authorization`, not in a cookie.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use dailey_auth::Environment;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::problem::Problem;

/// Most origins in an allow list. More are a sign of a list nobody reviews.
pub const MAX_ORIGINS: usize = 32;

/// How long a browser may keep a preflight's answer, in seconds. Chromium's own cap is two hours.
const PREFLIGHT_MAX_AGE_SECONDS: u32 = 600;

/// Longest `Access-Control-Request-Headers` that is read, in bytes.
const MAX_REQUESTED_HEADERS_BYTES: usize = 2 * 1024;

/// An allow list of exact origins (RFC 6454 6.2: scheme, host, port that is not the default).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Arc<HashSet<String>>);

impl Origins {
    /// Nobody: no response gets a CORS header.
    pub fn none() -> Self {
        Self::default()
    }

    /// Comma-separated exact origins, as a browser would send them.
    ///
    /// Refused: `*`, `null`, anything after the host and port (a trailing slash too), upper case,
    /// a default port, duplicates, more than [`MAX_ORIGINS`], and in production `http`.
    ///
    /// # Errors
    /// What is wrong with the first bad entry, without repeating it.
    pub fn parse(text: &str, environment: Environment) -> Result<Self, &'static str> {
        let mut origins = HashSet::new();
        for entry in text.split(',').map(str::trim) {
            check(entry, environment)?;
            if !origins.insert(entry.to_owned()) {
                return Err("an origin stands there twice: remove one");
            }
        }
        if origins.len() > MAX_ORIGINS {
            return Err("has more than 32 origins: keep those that are in use");
        }
        Ok(Self(Arc::new(origins)))
    }

    /// Whether `origin` is in the list, byte for byte.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.contains(origin)
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is wrong with an entry that is not an exact origin.
pub(crate) fn check(entry: &str, environment: Environment) -> Result<(), &'static str> {
    let (scheme, authority) = match entry {
        "" => return Err("has an empty entry: remove the comma"),
        "*" => return Err("`*` would let every site in: list the origins"),
        "null" => return Err("`null` is every sandboxed page: list the origins"),
        _ => entry
            .split_once("://")
            .ok_or("an entry is not an origin: write it like https://app.example")?,
    };
    let default_port = match (scheme, environment) {
        ("https", _) => ":443",
        ("http", Environment::Development) => ":80",
        ("http", _) => return Err("an http origin is refused in production: use https"),
        _ => return Err("an origin's scheme is not https"),
    };
    if authority.contains(['/', '?', '#', '@', '\\']) {
        return Err(
            "an origin ends after host and port: remove path, trailing slash, query and user",
        );
    }
    if authority.ends_with(default_port) {
        return Err("browsers leave the scheme's default port out of an origin: remove it");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| {
        port.starts_with('0') || port.starts_with('+') || port.parse::<u16>().is_err()
    }) {
        return Err("an origin's port is not a number from 1 to 65535");
    }
    let literal_v6 = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    let name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && !host.split('.').any(str::is_empty);
    if name || literal_v6 {
        Ok(())
    } else {
        Err(
            "an origin's host is not a lower-case name or address as browsers write it (no wildcard, no upper case; punycode for other letters)",
        )
    }
}

/// What a service allows to the origins in its list.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    methods: &'static str,
    request_headers: &'static [&'static str],
    request_header_prefix: Option<&'static str>,
}

impl Cors {
    /// `Authorization` and `Content-Type` on GET, HEAD, POST, PUT, PATCH and DELETE.
    pub fn new(origins: Origins) -> Self {
        Self {
            origins,
            methods: "GET, HEAD, POST, PUT, PATCH, DELETE",
            request_headers: &["authorization", "content-type"],
            request_header_prefix: None,
        }
    }

    /// The request headers (lower case) that a page may send, in place of the default two.
    #[must_use]
    pub fn request_headers(mut self, names: &'static [&'static str]) -> Self {
        self.request_headers = names;
        self
    }

    /// Also every request header whose name starts with `prefix` (lower case), such as `x-meta-`.
    #[must_use]
    pub fn request_header_prefix(mut self, prefix: &'static str) -> Self {
        self.request_header_prefix = Some(prefix);
        self
    }

    /// The answer to a preflight; `None` for every other request.
    pub(crate) fn preflight(&self, request: &Request) -> Option<Response> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ORIGIN)
            && request
                .headers()
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        if self.allowed(request.headers()).is_none() {
            return Some(
                Problem::new(
                    StatusCode::FORBIDDEN,
                    "origin_not_allowed",
                    "pages of this origin may not call this service; the operator lists the origins that may",
                )
                .into_response(),
            );
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(self.methods),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            self.allow_headers(request.headers()),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            PREFLIGHT_MAX_AGE_SECONDS.into(),
        );
        Some(response)
    }

    /// Adds what an answer to `request` says about CORS, errors included: a page must be able to
    /// read why it was refused.
    pub(crate) fn complete(&self, allowed: Option<&HeaderValue>, response: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        // On every answer, also to requests without an origin: caches must keep them apart.
        let varies = response
            .get_all(header::VARY)
            .iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"origin"));
        if !varies {
            response.append(header::VARY, HeaderValue::from_name(header::ORIGIN));
        }
        if let Some(origin) = allowed {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            // `*` is every response header, and right without credentials: Fetch 3.2.5.
            response.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("*"),
            );
        }
    }

    /// The request's one `Origin`, when it is in the list.
    pub(crate) fn allowed<'h>(&self, request: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let mut values = request.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (values.next(), values.next()) else {
            return None;
        };
        origin
            .to_str()
            .is_ok_and(|text| self.origins.contains(text))
            .then_some(origin)
    }

    /// The list, and of the headers that were asked for, those that start with the prefix.
    fn allow_headers(&self, request: &HeaderMap) -> HeaderValue {
        let asked = request
            .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
            .and_then(|value| value.to_str().ok())
            .filter(|text| text.len() <= MAX_REQUESTED_HEADERS_BYTES)
            .unwrap_or_default();
        let prefixed = asked
            .split(',')
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| {
                self.request_header_prefix
                    .is_some_and(|prefix| name.starts_with(prefix))
            })
            .filter(|name| HeaderName::from_bytes(name.as_bytes()).is_ok());
        let names: Vec<String> = self
            .request_headers
            .iter()
            .map(|name| (*name).to_owned())
            .chain(prefixed)
            .collect();
        HeaderValue::from_str(&names.join(", ")).expect("header names are visible ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_origins_as_browsers_send_them_are_accepted() {
        for accepted in [
            "https://app.dailey.cloud",
            "https://app.dailey.cloud:8443, https://b.dailey.cloud",
            "https://[2001:db8::1]:8443",
        ] {
            assert!(
                Origins::parse(accepted, Environment::Production).is_ok(),
                "{accepted}"
            );
        }
        for refused in [
            "",
            "*",
            "null",
            "https://*.dailey.cloud",
            "https://app.dailey.cloud/",
            "https://app.dailey.cloud/path",
            "https://App.dailey.cloud",
            "https://app.dailey.cloud:443",
            "https://app.dailey.cloud:0",
            "https://app.dailey.cloud:99999",
            "https://user@app.dailey.cloud",
            "https://app..cloud",
            "https://",
            "https://:8443",
            "app.dailey.cloud",
            "ftp://app.dailey.cloud",
            "http://app.dailey.cloud",
            "https://a.example,https://a.example",
            "https://a.example,",
        ] {
            assert!(
                Origins::parse(refused, Environment::Production).is_err(),
                "{refused}"
            );
        }
        assert!(Origins::parse("http://127.0.0.1:5173", Environment::Development).is_ok());
        let many = |count: usize| {
            (0..count)
                .map(|n| format!("https://a{n}.example"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert!(Origins::parse(&many(32), Environment::Production).is_ok());
        assert!(Origins::parse(&many(33), Environment::Production).is_err());
    }
}
