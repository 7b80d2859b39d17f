//! Makes tokens from raw bytes: everything right until told otherwise, and then exactly as told.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

use super::keys::Key;

pub(crate) const ISSUER: &str = "https://core.example";
pub(crate) const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
pub(crate) const SECOND_AUDIENCE: &str = "media-api";
/// The time of every verification: 2027-01-15T08:00:00Z.
pub(crate) const NOW: u64 = 1_800_000_000;

/// Names and values of an object, as raw JSON text.
type Members = Vec<(String, String)>;

/// A token in the making.
#[derive(Clone)]
pub(crate) struct Forge<'k> {
    key: &'k Key,
    header: Members,
    claims: Members,
    raw_header: Option<Vec<u8>>,
    raw_payload: Option<Vec<u8>>,
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

/// A JSON string, escaped only where RFC 8259 section 7 wants it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON string of which every character is escaped.
pub(crate) fn escaped(text: &str) -> String {
    let units: Vec<String> = text
        .encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect();
    format!("\"{}\"", units.concat())
}

impl<'k> Forge<'k> {
    /// A good token of `key`: issued five minutes ago, good for five more.
    pub(crate) fn new(key: &'k Key) -> Self {
        let member = |(name, value): (&str, String)| (name.to_owned(), value);
        Self {
            key,
            header: [
                ("alg", quoted("RS256")),
                ("typ", quoted("at+jwt")),
                ("kid", quoted(key.kid)),
            ]
            .map(member)
            .into(),
            claims: [
                ("iss", quoted(ISSUER)),
                ("sub", quoted("user-1")),
                ("aud", quoted(APP)),
                ("iat", (NOW - 300).to_string()),
                ("exp", (NOW + 300).to_string()),
            ]
            .map(member)
            .into(),
            raw_header: None,
            raw_payload: None,
        }
    }

    /// Sets a header member to a JSON text, in place or at the end. The name stands between quotes
    /// as it is given, escapes and all.
    pub(crate) fn header(mut self, name: &str, json: impl Into<String>) -> Self {
        set(&mut self.header, name, json.into());
        self
    }

    /// Adds a header member, whether or not there is one of the name.
    pub(crate) fn add_header(mut self, name: &str, json: impl Into<String>) -> Self {
        self.header.push((name.to_owned(), json.into()));
        self
    }

    pub(crate) fn no_header(mut self, name: &str) -> Self {
        self.header.retain(|(own, _)| own != name);
        self
    }

    /// The header's bytes, whatever they are.
    pub(crate) fn raw_header(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(bytes.into());
        self
    }

    /// As [`header`](Self::header), for a claim.
    pub(crate) fn claim(mut self, name: &str, json: impl Into<String>) -> Self {
        set(&mut self.claims, name, json.into());
        self
    }

    /// As [`add_header`](Self::add_header), for a claim.
    pub(crate) fn add_claim(mut self, name: &str, json: impl Into<String>) -> Self {
        self.claims.push((name.to_owned(), json.into()));
        self
    }

    pub(crate) fn no_claim(mut self, name: &str) -> Self {
        self.claims.retain(|(own, _)| own != name);
        self
    }

    /// Another name for a claim, its place and value kept.
    pub(crate) fn rename_claim(mut self, name: &str, new: &str) -> Self {
        for (own, _) in &mut self.claims {
            if own == name {
                new.clone_into(own);
            }
        }
        self
    }

    pub(crate) fn reversed(mut self) -> Self {
        self.header.reverse();
        self.claims.reverse();
        self
    }

    /// Issued `iat` seconds from now, ending `exp` seconds from now.
    pub(crate) fn times(self, iat: i64, exp: i64) -> Self {
        self.claim("iat", seconds(iat)).claim("exp", seconds(exp))
    }

    /// The payload's bytes, whatever they are.
    pub(crate) fn raw_payload(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_payload = Some(bytes.into());
        self
    }

