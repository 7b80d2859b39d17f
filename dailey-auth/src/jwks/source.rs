//! Where a key set comes from, and which places are allowed.

use std::path::{Path, PathBuf};

use url::{Host, Url};

use crate::error::ConfigError;

/// Longest accepted address in bytes.
const MAX_URL_BYTES: usize = 2048;

/// A checked place of a key set.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Address(Url),
    File(PathBuf),
}

/// Whether plain http is allowed to a literal loopback address, where nobody can listen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LoopbackHttp {
    #[default]
    Refused,
    Allowed,
}

impl Source {
    pub(crate) fn address(text: &str, loopback_http: LoopbackHttp) -> Result<Self, ConfigError> {
        let refused = |problem: &str| ConfigError::new("jwks_url", problem);
        if text.len() > MAX_URL_BYTES {
            return Err(refused("give an address of at most 2048 bytes"));
        }
        // The URL parser mends what browsers mend. A setting is to be right as it stands.
        let scheme_stands = ["https://", "http://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        if !scheme_stands
            || text
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err(refused("give a full https address, without spaces"));
        }
        let url = Url::parse(text).map_err(|_| refused("give a full https address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("leave user and password out of the address"));
        }
        if url.fragment().is_some() {
            return Err(refused("leave the fragment (#…) out of the address"));
        }
        match url.scheme() {
            "https" => {}
            "http" if loopback_http == LoopbackHttp::Allowed && is_literal_loopback(&url) => {}
            "http" => {
                return Err(refused(
                    "use https: plain http is for a literal loopback address (127.0.0.1) in development only",
                ));
            }
            _ => return Err(refused("give an https address")),
        }
        Ok(Self::Address(url))
    }

    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    /// What a snapshot is bound to, beside the issuer.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Address(url) => url.to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// `localhost` is a name, and names can be made to mean something else.
fn is_literal_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_explicitly_allowed_loopback_http_are_addresses() {
        use LoopbackHttp::{Allowed, Refused};
        let verdict = |text, allowed| Source::address(text, allowed).is_ok();
        for text in [
            "https://core.example/jwks.json",
            "https://127.0.0.1:4000/x?y=1",
        ] {
            assert!(verdict(text, Refused), "{text}");
        }
        for text in [
            "http://127.0.0.1:4000/jwks",
            "http://127.9.9.9/",
            "http://[::1]:4000/",
        ] {
            assert!(verdict(text, Allowed) && !verdict(text, Refused), "{text}");
        }
        for text in [
            "http://localhost/",
            "http://core.example/",
            "http://127.0.0.1.example/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "http://10.0.0.1/",
            "file:///etc/jwks",
            "data:application/json,{}",
            "ftp://core.example/",
            "https://user@core.example/",
            "https://:pw@core.example/",
            "https://core.example/#x",
            "core.example/jwks",
            "https:core.example/jwks",
            " https://core.example/",
            "https://core.example/ ",
            "https://core.exa\tmple/",
            "https://core.example\\@evil.example/",
            "",
            "https://",
        ] {
            assert!(!verdict(text, Allowed), "{text}");
        }
    }
}
