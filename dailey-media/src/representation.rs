//! How an object looks on the wire: its headers, and what keeps its bytes from acting.
//!
//! The same path answers another subject with another object, so no shared cache may keep it and
//! every cache must tell tokens apart.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::description::META_PREFIX;
use crate::digest::REPR_DIGEST;
use crate::key::ObjectKey;
use crate::storage::Object;

/// What bytes of any type may do when a browser renders them: play and be styled, nothing else.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
);

/// Chromium's viewer does not run under `sandbox`.
const PDF: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
);

/// For objects whose uploader said nothing: kept, but asked for each time.
const DEFAULT_CACHE_CONTROL: &str = "no-cache";

/// What the request says about saving: `?download` or `?download=name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Download {
    AsStored,
    Saved { name: Option<String> },
}

impl Download {
    /// From a request's query; other parameters mean nothing here.
    pub(crate) fn from_query(query: Option<&str>) -> Self {
        let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        match pairs.find(|(name, _)| name == "download") {
            None => Self::AsStored,
            Some((_, name)) => Self::Saved {
                name: Some(name.into_owned()).filter(|name| name.chars().any(is_of_name)),
            },
        }
    }
}

/// What tells an object's state and how to ask for it: in every answer about one that is there. In a
/// refusal, too, all of it is the object's, also the digest, which RFC 9530 (appendix B) would have of the
/// problem: who was refused learns by it what is there now.
pub(crate) fn state_headers(object: &Object) -> [(HeaderName, HeaderValue); 4] {
    let modified = httpdate::fmt_http_date(object.modified());
    [
        (header::ETAG, ascii(&object.validators().etag)),
        (header::LAST_MODIFIED, ascii(&modified)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (REPR_DIGEST, ascii(&object.sha256.to_field())),
    ]
}

/// Enough for all headers of an answer, so that their map never grows.
const MANY: usize = 40;

/// Headers of 200, 206 and 304 alike.
pub(crate) fn cache_headers(object: &Object) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(MANY);
    headers.extend(state_headers(object));
    headers.insert(
        header::CACHE_CONTROL,
        ascii(&cache_control(object.description.cache_control.as_deref())),
    );
    headers.append(header::VARY, HeaderValue::from_static("Authorization"));
    // In a 304, too: a cache writes its headers over those that it has (RFC 9111 4.3.4), and the ones of
    // an API would take the sandbox off and shut sibling hosts out.
    let policy = match Safety::of(&object.description.content_type) {
        Safety::Pdf => PDF,
        Safety::Passive | Safety::Active => SANDBOX,
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // Front ends on sibling hosts embed media.
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-site"),
    );
    headers
}

/// All headers of an object but those of its length and range.
pub(crate) fn headers(key: &ObjectKey, object: &Object, download: &Download) -> HeaderMap {
    let description = &object.description;
    let mut headers = cache_headers(object);
    headers.insert(header::CONTENT_TYPE, ascii(&description.content_type));
    for (name, value) in &description.meta {
        if let Ok(name) = HeaderName::try_from(format!("{META_PREFIX}{name}")) {
            headers.insert(name, ascii(value));
        }
    }
    let safety = Safety::of(&description.content_type);
    if let Some(value) = disposition(
        key,
        description.content_disposition.as_deref(),
        safety,
        download,
    ) {
        headers.insert(header::CONTENT_DISPOSITION, ascii(&value));
    }
    headers
}

/// Whether a browser may show a type in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Safety {
    /// Pictures, sound, film, plain text: nothing in them runs.
    Passive,
    Pdf,
    /// HTML, SVG, XML, scripts, and whatever is not known to be passive.
    Active,
}

impl Safety {
    fn of(content_type: &str) -> Self {
        let essence = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif"
            | "image/apng" | "image/heic" | "image/bmp" | "text/plain" => Self::Passive,
            "application/pdf" => Self::Pdf,
            // `audio/…+xml` would be XML.
            media
                if (media.starts_with("audio/") || media.starts_with("video/"))
                    && !media.contains("xml") =>
            {
                Self::Passive
            }
            _ => Self::Active,
        }
    }
}