    /// The payload with bytes around it.
    pub(crate) fn payload_within(self, before: impl AsRef<[u8]>, after: impl AsRef<[u8]>) -> Self {
        let bytes = [before.as_ref(), &self.payload_bytes(), after.as_ref()].concat();
        self.raw_payload(bytes)
    }

    /// The header with bytes around it.
    pub(crate) fn header_within(self, before: impl AsRef<[u8]>, after: impl AsRef<[u8]>) -> Self {
        let bytes = [before.as_ref(), &self.header_bytes(), after.as_ref()].concat();
        self.raw_header(bytes)
    }

    /// Named by another id, signed by the same key.
    pub(crate) fn kid(self, kid: &str) -> Self {
        self.header("kid", quoted(kid))
    }

    /// Signed by another key, under the same id.
    pub(crate) fn signed_by(mut self, key: &'k Key) -> Self {
        self.key = key;
        self
    }

    /// A claim `pad` that makes the signed token `total` bytes long.
    pub(crate) fn padded_to(self, total: usize) -> Self {
        let signature = base64url(vec![0; self.key.rsa.length()]).len();
        // Not every length of a payload exists in base64url; a blank in the header gives another.
        for blanks in 0..4 {
            let forge = self.clone().header_within(" ".repeat(blanks), "");
            let header = base64url(forge.header_bytes()).len();
            let bytes = (total - header - signature - 2) * 3 / 4;
            let empty = forge.clone().claim("pad", "\"\"").payload_bytes().len();
            let pad = "A".repeat(bytes - empty);
            let forge = forge.claim("pad", quoted(&pad));
            if forge.signing_input().len() + 1 + signature == total {
                return forge;
            }
        }
        unreachable!("one of four headers leaves a length that exists")
    }

    pub(crate) fn header_bytes(&self) -> Vec<u8> {
        let raw = self.raw_header.clone();
        raw.unwrap_or_else(|| object(&self.header))
    }

    pub(crate) fn payload_bytes(&self) -> Vec<u8> {
        let raw = self.raw_payload.clone();
        raw.unwrap_or_else(|| object(&self.claims))
    }

    /// RFC 7515 section 5.1: header, dot, payload.
    pub(crate) fn signing_input(&self) -> String {
        let header = base64url(self.header_bytes());
        format!("{header}.{}", base64url(self.payload_bytes()))
    }

    /// The RS256 signature.
    pub(crate) fn signature(&self) -> Vec<u8> {
        self.key.rs256(self.signing_input().as_bytes())
    }

    /// The token, properly signed.
    pub(crate) fn sign(&self) -> String {
        self.with_signature(self.signature())
    }

    /// The token with these bytes for a signature.
    pub(crate) fn with_signature(&self, signature: impl AsRef<[u8]>) -> String {
        format!("{}.{}", self.signing_input(), base64url(signature))
    }

    /// The token with this text after its second dot.
    pub(crate) fn with_signature_text(&self, text: &str) -> String {
        format!("{}.{text}", self.signing_input())
    }

    /// The token under an HMAC (RFC 7518 section 3.2).
    pub(crate) fn hmac(&self, algorithm: hmac::Algorithm, secret: &[u8]) -> String {
        let key = hmac::Key::new(algorithm, secret);
        self.with_signature(hmac::sign(&key, self.signing_input().as_bytes()))
    }

    /// Header, payload and signature as they stand in the token.
    pub(crate) fn segments(&self) -> [String; 3] {
        [
            base64url(self.header_bytes()),
            base64url(self.payload_bytes()),
            base64url(self.signature()),
        ]
    }
}

/// Seconds from now as a `NumericDate`.
pub(crate) fn seconds(from_now: i64) -> String {
    NOW.saturating_add_signed(from_now).to_string()
}

fn set(members: &mut Members, name: &str, json: String) {
    match members.iter_mut().find(|(own, _)| own == name) {
        Some((_, value)) => *value = json,
        None => members.push((name.to_owned(), json)),
    }
}

fn object(members: &Members) -> Vec<u8> {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}
