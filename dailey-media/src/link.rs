//! Links that open one object to whoever has them, until they expire. Pure: the secret, the time and
//! the request come from outside.
//!
//! ```text
//! /api/links/{key}?app=…&sub=…&expires=…[&content_type=…][&create_only=1]&signature=…
//! ```
//!
//! The signature is HMAC-SHA256 with the link secret over method, space, key, expiry and what must be
//! sent, so every replica takes it, after a restart as well. A link names the app and the subject
//! whose object it opens. It cannot be taken back but with the secret.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, HeaderValue, header};

use crate::key::{ObjectKey, Space};
use crate::storage::{LinkMethod, Location};

/// Start of every link's path.
pub(crate) const LINKS: &str = "/api/links/";

/// Everything that a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) at: Location,
    pub(crate) method: LinkMethod,
    /// Seconds since 1970 from which on it is no longer good.
    pub(crate) expires: u64,
    /// The `Content-Type` that must be sent.
    pub(crate) content_type: Option<HeaderValue>,
    /// Whether `If-None-Match: *` must be sent.
    pub(crate) create_only: bool,
}

/// Why a link does not open anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// Not as this service gave it, or for another method or key.
    Invalid,
    /// It was good until now.
    Expired,
}

impl Link {
    /// Path and query.
    pub(crate) fn write(&self, secret: &hmac::Key) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("app", self.at.space.app_id())
            .append_pair("sub", self.at.space.subject())
            .append_pair("expires", &self.expires.to_string());
        if let Some(content_type) = &self.content_type {
            query.append_pair("content_type", content_type.to_str().unwrap_or_default());
        }
        if self.create_only {
            query.append_pair("create_only", "1");
        }
        let signature = hmac::sign(secret, &self.signed());
        query.append_pair("signature", &BASE64URL_NOPAD.encode(signature.as_ref()));
        let path = percent_encode(self.at.key.as_str());
        format!("{LINKS}{path}?{}", query.finish())
    }

    /// The link that a request with this method, key and query follows. Of one that is not authentic
    /// nothing is told, not even that it has expired.
    pub(crate) fn read(
        secret: &hmac::Key,
        method: LinkMethod,
        key: ObjectKey,
        query: &str,
        now: u64,
    ) -> Result<Self, LinkError> {
        let (link, signature) = Self::parse(method, key, query).ok_or(LinkError::Invalid)?;
        hmac::verify(secret, &link.signed(), &signature).map_err(|_| LinkError::Invalid)?;
        if now < link.expires {
            Ok(link)
        } else {
            Err(LinkError::Expired)
        }
    }

    fn parse(method: LinkMethod, key: ObjectKey, query: &str) -> Option<(Self, Vec<u8>)> {
        let (mut app, mut sub, mut expires) = (None, None, None);
        let (mut content_type, mut create_only) = (None, None);
        let (mut signature, mut download) = (None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "app" => &mut app,
                "sub" => &mut sub,
                "expires" => &mut expires,
                "content_type" => &mut content_type,
                "create_only" => &mut create_only,
                "signature" => &mut signature,
                // How a browser keeps what it reads is for whoever reads to say.
                "download" if method == LinkMethod::Get => &mut download,
                _ => return None,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        let expires = expires?;
        let seconds: u64 = expires.parse().ok()?;
        if seconds.to_string() != expires {
            return None;
        }
        let content_type = match content_type {
            None => None,
            Some(text) => Some(HeaderValue::try_from(text).ok()?),
        };
        let link = Self {
            at: Location {
                space: Space::new(app?, sub?),
                key,
            },
            method,
            expires: seconds,
            content_type,
            create_only: match create_only.as_deref() {
                None => false,
                Some("1") => true,
                Some(_) => return None,
            },
        };
        let signature = BASE64URL_NOPAD.decode(signature?.as_bytes()).ok()?;
        Some((link, signature))
    }

    /// Whether the request sends what the link lays down.
    pub(crate) fn is_followed_by(&self, headers: &HeaderMap) -> bool {
        let sends = |name, value: &HeaderValue| {
            let mut sent = headers.get_all(name).iter();
            sent.next() == Some(value) && sent.next().is_none()
        };
        let typed = self.content_type.as_ref();
        typed.is_none_or(|value| sends(header::CONTENT_TYPE, value))
            && (!self.create_only || sends(header::IF_NONE_MATCH, &HeaderValue::from_static("*")))
    }

    /// Each part with its length before it, so that no two links give the same bytes.
    fn signed(&self) -> Vec<u8> {
        let content_type = self.content_type.as_ref().map(HeaderValue::as_bytes);
        let (has_type, creates) = (content_type.is_some(), self.create_only);
        let mut bytes = b"dailey-media link 1".to_vec();
        for part in [
            self.method.as_str().as_bytes(),
            self.at.space.app_id().as_bytes(),
            self.at.space.subject().as_bytes(),
            self.at.key.as_str().as_bytes(),
            &self.expires.to_be_bytes(),
            &[u8::from(has_type), u8::from(creates)],
            content_type.unwrap_or_default(),
        ] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }
}

