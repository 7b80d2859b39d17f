//! Nearly right tokens through this crate and through `jsonwebtoken`, set as strictly as it can be.
//!
//! Whatever this crate accepts, the peer must accept too, and both must read the same claims. What
//! the peer accepts and this crate refuses is counted by code, and each code has its reason here.
//!
//! `DIFFERENTIAL_SEED` and `DIFFERENTIAL_CASES` (environment) choose another run.

#![allow(clippy::unwrap_used)] // what fails here says so by failing

mod dice;
mod json;
mod mutation;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use dailey_auth::testing::{ManualClock, SigningKey, TokenBuilder};
use dailey_auth::{KeySet, Verified, Verifier, VerifyError};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use dice::Dice;
use mutation::{Draft, mutate_bytes, mutate_text};

const ISSUER: &str = "https://core.example";
const APP: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const KID: &str = "k1";

const DEFAULT_SEED: u64 = 20_261_125;
/// Each one is signed, which is what takes the time.
const DEFAULT_CASES: u64 = 6_000;

/// What only the peer accepts, and why that is right.
const ONLY_THE_PEER: [(&str, &str); 9] = [
    (
        "token_too_large",
        "the peer has no limit; ours is what proxies let through",
    ),
    (
        "json_invalid",
        "the peer takes a sequence of values for claims, and any number of members",
    ),
    (
        "json_duplicate_member",
        "the peer lets the last of two unregistered members win",
    ),
    ("json_too_deep", "the peer reads 127 levels"),
    (
        "header_not_allowed",
        "the peer ignores members it does not know, and even `crit`",
    ),
    ("claim_missing", "the peer never asks for `iat`"),
    (
        "claim_invalid",
        "the peer takes a list for `iss`, an empty or endless `sub`, null for absent, times beyond 2^53, \
         exp before iat, more than 16 audiences, and any type of `iat`, `jti`, `client_id`, `scope`",
    ),
    ("issued_in_future", "the peer never looks at `iat`"),
    ("lifetime_too_long", "the peer knows no longest lifetime"),
];

struct Ours {
    key: SigningKey,
    verifier: Verifier,
}

/// `jsonwebtoken`, with by hand what it leaves to its caller: the key by its id, and the type.
struct Peer {
    keys: BTreeMap<String, DecodingKey>,
    validation: Validation,
}

impl Peer {
    fn new(key: &SigningKey) -> Self {
        let jwk = key.jwk();
        let part = |name: &str| jwk[name].as_str().unwrap().to_owned();
        let decoding = DecodingKey::from_rsa_components(&part("n"), &part("e")).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = 30;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[APP]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        Self {
            keys: [(key.kid().to_owned(), decoding)].into(),
            validation,
        }
    }

    fn verify(&self, token: &str) -> Result<Value, String> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
        let kid = header.kid.ok_or("no kid")?;
        let key = self.keys.get(&kid).ok_or("unknown kid")?;
        let typ = header.typ.ok_or("no typ")?.to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt" {
            return Err("another typ".to_owned());
        }
        jsonwebtoken::decode(token, key, &self.validation)
            .map(|data| data.claims)
            .map_err(|error| error.to_string())
    }
}

#[derive(Debug, Default)]
struct Tally {
    both_accept: usize,
    both_refuse: usize,
    excused: usize,
    /// The peer has only the system's clock, which goes on while this runs.
    too_near_an_edge: usize,
    only_the_peer: BTreeMap<&'static str, usize>,
}

