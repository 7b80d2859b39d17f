//! The verifiers of Rust, ours among them, behind one door: a text in, accepted or not.
//!
//! Each is set as strictly as its options allow. What takes one key at a time is given the first of the id
//! that the token names, as an app would do.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_jwt_auth::{JwtDecoder, RemoteJwksDecoder};
use benches::bare_verification_of;
use dailey_auth::{KeySet, Verifier, VerifierBuilder};
use data_encoding::BASE64URL_NOPAD;
use josekit::jwk::Jwk;
use josekit::jws::RS256;
use josekit::jws::alg::rsassa::RsassaJwsVerifier;
use josekit::jwt::JwtPayloadValidator;
use jwt_simple::prelude::{RS256PublicKey, RSAPublicKeyLike, VerificationOptions};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::clock;
use crate::house::House;

/// Longest life of a token, where it can be said.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const LEEWAY: u64 = 30;
const REQUIRED: [&str; 4] = ["exp", "iss", "aud", "sub"];

/// A verifier by name.
pub type Named = (&'static str, Box<dyn Fn(&str) -> bool>);

/// What a service needs of a token, as a peer hands it out.
#[derive(Clone, Deserialize)]
#[allow(dead_code)] // read by the deserializer
pub struct Claims {
    iss: String,
    sub: String,
    exp: f64,
    iat: f64,
    scope: Option<String>,
    client_id: Option<String>,
}

/// Those that share a process with aws-lc as jsonwebtoken's backend; the bare operation first.
pub fn with_aws_lc(house: &House, runtime: &Arc<Runtime>) -> Vec<Named> {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let bare = bare_verification_of(&house.jwks["keys"][0], &house.token);
    vec![
        (
            "bare RSA verify (aws-lc-rs)",
            Box::new(move |_| {
                bare();
                true
            }),
        ),
        ("dailey-auth", ours(ours_of(house))),
        (
            "dailey-auth, token cache",
            ours(ours_of(house).token_cache(1000)),
        ),
        ("jsonwebtoken 11 (aws_lc_rs)", jsonwebtoken(house)),
        ("josekit", josekit(house)),
        ("jwt-simple (pure-rust)", jwt_simple(house)),
        ("jwks-client 0.2", jwks_client(house)),
        ("jwt-authorizer", jwt_authorizer(house, runtime)),
        ("axum-jwt-auth", axum_jwt_auth(house, runtime)),
    ]
}

/// jsonwebtoken with its other backend.
pub fn with_rust_crypto(house: &House) -> Vec<Named> {
    let _ = jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
    let bare = bare_verification_of(&house.jwks["keys"][0], &house.token);
    vec![
        (
            "bare RSA verify (aws-lc-rs) again",
            Box::new(move |_| {
                bare();
                true
            }),
        ),
        ("jsonwebtoken 11 (rust_crypto)", jsonwebtoken(house)),
    ]
}

fn ours_of(house: &House) -> VerifierBuilder {
    let (keys, _) = KeySet::from_json(house.jwks.to_string().as_bytes()).expect("a key set");
    let builder = Verifier::builder(&house.issuer, &house.audiences).key_set(keys);
    if clock::is_turned() {
        builder.clock(Turned)
    } else {
        builder
    }
}

/// The clock of the standard library, which the preloaded one turns; our own asks the kernel.
struct Turned;

impl dailey_auth::Clock for Turned {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        let since = self.now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }
}

fn ours(builder: VerifierBuilder) -> Box<dyn Fn(&str) -> bool> {
    let verifier = builder.build().expect("a right policy");
    Box::new(move |token| verifier.try_verify(token).is_ok())
}

/// The first key of each id that the library can read.
fn by_kid<K>(house: &House, read: impl Fn(&Value) -> Option<K>) -> HashMap<String, K> {
    let mut keys = HashMap::new();
    for jwk in house.jwks["keys"].as_array().into_iter().flatten() {
        if let (Some(kid), Some(key)) = (jwk["kid"].as_str(), read(jwk)) {
            keys.entry(kid.to_owned()).or_insert(key);
        }
    }
    keys
}

/// The key id that a token names, for libraries that do not look.
fn kid_of(token: &str) -> Option<String> {
    let header = token.split('.').next()?;
    let header = BASE64URL_NOPAD.decode(header.as_bytes()).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    header["kid"].as_str().map(str::to_owned)
}

fn part(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(jwk[name].as_str()?.as_bytes()).ok()
}

fn jsonwebtoken(house: &House) -> Box<dyn Fn(&str) -> bool> {
    let keys = by_kid(house, |jwk| {
        let jwk = serde_json::from_value(jwk.clone()).ok()?;
        jsonwebtoken::DecodingKey::from_jwk(&jwk).ok()
    });
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_issuer(&[&house.issuer]);
    validation.set_audience(&house.audiences);
    validation.set_required_spec_claims(&REQUIRED);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    Box::new(move |token| {
        let header = jsonwebtoken::decode_header(token).ok();
        let key = header.and_then(|header| keys.get(&header.kid?));
        key.is_some_and(|key| jsonwebtoken::decode::<Claims>(token, key, &validation).is_ok())
    })
}

