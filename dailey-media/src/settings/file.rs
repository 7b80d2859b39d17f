//! The configuration file: TOML, unknown keys refused with their line.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dailey_auth::Environment;
use dailey_http::settings::{self, Lookup};
use serde::Deserialize;

use super::limits::Limits;
use super::s3::Table;
use super::{DEFAULT_CONFIG_FILE, DEFAULT_ROOT, SettingError, StorageSettings};
use crate::small_file::read_text;

/// Largest configuration file.
const MAX_CONFIG_BYTES: u64 = 64 * 1024;

/// Longest wait for the disk that it lies on. The preflight's checks come after it, two of them one after the
/// other, and all of it ends within ten seconds: with this, the first has its five and the last one more.
const MAX_WAIT: Duration = Duration::from_secs(4);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    storage: Storage,
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Storage {
    local: Option<Local>,
    s3: Option<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Local {
    root: PathBuf,
}

/// What was read, and where it stands.
pub(super) struct ConfigFile {
    /// None where there is no file: everything has its default.
    path: Option<PathBuf>,
    file: File,
}

impl ConfigFile {
    /// Reads the file that `config` or the environment names, or the one that is there.
    pub(super) fn read(lookup: Lookup<'_>, config: Option<&Path>) -> Result<Self, SettingError> {
        let named = config
            .map(Path::to_owned)
            .or_else(|| settings::text(lookup, "DAILEY_CONFIG").map(PathBuf::from));
        let is_named = named.is_some();
        let path = named.unwrap_or_else(|| DEFAULT_CONFIG_FILE.into());
        let reading = path.clone();
        let read = within(MAX_WAIT, move || {
            (is_named || reading.exists()).then(|| parse(&reading))
        });
        match read {
            Some(Some(file)) => Ok(Self {
                file: file?,
                path: Some(path),
            }),
            Some(None) => Ok(Self {
                file: File::default(),
                path: None,
            }),
            None => Err(SettingError::File {
                path,
                line: None,
                message: "cannot be read: the disk that it lies on does not answer".to_owned(),
            }),
        }
    }

    /// `[limits]`.
    pub(super) fn limits(&self) -> Result<Limits, SettingError> {
        match self.file.limits.refusal() {
            None => Ok(self.file.limits),
            Some(message) => Err(self.refuse(message)),
        }
    }

    /// `[storage]`.
    pub(super) fn storage(
        mut self,
        lookup: Lookup<'_>,
        environment: Environment,
    ) -> Result<StorageSettings, SettingError> {
        match std::mem::take(&mut self.file.storage) {
            Storage {
                local: Some(_),
                s3: Some(_),
            } => Err(self.refuse(
                "has both [storage.local] and [storage.s3]: keep the one where the objects are",
            )),
            Storage {
                s3: Some(table), ..
            } => table
                .read(lookup, environment)
                .map(|s3| StorageSettings::S3(Box::new(s3)))
                .map_err(|message| self.refuse(message)),
            Storage {
                local: Some(local), ..
            } if local.root.as_os_str().is_empty() => {
                Err(self.refuse("[storage.local] root is empty: name a folder"))
            }
            Storage {
                local: Some(local), ..
            } => Ok(StorageSettings::Local(local.root)),
            Storage { .. } => Ok(StorageSettings::Local(DEFAULT_ROOT.into())),
        }
    }

    fn refuse(&self, message: impl Into<String>) -> SettingError {
        SettingError::File {
            path: self.path.clone().unwrap_or_default(),
            line: None,
            message: message.into(),
        }
    }
}

/// What `work` gives in time. A disk may hang, and takes whoever asks it along: that is a thread which nobody
/// waits for, and which ends with the process.
fn within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = mpsc::sync_channel(1);
    thread::spawn(move || tell.send(work()));
    told.recv_timeout(time).ok()
}

fn parse(path: &Path) -> Result<File, SettingError> {
    let refuse = |line, message: String| SettingError::File {
        path: path.to_owned(),
        line,
        message,
    };
    let text = read_text(path, MAX_CONFIG_BYTES)
        .map_err(|error| refuse(None, format!("cannot be read: {error}")))?;
    toml::from_str(&text).map_err(|error| {
        // The error's own display quotes the line, which may hold a secret.
        let line = error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        refuse(line, without_values(error.message()))
    })
}

/// A value of a wrong type stands in serde's message, and may be a secret in the wrong place.
fn without_values(message: &str) -> String {
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        return "a value is not of the type that this key takes".to_owned();
    }
    if let Some((_, known)) = message
        .rsplit_once("`, expected ")
        .filter(|_| message.starts_with("unknown variant"))
    {
        return format!("a value is not one of those that this key takes: {known}");
    }
    message.chars().take(200).collect()
}
