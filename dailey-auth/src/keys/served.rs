//! A key set in use by one verifier, with the headers that its keys are known to sign.
//!
//! An issuer writes the same header for all tokens of a key. Whoever has read it once knows what
//! reading it again gives, since that depends on its bytes and on what the verifier accepts, and
//! neither changes: comparing the bytes is enough.

use std::sync::{Arc, OnceLock};

use crate::text::json::Text;
use crate::token::TokenHeader;

use super::{KeySet, RsaKey};

/// Keys, and for each of them the first header that came with a good signature by it.
#[derive(Debug)]
pub(crate) struct ServedKeys {
    keys: Arc<KeySet>,
    headers: Box<[OnceLock<KnownHeader>]>,
}

/// A header's base64url text and, behind it, the type that it says.
#[derive(Debug)]
struct KnownHeader {
    text: Box<str>,
    segment_length: usize,
}

/// A key of a [`ServedKeys`].
#[derive(Clone, Copy)]
pub(crate) struct ServedKey<'a> {
    pub(crate) key: &'a RsaKey,
    header: &'a OnceLock<KnownHeader>,
}

impl ServedKeys {
    pub(crate) fn new(keys: Arc<KeySet>) -> Self {
        let headers = keys.kids().map(|_| OnceLock::new()).collect();
        Self { keys, headers }
    }

    pub(crate) fn key_set(&self) -> &Arc<KeySet> {
        &self.keys
    }

    /// The key with this id.
    pub(crate) fn find(&self, kid: Text<'_>) -> Option<ServedKey<'_>> {
        let position = self.keys.position(kid)?;
        let (_, key) = self.keys.get(position)?;
        let header = self.headers.get(position)?;
        Some(ServedKey { key, header })
    }

    /// The key that is known to sign under this header segment, and what the header says.
    pub(crate) fn recognise(&self, segment: &str) -> Option<(&RsaKey, TokenHeader<'_>)> {
        self.headers
            .iter()
            .enumerate()
            .find_map(|(position, known)| {
                let (header, typ) = known.get()?.parts()?;
                if header != segment {
                    return None;
                }
                let (kid, key) = self.keys.get(position)?;
                Some((key, TokenHeader::known(kid, typ)))
            })
    }
}

impl ServedKey<'_> {
    /// Remembers the header of a token whose signature is good, so that nobody but the issuer
    /// decides what is remembered.
    pub(crate) fn remember(&self, segment: &str, header: TokenHeader<'_>) {
        self.header.get_or_init(|| {
            let typ = header.typ();
            let mut text = String::with_capacity(segment.len() + typ.raw().len());
            text.push_str(segment);
            text.extend(typ.chars());
            KnownHeader {
                text: text.into(),
                segment_length: segment.len(),
            }
        });
    }
}

impl KnownHeader {
    fn parts(&self) -> Option<(&str, &str)> {
        self.text.split_at_checked(self.segment_length)
    }
}
