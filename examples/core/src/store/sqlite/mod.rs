//! The store on `SQLite`: one connection on one thread of its own, fed through a bounded queue.
//!
//! `SQLite` has one writer at a time anyway; a queue in front of it turns lock contention into order, and keeps
//! blocking calls off the async threads.

mod apps;
mod file;
mod logins;
mod schema;
mod users;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::file::File;
use super::occasion::Occasion;
use super::{
    Answer, App, AppChange, Clock, Context, LoginAttempt, LoginEnd, LoginStart, LoginSuccess,
    OldSecrets, RefreshAttempt, Refreshed, Store, StoreError, Swept, User, UserRole,
};
use crate::email::Email;
use crate::scope::Scopes;
use crate::secret::SecretHash;

/// Transactions that may wait. At a few hundred durable commits a second this is about a second of work.
const QUEUE_LENGTH: usize = 256;
/// How long a caller waits for a place in the queue, and then for the answer.
const QUEUE_DEADLINE: Duration = Duration::from_secs(2);
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long `SQLite` waits for another process (a command of the operator's) to finish writing.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);
const _: () = assert!(
    LOCK_DEADLINE.as_millis() < ANSWER_DEADLINE.as_millis(),
    "a transaction that waits for a lock ends while its caller still waits"
);

type Job = Box<dyn FnOnce(&mut File, &Clock) + Send>;

/// A store in one `SQLite` file.
#[derive(Debug)]
pub struct SqliteStore {
    /// Taken only when the store is dropped.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Waits for what is queued and closes the file, so that a copy of it alone is whole.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl SqliteStore {
    /// Opens the file, making it (readable by its owner only) and bringing its schema up to date.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        let mut file = File::open(path)?;
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("sqlite".to_owned())
            .spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    job(&mut file, &clock);
                }
            })
            .map_err(|error| StoreError::Failed(format!("its thread does not start ({error})")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Whether the file has Core's own app, without making or changing it.
    pub fn is_initialised(path: &Path) -> Result<bool, StoreError> {
        file::is_initialised(path)
    }

    /// Runs one transaction on the store's thread, unless the caller has stopped waiting: what was answered as not
    /// done must not happen later.
    fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |file, clock| {
            if answer.is_closed() {
                return;
            }
            let outcome = file.connection().and_then(|connection| {
                // Immediate: two writers meet at the beginning, where SQLite can wait, not in the middle, where it
                // cannot.
                let transaction = connection
                    .transaction_with_behavior(TransactionBehavior::Immediate)
                    .map_err(|error| failed(&error))?;
                let value = work(&transaction, clock())?;
                // Dropped without a commit, the transaction is rolled back.
                if answer.is_closed() {
                    return Err(StoreError::Busy);
                }
                transaction.commit().map_err(|error| failed(&error))?;
                Ok(value)
            });
            // Gone since the commit: what was done stays done.
            let _ = answer.send(outcome);
        });
        self.wait(job, answered)
    }

    /// Runs some reading on the store's thread.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'_, T> {
        let (answer, answered) = oneshot::channel();
        self.wait(
            Box::new(move |file, clock| {
                if !answer.is_closed() {
                    let connection = file.connection();
                    drop(answer.send(connection.and_then(|it| work(it, clock()))));
                }
            }),
            answered,
        )
    }

    fn wait<T: Send + 'static>(
        &self,
        job: Job,
        answered: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            let queue = self.queue.as_ref().ok_or_else(gone)?;
            let queued = tokio::time::timeout(QUEUE_DEADLINE, queue.send(job)).await;
            queued.map_err(|_| StoreError::Busy)?.map_err(|_| gone())?;
            tokio::time::timeout(ANSWER_DEADLINE, answered)
                .await
                .map_err(|_| StoreError::Busy)?
                .map_err(|_| gone())?
        })
    }
}

