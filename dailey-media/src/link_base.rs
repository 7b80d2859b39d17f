//! Where the outside finds this service: the start of every link that it gives.

use dailey_http::Problem;
use dailey_http::client::{self, TrustedProxies};
use http::{Extensions, HeaderMap, StatusCode, header};
use url::Url;

/// Longest `Host`: a name of 253 characters and a port.
const MAX_HOST_BYTES: usize = 260;

/// The origin that was configured, else what each request says: its `Host`, and https where a trusted
/// proxy says that it came so.
#[derive(Clone, Debug)]
pub(crate) struct LinkBase {
    trusted: TrustedProxies,
    configured: Option<String>,
}

impl LinkBase {
    /// `configured`: an origin without a slash at the end.
    pub(crate) fn new(trusted: TrustedProxies, configured: Option<String>) -> Self {
        Self {
            trusted,
            configured,
        }
    }

    /// Scheme, host and port, without a slash at the end.
    pub(crate) fn of(
        &self,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<String, Problem> {
        if let Some(origin) = &self.configured {
            return Ok(origin.clone());
        }
        let peer = client::peer(extensions).map(|peer| peer.ip());
        let scheme = match peer {
            Some(peer) if self.trusted.came_over_https(peer, headers) => "https",
            _ => "http",
        };
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok(),
            _ => None,
        };
        host.and_then(|host| origin(scheme, host)).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "host_invalid",
                "the Host header is not one name or address, so no link could be followed",
            )
        })
    }
}

/// Only what is a host as it stands: nothing that would make the rest of a link mean something else.
fn origin(scheme: &str, host: &str) -> Option<String> {
    let plain = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    if !plain || host.is_empty() || host.len() > MAX_HOST_BYTES {
        return None;
    }
    let url = Url::parse(&format!("{scheme}://{host}")).ok()?;
    url.has_host().then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_becomes_an_origin() {
        for (host, expected) in [
            ("media.dailey.cloud", Some("https://media.dailey.cloud")),
            ("Media.dailey.cloud:443", Some("https://media.dailey.cloud")),
            ("127.0.0.1:4100", Some("https://127.0.0.1:4100")),
            ("[::1]:4100", Some("https://[::1]:4100")),
            ("", None),
            ("a/b", None),
            ("user@a", None),
            ("a?b", None),
            ("a#b", None),
            ("a b", None),
            ("a:b", None),
            ("a:99999", None),
            ("[::1", None),
        ] {
            assert_eq!(origin("https", host).as_deref(), expected, "{host}");
        }
    }
}