/// Everything but what stands for itself in a path, and the slashes.
fn percent_encode(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    fn link() -> Link {
        Link {
            at: Location {
                space: Space::new("app", "ada"),
                key: key("a/b é&?#%+;=.png"),
            },
            method: LinkMethod::Put,
            expires: 1000,
            content_type: Some(HeaderValue::from_static("text/plain; charset=utf-8")),
            create_only: true,
        }
    }

    fn split(text: &str) -> (ObjectKey, String) {
        let (path, query) = text.strip_prefix(LINKS).unwrap().split_once('?').unwrap();
        (ObjectKey::from_path(path).unwrap(), query.to_owned())
    }

    #[test]
    fn a_link_is_good_until_its_last_second_and_then_no_more() {
        let (key, query) = split(&link().write(&secret(1)));
        let read = |now| Link::read(&secret(1), LinkMethod::Put, key.clone(), &query, now);
        assert_eq!(read(0), Ok(link()));
        assert_eq!(read(999), Ok(link()));
        assert_eq!(read(1000), Err(LinkError::Expired));
    }

    #[test]
    fn nothing_of_a_link_can_be_changed() {
        let (good, query) = split(&link().write(&secret(1)));
        let read = |secret: &hmac::Key, method, key: &ObjectKey, query: &str| {
            Link::read(secret, method, key.clone(), query, 0)
        };
        let put = LinkMethod::Put;
        assert!(read(&secret(1), put, &good, &query).is_ok());
        for other in [
            read(&secret(2), put, &good, &query),
            read(&secret(1), LinkMethod::Get, &good, &query),
            read(&secret(1), put, &key("a/b"), &query),
        ] {
            assert_eq!(other, Err(LinkError::Invalid));
        }
        // Each character in turn: none of them is idle.
        for at in 0..query.len() {
            let mut bytes = query.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let same = url::form_urlencoded::parse(changed.as_bytes())
                .eq(url::form_urlencoded::parse(query.as_bytes()));
            let read = read(&secret(1), put, &good, &changed);
            assert!(same || read == Err(LinkError::Invalid), "{changed}");
        }
        for changed in [
            query.replace("&create_only=1", ""),
            query.replace("create_only=1", "create_only=0"),
            format!("{query}&create_only=1"),
            format!("{query}&download"),
            format!("{query}&x=1"),
            query.replace("expires=1000", "expires=%2B1000"),
            query.replace("expires=1000", "expires=9999"),
            query.replace("expires=1000", "expires=99999999999999999999999"),
            query.replace("signature=", "signature=A"),
            String::new(),
        ] {
            let read = read(&secret(1), put, &good, &changed);
            assert_eq!(read, Err(LinkError::Invalid), "{changed}");
        }
    }

    #[test]
    fn what_was_laid_down_must_be_sent() {
        for (pairs, followed) in [
            (
                &[
                    ("content-type", "text/plain; charset=utf-8"),
                    ("if-none-match", "*"),
                ][..],
                true,
            ),
            (
                &[("content-type", "text/plain"), ("if-none-match", "*")],
                false,
            ),
            (&[("content-type", "text/plain; charset=utf-8")], false),
            (
                &[
                    ("content-type", "text/plain; charset=utf-8"),
                    ("if-none-match", "\"a\""),
                ],
                false,
            ),
            (&[("if-none-match", "*")], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(link().is_followed_by(&headers), followed, "{pairs:?}");
        }
    }
}
