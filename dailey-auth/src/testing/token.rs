//! Tokens of every kind, right ones by default.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::text::base64url;

use super::SigningKey;

/// Builds a signed token; everything that is not said otherwise is right.
///
/// Header: `alg` RS256, `typ` `at+jwt`, `kid` of the signing key. Claims: `iss` and `aud` as
/// given, `sub` `user-1`, `iat` now, `exp` ten minutes later.
#[derive(Debug, Clone)]
#[must_use = "call sign() to get a token"]
pub struct TokenBuilder {
    header: Map<String, Value>,
    without_kid: bool,
    claims: Map<String, Value>,
}

impl TokenBuilder {
    /// A token of `issuer` for `audience`.
    pub fn new(issuer: &str, audience: &str) -> Self {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = now.as_secs();
        let object = |value| match value {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            header: object(json!({ "alg": "RS256", "typ": "at+jwt" })),
            without_kid: false,
            claims: object(json!({
                "iss": issuer, "aud": audience, "sub": "user-1", "iat": now, "exp": now + 600,
            })),
        }
    }

    /// Sets a member of the header.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a member out of the header, `kid` too.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self.without_kid |= name == "kid";
        self
    }

    /// Sets a claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets `iat`, in seconds since the epoch.
    pub fn issued_at(self, seconds: i64) -> Self {
        self.claim("iat", seconds)
    }

    /// Sets `exp`, in seconds since the epoch.
    pub fn expires_at(self, seconds: i64) -> Self {
        self.claim("exp", seconds)
    }

    /// The token, signed with `key`, whose id it names unless another was set.
    pub fn sign(&self, key: &SigningKey) -> String {
        let mut header = self.header.clone();
        if !self.without_kid && !header.contains_key("kid") {
            header.insert("kid".to_owned(), key.kid().into());
        }
        let header = Value::Object(header).to_string();
        let claims = Value::Object(self.claims.clone()).to_string();
        Self::sign_raw(header.as_bytes(), claims.as_bytes(), key)
    }

    /// A token of these very bytes, JSON or not, signed with `key`.
    pub fn sign_raw(header: &[u8], payload: &[u8], key: &SigningKey) -> String {
        let signed = format!(
            "{}.{}",
            base64url::encode(header),
            base64url::encode(payload)
        );
        let signature = key.signature(signed.as_bytes());
        format!("{signed}.{signature}")
    }
}
