//! `Upload-Metadata` (tus 1.0.0) → the object's key and description. Knows no headers and no store.
//!
//! | name | meaning |
//! | --- | --- |
//! | `key` | the object's key, required |
//! | `content-type`, `filetype`, `type` | its media type |
//! | `filename`, `name` | the name to save it under, where there is no `content-disposition` |
//! | `cache-control`, `content-disposition` | as the header fields of a PUT |
//! | `x-meta-…` | own metadata, as the header fields of a PUT |
//! | `relativePath` | sent by common clients; means nothing here |
//!
//! Any other name is refused: what is not kept must not seem to be.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::description::{Description, DescriptionError, META_PREFIX};
use crate::key::{KeyError, ObjectKey};
use crate::representation;
use crate::settings::Limits;

/// Most pairs: 32 of own metadata and those that have a meaning.
const MAX_PAIRS: usize = 48;

/// Longest file name in bytes.
const MAX_FILE_NAME_BYTES: usize = 255;

/// What an upload is to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) key: ObjectKey,
    pub(crate) description: Description,
}

/// Why `Upload-Metadata` cannot be used; never its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error(
        "Upload-Metadata is not a list of at most 48 pairs like `key bXkvcGljdHVyZQ==`, comma-separated, \
         names in visible ASCII and each once, values in padded base64"
    )]
    Malformed,
    #[error("Upload-Metadata has no `key`: name the object")]
    KeyMissing,
    #[error("the value of `key` in Upload-Metadata is not UTF-8")]
    KeyNotUtf8,
    #[error("`key` in Upload-Metadata: {0}")]
    Key(KeyError),
    #[error(
        "Upload-Metadata has a name that means nothing here: use key, content-type, filetype, filename, \
         cache-control, content-disposition and x-meta-*"
    )]
    UnknownName,
    #[error("Upload-Metadata says the same thing twice, differently: keep one of the names")]
    Contradictory,
    #[error("a value in Upload-Metadata is not visible ASCII")]
    Value,
    #[error(
        "`filename` in Upload-Metadata is not 1 to 255 bytes of UTF-8 without control characters"
    )]
    FileName,
    #[error("Upload-Metadata: {0}")]
    Description(DescriptionError),
}

/// Reads the field's one value.
pub(crate) fn read(limits: &Limits, text: &str) -> Result<Metadata, MetadataError> {
    let mut key = None;
    let mut file_name = None;
    // A PUT says the same in its headers, and is read by the same rules.
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text)? {
        let (name, field) = match name {
            "key" => {
                let text = String::from_utf8(value).map_err(|_| MetadataError::KeyNotUtf8)?;
                let named = ObjectKey::parse(text).map_err(MetadataError::Key)?;
                named.may_be_given(limits).map_err(MetadataError::Key)?;
                key = Some(named);
                continue;
            }
            "relativePath" => continue,
            "filename" | "name" => {
                agree(&mut file_name, value)?;
                continue;
            }
            "content-type" | "filetype" | "type" => (header::CONTENT_TYPE, value),
            "cache-control" => (header::CACHE_CONTROL, value),
            "content-disposition" => (header::CONTENT_DISPOSITION, value),
            own if own.starts_with(META_PREFIX) => {
                let name = HeaderName::try_from(own).map_err(|_| MetadataError::Malformed)?;
                (name, value)
            }
            _ => return Err(MetadataError::UnknownName),
        };
        let value = std::str::from_utf8(&field)
            .ok()
            .and_then(|text| HeaderValue::from_str(text).ok())
            .filter(|value| value.to_str().is_ok())
            .ok_or(MetadataError::Value)?;
        if headers.get(&name).is_some_and(|first| *first != value) {
            return Err(MetadataError::Contradictory);
        }
        headers.insert(name, value);
    }
    let description = Description::read_within(limits, &headers);
    let mut description = description.map_err(MetadataError::Description)?;
    if let Some(name) = file_name.map(parse_file_name).transpose()?
        && description.content_disposition.is_none()
    {
        description.content_disposition = Some(representation::named("inline", &name));
    }
    Ok(Metadata {
        key: key.ok_or(MetadataError::KeyMissing)?,
        description,
    })
}

