//! Every token of the corpus gets its one verdict, and the corpus is what its generator makes.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

mod generate;
mod loader;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dailey_auth::testing::{Fault, Issuer, ManualClock};
use dailey_auth::{
    KeySet, NumericDate, SkipReason, Verified, Verifier, VerifierBuilder, VerifyError,
};

use data_encoding::BASE64URL_NOPAD;
use loader::{ACCEPTED, Row, outcome};
use serde::Deserialize;

/// Every code of a refusal. `keys_unavailable` and `keys_expired` are about no token.
const CODES: [&str; 22] = [
    "token_missing",
    "token_too_large",
    "token_malformed",
    "token_encrypted",
    "json_invalid",
    "json_duplicate_member",
    "json_too_deep",
    "algorithm_not_allowed",
    "type_not_allowed",
    "header_not_allowed",
    "kid_missing",
    "kid_invalid",
    "kid_unknown",
    "signature_invalid",
    "claim_missing",
    "claim_invalid",
    "issuer_mismatch",
    "audience_mismatch",
    "expired",
    "not_yet_valid",
    "issued_in_future",
    "lifetime_too_long",
];

/// The catalogue of attacks, in the words of README.md.
const ATTACKS: [&str; 28] = [
    "alg none and spellings",
    "RS→HS confusion",
    "allow list checked on one name, key uses another",
    "empty or missing key",
    "psychic signatures",
    "RSA forgery at low exponent / loose PKCS#1 parsing",
    "key in the header",
    "URL scheme / SSRF",
    "JWE/JWS confusion",
    "serialization confusion",
    "p2c \"billion hashes\"",
    "decompression bomb",
    "size and structure DoS",
    "huge RSA key",
    "unknown-kid fetch flood",
    "known kid + bad signature flood",
    "kid injection",
    "cross-issuer cache poisoning",
    "verified-token cache collision",
    "audience by-pass",
    "issuer by-pass",
    "typed claims ignored when malformed",
    "crit ignored",
    "error-order confusion",
    "duplicate members",
    "malleable text",
    "token kind confusion",
    "JWKS side",
];

fn builder() -> VerifierBuilder {
    let policy = loader::policy();
    Verifier::builder(&policy.issuer, &policy.audiences)
        .leeway(Duration::from_secs(policy.leeway_seconds))
        .max_lifetime(Duration::from_secs(policy.max_lifetime_seconds))
        .clock(ManualClock::at(policy.now))
}

fn fixed() -> Verifier {
    let (keys, _) = KeySet::from_json(&loader::jwks()).unwrap();
    builder().key_set(keys).build().unwrap()
}

/// An issuer on loopback that publishes the corpus' key set.
async fn issuer() -> Issuer {
    let issuer = Issuer::start(&[]).await.unwrap();
    issuer.set_fault(Fault::Body("application/json", loader::jwks()));
    issuer
}

fn said(verdict: &Result<Verified, VerifyError>) -> String {
    match verdict {
        Ok(_) => ACCEPTED.to_owned(),
        Err(error) => outcome(error.code(), error.claim()),
    }
}

