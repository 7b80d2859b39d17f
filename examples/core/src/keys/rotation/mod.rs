//! How one key takes over from another: generate → publish → wait an hour → activate → wait for the last token →
//! retire. The order is what keeps every token verifiable; this is where it is enforced.
//!
//! When things happened is kept in `rotation.json` beside the keys. Losing it loses nothing but permission: what is
//! not known to be safe is refused.

mod error;
mod outcome;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use super::key_file::{self, Existing, KeyFileError, KeyFileProblem, Readers};
use super::kid::Kid;
use super::private_key::PrivateKey;
use super::public_key::PublicKey;
use super::record::{History, Record};
use super::ring::{KeyRing, KeySettings, kid_of, read_published};

pub use error::RotationError;
pub use outcome::{Activated, Generated, KeyState, ListedKey, Published, Retired, Retirement};

/// How long a key is published before it should sign: the longest a verifier keeps a key set without asking, in
/// milliseconds.
const PUBLISH_AHEAD_MS: i64 = 60 * 60 * 1000;
/// How long after a key's last signature a token of it may be accepted, in milliseconds: the longest life that
/// `JWT_TTL_SECONDS` allows, because the setting of this command need not be that of the Core that signed, and what
/// verifiers add by default.
const LAST_TOKEN_MS: i64 = (3600 + 30) * 1000;

/// The rotation tool over one set of key files. Holds a lock, so that two of them cannot work at once.
pub struct Rotation {
    settings: KeySettings,
    now: jiff::Timestamp,
    record: Record,
    _lock: File,
}