fn pairs(text: &str) -> Result<Vec<(&str, Vec<u8>)>, MetadataError> {
    let mut pairs: Vec<(&str, Vec<u8>)> = Vec::new();
    if text.is_empty() {
        return Ok(pairs);
    }
    for pair in text.split(',') {
        let pair = pair.trim_matches(' ');
        let (name, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = BASE64
            .decode(value.as_bytes())
            .map_err(|_| MetadataError::Malformed)?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name || pairs.len() == MAX_PAIRS || pairs.iter().any(|(other, _)| *other == name) {
            return Err(MetadataError::Malformed);
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn agree(known: &mut Option<Vec<u8>>, value: Vec<u8>) -> Result<(), MetadataError> {
    match known {
        Some(known) if *known != value => Err(MetadataError::Contradictory),
        _ => {
            *known = Some(value);
            Ok(())
        }
    }
}

fn parse_file_name(value: Vec<u8>) -> Result<String, MetadataError> {
    String::from_utf8(value)
        .ok()
        .filter(|name| {
            (1..=MAX_FILE_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
        })
        .ok_or(MetadataError::FileName)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Metadata, MetadataError> {
        super::read(&Limits::default(), text)
    }

    fn field(pairs: &[(&str, &str)]) -> String {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name} {}", BASE64.encode(value.as_bytes())))
            .collect();
        pairs.join(",")
    }

    #[test]
    fn what_common_clients_send_becomes_a_description() {
        let read = read(&field(&[
            ("key", "a/é.png"),
            ("filename", "é \"1\".png"),
            ("name", "é \"1\".png"),
            ("filetype", "image/png"),
            ("type", "image/png"),
            ("relativePath", "null"),
            ("cache-control", "max-age=60"),
            ("x-meta-author", "Ada"),
        ]))
        .unwrap();
        assert_eq!(read.key.as_str(), "a/é.png");
        let description = read.description;
        assert_eq!(description.content_type, "image/png");
        assert_eq!(description.cache_control.unwrap(), "max-age=60");
        assert_eq!(
            description.content_disposition.unwrap(),
            "inline; filename=\"_ _1_.png\"; filename*=UTF-8''%C3%A9%20%221%22.png"
        );
        assert_eq!(description.meta["author"], "Ada");
    }

    #[test]
    fn a_field_that_is_not_exactly_right_is_refused() {
        use MetadataError as E;
        let long_name = "n".repeat(256);
        let many: Vec<String> = (0..49).map(|n| format!("x-meta-{n} eA==")).collect();
        for (text, expected) in [
            (String::new(), E::KeyMissing),
            (field(&[("filetype", "image/png")]), E::KeyMissing),
            ("key YQ".into(), E::Malformed),
            ("key YR==".into(), E::Malformed),
            ("key Y_==".into(), E::Malformed),
            ("key  YQ==".into(), E::Malformed),
            ("key YQ==,".into(), E::Malformed),
            (",key YQ==".into(), E::Malformed),
            ("key YQ==,key YQ==".into(), E::Malformed),
            ("key\tYQ==".into(), E::Malformed),
            ("key YQ== YQ==".into(), E::Malformed),
            (many.join(","), E::Malformed),
            ("key".into(), E::Key(KeyError::EmptySegment)),
            ("key /w==".into(), E::KeyNotUtf8),
            (field(&[("key", "../a")]), E::Key(KeyError::DotSegment)),
            (
                field(&[("key", "a\0")]),
                E::Key(KeyError::ForbiddenCharacter),
            ),
            (field(&[("key", "a"), ("owner", "b")]), E::UnknownName),
            (field(&[("key", "a"), ("Key", "b")]), E::UnknownName),
            (
                field(&[("key", "a"), ("filetype", "a/b"), ("type", "a/c")]),
                E::Contradictory,
            ),
            (
                field(&[("key", "a"), ("filename", "b"), ("name", "c")]),
                E::Contradictory,
            ),
            (
                field(&[("key", "a"), ("filename", &long_name)]),
                E::FileName,
            ),
            (field(&[("key", "a"), ("filename", "a\r\nb")]), E::FileName),
            (field(&[("key", "a"), ("filename", "")]), E::FileName),
            (
                field(&[("key", "a"), ("filetype", "a/b\r\nx: y")]),
                E::Value,
            ),
            (field(&[("key", "a"), ("x-meta-a", "é")]), E::Value),
            (field(&[("key", "a"), ("x-meta-ä", "b")]), E::Malformed),
            (field(&[("key", "a"), ("x-meta-(", "b")]), E::Malformed),
            (
                field(&[("key", "a"), ("x-meta-", "b")]),
                E::Description(DescriptionError::Meta),
            ),
            (
                field(&[("key", "a"), ("filetype", "text/html, a/b")]),
                E::Description(DescriptionError::ContentType),
            ),
            (
                field(&[("key", "a"), ("content-disposition", "form-data")]),
                E::Description(DescriptionError::ContentDisposition),
            ),
        ] {
            assert_eq!(read(&text), Err(expected), "{text}");
        }
    }
}
