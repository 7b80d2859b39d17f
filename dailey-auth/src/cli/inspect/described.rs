//! What the entries of a key set say about themselves; nothing here decides anything.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;

use crate::keys::JWKS_LIMITS;
use crate::text::json::{self, Value};

use super::report;

/// An entry in its own words. Of private members there is nothing.
#[derive(Default, Serialize)]
pub(super) struct Described {
    pub(super) kid: Option<String>,
    pub(super) kty: Option<String>,
    /// Bits of an RSA modulus.
    pub(super) bits: Option<usize>,
    #[serde(rename = "use")]
    pub(super) usage: Option<String>,
    pub(super) alg: Option<String>,
    /// RFC 7638, SHA-256, base64url.
    pub(super) thumbprint: Option<String>,
}

/// Members of public keys (RFC 7517 section 4, RFC 7518 sections 6.2.1 and 6.3.1, RFC 8037 section
/// 2): the only ones that are looked at.
const PUBLIC_MEMBERS: [&str; 9] = ["kid", "kty", "use", "alg", "n", "e", "crv", "x", "y"];

/// The entries of a document that is known to be a key set.
pub(super) fn entries(json: &[u8]) -> Vec<Described> {
    let mut list = None;
    // Read once already, so nothing fails here; and if it did, there would be nothing to say.
    let _ = json::read_object(json, JWKS_LIMITS, |name, value| {
        if name.means("keys") {
            list = Some(value);
        }
    });
    let Some(Value::Array(list)) = list else {
        return Vec::new();
    };
    list.values()
        .map(|entry| match entry {
            Value::Object(object) => describe(object),
            _ => Described::default(),
        })
        .collect()
}

fn describe(object: &str) -> Described {
    let mut members = BTreeMap::new();
    let _ = json::read_object(object.as_bytes(), JWKS_LIMITS, |name, value| {
        let name = name.unescaped();
        let public = PUBLIC_MEMBERS.iter().find(|public| **public == name);
        if let (Some(public), Some(text)) = (public, value.text()) {
            members.insert(*public, text.unescaped().into_owned());
        }
    });
    let said = |name| members.get(name).map(|text| report::within_bounds(text));
    Described {
        kid: said("kid"),
        kty: said("kty"),
        bits: members.get("n").and_then(|n| bits(n)),
        usage: said("use"),
        alg: said("alg"),
        thumbprint: thumbprint(&members),
    }
}

fn bits(n: &str) -> Option<usize> {
    let bytes = BASE64URL_NOPAD.decode(n.as_bytes()).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    let zeros = bytes.get(first)?.leading_zeros() as usize;
    Some((bytes.len() - first) * 8 - zeros)
}

/// RFC 7638 section 3: the required members of the key's type, in the order of their names.
fn thumbprint(members: &BTreeMap<&'static str, String>) -> Option<String> {
    let required: &[&str] = match members.get("kty")?.as_str() {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        // A symmetric key's would be a digest of the secret.
        _ => return None,
    };
    let required: Option<BTreeMap<_, _>> = required
        .iter()
        .map(|name| members.get_key_value(name))
        .collect();
    let canonical = serde_json::to_string(&required?).ok()?;
    let digest = digest::digest(&digest::SHA256, canonical.as_bytes());
    Some(BASE64URL_NOPAD.encode(digest.as_ref()))
}