fn disposition(
    key: &ObjectKey,
    stored: Option<&str>,
    safety: Safety,
    download: &Download,
) -> Option<String> {
    if let Download::Saved { name } = download {
        return Some(attachment(name.as_deref().unwrap_or(key.file_name())));
    }
    match (stored, safety) {
        (Some(stored), Safety::Active) => {
            let parameters = stored.find(';').map_or("", |at| &stored[at..]);
            Some(format!("attachment{parameters}"))
        }
        (stored, Safety::Passive | Safety::Pdf) => stored.map(str::to_owned),
        (None, Safety::Active) => Some(attachment(key.file_name())),
    }
}

fn attachment(name: &str) -> String {
    named("attachment", name)
}

/// A name, never a path: what a browser would cut off is not sent.
fn is_of_name(c: char) -> bool {
    !c.is_control() && !matches!(c, '/' | '\\')
}

/// RFC 6266 4.3: a plain form that every client reads, and the exact one (RFC 8187).
pub(crate) fn named(kind: &str, name: &str) -> String {
    let name: String = name.chars().filter(|c| is_of_name(*c)).take(255).collect();
    let plain: String = name
        .chars()
        .map(|c| {
            if c == ' ' || (c.is_ascii_graphic() && !matches!(c, '"' | '%')) {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut exact = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            exact.push('%');
            exact.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

/// The stored directives, but private and untouched on the way: a cache that serves many would
/// give one subject's object to another, and a proxy that compresses weakens the entity tag.
fn cache_control(stored: Option<&str>) -> String {
    let stored = stored.unwrap_or(DEFAULT_CACHE_CONTROL);
    let kept = stored.split(',').map(str::trim).filter(|directive| {
        let name = directive.split('=').next().unwrap_or_default();
        !["public", "private", "s-maxage", "no-transform"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    });
    ["private"]
        .into_iter()
        .chain(kept)
        .chain(["no-transform"])
        .collect::<Vec<_>>()
        .join(", ")
}

fn ascii(text: &str) -> HeaderValue {
    // Descriptions were visible ASCII when they were read; a damaged one must not end the process.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_is_an_attachment_whatever_was_stored() {
        let key = ObjectKey::parse("a/b.svg").unwrap();
        for (content_type, stored, expected) in [
            (
                "image/svg+xml",
                None,
                Some("attachment; filename=\"b.svg\"; filename*=UTF-8''b.svg"),
            ),
            (
                "image/svg+xml",
                Some("inline; filename=\"x.svg\""),
                Some("attachment; filename=\"x.svg\""),
            ),
            ("text/html", Some("inline"), Some("attachment")),
            (
                "TEXT/HTML; charset=utf-8",
                Some("inline"),
                Some("attachment"),
            ),
            (
                "application/octet-stream",
                None,
                Some("attachment; filename=\"b.svg\"; filename*=UTF-8''b.svg"),
            ),
            ("image/png", None, None),
            ("image/png", Some("inline"), Some("inline")),
            ("application/pdf", None, None),
        ] {
            let got = disposition(&key, stored, Safety::of(content_type), &Download::AsStored);
            assert_eq!(got.as_deref(), expected, "{content_type} {stored:?}");
        }
    }

    #[test]
    fn a_download_name_cannot_leave_its_quotes_or_name_a_path() {
        let name = |query: &str| match Download::from_query(Some(query)) {
            Download::Saved { name } => attachment(&name.unwrap_or_default()),
            Download::AsStored => String::new(),
        };
        assert_eq!(
            name("download=r%22%0d%0aX%3A1%2F..%2Fe.txt"),
            "attachment; filename=\"r_X:1..e.txt\"; filename*=UTF-8''r%22X%3A1..e.txt"
        );
        assert_eq!(
            name("download=%C3%A9.png"),
            "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%A9.png"
        );
        assert_eq!(Download::from_query(Some("v=3")), Download::AsStored);
        for nameless in ["download", "download=", "download=%2F", "download=%0a%5C"] {
            assert_eq!(
                Download::from_query(Some(nameless)),
                Download::Saved { name: None },
                "{nameless}"
            );
        }
    }

    #[test]
    fn no_shared_cache_may_keep_an_object() {
        assert_eq!(cache_control(None), "private, no-cache, no-transform");
        assert_eq!(
            cache_control(Some("public, max-age=60, S-MaxAge=9")),
            "private, max-age=60, no-transform"
        );
    }
}