impl Store for SqliteStore {
    fn ping(&self) -> Answer<'_, ()> {
        self.read(|connection, _| {
            // Reads the file, not only the connection.
            connection
                .query_row("SELECT count(*) FROM schema_version", [], |_| Ok(()))
                .map_err(|error| failed(&error))
        })
    }

    fn core_app(&self) -> Answer<'_, Option<App>> {
        self.read(|connection, _| apps::core_app(connection))
    }

    fn ensure_core_app(&self, context: Context) -> Answer<'_, App> {
        self.transaction(move |transaction, now| {
            apps::ensure_core_app(transaction, &Occasion::new(context, now))
        })
    }

    fn create_app(
        &self,
        name: String,
        scopes: Scopes,
        secret: SecretHash,
        context: Context,
    ) -> Answer<'_, App> {
        self.transaction(move |transaction, now| {
            apps::create(
                transaction,
                &name,
                &scopes,
                &secret,
                &Occasion::new(context, now),
            )
        })
    }

    fn apps(&self) -> Answer<'_, Vec<App>> {
        self.read(|connection, _| apps::list(connection))
    }

    fn app(&self, app_id: Uuid) -> Answer<'_, Option<App>> {
        self.read(move |connection, _| apps::get(connection, app_id))
    }

    fn change_app(&self, app_id: Uuid, change: AppChange, context: Context) -> Answer<'_, App> {
        self.transaction(move |transaction, now| {
            apps::change(transaction, app_id, change, &Occasion::new(context, now))
        })
    }

    fn delete_app(&self, app_id: Uuid, context: Context) -> Answer<'_, ()> {
        self.transaction(move |transaction, now| {
            apps::delete(transaction, app_id, &Occasion::new(context, now))
        })
    }

    fn rotate_app_secret(
        &self,
        app_id: Uuid,
        secret: SecretHash,
        old: OldSecrets,
        context: Context,
    ) -> Answer<'_, App> {
        self.transaction(move |transaction, now| {
            apps::rotate_secret(
                transaction,
                app_id,
                &secret,
                old,
                &Occasion::new(context, now),
            )
        })
    }

    fn authenticate_app(&self, app_id: Uuid, secret: SecretHash) -> Answer<'_, Option<App>> {
        self.read(move |connection, now| apps::authenticate(connection, app_id, &secret, now))
    }

    fn create_user(
        &self,
        email: Email,
        password_hash: String,
        role: UserRole,
        context: Context,
    ) -> Answer<'_, User> {
        self.transaction(move |transaction, now| {
            users::create(
                transaction,
                &email,
                &password_hash,
                role,
                &Occasion::new(context, now),
            )
        })
    }

    fn users(&self) -> Answer<'_, Vec<User>> {
        self.read(|connection, _| users::list(connection))
    }

    fn user_by_email(&self, email: Email) -> Answer<'_, Option<User>> {
        self.read(move |connection, _| {
            Ok(users::by_email(connection, &email)?.map(|(user, _)| user))
        })
    }

    fn user(&self, user_id: Uuid) -> Answer<'_, Option<User>> {
        self.read(move |connection, _| users::get(connection, user_id))
    }

    fn disable_user(&self, user_id: Uuid, context: Context) -> Answer<'_, ()> {
        self.transaction(move |transaction, now| {
            users::disable(transaction, user_id, &Occasion::new(context, now))
        })
    }

    fn set_password(
        &self,
        user_id: Uuid,
        password_hash: String,
        context: Context,
    ) -> Answer<'_, ()> {
        self.transaction(move |transaction, now| {
            users::set_password(
                transaction,
                user_id,
                &password_hash,
                &Occasion::new(context, now),
            )
        })
    }

    fn begin_login(&self, attempt: LoginAttempt) -> Answer<'_, LoginStart> {
        self.transaction(move |transaction, now| logins::begin(transaction, &attempt, now))
    }

    fn login_failed(
        &self,
        attempt: LoginAttempt,
        user_id: Option<Uuid>,
        context: Context,
    ) -> Answer<'_, ()> {
        self.transaction(move |transaction, now| {
            let occasion = Occasion::new(context, now);
            logins::failed_attempt(transaction, &attempt, user_id, &occasion)
        })
    }

    fn client_failed(&self, app_id: Uuid, network: String, context: Context) -> Answer<'_, ()> {
        self.transaction(move |transaction, now| {
            logins::failed_client(transaction, app_id, &network, &Occasion::new(context, now))
        })
    }

    fn login_succeeded(&self, success: LoginSuccess, context: Context) -> Answer<'_, LoginEnd> {
        self.transaction(move |transaction, now| {
            logins::succeeded(transaction, &success, &Occasion::new(context, now))
        })
    }

    fn login_abandoned(&self, attempt: LoginAttempt) -> Answer<'_, ()> {
        self.transaction(move |transaction, _| logins::take_back(transaction, &attempt))
    }

    fn refresh(&self, attempt: RefreshAttempt, context: Context) -> Answer<'_, Refreshed> {
        self.transaction(move |transaction, now| {
            logins::refresh(transaction, attempt, &Occasion::new(context, now))
        })
    }

    fn revoke_family(
        &self,
        presented: SecretHash,
        app_id: Option<Uuid>,
        context: Context,
    ) -> Answer<'_, ()> {
        self.transaction(move |transaction, now| {
            logins::revoke_family(
                transaction,
                &presented,
                app_id,
                &Occasion::new(context, now),
            )
        })
    }

    fn sweep(&self) -> Answer<'_, Swept> {
        self.transaction(schema::sweep)
    }

    /// The file is closed when the store is dropped.
    fn close(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Notes a security event.
fn audit(
    connection: &Connection,
    event: &str,
    subject: Option<Uuid>,
    app_id: Option<Uuid>,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, event, subject, app_id, address, request_id, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut statement| {
            statement.execute((
                occasion.now,
                event,
                subject.map(text),
                app_id.map(text),
                &occasion.address,
                &occasion.request_id,
                occasion.detail(),
            ))
        })
        .map(drop)
        .map_err(|error| failed(&error))
}

/// Ids are stored as their text, so that a look into the database can be compared with a log line.
fn text(id: Uuid) -> String {
    id.hyphenated().to_string()
}

/// A stored id. One that does not parse was not written by this program.
fn id(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    Uuid::try_parse(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn failed(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            StoreError::Busy
        }
        _ => StoreError::Failed(error.to_string()),
    }
}

/// What a violated UNIQUE means; any other error stays what it is.
fn or_taken(error: &rusqlite::Error, taken: StoreError) -> StoreError {
    match error.sqlite_error() {
        Some(inner) if inner.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => taken,
        _ => failed(error),
    }
}

fn gone() -> StoreError {
    StoreError::Failed("its thread has ended".to_owned())
}

#[cfg(test)]
mod tests;