/// Fails with every row that got another verdict, so that one run tells all.
fn assert_verdicts(rows: &[Row], mut verdict: impl FnMut(&Row) -> String) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let said = verdict(row);
            let expected = row.expected();
            (said != expected).then(|| format!("{}: {said}, not {expected}", row.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    for (name, text) in generate::files() {
        let committed = std::fs::read_to_string(loader::folder().join(&name)).unwrap();
        assert!(
            committed == text,
            "{name} differs: run `cargo run -p dailey-auth --example corpus` and read the difference"
        );
    }
}

#[test]
fn the_corpus_is_as_wide_as_it_says() {
    let rows = loader::rows();
    let accepted = rows.iter().filter(|row| row.verdict == ACCEPTED).count();
    assert!(rows.len() >= 1400, "{} tokens", rows.len());
    assert!(accepted >= 190, "{accepted} accepted");

    for code in CODES {
        let of_the_code = rows.iter().filter(|row| row.verdict == code).count();
        let least = if code == "token_missing" { 1 } else { 5 };
        assert!(of_the_code >= least, "{code}: {of_the_code} tokens");
    }
    for row in &rows {
        let known = row.verdict == ACCEPTED || CODES.contains(&&*row.verdict);
        assert!(known, "{}: {}", row.name, row.verdict);
        let about_a_claim = ["claim_missing", "claim_invalid"].contains(&&*row.verdict);
        assert_eq!(row.claim.is_some(), about_a_claim, "{}", row.name);
    }
    for attack in ATTACKS {
        let tag = format!("attack: {attack}");
        let tried = rows
            .iter()
            .any(|row| row.source.split("; ").any(|source| source == tag));
        assert!(tried, "no token for {attack}");
    }
    for number in 0..59 {
        let tag = format!("measured row {number:02}");
        let rows = rows.iter().filter(|row| row.source == tag);
        assert_eq!(rows.count(), 1, "{tag}");
    }
}

#[test]
fn no_name_and_no_token_stands_twice() {
    let rows = loader::rows();
    let (mut names, mut tokens) = (BTreeSet::new(), BTreeSet::new());
    let twice: Vec<&str> = rows
        .iter()
        .filter(|row| !names.insert(&row.name) | !tokens.insert(row.bytes()))
        .map(|row| &*row.name)
        .collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn the_key_set_is_taken_in_without_its_bad_entries() {
    let (keys, skipped) = KeySet::from_json(&loader::jwks()).unwrap();
    let bad = |kid: &str| {
        kid.starts_with("bad-") || ["rsa-1024", "rsa-2047", "exponent-3-2048"].contains(&kid)
    };
    assert_eq!(keys.kids().find(|kid| bad(kid)), None);
    assert_eq!(keys.kids().len(), 22);
    let good = skipped
        .iter()
        .find(|key| key.kid().is_some_and(|kid| !bad(kid)));
    assert_eq!(good, None);
    for reason in [
        SkipReason::PrivateKey,
        SkipReason::KidMissing,
        SkipReason::KidAmbiguous,
        SkipReason::KeyTypeNotAllowed,
        SkipReason::AlgorithmNotAllowed,
        SkipReason::UseNotAllowed,
        SkipReason::ModulusSize,
        SkipReason::ExponentNotAllowed,
        SkipReason::Malformed,
    ] {
        let tried = skipped.iter().any(|key| key.reason() == reason);
        assert!(tried, "no entry for {reason:?}");
    }
}

#[test]
fn a_fixed_key_set_gives_every_token_its_verdict() {
    let verifier = fixed();
    let mut rows = loader::rows();
    assert_verdicts(&rows, |row| said(&verifier.try_verify(&row.text())));
    // Whatever a verifier remembers of tokens that it has seen, it gives the same verdicts.
    rows.reverse();
    assert_verdicts(&rows, |row| said(&verifier.try_verify(&row.text())));
}

#[tokio::test]
async fn verify_gives_every_token_its_verdict() {
    let verifier = fixed();
    let rows = loader::rows();
    let mut verdicts = Vec::new();
    for row in &rows {
        verdicts.push(said(&verifier.verify(&row.text()).await));
    }
    let mut verdicts = verdicts.into_iter();
    assert_verdicts(&rows, |_| verdicts.next().unwrap());
}

#[test]
fn a_verifier_that_remembers_gives_every_token_its_verdict_again_and_again() {
    let (keys, _) = KeySet::from_json(&loader::jwks()).unwrap();
    let remembering = builder().key_set(keys).token_cache(4096).build().unwrap();
    let rows = loader::rows();
    for _ in 0..3 {
        assert_verdicts(&rows, |row| said(&remembering.try_verify(&row.text())));
    }
    let accepted = rows.iter().filter(|row| row.verdict == ACCEPTED).count();
    let misses = remembering.health().token_cache_misses;
    // Those at the edge of their time are never remembered, the others once.
    assert!(misses < 2 * accepted as u64, "{misses} misses");
}

#[tokio::test]
async fn a_live_issuer_gives_every_token_its_verdict() {
    let issuer = issuer().await;
    let verifier = builder()
        .jwks_url(issuer.jwks_url())
        .allow_loopback_http()
        .build()
        .unwrap();
    verifier.ready(Duration::from_secs(10)).await.unwrap();

    let rows = loader::rows();
    let mut verdicts = Vec::new();
    for row in &rows {
        let text = row.text();
        let verify = said(&verifier.verify(&text).await);
        // After it, since only a key id that was asked for in vain is known to be none: before,
        // an answer that may not wait is `keys_unavailable`.
        let try_verify = said(&verifier.try_verify(&text));
        verdicts.push(if verify == try_verify {
            verify
        } else {
            format!("{verify}, but {try_verify} without waiting")
        });
    }
    let mut verdicts = verdicts.into_iter();
    assert_verdicts(&rows, |_| verdicts.next().unwrap());

    // The clock stands still: one fetch at the start and the budget of two for unknown ids.
    assert_eq!(issuer.requests(), 3);
}

/// The claims as another reader of JSON sees them.
#[derive(Deserialize)]
struct Written {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    jti: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[test]
fn the_blocking_verifier_gives_every_token_its_verdict() {
    let (keys, _) = KeySet::from_json(&loader::jwks()).unwrap();
    let fixed = builder().key_set(keys).blocking().build().unwrap();
    assert_verdicts(&loader::rows(), |row| said(&fixed.verify(&row.text())));

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let issuer = runtime.block_on(issuer());
    let live = builder()
        .jwks_url(issuer.jwks_url())
        .allow_loopback_http()
        .blocking()
        .build()
        .unwrap();
    assert_verdicts(&loader::rows(), |row| said(&live.verify(&row.text())));
    assert_eq!(issuer.requests(), 3);
}

#[test]
fn an_accepted_token_says_what_was_written() {
    let verifier = fixed();
    let seconds = |time: NumericDate| time.as_secs_f64();
    for row in loader::rows() {
        let text = row.text();
        let Ok(token) = verifier.try_verify(&text) else {
            continue;
        };
        let name = &row.name;
        let payload = BASE64URL_NOPAD.decode(text.split('.').nth(1).unwrap().as_bytes());
        let written: Written = serde_json::from_slice(&payload.unwrap()).unwrap();
        let audiences = match written.aud {
            OneOrMany::One(audience) => vec![audience],
            OneOrMany::Many(audiences) => audiences,
        };
        let claims = token.claims();
        assert_eq!(claims.issuer(), written.iss, "{name}");
        assert_eq!(claims.subject(), written.sub, "{name}");
        assert!(claims.audiences().eq(audiences), "{name}");
        assert_eq!(claims.token_id(), written.jti.as_deref(), "{name}");
        assert_eq!(claims.client_id(), written.client_id.as_deref(), "{name}");
        assert_eq!(claims.scope(), written.scope.as_deref(), "{name}");
        // The same bits: both readers round as IEEE 754 says.
        let times = [
            Some(claims.expires_at()),
            Some(claims.issued_at()),
            claims.not_before(),
        ];
        let times = times.map(|time| time.map(seconds).map(f64::to_bits));
        let expected = [Some(written.exp), Some(written.iat), written.nbf];
        assert_eq!(times, expected.map(|time| time.map(f64::to_bits)), "{name}");
    }
}

#[test]
fn no_error_holds_a_piece_of_its_token() {
    const PIECE_BYTES: usize = 8;
    let verifier = fixed();
    let mut said = BTreeMap::new();
    for row in loader::rows() {
        let text = row.text();
        let Err(error) = verifier.try_verify(&text) else {
            continue;
        };
        let challenge = error.www_authenticate().unwrap();
        // The scheme's name is nobody's secret.
        let challenge = challenge.trim_start_matches("Bearer").to_owned();
        let texts = [error.to_string(), format!("{error:?}"), challenge];
        // Of what a token says, nothing either: the same words for all tokens of one verdict.
        let same = said.entry(row.expected()).or_insert_with(|| texts.clone());
        assert_eq!(*same, texts, "{}", row.name);
        let pieces: BTreeSet<&[u8]> = text.as_bytes().windows(PIECE_BYTES).collect();
        for shown in texts {
            let told = shown
                .as_bytes()
                .windows(PIECE_BYTES)
                .find(|piece| pieces.contains(piece));
            let told = told.map(String::from_utf8_lossy);
            assert_eq!(told, None, "{}: {shown}", row.name);
        }
    }
}
