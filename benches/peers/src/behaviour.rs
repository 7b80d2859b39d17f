//! What each verifier does to its issuer, and how long it lives without it: one fake issuer, a clock that
//! is turned by hand, no waiting in real time.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dailey_auth::testing::{Fault, Issuer, SigningKey, TokenBuilder};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde_json::json;

use crate::clock::Clock;
use crate::speaker::Speaker;

const AUDIENCE: &str = "app";
const AT_ONCE: usize = 64;
const RANDOM: usize = 10_000;

/// Steps in which time goes on, until what is waited for is seen.
const STEP: u64 = 30;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const LONGEST: u64 = 26 * HOUR;

/// One verifier.
#[derive(Serialize)]
pub struct Behaviour {
    pub name: String,
    /// Requests for 64 unknown key ids at once, right after the first good token.
    pub unknown_at_once: usize,
    /// Requests for 10 000 random key ids, one after the other.
    pub unknown_in_turn: usize,
    /// Seconds until a token by a key that was added right after the first fetch is accepted.
    pub new_key_seconds: Option<u64>,
    /// The same when 64 unknown key ids came just before.
    pub new_key_after_flood_seconds: Option<u64>,
    /// Seconds until a token by a key that is no longer published is refused.
    pub removed_key_seconds: Option<u64>,
    /// Whether good tokens are accepted after this much time without the issuer.
    pub serves_after_1_hour: bool,
    pub serves_after_25_hours: bool,
}

/// Where a trial happens.
struct Trial<'a> {
    speaker: &'a mut Speaker,
    clock: &'a mut Clock,
    /// How far ahead it was. It is never turned back: no program expects that of time.
    began: u64,
    name: String,
    issuer: Issuer,
    first: SigningKey,
    second: SigningKey,
    file: PathBuf,
}

/// All live verifiers of a speaker, each anew for every question.
pub async fn observe(speaker: &mut Speaker, clock: &mut Clock, folder: &Path) -> Vec<Behaviour> {
    let names = speaker.live("http://127.0.0.1:9/", "http://127.0.0.1:9", AUDIENCE);
    let mut all = Vec::new();
    for name in names {
        eprintln!("  {name}");
        let (at_once, in_turn) = floods(speaker, clock, folder, &name).await;
        all.push(Behaviour {
            unknown_at_once: at_once,
            unknown_in_turn: in_turn,
            new_key_seconds: new_key(speaker, clock, folder, &name, false).await,
            new_key_after_flood_seconds: new_key(speaker, clock, folder, &name, true).await,
            removed_key_seconds: removed_key(speaker, clock, folder, &name).await,
            serves_after_1_hour: outage(speaker, clock, folder, &name, HOUR).await,
            serves_after_25_hours: outage(speaker, clock, folder, &name, 25 * HOUR).await,
            name,
        });
    }
    all
}

async fn floods(
    speaker: &mut Speaker,
    clock: &mut Clock,
    folder: &Path,
    name: &str,
) -> (usize, usize) {
    let mut trial = Trial::begin(speaker, clock, folder, name).await;
    let before = trial.issuer.requests();
    trial.verify(&trial.unknown(AT_ONCE), true);
    let at_once = trial.issuer.requests() - before;
    drop(trial);
    let mut trial = Trial::begin(speaker, clock, folder, name).await;
    let before = trial.issuer.requests();
    trial.verify(&trial.unknown(RANDOM), false);
    (at_once, trial.issuer.requests() - before)
}

async fn new_key(
    speaker: &mut Speaker,
    clock: &mut Clock,
    folder: &Path,
    name: &str,
    flood: bool,
) -> Option<u64> {
    let mut trial = Trial::begin(speaker, clock, folder, name).await;
    if flood {
        trial.verify(&trial.unknown(AT_ONCE), true);
    }
    trial.issuer.add(&trial.second);
    trial.until(|trial| {
        let token = trial.token(&trial.second);
        trial.verify(&[token], false) == 1
    })
}

