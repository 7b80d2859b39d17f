//! Passwords: bounds, argon2id, and the gate that keeps hashing from eating the machine.
//!
//! One hash costs 19 MiB and some 20 ms by design. It runs on a blocking thread, at most one per core at once, and a
//! request waits for its turn two seconds and no longer.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
///
/// # Panics
/// Never: the parameters are constants within argon2's bounds and so are the inputs.
pub fn hash(password: &Password) -> String {
    hasher()
        .hash_password_with_salt(password.0.as_bytes(), &random_bytes::<16>())
        .expect("the parameters and the salt's length are within argon2's bounds")
        .to_string()
}

/// Compares in the time of one hash.
pub fn verify(password: &Password, stored: &str) -> Match {
    let Ok(parsed) = PasswordHash::new(stored) else {
        return Match::Wrong;
    };
    if hasher()
        .verify_password(password.0.as_bytes(), &parsed)
        .is_err()
    {
        return Match::Wrong;
    }
    match Params::try_from(&parsed) {
        Ok(params) if params.m_cost() >= MEMORY_KIB && params.t_cost() >= PASSES => Match::Right,
        _ => Match::RightAndRehashed(hash(password)),
    }
}

fn hasher() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("constants within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// No turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at once; try again in a few seconds")]
pub struct Busy;

/// A turn to hash. It ends with the hashing, not with the request that asked for it.
pub struct Turn {
    permit: OwnedSemaphorePermit,
    decoy: Arc<str>,
}

/// Lets at most one hash per core run at once.
pub struct Gate {
    permits: Arc<Semaphore>,
    decoy: Arc<str>,
}

impl Gate {
    /// A gate for this machine. The decoy has the live parameters, so that it costs what a real hash costs.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let decoy = Password(Zeroizing::new(
            data_encoding::HEXLOWER.encode(&random_bytes::<32>()),
        ));
        Self {
            permits: Arc::new(Semaphore::new(cores)),
            decoy: hash(&decoy).into(),
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
        blocking(move || {
            let _permit = self.permit;
            if let Some(stored) = stored {
                return verify(&password, &stored);
            }
            verify(&password, &self.decoy);
            Match::Wrong
        })
        .await
    }

    /// Hashes a new password.
    pub async fn hash(self, password: Password) -> String {
        blocking(move || {
            let _permit = self.permit;
            hash(&password)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("hashing does not panic and is never cancelled")
}

#[cfg(test)]
mod tests {
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
        assert_eq!(verify(&password("correct horse"), &stored), Match::Right);
        assert_eq!(verify(&password("wrong horse!"), &stored), Match::Wrong);
        assert_eq!(
            verify(&password("correct horse"), "not a hash"),
            Match::Wrong
        );
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
        let Match::RightAndRehashed(new) = verify(&password("correct horse"), &stored) else {
            panic!("not rehashed")
        };
        assert_eq!(verify(&password("correct horse"), &new), Match::Right);
    }
}
