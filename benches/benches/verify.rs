//! How much a strict verification costs over the bare RSA operation, and how little a refusal does.
//! Run with `cargo bench -p benches --bench verify`.

#![allow(clippy::print_stdout)] // a report

use std::hint::black_box;

use benches::{
    APP, ISSUER, bare_verification, compare, garbage, row, token, two_threads, verifier,
};
use dailey_auth::MAX_TOKEN_BYTES;
use dailey_auth::testing::{SigningKey, TokenBuilder};

fn main() {
    let key = SigningKey::generate();
    let good = token(1, &key);
    let verifier = verifier(&key).build().expect("a right policy");
    verifier.try_verify(&good).expect("a right token");
    let verify = |token: &str| {
        black_box(verifier.try_verify(black_box(token))).ok();
    };
    let peer = Peer::new(&key);
    peer.verify(&good);

    let stranger = SigningKey::generate();
    let wrong_algorithm = TokenBuilder::new(ISSUER, APP)
        .header("alg", "HS256")
        .sign(&key);
    let unknown_kid = TokenBuilder::new(ISSUER, APP).sign(&stranger);
    let spoilt = token(1, &stranger.with_kid(key.kid()));
    let no_dots = "a".repeat(MAX_TOKEN_BYTES);
    let letters = |count: usize| &no_dots[..count];
    let two_dots = format!("{}.{}.{}", letters(4000), letters(4000), letters(190));
    let foreign = format!("{}é", letters(MAX_TOKEN_BYTES - 2));
    let printable = garbage(|byte| byte.is_ascii_graphic());
    let of_the_alphabet =
        garbage(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let too_large = "a".repeat(MAX_TOKEN_BYTES + 1);

    println!("a token of {} bytes", good.len());
    compare(vec![
        row("bare RSA-2048 verify", bare_verification(&key, &good)),
        row("try_verify, accepted", || verify(&good)),
        row("jsonwebtoken 11, accepted", || peer.verify(&good)),
        row("refused: bad signature", || verify(&spoilt)),
        row("refused: wrong alg", || verify(&wrong_algorithm)),
        row("refused: unknown kid", || verify(&unknown_kid)),
        row("refused: more than 8 KiB", || verify(&too_large)),
        row("refused: 8 KiB of garbage", || verify(&printable)),
        row("refused: 8 KiB of token letters", || {
            verify(&of_the_alphabet);
        }),
        row("refused: 8 KiB without dots", || verify(&no_dots)),
        row("refused: 8 KiB, one odd letter", || verify(&foreign)),
        row("refused: 8 KiB with two dots", || verify(&two_dots)),
    ]);
    let other = token(2, &key);
    let (good, other) = (|| verify(&good), || verify(&other));
    two_threads("a token each", [&good, &other]);
    two_threads("one token", [&good, &good]);
}

/// The most used Rust verifier, set as strictly as it can be, with its key ready.
struct Peer {
    kid: String,
    key: jsonwebtoken::DecodingKey,
    validation: jsonwebtoken::Validation,
}

impl Peer {
    fn new(key: &SigningKey) -> Self {
        let jwk = key.jwk();
        let part = |name: &str| jwk[name].as_str().expect("an RSA key").to_owned();
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[APP]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        Self {
            kid: key.kid().to_owned(),
            key: jsonwebtoken::DecodingKey::from_rsa_components(&part("n"), &part("e"))
                .expect("an RSA key"),
            validation,
        }
    }

    fn verify(&self, token: &str) {
        let header = jsonwebtoken::decode_header(token).expect("a header");
        assert_eq!(header.kid.as_deref(), Some(&*self.kid));
        let token = black_box(token);
        let claims = jsonwebtoken::decode::<PeerClaims>(token, &self.key, &self.validation);
        black_box(claims.expect("a right token"));
    }
}

/// What a service needs of a token, as the peer hands it out.
#[derive(serde::Deserialize)]
#[allow(dead_code)] // read by the deserializer
struct PeerClaims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    jti: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
}