async fn removed_key(
    speaker: &mut Speaker,
    clock: &mut Clock,
    folder: &Path,
    name: &str,
) -> Option<u64> {
    let mut trial = Trial::begin(speaker, clock, folder, name).await;
    trial.issuer.publish(&[&trial.second]);
    trial.until(|trial| {
        let token = trial.token(&trial.first);
        trial.verify(&[token], false) == 0
    })
}

async fn outage(
    speaker: &mut Speaker,
    clock: &mut Clock,
    folder: &Path,
    name: &str,
    seconds: u64,
) -> bool {
    let mut trial = Trial::begin(speaker, clock, folder, name).await;
    trial.issuer.set_fault(Fault::Status(503));
    let mut accepted = true;
    // Somebody asks every ten minutes, as in life.
    for _ in 0..seconds / (10 * MINUTE) {
        trial.pass(10 * MINUTE);
        let token = trial.token(&trial.first);
        accepted = trial.verify(&[token], false) == 1;
    }
    accepted
}

impl<'a> Trial<'a> {
    /// A fresh issuer with one key, a fresh verifier that has seen a good token of it.
    async fn begin(
        speaker: &'a mut Speaker,
        clock: &'a mut Clock,
        folder: &Path,
        name: &str,
    ) -> Self {
        let began = clock.ahead();
        let (first, second) = (SigningKey::generate(), SigningKey::generate());
        let issuer = Issuer::start(&[&first]).await.expect("a port");
        speaker.live(&issuer.jwks_url(), &issuer.url(), AUDIENCE);
        let mut trial = Self {
            speaker,
            clock,
            began,
            name: name.to_owned(),
            issuer,
            first,
            second,
            file: folder.join("tokens.json"),
        };
        let token = trial.token(&trial.first);
        let accepted = trial.verify(&[token], false);
        assert_eq!(accepted, 1, "{name} accepts a good token");
        trial
    }

    /// A token of the present, by the turned clock.
    fn token(&self, key: &SigningKey) -> String {
        let now = self.now();
        TokenBuilder::new(&self.issuer.url(), AUDIENCE)
            .issued_at(now)
            .expires_at(now + 600)
            .sign(key)
    }

    fn now(&self) -> i64 {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(now.as_secs() + self.clock.ahead()).expect("this century")
    }

    /// Right in everything but the key id; nobody will get as far as the signature.
    fn unknown(&self, count: usize) -> Vec<String> {
        let now = self.now();
        let claims = json!({
            "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "user-1", "iat": now, "exp": now + 600,
        });
        let encode = |text: String| BASE64URL_NOPAD.encode(text.as_bytes());
        let (claims, signature) = (
            encode(claims.to_string()),
            BASE64URL_NOPAD.encode(&[7; 256]),
        );
        let token = |number: usize| {
            let header =
                json!({ "alg": "RS256", "typ": "at+jwt", "kid": format!("nobody-{number}-{now}") });
            format!("{}.{claims}.{signature}", encode(header.to_string()))
        };
        (0..count).map(token).collect()
    }

    fn verify(&mut self, tokens: &[String], at_once: bool) -> usize {
        std::fs::write(&self.file, json!(tokens).to_string()).expect("a file of tokens");
        self.speaker.verify(&self.name, &self.file, at_once)
    }

    fn pass(&mut self, seconds: u64) {
        let ahead = self.clock.ahead() + seconds;
        self.clock.set_ahead(ahead);
        self.speaker.shift(seconds);
    }

    fn passed(&self) -> u64 {
        self.clock.ahead() - self.began
    }

    /// Lets time pass until it is so; the seconds that it took.
    fn until(&mut self, mut seen: impl FnMut(&mut Self) -> bool) -> Option<u64> {
        while self.passed() <= LONGEST {
            if seen(self) {
                return Some(self.passed());
            }
            // What was set off by asking may need a moment of real time.
            std::thread::sleep(Duration::from_millis(20));
            if seen(self) {
                return Some(self.passed());
            }
            let step = if self.passed() < 20 * MINUTE {
                STEP
            } else {
                10 * MINUTE
            };
            self.pass(step);
        }
        None
    }
}
