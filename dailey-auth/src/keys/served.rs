//! A key set in use by one verifier, with the headers that its keys are known to sign.
//!
//! An issuer writes the same header for all tokens of a key. Whoever has read it once knows what
//! reading it again gives, since that depends on its bytes and on what the verifier accepts, and
//! neither changes: comparing the bytes is enough.

use std::sync::{Arc, OnceLock};

use crate::text::json::Text;
use crate::token::TokenHeader;

use super::{KeySet, RsaKey};

/// Longest header segment that is remembered, so that what a key costs has a bound. Those of Core
/// have about a hundred bytes.
const MAX_REMEMBERED_BYTES: usize = 512;

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
        if segment.len() > MAX_REMEMBERED_BYTES {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const JWKS: &str = r#"{"keys":[{"kty":"RSA","kid":"k","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]}"#;

    #[test]
    fn only_the_very_header_that_was_remembered_is_recognised() {
        let (keys, _) = KeySet::from_json(JWKS.as_bytes()).unwrap();
        let served = ServedKeys::new(Arc::new(keys));
        let kid = Text::plain("k");
        assert!(served.recognise("header").is_none());
        served
            .find(kid)
            .unwrap()
            .remember("header", TokenHeader::known("k", "at+jwt"));
        let (_, header) = served.recognise("header").unwrap();
        assert_eq!((header.kid().raw(), header.typ().raw()), ("k", "at+jwt"));
        for other in ["", "heade", "header1", "Header", "headerat+jwt"] {
            assert!(served.recognise(other).is_none(), "{other}");
        }
        // The first one stays: what a key costs has a bound.
        served
            .find(kid)
            .unwrap()
            .remember("other", TokenHeader::known("k", "jwt"));
        assert!(served.recognise("other").is_none());
        assert!(served.recognise("header").is_some());
    }

    #[test]
    fn a_long_header_is_not_remembered() {
        for (length, remembered) in [
            (MAX_REMEMBERED_BYTES, true),
            (MAX_REMEMBERED_BYTES + 1, false),
        ] {
            let (keys, _) = KeySet::from_json(JWKS.as_bytes()).unwrap();
            let served = ServedKeys::new(Arc::new(keys));
            let segment = "a".repeat(length);
            let header = TokenHeader::known("k", "at+jwt");
            served
                .find(Text::plain("k"))
                .unwrap()
                .remember(&segment, header);
            assert_eq!(served.recognise(&segment).is_some(), remembered);
        }
    }
}
