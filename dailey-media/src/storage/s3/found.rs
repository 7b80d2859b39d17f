//! What the store's headers say of an object, and what is written into them.
//!
//! Type, `Cache-Control` and `Content-Disposition` are S3's own fields, a client's pairs its user
//! metadata. Ours stand beside them: `dailey-id` (each write has its own), `dailey-modified`, and
//! `dailey-sha256`. Where the digest is not there, a record of that id has it (see `digests`), and the
//! description as well where the fields would not give it back byte for byte.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use object_store::path::Path;
use object_store::{Attribute, Attributes, GetResult};
use uuid::Uuid;

use super::fault::RemoteError;
use crate::description::{Description, MAX_FIELD_BYTES, META_PREFIX};
use crate::digest::Sha256;

const OURS: &str = "dailey-";
const ID: &str = "dailey-id";
const SHA256: &str = "dailey-sha256";
const MODIFIED: &str = "dailey-modified";

/// Most bytes of a client's pairs that leave room for ours in S3's 2 KiB.
const MAX_PAIRS_BYTES: usize = 1792;

/// An object as the store shows it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) path: Path,
    pub(super) size: u64,
    /// The store's own entity tag: over the bytes, not over their description.
    pub(super) etag: String,
    pub(super) stored_ms: u64,
    pub(super) description: Description,
    /// `None` where somebody else wrote it.
    pub(super) writing: Option<Writing>,
}

/// One write of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) id: String,
    pub(super) modified_ms: u64,
    /// `None`: in its record.
    pub(super) sha256: Option<Sha256>,
}

impl Writing {
    pub(super) fn begin() -> Self {
        Self::of(Uuid::new_v4().simple().to_string())
    }

    /// One that was begun before.
    pub(super) fn of(id: String) -> Self {
        Self {
            id,
            modified_ms: now_ms(),
            sha256: None,
        }
    }

    /// What the object's headers are to say.
    pub(super) fn attributes(&self, description: &Description) -> Attributes {
        let mut attributes = Attributes::new();
        let mut add = |attribute, value: &str| {
            attributes.insert(attribute, value.to_owned().into());
        };
        add(
            Attribute::ContentType,
            if is_plain(&description.content_type) {
                &description.content_type
            } else {
                "application/octet-stream"
            },
        );
        if fits(description) {
            if let Some(value) = &description.cache_control {
                add(Attribute::CacheControl, value);
            }
            if let Some(value) = &description.content_disposition {
                add(Attribute::ContentDisposition, value);
            }
            for (name, value) in &description.meta {
                add(Attribute::Metadata(name.clone().into()), value);
            }
        }
        add(Attribute::Metadata(ID.into()), &self.id);
        add(
            Attribute::Metadata(MODIFIED.into()),
            &self.modified_ms.to_string(),
        );
        if let Some(sha256) = self.sha256 {
            add(Attribute::Metadata(SHA256.into()), &sha256.to_hex());
        }
        attributes
    }

    fn read(attributes: &Attributes) -> Option<Self> {
        let get = |name: &'static str| attributes.get(&Attribute::Metadata(name.into()));
        let id = get(ID)?;
        // It becomes part of a name.
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self {
            id: is_id.then(|| id.to_string())?,
            modified_ms: get(MODIFIED)?.parse().ok()?,
            sha256: match get(SHA256) {
                None => None,
                Some(text) => Some(Sha256::from_hex(text)?),
            },
        })
    }
}

impl Found {
    pub(super) fn read(got: &GetResult) -> Result<Self, RemoteError> {
        let etag = got.meta.e_tag.clone();
        Ok(Self {
            path: got.meta.location.clone(),
            size: got.meta.size,
            // Without it nothing could be changed under a condition.
            etag: etag.ok_or(RemoteError::Answered("without an ETag".into()))?,
            stored_ms: u64::try_from(got.meta.last_modified.timestamp_millis()).unwrap_or(0),
            description: description(&got.attributes),
            writing: Writing::read(&got.attributes),
        })
    }
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether S3's fields give a description back as it is: they are signed with their spaces run
/// together, some stores and proxies change names that are not of letters, digits and `-`, a
/// pair must not pass for one of ours, and a field longer than clients may send is not read back.
pub(super) fn fits(description: &Description) -> bool {
    let fields = [&description.cache_control, &description.content_disposition];
    let mut bytes = 0;
    is_plain(&description.content_type)
        && fields
            .into_iter()
            .flatten()
            .all(|value| is_plain(value) && value.len() <= MAX_FIELD_BYTES)
        && description.meta.iter().all(|(name, value)| {
            bytes += name.len() + value.len();
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            name.bytes().all(letters) && !name.starts_with(OURS) && is_plain(value)
        })
        && bytes <= MAX_PAIRS_BYTES
}

fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && value.trim() == value
        && !value.contains("  ")
}

/// As if a client had sent it: what somebody else wrote must keep the same rules.
fn description(attributes: &Attributes) -> Description {
    let get = |attribute: &Attribute| {
        attributes
            .get(attribute)
            .map(|value| value.as_ref().to_owned())
    };
    let mut described = Description::of_type("application/octet-stream");
    let mut take = |name: HeaderName, value: Option<String>| {
        let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) else {
            return;
        };
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        let Ok(one) = Description::read(&headers) else {
            return;
        };
        if headers.contains_key(header::CONTENT_TYPE) {
            described.content_type = one.content_type;
        }
        described.cache_control = one.cache_control.or(described.cache_control.take());
        let disposition = described.content_disposition.take();
        described.content_disposition = one.content_disposition.or(disposition);
        described.meta.extend(one.meta);
    };
    take(header::CONTENT_TYPE, get(&Attribute::ContentType));
    take(header::CACHE_CONTROL, get(&Attribute::CacheControl));
    take(
        header::CONTENT_DISPOSITION,
        get(&Attribute::ContentDisposition),
    );
    for (attribute, value) in attributes {
        let Attribute::Metadata(name) = attribute else {
            continue;
        };
        if let (false, Ok(name)) = (
            name.starts_with(OURS),
            HeaderName::try_from(format!("{META_PREFIX}{name}")),
        ) {
            take(name, Some(value.as_ref().to_owned()));
        }
    }
    described
}
