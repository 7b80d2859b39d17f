//! What a client says about an object when it stores it: kept beside the bytes and given back.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::settings::Limits;

/// Start of the header names that carry a client's own metadata.
pub(crate) const META_PREFIX: &str = "x-meta-";

/// Most pairs of own metadata.
pub(crate) const MAX_META_PAIRS: u32 = 32;

/// Most bytes of own metadata, names and values together: what S3 takes.
pub(crate) const MAX_META_BYTES: u32 = 2 * 1024;

/// Longest value of one standard field.
pub(crate) const MAX_FIELD_BYTES: usize = 512;

/// Optional white space (RFC 9110 5.6.3).
const BLANK: [char; 2] = [' ', '\t'];

/// The type of bytes that nobody described (RFC 9110 8.3).
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// An object's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Media type, as the client gave it.
    pub content_type: String,
    /// `Cache-Control`, as the client gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Content-Disposition`, as the client gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// The client's own pairs, names in lower case without `x-meta-`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
}

/// Why a description cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// A field is there twice, too long, or not plain text.
    #[error(
        "Content-Type, Cache-Control and Content-Disposition may each stand once, with at most 512 characters of visible ASCII"
    )]
    Field,
    /// No media type.
    #[error("Content-Type is not a media type like image/png")]
    ContentType,
    /// No list of directives.
    #[error("Cache-Control is not a list of directives like `max-age=3600, immutable`")]
    CacheControl,
    /// Neither inline nor attachment.
    #[error("Content-Disposition does not begin with `inline` or `attachment`")]
    ContentDisposition,
    /// Of the client's own metadata a name stands twice or is empty, or a value is not plain text.
    #[error("X-Meta-* headers take each name once, and values of visible ASCII")]
    Meta,
    /// There is too much of it.
    #[error(
        "X-Meta-* headers take at most {max_pairs} pairs, and {max_bytes} bytes in all, names without the prefix"
    )]
    TooMuchMeta {
        /// So many pairs are taken.
        max_pairs: u32,
        /// So many bytes.
        max_bytes: u32,
    },
}

impl Description {
    /// Nothing but a media type.
    pub(crate) fn of_type(content_type: &str) -> Self {
        Self {
            content_type: content_type.to_owned(),
            cache_control: None,
            content_disposition: None,
            meta: BTreeMap::new(),
        }
    }

    /// Reads it from an upload's headers.
    ///
    /// # Errors
    /// [`DescriptionError`], in words for the client.
    pub fn read(headers: &HeaderMap) -> Result<Self, DescriptionError> {
        Self::read_within(&Limits::default(), headers)
    }

    /// The same where less own metadata may be taken. What is stored already is not held to it.
    pub(crate) fn read_within(
        limits: &Limits,
        headers: &HeaderMap,
    ) -> Result<Self, DescriptionError> {
        let content_type =
            field(headers, &header::CONTENT_TYPE)?.unwrap_or(UNKNOWN_TYPE.to_owned());
        if !is_media_type(&content_type) {
            return Err(DescriptionError::ContentType);
        }
        let cache_control = field(headers, &header::CACHE_CONTROL)?;
        if cache_control
            .as_deref()
            .is_some_and(|text| !text.split(',').all(|one| is_directive(one.trim())))
        {
            return Err(DescriptionError::CacheControl);
        }
        let content_disposition = field(headers, &header::CONTENT_DISPOSITION)?;
        if content_disposition
            .as_deref()
            .is_some_and(|text| !is_disposition(text))
        {
            return Err(DescriptionError::ContentDisposition);
        }
        Ok(Self {
            content_type,
            cache_control,
            content_disposition,
            meta: meta(limits, headers)?,
        })
    }
}

impl Description {
    /// A digest over everything here and the digest of the bytes. Its form is an entity tag that
    /// clients keep: it stays as it is.
    pub(crate) fn digest(&self, bytes: Sha256) -> digest::Digest {
        let mut all = digest::Context::new(&digest::SHA256);
        let mut add = |part: Option<&str>| {
            // The length in front, so that no two descriptions give the same bytes.
            let length = part.map_or(u64::MAX, |text| text.len() as u64);
            all.update(&length.to_be_bytes());
            all.update(part.unwrap_or_default().as_bytes());
        };
        add(Some("dailey-media entity tag 1"));
        add(Some(&bytes.to_hex()));
        add(Some(&self.content_type));
        add(self.cache_control.as_deref());
        add(self.content_disposition.as_deref());
        for (name, value) in &self.meta {
            add(Some(name));
            add(Some(value));
        }
        all.finish()
    }
}

