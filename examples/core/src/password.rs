//! Passwords: bounds, argon2id, and the gate that keeps hashing from eating the machine.
//!
//! One hash costs 19 MiB and some 20 ms by design. It runs on a thread of its own kind, of which there is one per core,
//! in memory that the thread keeps, and a request waits for its turn two seconds and no longer.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroizing;

use crate::secret::random_bytes;

/// Shortest password in characters (NIST SP 800-63B section 3.1.1.2).
pub const MIN_CHARACTERS: usize = 8;
/// Longest password in characters.
pub const MAX_CHARACTERS: usize = 256;

/// Memory in KiB, passes, lanes: the first of OWASP's minimum sets for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How long a request waits for its turn to hash.
const TURN_DEADLINE: Duration = Duration::from_secs(2);

/// Why a text cannot be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too few characters.
    #[error("a password has at least 8 characters")]
    TooShort,
    /// Too many characters.
    #[error("a password has at most 256 characters")]
    TooLong,
    /// A zero byte, which some systems take for the end.
    #[error("a password holds no NUL character")]
    Nul,
}

/// A password within bounds, wiped from memory when dropped, shown by nothing.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Checks the bounds.
    pub fn parse(text: Zeroizing<String>) -> Result<Self, PasswordError> {
        if text.contains('\0') {
            return Err(PasswordError::Nul);
        }
        match text.chars().count() {
            n if n < MIN_CHARACTERS => Err(PasswordError::TooShort),
            n if n > MAX_CHARACTERS => Err(PasswordError::TooLong),
            _ => Ok(Self(text)),
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The outcome of comparing a password with a stored hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It is the one.
    Right,
    /// It is the one, and its hash was made with older parameters: store this one instead.
    RightAndRehashed(String),
    /// It is not.
    Wrong,
}

/// The hash of a password, with a fresh salt, as a PHC string.
pub fn hash(password: &Password) -> String {
    Hasher::default().hash(password)
}

/// Why hashing with our own parameters cannot fail.
const WITHIN_BOUNDS: &str = "the parameters and the salt's length are within argon2's bounds";

/// Hashes one password at a time, in memory that it keeps. Taken anew for each hash, blocks of this size leave holes
/// that the allocator of glibc does not fill again: it grew to many times what was in use.
#[derive(Default)]
struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    fn hash(&mut self, password: &Password) -> String {
        let params = params();
        let salt = Salt::new(&random_bytes::<16>()).expect(WITHIN_BOUNDS);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).expect(WITHIN_BOUNDS),
            salt: Some(salt),
            hash: Some(self.output(&argon2, password, &salt).expect(WITHIN_BOUNDS)),
        }
        .to_string()
    }

    /// Compares in the time of one hash.
    fn verify(&mut self, password: &Password, stored: &str) -> Match {
        match self.matches(password, stored) {
            None => Match::Wrong,
            Some(params) if params.m_cost() >= MEMORY_KIB && params.t_cost() >= PASSES => {
                Match::Right
            }
            Some(_) => Match::RightAndRehashed(self.hash(password)),
        }
    }

    /// The parameters of the stored hash, where the password is the one.
    fn matches(&mut self, password: &Password, stored: &str) -> Option<Params> {
        let stored = PasswordHash::new(stored).ok()?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
        let version = stored
            .version
            .map_or(Ok(Version::default()), Version::try_from);
        let params = Params::try_from(&stored).ok()?;
        let argon2 = Argon2::new(algorithm, version.ok()?, params.clone());
        let computed = self.output(&argon2, password, &stored.salt?)?;
        // Outputs are compared in constant time.
        (computed == stored.hash?).then_some(params)
    }

    fn output(&mut self, argon2: &Argon2<'_>, password: &Password, salt: &Salt) -> Option<Output> {
        let params = argon2.params();
        if self.memory.len() < params.block_count() {
            self.memory.resize(params.block_count(), Block::new());
        }
        let mut bytes = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let bytes = bytes.get_mut(..length)?;
        let memory = self.memory.get_mut(..params.block_count())?;
        argon2
            .hash_password_into_with_memory(password.0.as_bytes(), salt, bytes, memory)
            .ok()?;
        Output::new(bytes).ok()
    }
}

fn params() -> Params {
    Params::new(MEMORY_KIB, PASSES, LANES, None).expect(WITHIN_BOUNDS)
}

/// No turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at once; try again in a few seconds")]
pub struct Busy;

/// A turn to hash. It ends with the hashing, not with the request that asked for it.
pub struct Turn {
    permit: OwnedSemaphorePermit,
    decoy: Arc<str>,
    hashers: mpsc::Sender<Work>,
}

/// What a hashing thread does next.
type Work = Box<dyn FnOnce(&mut Hasher) + Send>;

/// Lets at most one hash per core run at once.
pub struct Gate {
    permits: Arc<Semaphore>,
    decoy: Arc<str>,
    hashers: mpsc::Sender<Work>,
}