#[test]
fn what_is_accepted_here_the_peer_accepts_and_reads_alike() {
    let setting = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let seed = setting("DIFFERENTIAL_SEED", DEFAULT_SEED);
    let cases = setting("DIFFERENTIAL_CASES", DEFAULT_CASES);

    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let key = SigningKey::generate().with_kid(KID);
    let (keys, _) = KeySet::from_json(key.public_jwks().as_bytes()).unwrap();
    let verifier = Verifier::builder(ISSUER, [APP])
        .key_set(keys)
        .clock(ManualClock::at(now))
        .build()
        .unwrap();
    let peer = Peer::new(&key);
    let ours = Ours { key, verifier };

    let now = i64::try_from(now).unwrap();
    let mut tally = Tally::default();
    for case in 0..cases {
        let mut dice = Dice::new(seed.wrapping_add(case.wrapping_mul(0x1_0000_0001)));
        let token = ours.draw(&mut dice, now);
        if is_near_an_edge(&token, now) {
            tally.too_near_an_edge += 1;
            continue;
        }
        let told = || format!("seed {seed}, case {case}: {}", written(&token));
        match (ours.verifier.try_verify(&token), peer.verify(&token)) {
            (Ok(accepted), Ok(claims)) => {
                assert_same_claims(&accepted, &claims, &told());
                tally.both_accept += 1;
            }
            (Ok(_), Err(error)) => {
                let excused = excused(&token).unwrap_or_else(|| panic!("{error}, {}", told()));
                let claims = peer.verify(&excused.sign(&ours.key));
                assert!(claims.is_ok(), "{error}, {}", told());
                tally.excused += 1;
            }
            (Err(VerifyError::Rejected(refusal)), Ok(_)) => {
                let code = refusal.code();
                let known = ONLY_THE_PEER.iter().any(|(known, _)| *known == code);
                assert!(known, "{code}, {}", told());
                *tally.only_the_peer.entry(code).or_default() += 1;
            }
            (Err(VerifyError::Rejected(_)), Err(_)) => tally.both_refuse += 1,
            (Err(error), _) => panic!("{error}, {}", told()),
        }
    }

    println!("seed {seed}: {tally:?}");
    if seed == DEFAULT_SEED && cases == DEFAULT_CASES {
        // The run is worth something only if it goes to every corner.
        let found: BTreeSet<_> = tally.only_the_peer.keys().copied().collect();
        let known: BTreeSet<_> = ONLY_THE_PEER.iter().map(|(code, _)| *code).collect();
        assert_eq!(found, known);
        assert!(tally.both_accept >= 800 && tally.both_refuse >= 1_000 && tally.excused > 0);
    }
}

impl Ours {
    /// The token of this throw.
    fn draw(&self, dice: &mut Dice, now: i64) -> String {
        let mut draft = Draft::right(dice, now);
        match dice.below(8) {
            0 => {
                let mut token = self.sign(&draft, dice);
                mutate_text(&mut token, dice);
                token
            }
            1 | 2 => {
                let mut header = draft.header.print(dice, true).into_bytes();
                let mut payload = draft.payload.print(dice, true).into_bytes();
                let bytes = if dice.chance(30) {
                    &mut header
                } else {
                    &mut payload
                };
                mutate_bytes(bytes, dice);
                TokenBuilder::sign_raw(&header, &payload, &self.key)
            }
            _ => {
                draft.mutate(dice, now);
                self.sign(&draft, dice)
            }
        }
    }

    fn sign(&self, draft: &Draft, dice: &mut Dice) -> String {
        let plain = dice.chance(50);
        let header = draft.header.print(dice, plain);
        let payload = draft.payload.print(dice, plain);
        TokenBuilder::sign_raw(header.as_bytes(), payload.as_bytes(), &self.key)
    }
}

/// Whether a time of `token` is within 20 seconds of where it changes the verdict.
fn is_near_an_edge(token: &str, now: i64) -> bool {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok();
    let claims: Option<Value> = payload.and_then(|json| serde_json::from_slice(&json).ok());
    [("exp", -30), ("iat", 30), ("nbf", 30)]
        .iter()
        .any(|(name, leeway)| {
            let time = claims
                .as_ref()
                .and_then(|claims| claims.get(name)?.as_f64());
            let edge = f64::from(i32::try_from(now + leeway).unwrap_or(i32::MAX));
            time.is_some_and(|time| (time - edge).abs() < 20.0)
        })
}