impl Rotation {
    /// Opens the key folder, making it when it is not there.
    pub fn open(settings: &KeySettings, now: jiff::Timestamp) -> Result<Self, RotationError> {
        let folder = settings.folder();
        let at = |path: PathBuf| move |error| RotationError::Io { path, error };
        key_file::make_private_folder(folder).map_err(at(folder.to_owned()))?;
        let lock_file = folder.join(".rotation.lock");
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&lock_file)
            .map_err(at(lock_file.clone()))?;
        lock.lock().map_err(at(lock_file))?;
        let record = Record::load(folder)?;
        // Whole seconds are what people read and what tokens count in.
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        Ok(Self {
            settings: settings.clone(),
            now,
            record,
            _lock: lock,
        })
    }

    /// Makes the first key in `JWT_PRIVATE_KEY_FILE`; one that is there is checked and kept.
    pub fn first_key(&mut self) -> Result<Generated, RotationError> {
        let path = self.settings.private_key_file.clone();
        match key_file::read_private(&path, self.settings.environment) {
            Ok(_) => {
                let kid = self.ring()?.active_kid;
                return Ok(Generated {
                    kid,
                    private_key_file: path,
                });
            }
            Err(KeyFileError {
                problem: KeyFileProblem::Missing,
                ..
            }) => {}
            Err(error) => return Err(error.into()),
        }
        let key = PrivateKey::generate();
        let kid = key.public().thumbprint();
        write_private(&path, &key, Existing::Keep)?;
        let now = self.now;
        self.remember(&kid, |history| {
            history.generated_at = Some(now);
            history.activated_at = Some(now);
        })?;
        Ok(Generated {
            kid,
            private_key_file: path,
        })
    }

    /// Makes a key that nobody knows yet.
    pub fn generate(&mut self, name: Option<Kid>) -> Result<Generated, RotationError> {
        let published = self.published()?;
        let key = PrivateKey::generate();
        let kid = name.unwrap_or_else(|| key.public().thumbprint());
        let path = self.settings.kept_file(&kid);
        // The file is the same when JWT_PRIVATE_KEY_FILE is named like it.
        if self.record.knows(&kid) || published.contains_key(&kid) || path.exists() {
            return Err(RotationError::KidTaken(kid));
        }
        write_private(&path, &key, Existing::Keep)?;
        let now = self.now;
        self.remember(&kid, |history| history.generated_at = Some(now))?;
        Ok(Generated {
            kid,
            private_key_file: path,
        })
    }

    /// Lets verifiers see a key. Publishing it again changes nothing.
    pub fn publish(&mut self, kid: &Kid) -> Result<Published, RotationError> {
        if self.history(kid).retired_at.is_some() {
            return Err(RotationError::WasRetired(kid.clone()));
        }
        let published = self.published()?;
        let key = self.private_key(kid, &published)?;
        let path = self.settings.published_file(kid);
        match published.get(kid) {
            Some(other) if other != key.public() => {
                return Err(RotationError::Mismatch(kid.clone()));
            }
            Some(_) => {}
            None => {
                self.write_public(kid, key.public())?;
                let now = self.now;
                self.remember(kid, |history| history.published_at = Some(now))?;
            }
        }
        let since = self.published_since(kid).unwrap_or(self.now);
        Ok(Published {
            kid: kid.clone(),
            public_key_file: path,
            known_everywhere_at: later(since, PUBLISH_AHEAD_MS),
        })
    }

    /// Lets a published key sign.
    pub fn activate(&mut self, kid: &Kid) -> Result<Activated, RotationError> {
        if self.history(kid).retired_at.is_some() {
            return Err(RotationError::WasRetired(kid.clone()));
        }
        let published = self.published()?;
        let primary_file = self.settings.private_key_file.clone();
        let primary = key_file::read_private(&primary_file, self.settings.environment)?;
        let previous_kid = match &self.settings.active_kid {
            Some(named) if self.settings.kept_file(named) == primary_file => named.clone(),
            _ => kid_of(&primary, &published),
        };
        let kept_file = self.settings.kept_file(kid);
        if previous_kid != *kid {
            let key = self.private_key(kid, &published)?;
            match published.get(kid) {
                None => return Err(RotationError::NotPublished(kid.clone())),
                Some(other) if other != key.public() => {
                    return Err(RotationError::Mismatch(kid.clone()));
                }
                Some(_) => {}
            }
            if self.settings.kept_file(&previous_kid) == primary_file {
                return Err(RotationError::FileNamedAfterKey {
                    kid: kid.clone(),
                    file: kept_file,
                });
            }
            self.keep(&previous_kid, &primary, &published)?;
            let now = self.now;
            // Recorded before it happens: a crash in between leaves a record that is merely not yet true.
            let ends = later(now, LAST_TOKEN_MS);
            self.remember(&previous_kid, |history| {
                history.replaced_at = Some(now);
                history.last_token_ends_at = Some(ends);
            })?;
            self.remember(kid, |history| {
                history.activated_at = Some(now);
                history.replaced_at = None;
                history.last_token_ends_at = None;
            })?;
            write_private(&primary_file, &key, Existing::Replace)?;
        }
        let retire_previous_after = self
            .history(&previous_kid)
            .last_token_ends_at
            .unwrap_or(self.now);
        let warnings = self.activation_warnings(kid);
        Ok(Activated {
            kid: kid.clone(),
            previous_kid,
            retire_previous_after,
            warnings,
        })
    }

    /// Takes a key out of the published set.
    pub fn retire(&mut self, kid: &Kid, when: Retirement) -> Result<Retired, RotationError> {
        let ring = self.ring()?;
        if let Some(successor) = ring.waiting_kid.clone().filter(|_| ring.active_kid == *kid) {
            // It signs although another one was activated, so its last token ends later than was thought then.
            let ends = later(self.now, LAST_TOKEN_MS);
            self.remember(kid, |history| history.last_token_ends_at = Some(ends))?;
            return Err(RotationError::StillNamed {
                kid: kid.clone(),
                successor,
            });
        }
        if ring.active_kid == *kid || ring.waiting_kid.as_ref() == Some(kid) {
            return Err(RotationError::IsActive(kid.clone()));
        }
        let path = self.settings.published_file(kid);
        if !ring.published.contains_key(kid) {
            return Err(RotationError::NoSuchKey(kid.clone()));
        }
        if when == Retirement::AfterLastToken {
            let history = self.history(kid);
            match history.last_token_ends_at {
                Some(until) if self.now < until => {
                    return Err(RotationError::TooEarly {
                        kid: kid.clone(),
                        until,
                    });
                }
                Some(_) => {}
                // Made and published here and never activated: it has signed nothing.
                None if history.generated_at.is_some() && history.activated_at.is_none() => {}
                None => return Err(RotationError::NotRecorded(kid.clone())),
            }
        }
        let now = self.now;
        self.remember(kid, |history| history.retired_at = Some(now))?;
        key_file::remove(&path).map_err(|error| RotationError::Io { path, error })?;
        Ok(Retired {
            kid: kid.clone(),
            caches_refreshed_at: later(now, PUBLISH_AHEAD_MS),
        })
    }

    /// Every key that is here, and where it stands.
    pub fn list(&self) -> Result<Vec<ListedKey>, RotationError> {
        let ring = self.ring()?;
        let mut kids: Vec<Kid> = ring.published.keys().cloned().collect();
        let folder = self.settings.folder();
        let entries = std::fs::read_dir(folder).map_err(|error| RotationError::Io {
            path: folder.to_owned(),
            error,
        })?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let is_key = path.extension().is_some_and(|extension| extension == "pem")
                && path != self.settings.private_key_file
                && key_file::read_private(&path, self.settings.environment).is_ok();
            let kid = path
                .file_stem()
                .and_then(|stem| Kid::parse(&stem.to_string_lossy()).ok());
            if let Some(kid) = kid.filter(|kid| is_key && !kids.contains(kid)) {
                kids.push(kid);
            }
        }
        kids.sort();
        Ok(kids
            .into_iter()
            .map(|kid| {
                let history = self.history(&kid);
                let (state, since) = if kid == ring.active_kid {
                    (KeyState::Active, history.activated_at)
                } else if ring.published.contains_key(&kid) {
                    (KeyState::Published, self.published_since(&kid))
                } else if history.retired_at.is_some() {
                    (KeyState::Retired, history.retired_at)
                } else {
                    (KeyState::Unpublished, history.generated_at)
                };
                ListedKey { kid, state, since }
            })
            .collect())
    }

    fn ring(&self) -> Result<KeyRing, RotationError> {
        KeyRing::load(&self.settings).map_err(RotationError::Ring)
    }

    fn published(&self) -> Result<BTreeMap<Kid, PublicKey>, RotationError> {
        read_published(&self.settings).map_err(RotationError::Ring)
    }

    /// The private key of a kid, wherever it is.
    fn private_key(
        &self,
        kid: &Kid,
        published: &BTreeMap<Kid, PublicKey>,
    ) -> Result<PrivateKey, RotationError> {
        match key_file::read_private(&self.settings.kept_file(kid), self.settings.environment) {
            Err(KeyFileError {
                problem: KeyFileProblem::Missing,
                ..
            }) => {}
            other => return Ok(other?),
        }
        let primary =
            key_file::read_private(&self.settings.private_key_file, self.settings.environment)?;
        if kid_of(&primary, published) == *kid {
            Ok(primary)
        } else {
            Err(RotationError::NoSuchKey(kid.clone()))
        }
    }

    /// Keeps the previous key: its private half to go back to, its public half for the tokens it signed.
    fn keep(
        &self,
        kid: &Kid,
        key: &PrivateKey,
        published: &BTreeMap<Kid, PublicKey>,
    ) -> Result<(), RotationError> {
        let path = self.settings.kept_file(kid);
        match key_file::read_private(&path, self.settings.environment) {
            Ok(kept) if kept.public() == key.public() => {}
            Ok(_) => return Err(RotationError::KidTaken(kid.clone())),
            Err(KeyFileError {
                problem: KeyFileProblem::Missing,
                ..
            }) => write_private(&path, key, Existing::Keep)?,
            Err(error) => return Err(error.into()),
        }
        if published.contains_key(kid) {
            Ok(())
        } else {
            self.write_public(kid, key.public())
        }
    }

    fn write_public(&self, kid: &Kid, key: &PublicKey) -> Result<(), RotationError> {
        let folder = &self.settings.public_keys_dir;
        key_file::make_private_folder(folder).map_err(|error| RotationError::Io {
            path: folder.clone(),
            error,
        })?;
        let path = self.settings.published_file(kid);
        key_file::write(
            &path,
            key.to_pem().as_bytes(),
            Readers::Everyone,
            Existing::Keep,
        )
        .map_err(|error| RotationError::Io { path, error })
    }

    fn activation_warnings(&self, kid: &Kid) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.published_since(kid).map(|since| later(since, PUBLISH_AHEAD_MS)) {
            Some(known) if self.now < known => warnings.push(format!(
                "{kid} was published less than an hour ago: a verifier may not know it before {known}, and fetches the key set once more on its first token"
            )),
            _ => {}
        }
        if let Some(named) = self
            .settings
            .active_kid
            .as_ref()
            .filter(|named| *named != kid)
        {
            warnings.push(format!(
                "JWT_ACTIVE_KID is {named}, so Core goes on signing with it: set JWT_ACTIVE_KID={kid} in .env or the service's environment"
            ));
        }
        warnings
    }

    /// Recorded, or else what the file system says.
    fn published_since(&self, kid: &Kid) -> Option<jiff::Timestamp> {
        self.history(kid).published_at.or_else(|| {
            let modified = std::fs::metadata(self.settings.published_file(kid))
                .ok()?
                .modified()
                .ok()?;
            jiff::Timestamp::try_from(modified).ok()
        })
    }

    fn history(&self, kid: &Kid) -> History {
        self.record.of(kid)
    }

    fn remember(
        &mut self,
        kid: &Kid,
        change: impl FnOnce(&mut History),
    ) -> Result<(), RotationError> {
        Ok(self.record.remember(self.settings.folder(), kid, change)?)
    }
}

fn write_private(
    path: &std::path::Path,
    key: &PrivateKey,
    existing: Existing,
) -> Result<(), RotationError> {
    key_file::write(path, key.to_pem().as_bytes(), Readers::Owner, existing).map_err(|error| {
        RotationError::Io {
            path: path.to_owned(),
            error,
        }
    })
}

fn later(time: jiff::Timestamp, milliseconds: i64) -> jiff::Timestamp {
    time.saturating_add(jiff::SignedDuration::from_millis(milliseconds))
        .expect("a duration in milliseconds can be added")
}