impl Gate {
    /// A gate for this machine. The decoy has the live parameters, so that it costs what a real hash costs.
    pub fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let decoy = Password(Zeroizing::new(
            data_encoding::HEXLOWER.encode(&random_bytes::<32>()),
        ));
        Self {
            permits: Arc::new(Semaphore::new(cores)),
            decoy: hash(&decoy).into(),
            hashers: hashers(cores),
        }
    }

    /// Waits for a turn, two seconds at most.
    pub async fn turn(&self) -> Result<Turn, Busy> {
        let permit = tokio::time::timeout(TURN_DEADLINE, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Busy)?
            .map_err(|_| Busy)?;
        Ok(Turn {
            permit,
            decoy: Arc::clone(&self.decoy),
            hashers: self.hashers.clone(),
        })
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Turn {
    /// Compares a password with a stored hash; with the decoy when there is none, so that an unknown user takes as
    /// long as a wrong password.
    pub async fn verify(self, password: Password, stored: Option<String>) -> Match {
        self.run(move |hasher, decoy| {
            if let Some(stored) = stored {
                return hasher.verify(&password, &stored);
            }
            hasher.verify(&password, decoy);
            Match::Wrong
        })
        .await
    }

    /// Hashes a new password.
    pub async fn hash(self, password: Password) -> String {
        self.run(move |hasher, _| hasher.hash(&password)).await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Hasher, &str) -> T + Send + 'static,
    ) -> T {
        let Self {
            permit,
            decoy,
            hashers,
        } = self;
        let (answer, answered) = oneshot::channel();
        let work = move |hasher: &mut Hasher| {
            let done = work(hasher, &decoy);
            drop(permit);
            // Nobody may wait any more.
            let _ = answer.send(done);
        };
        hashers
            .send(Box::new(work))
            .expect("the threads end after the gate and its last turn");
        answered
            .await
            .expect("hashing does not panic and is never cancelled")
    }
}

/// Threads that only hash, each in memory of its own. They end when nobody can send any more.
fn hashers(count: usize) -> mpsc::Sender<Work> {
    let (sender, receiver) = mpsc::channel::<Work>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..count {
        let receiver = Arc::clone(&receiver);
        thread::spawn(move || {
            let next = || {
                let waiting = receiver.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.recv()
            };
            let mut hasher = Hasher::default();
            while let Ok(work) = next() {
                work(&mut hasher);
            }
        });
    }
    sender
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_password_has_8_to_256_characters_and_no_nul() {
        let parse = |text: String| Password::parse(Zeroizing::new(text)).err();
        assert_eq!(parse("1234567".into()), Some(PasswordError::TooShort));
        assert_eq!(parse("ä".repeat(8)), None);
        assert_eq!(parse("ä".repeat(256)), None);
        assert_eq!(parse("a".repeat(257)), Some(PasswordError::TooLong));
        assert_eq!(parse("1234567\0".into()), Some(PasswordError::Nul));
    }

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let stored = hash(&password("correct horse"));
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        let mut hasher = Hasher::default();
        for _ in 0..2 {
            let right = hasher.verify(&password("correct horse"), &stored);
            assert_eq!(right, Match::Right);
            let wrong = hasher.verify(&password("wrong horse!"), &stored);
            assert_eq!(wrong, Match::Wrong, "whatever the memory holds");
        }
        let other = hasher.verify(&password("correct horse"), "not a hash");
        assert_eq!(other, Match::Wrong);
        // The library's own reading of what is stored.
        let other = Argon2::default().verify_password(b"correct horse", stored.as_str());
        assert_eq!(other, Ok(()));
    }

    #[tokio::test]
    async fn no_more_threads_hash_than_there_are_cores() {
        let gate = Gate::new();
        let here = || async {
            gate.turn()
                .await
                .unwrap()
                .run(|_, _| thread::current().id())
                .await
        };
        let mut threads = std::collections::HashSet::new();
        for _ in 0..8 {
            let (one, other, third) = tokio::join!(here(), here(), here());
            threads.extend([one, other, third]);
        }
        let cores = thread::available_parallelism().unwrap().get();
        assert!(threads.len() <= cores, "{threads:?}");
        assert!(!threads.contains(&thread::current().id()));
    }

    #[test]
    fn a_hash_of_weaker_parameters_is_replaced() {
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8 * 1024, 1, 1, None).unwrap(),
        );
        let stored = weak
            .hash_password_with_salt(b"correct horse", &[7; 16])
            .unwrap()
            .to_string();
        let mut hasher = Hasher::default();
        let verified = hasher.verify(&password("correct horse"), &stored);
        let Match::RightAndRehashed(new) = verified else {
            panic!("not rehashed")
        };
        let verified = hasher.verify(&password("correct horse"), &new);
        assert_eq!(verified, Match::Right);
    }
}