/// Every registered claim as this crate reads it by itself, and the whole of them.
fn assert_same_claims(verified: &Verified, peer: &Value, told: &str) {
    let claims = verified.claims();
    let text = |name: &str| peer.get(name).map(|value| value.as_str().unwrap());
    let number = |name: &str| peer.get(name).map(|value| value.as_f64().unwrap());
    assert_eq!(Some(claims.issuer()), text("iss"), "{told}");
    assert_eq!(Some(claims.subject()), text("sub"), "{told}");
    assert_eq!(claims.token_id(), text("jti"), "{told}");
    assert_eq!(claims.client_id(), text("client_id"), "{told}");
    assert_eq!(claims.scope(), text("scope"), "{told}");
    let audiences: Vec<_> = match &peer["aud"] {
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    };
    assert_eq!(claims.audiences().collect::<Vec<_>>(), audiences, "{told}");
    for (ours, name) in [
        (Some(claims.expires_at()), "exp"),
        (Some(claims.issued_at()), "iat"),
        (claims.not_before(), "nbf"),
    ] {
        match (ours, number(name)) {
            (None, None) => {}
            // serde_json without `float_roundtrip` is off by some units in the last place.
            (Some(ours), Some(peers)) => {
                let (ours, close) = (ours.as_secs_f64(), peers.abs() * 4.0 * f64::EPSILON);
                assert!((ours - peers).abs() <= close, "{name}, {told}");
            }
            (ours, peers) => panic!("{name}: {ours:?} and {peers:?}, {told}"),
        }
    }
    assert_eq!(&verified.claims_as::<Value>().unwrap(), peer, "{told}");
}

/// A token whose only differences to `token` are those for which the peer may refuse it:
///
/// - a number too large for an `f64`, in a member that nobody reads: this crate converts only what
///   it is asked for, the peer's `Value` converts everything. It becomes 0;
/// - `cty` of another type than text, which this crate does not read at all. It becomes text.
fn excused(token: &str) -> Option<Excused> {
    let mut segments = token
        .split('.')
        .map(|segment| BASE64URL_NOPAD.decode(segment.as_bytes()));
    let mut json = || String::from_utf8(segments.next()?.ok()?).ok();
    let (mut header, payload) = (tame_numbers(&json()?), tame_numbers(&json()?));
    let mut members: Value = serde_json::from_str(&header).ok()?;
    if let Some(cty) = members.get_mut("cty").filter(|cty| !cty.is_string()) {
        *cty = "text".into();
        header = members.to_string();
    }
    Some(Excused { header, payload })
}

struct Excused {
    header: String,
    payload: String,
}

impl Excused {
    fn sign(&self, key: &SigningKey) -> String {
        TokenBuilder::sign_raw(self.header.as_bytes(), self.payload.as_bytes(), key)
    }
}

/// `json` with 0 for each number that no `f64` can hold.
fn tame_numbers(json: &str) -> String {
    let mut out = String::new();
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|character| {
                let end = character == '"' && !escaped;
                escaped = character == '\\' && !escaped;
                end
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
            end.unwrap_or(rest.len()).max(first.len_utf8())
        };
        let (piece, behind) = rest.split_at(length);
        let too_large = piece.parse().is_ok_and(f64::is_infinite);
        out.push_str(if too_large { "0" } else { piece });
        rest = behind;
    }
    out
}

/// The token's JSON, for whoever has to find out.
fn written(token: &str) -> String {
    let decoded = token.split('.').take(2).map(|segment| {
        BASE64URL_NOPAD
            .decode(segment.as_bytes())
            .map_or(segment.to_owned(), |bytes| {
                String::from_utf8_lossy(&bytes).into_owned()
            })
    });
    decoded.collect::<Vec<_>>().join(" . ")
}
