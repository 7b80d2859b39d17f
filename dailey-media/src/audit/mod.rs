//! The audit log: every change of an object as one line of JSON, chained by hashes, on disk before the
//! client is told of the change.
//!
//! A change is refused while the log cannot be opened. A line is written after its change, so what
//! happens when a disk fills up in just that moment is: the change is made, the client is told 503 and
//! not that it succeeded, and nothing more is changed until the log can be written again. After a kill
//! between the two, an object may be there that nobody was told of and no line names.
//!
//! The chain shows a line that was changed, removed, moved or added by somebody who cannot rewrite all
//! that follow it; a missing end shows only against a hash that is kept elsewhere.

mod line;
mod log;
mod verify;

use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use self::line::Head;
use self::log::Log;

pub(crate) use self::line::{Action, Entry, Outcome, Via};
pub use self::log::AuditError;
pub(crate) use self::log::check;
pub use self::verify::{Finding, Intact, verify};

/// Changes that wait for their line at once.
const MAX_WAITING: usize = 1024;

/// Most lines that share one wait for the disk.
const MAX_BATCH: usize = 256;

/// Longest wait for a line to be on disk.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Where changes are written down, if anywhere. Clones write to the same.
#[derive(Clone, Debug)]
pub(crate) struct Audit(Option<mpsc::Sender<Message>>);

/// The log cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

type Answer = oneshot::Sender<Result<(), Unavailable>>;

#[derive(Debug)]
enum Message {
    /// Whether a line could be written.
    Check(Answer),
    Write(Box<Entry>, Answer),
}

impl Audit {
    /// Writes nothing down.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Opens or makes the log at `path`. A thread writes it until the last clone is gone. Blocks; meant
    /// for the start.
    pub(crate) fn open(path: &Path) -> Result<Self, AuditError> {
        let log = Log::open(path, Head::start())?;
        let (sender, messages) = mpsc::channel(MAX_WAITING);
        let writer = Writer {
            head: log.head().clone(),
            path: path.to_owned(),
            log: Some(log),
        };
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run(messages))
            .map_err(|source| AuditError::Io {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self(Some(sender)))
    }

    /// Before a change: whether it could be written down.
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        self.ask(Message::Check).await
    }

    /// After a change: on disk when it returns.
    pub(crate) async fn write(&self, entry: Entry) -> Result<(), Unavailable> {
        self.ask(|answer| Message::Write(Box::new(entry), answer))
            .await
    }

    async fn ask(&self, message: impl FnOnce(Answer) -> Message) -> Result<(), Unavailable> {
        let Some(sender) = &self.0 else {
            return Ok(());
        };
        let (answer, told) = oneshot::channel();
        let asked = async {
            sender
                .send(message(answer))
                .await
                .map_err(|_| Unavailable)?;
            told.await.map_err(|_| Unavailable)?
        };
        let asked = tokio::time::timeout(MAX_WAIT, asked).await;
        asked.unwrap_or(Err(Unavailable))
    }
}

struct Writer {
    path: std::path::PathBuf,
    /// `None` after a failure, until it can be opened again.
    log: Option<Log>,
    /// Where the chain ended, for a new file in the place of one that was moved away.
    head: Head,
}

impl Writer {
    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(first) = messages.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH
                && let Ok(next) = messages.try_recv()
            {
                batch.push(next);
            }
            self.answer(batch);
        }
    }

    fn answer(&mut self, batch: Vec<Message>) {
        let entries = batch.iter().filter_map(|message| match message {
            Message::Write(entry, _) => Some(&**entry),
            Message::Check(_) => None,
        });
        let written = self.write(entries);
        for message in batch {
            let (Message::Check(answer) | Message::Write(_, answer)) = message;
            // Who left needs no answer.
            let _ = answer.send(written);
        }
    }

    fn write<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> Result<(), Unavailable> {
        let mut entries = entries.peekable();
        let mut log = match self.log.take().filter(Log::is_in_place) {
            Some(log) => log,
            None => Log::open(&self.path, self.head.clone()).map_err(|error| {
                tracing::error!(%error, "the audit log cannot be opened: no object can be changed");
                Unavailable
            })?,
        };
        if entries.peek().is_some() {
            log.write(entries).map_err(|error| {
                tracing::error!(%error, "the audit log cannot be written: no object can be changed");
                Unavailable
            })?;
        }
        self.head = log.head().clone();
        self.log = Some(log);
        Ok(())
    }
}
