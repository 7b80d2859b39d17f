//! Access tokens as RFC 9068 has them: what stands in one, and how it is signed.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::keys::{Kid, PrivateKey};
use crate::scope::Scopes;

/// Who a token is for.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The user, or the app itself.
    pub subject: Uuid,
    /// The app.
    pub app_id: Uuid,
    /// What it may do.
    pub scopes: Scopes,
}

/// What signs, under which name, for whom and how long.
#[derive(Debug, Clone)]
pub struct TokenSigner {
    /// `iss`.
    pub issuer: String,
    /// `kid`.
    pub kid: Kid,
    /// The key.
    pub key: Arc<PrivateKey>,
    /// `exp` − `iat`.
    pub life: Duration,
}

/// The token could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key failed to sign")]
pub struct SigningFailed;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: Uuid,
    sub: Uuid,
    client_id: Uuid,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: Uuid,
    // RFC 6749 3.3 knows no empty scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl TokenSigner {
    /// A signed token, issued at `now` (seconds UTC).
    ///
    /// # Panics
    /// Never: texts and numbers are JSON.
    pub fn sign(&self, grant: &Grant, now: u64) -> Result<String, SigningFailed> {
        let header = Header {
            alg: "RS256",
            typ: "at+jwt",
            kid: self.kid.as_str(),
        };
        let claims = Claims {
            iss: &self.issuer,
            aud: grant.app_id,
            sub: grant.subject,
            client_id: grant.app_id,
            iat: now,
            nbf: now,
            exp: now + self.life.as_secs(),
            jti: Uuid::now_v7(),
            scope: (!grant.scopes.is_empty()).then(|| grant.scopes.to_string()),
        };
        let header = serde_json::to_vec(&header).expect("texts are JSON");
        let claims = serde_json::to_vec(&claims).expect("texts and numbers are JSON");
        let mut token = BASE64URL_NOPAD.encode(&header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(&claims, &mut token);
        let signature = self.key.sign(token.as_bytes()).map_err(|_| SigningFailed)?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(token)
    }
}

/// Where signatures are made: beside the threads that answer requests, one per core at once.
#[derive(Debug, Clone)]
pub struct SigningBench(Arc<Semaphore>);

impl SigningBench {
    /// A bench for this machine.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(cores)))
    }

    /// As [`TokenSigner::sign`], off the async threads.
    ///
    /// # Panics
    /// Never: signing does not, and the semaphore is never closed.
    pub async fn sign(
        &self,
        signer: TokenSigner,
        grant: Grant,
        now: u64,
    ) -> Result<String, SigningFailed> {
        let permit = Arc::clone(&self.0)
            .acquire_owned()
            .await
            .expect("this semaphore is never closed");
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            signer.sign(&grant, now)
        })
        .await
        .expect("signing does not panic and is never cancelled")
    }
}

impl Default for SigningBench {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_exactly_the_agreed_members() {
        let signer = TokenSigner {
            issuer: "https://core.example.com".into(),
            kid: Kid::parse("k1").unwrap(),
            key: Arc::new(PrivateKey::generate()),
            life: Duration::from_secs(600),
        };
        let app_id = Uuid::now_v7();
        let grant = Grant {
            subject: Uuid::now_v7(),
            app_id,
            scopes: Scopes::parse("b a").unwrap(),
        };
        let token = signer.sign(&grant, 1000).unwrap();
        let part = |n| -> serde_json::Value {
            let bytes = BASE64URL_NOPAD
                .decode(token.split('.').nth(n).unwrap().as_bytes())
                .unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        assert_eq!(
            part(0),
            serde_json::json!({"alg": "RS256", "typ": "at+jwt", "kid": "k1"})
        );
        let mut claims = part(1);
        let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(
            jti.as_str()
                .unwrap()
                .parse::<Uuid>()
                .unwrap()
                .get_version_num(),
            7
        );
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": "https://core.example.com", "aud": app_id, "sub": grant.subject, "client_id": app_id,
                "iat": 1000, "nbf": 1000, "exp": 1600, "scope": "a b",
            })
        );
    }
}