fn josekit(house: &House) -> Box<dyn Fn(&str) -> bool> {
    let keys: HashMap<String, RsassaJwsVerifier> = by_kid(house, |jwk| {
        let jwk = Jwk::from_bytes(jwk.to_string()).ok()?;
        RS256.verifier_from_jwk(&jwk).ok()
    });
    let (issuer, audiences) = (house.issuer.clone(), house.audiences.clone());
    Box::new(move |token| {
        let Some(key) = kid_of(token).and_then(|kid| keys.get(&kid)) else {
            return false;
        };
        let Ok((payload, _)) = josekit::jwt::decode_with_verifier(token, key) else {
            return false;
        };
        // It takes one audience.
        audiences.iter().any(|audience| {
            let mut validator = JwtPayloadValidator::new();
            validator.set_base_time(SystemTime::now());
            validator.set_issuer(&issuer);
            validator.set_audience(audience);
            validator.set_max_issued_time(SystemTime::now() + Duration::from_secs(LEEWAY));
            validator.set_min_issued_time(SystemTime::now() - LONGEST);
            validator.validate(&payload).is_ok()
        })
    })
}

fn jwt_simple(house: &House) -> Box<dyn Fn(&str) -> bool> {
    let keys = by_kid(house, |jwk| {
        RS256PublicKey::from_components(&part(jwk, "n")?, &part(jwk, "e")?).ok()
    });
    let options = VerificationOptions {
        allowed_issuers: Some([house.issuer.clone()].into()),
        allowed_audiences: Some(house.audiences.iter().cloned().collect()),
        time_tolerance: Some(jwt_simple::prelude::Duration::from_secs(LEEWAY)),
        max_validity: Some(jwt_simple::prelude::Duration::from_secs(LONGEST.as_secs())),
        required_signature_type: Some("at+jwt".to_owned()),
        ..VerificationOptions::default()
    };
    Box::new(move |token| {
        let key = kid_of(token).and_then(|kid| keys.get(&kid));
        key.is_some_and(|key| {
            key.verify_token::<Value>(token, Some(options.clone()))
                .is_ok()
        })
    })
}

fn jwks_client(house: &House) -> Box<dyn Fn(&str) -> bool> {
    let mut store = jwks_client::keyset::KeyStore::new();
    for jwk in house.jwks["keys"].as_array().into_iter().flatten() {
        if let Ok(key) = serde_json::from_value(jwk.clone()) {
            store.add_key(&key);
        }
    }
    Box::new(move |token| store.verify(token).is_ok())
}

fn jwt_authorizer(house: &House, runtime: &Arc<Runtime>) -> Box<dyn Fn(&str) -> bool> {
    let build = |keys: &[Value]| {
        let validation = jwt_authorizer::Validation::new()
            .iss(&[&house.issuer])
            .aud(&house.audiences)
            .nbf(true)
            .leeway(LEEWAY);
        let set = serde_json::json!({ "keys": keys }).to_string();
        let builder = jwt_authorizer::JwtAuthorizer::<Claims>::from_jwks_text(&set);
        runtime
            .block_on(builder.validation(validation).build())
            .ok()
    };
    // It takes a set as a whole, so it is given what it can take.
    let takes = |jwk: &&Value| build(std::slice::from_ref(*jwk)).is_some();
    let keys = house.jwks["keys"].as_array().into_iter().flatten();
    let keys: Vec<Value> = keys.filter(takes).cloned().collect();
    let authorizer = build(&keys).expect("keys that it takes one by one");
    let runtime = Arc::clone(runtime);
    Box::new(move |token| runtime.block_on(authorizer.check_auth(token)).is_ok())
}

fn axum_jwt_auth(house: &House, runtime: &Arc<Runtime>) -> Box<dyn Fn(&str) -> bool> {
    let keys = by_kid(house, |jwk| {
        let jwk = serde_json::from_value(jwk.clone()).ok()?;
        jsonwebtoken10::DecodingKey::from_jwk(&jwk).ok()
    });
    let decoder = RemoteJwksDecoder::builder()
        .jwks_url("http://127.0.0.1:9/".to_owned())
        .validation(axum_validation(&house.issuer, &house.audiences))
        .keys_cache(Arc::new(keys.into_iter().collect()))
        .build()
        .expect("a decoder");
    let runtime = Arc::clone(runtime);
    Box::new(move |token| {
        let decoded = JwtDecoder::<Claims>::decode(&decoder, token);
        runtime.block_on(decoded).is_ok()
    })
}

/// As strict as it can be.
pub fn axum_validation(issuer: &str, audiences: &[String]) -> jsonwebtoken10::Validation {
    let mut validation = jsonwebtoken10::Validation::new(jsonwebtoken10::Algorithm::RS256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(audiences);
    validation.set_required_spec_claims(&REQUIRED);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    validation
}