fn field(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, DescriptionError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| DescriptionError::Field)?.trim();
    if values.next().is_some() || text.len() > MAX_FIELD_BYTES {
        return Err(DescriptionError::Field);
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn meta(
    limits: &Limits,
    headers: &HeaderMap,
) -> Result<BTreeMap<String, String>, DescriptionError> {
    let (max_pairs, max_bytes) = (limits.metadata_max_pairs, limits.metadata_max_bytes);
    let mut pairs = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(META_PREFIX) else {
            continue;
        };
        let value = value.to_str().map_err(|_| DescriptionError::Meta)?;
        bytes += name.len() + value.len();
        let twice = pairs.insert(name.to_owned(), value.to_owned()).is_some();
        if name.is_empty() || twice {
            return Err(DescriptionError::Meta);
        }
        if pairs.len() > max_pairs as usize || bytes > max_bytes as usize {
            return Err(DescriptionError::TooMuchMeta {
                max_pairs,
                max_bytes,
            });
        }
    }
    Ok(pairs)
}

/// `type/subtype` and parameters (RFC 9110 8.3.1), strictly: in a list of types some browsers
/// believe the last, so a passive one in front must not hide another behind it.
fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
    essence
        .trim_end_matches(BLANK)
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && are_parameters(parameters)
}

/// `*( OWS ";" OWS token "=" ( token / quoted-string ) )` (RFC 9110 5.6.6), none of them empty.
fn are_parameters(mut rest: &str) -> bool {
    while !rest.is_empty() {
        let Some((name, value)) = rest
            .strip_prefix(';')
            .and_then(|parameter| parameter.trim_start_matches(BLANK).split_once('='))
        else {
            return false;
        };
        let end = if value.starts_with('"') {
            quoted_bytes(value)
        } else {
            value.find([';', ' ', '\t']).or(Some(value.len()))
        };
        let Some((value, after)) = end.map(|end| value.split_at(end)) else {
            return false;
        };
        if !is_token(name) || !(value.starts_with('"') || is_token(value)) {
            return false;
        }
        rest = after.trim_start_matches(BLANK);
    }
    true
}

/// Length of the quoted string at the start (RFC 9110 5.6.4), if it ends.
fn quoted_bytes(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `token` or `token=token` (RFC 9111 5.2, without quoted values).
fn is_directive(text: &str) -> bool {
    match text.split_once('=') {
        None => is_token(text),
        Some((name, value)) => is_token(name) && is_token(value),
    }
}

/// `inline` or `attachment`, alone or with parameters (RFC 6266 4).
fn is_disposition(text: &str) -> bool {
    let kind = text.split(';').next().unwrap_or_default().trim_end();
    kind.eq_ignore_ascii_case("inline") || kind.eq_ignore_ascii_case("attachment")
}

/// RFC 9110 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Description, DescriptionError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Description::read(&headers)
    }

    #[test]
    fn a_media_type_has_nothing_but_strict_parameters_behind_it() {
        for fine in [
            "image/png",
            "text/plain;charset=utf-8",
            "text/plain ; charset=\"utf-8\" ;\tx=1",
            "multipart/mixed; boundary=\"a, b; \\\"c\"",
        ] {
            assert_eq!(read(&[("content-type", fine)]).unwrap().content_type, fine);
        }
        for wrong in [
            "image/png; x=y, text/html",
            "image/png; x=\"y\", text/html",
            "image/png, text/html",
            "image/png; x=\"y, text/html",
            "image/png; x=\"y\\\"",
            "image/png; x=\"y\"z",
            "image/png; x",
            "image/png; x=",
            "image/png; =y",
            "image/png; x = y",
            "image/png; x=y z=1",
            "image/png;",
            "image/png;; x=y",
        ] {
            assert_eq!(
                read(&[("content-type", wrong)]),
                Err(DescriptionError::ContentType),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_description_is_kept_as_given_or_refused() {
        let full = read(&[
            ("content-type", "image/png; x=1"),
            ("cache-control", "max-age=60, immutable"),
            ("content-disposition", "inline; filename=\"a.png\""),
            ("x-meta-Author", "Ada"),
        ])
        .unwrap();
        assert_eq!(full.content_type, "image/png; x=1");
        assert_eq!(full.meta["author"], "Ada");
        assert_eq!(read(&[]).unwrap().content_type, "application/octet-stream");
        for (name, value, error) in [
            ("content-type", "png", DescriptionError::ContentType),
            ("content-type", "image/", DescriptionError::ContentType),
            (
                "cache-control",
                "max-age=\"1, 2\"",
                DescriptionError::CacheControl,
            ),
            (
                "content-disposition",
                "form-data",
                DescriptionError::ContentDisposition,
            ),
            ("x-meta-", "a", DescriptionError::Meta),
        ] {
            assert_eq!(read(&[(name, value)]), Err(error), "{name}: {value}");
        }
        assert_eq!(
            read(&[("x-meta-a", "1"), ("x-meta-a", "2")]),
            Err(DescriptionError::Meta)
        );
        assert_eq!(
            read(&[("x-meta-a", &"v".repeat(2048))]),
            Err(DescriptionError::TooMuchMeta {
                max_pairs: 32,
                max_bytes: 2048
            })
        );
        assert_eq!(
            read(&[("content-type", "a/b"), ("content-type", "a/c")]),
            Err(DescriptionError::Field)
        );
    }
}
