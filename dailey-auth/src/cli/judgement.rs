//! The verdict on one token, and what led to it.

use crate::error::{KeySetError, Rejection, Unavailable, VerifyError};
use crate::keys::{KeySet, SkippedKey};
use crate::verifier::Examination;

use super::settings::Settings;
use super::{End, Failure, document};

/// A verdict with what led to it.
pub(super) struct Judgement {
    pub(super) examination: Examination,
    /// The keys, when they were looked at: the form of a token is judged first.
    pub(super) keys: Keys,
}

pub(super) enum Keys {
    NotNeeded,
    /// Why they could not be had.
    Unavailable(String),
    Had {
        kids: Vec<String>,
        skipped: Vec<SkippedKey>,
    },
}

impl Judgement {
    /// Verifies `token` with keys that are fetched when they are needed, once.
    pub(super) fn of(token: &str, settings: &Settings) -> Result<Self, Failure> {
        let mut examination = settings.verifier(KeySet::empty())?.examine(token);
        let needs_keys = matches!(
            &examination.verdict,
            Err(VerifyError::Rejected(Rejection::KidUnknown))
        );
        let keys = if needs_keys {
            let fetched = document::fetch(settings.source.clone())
                .and_then(|json| KeySet::from_json(&json).map_err(reason));
            match fetched {
                Ok((keys, skipped)) => {
                    let kids = keys.kids().map(str::to_owned).collect();
                    examination = settings.verifier(keys)?.examine(token);
                    Keys::Had { kids, skipped }
                }
                Err(reason) => {
                    examination.verdict = Err(Unavailable::KeysUnavailable.into());
                    Keys::Unavailable(reason)
                }
            }
        } else {
            Keys::NotNeeded
        };
        Ok(Self { examination, keys })
    }

    pub(super) fn error(&self) -> Option<VerifyError> {
        self.examination.verdict.as_ref().err().copied()
    }

    pub(super) fn end(&self) -> End {
        match self.error() {
            None => End::Accepted,
            Some(VerifyError::Rejected(_)) => End::Refused,
            Some(VerifyError::Unavailable(_)) => End::CannotDecide,
        }
    }

    /// Why the keys could not be had, if that is so.
    pub(super) fn keys_problem(&self) -> Option<&str> {
        match &self.keys {
            Keys::Unavailable(reason) => Some(reason),
            _ => None,
        }
    }

    /// Why the set's key of the token's id is not used, if that is so.
    pub(super) fn skipped_key(&self) -> Option<&SkippedKey> {
        let Keys::Had { skipped, .. } = &self.keys else {
            return None;
        };
        let kid = self.examination.kid.as_deref()?;
        skipped.iter().find(|key| key.kid() == Some(kid))
    }

    /// The JSON of an authentic token's claims, as it stands; none of any other token.
    pub(super) fn claims_json(&self) -> Option<&str> {
        let strict = !matches!(
            self.error(),
            Some(VerifyError::Rejected(
                Rejection::JsonInvalid | Rejection::JsonDuplicateMember | Rejection::JsonTooDeep
            ))
        );
        let payload = self.examination.payload.as_deref().filter(|_| strict)?;
        std::str::from_utf8(payload).ok()
    }
}

fn reason(error: KeySetError) -> String {
    format!("{error} (look at it with `dailey-auth jwks inspect`)")
}
