//! The store on `MySQL` (`InnoDB`): several Cores may share one database, so every decision is taken on locked rows.

mod apps;
mod connections;
mod failure;
mod logins;
mod row;
mod schema;
mod users;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use uuid::Uuid;

use self::connections::Connections;
use self::failure::{READ_ONLY, failed};
use self::row::text;
use super::occasion::Occasion;
use super::{
    Answer, App, AppChange, Clock, Context, LoginAttempt, LoginEnd, LoginStart, LoginSuccess,
    OldSecrets, RefreshAttempt, Refreshed, Store, StoreError, Swept, User, UserRole,
};
use crate::email::Email;
use crate::scope::Scopes;
use crate::secret::SecretHash;
use crate::settings::MysqlSettings;

/// How long a caller waits for a transaction in all: for a connection, for locks, for the answer, and once more where the
/// server ended it for another one's sake.
const ANSWER_DEADLINE: Duration = Duration::from_secs(6);
/// How long opening may take, another Core's changes to the schema included.
const OPEN_DEADLINE: Duration = Duration::from_secs(60);
/// How often a transaction is begun that the server ends because of another one.
const ATTEMPTS: usize = 4;

/// A store in one schema of a `MySQL` server.
pub struct MysqlStore {
    connections: Connections,
    clock: Clock,
    /// Whether the schema was seen to be up to date.
    opened: AtomicBool,
}

impl fmt::Debug for MysqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlStore").finish_non_exhaustive()
    }
}

/// Work in one transaction: committed when it succeeds, otherwise as if it had never been. The work may be done more than
/// once, so it only borrows what was moved in.
macro_rules! transaction {
    ($store:ident, |$connection:ident, $now:ident| $work:expr) => {
        Box::pin(within(ANSWER_DEADLINE, async move {
            let mut attempt = 1;
            loop {
                let mut lease = $store.connections.take().await?;
                $store.opened(&mut lease.connection).await?;
                let done = async {
                    let $connection = lease.begin().await?;
                    let $now = ($store.clock)();
                    $work.await
                };
                let done = done.await;
                match lease.end(done).await {
                    Err(StoreError::Busy) if attempt < ATTEMPTS => attempt += 1,
                    ended => return ended,
                }
            }
        }))
    };
}

/// A look at what is there, without a transaction.
macro_rules! read {
    ($store:ident, |$connection:ident| $work:expr) => {
        Box::pin(within(ANSWER_DEADLINE, async move {
            let mut lease = $store.connections.take().await?;
            $store.opened(&mut lease.connection).await?;
            let $connection = &mut lease.connection;
            let found = $work.await?;
            lease.give_back();
            Ok(found)
        }))
    };
}

async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(deadline, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Busy),
    }
}

impl MysqlStore {
    /// Connects and brings the schema up to date.
    pub async fn open(settings: &MysqlSettings, clock: Clock) -> Result<Self, StoreError> {
        let connections = Connections::new(settings);
        within(OPEN_DEADLINE, async {
            let mut lease = connections.take().await?;
            schema::migrate(&mut lease.connection).await?;
            warn_of_lost_writes(&mut lease.connection).await?;
            lease.give_back();
            Ok(())
        })
        .await?;
        Ok(Self {
            connections,
            clock,
            opened: AtomicBool::new(true),
        })
    }

    /// A store that is opened by the first who reaches it, if the database was set up.
    pub fn unopened(settings: &MysqlSettings, clock: Clock) -> Self {
        Self {
            connections: Connections::new(settings),
            clock,
            opened: AtomicBool::new(false),
        }
    }

    /// Brings the schema up to date where that was not done yet. Makes nothing in a database that was not set up: its
    /// address may be a mistake.
    async fn opened(&self, connection: &mut Conn) -> Result<(), StoreError> {
        if self.opened.load(Ordering::Acquire) {
            return Ok(());
        }
        let is_ours = schema::checked_version(connection).await?.is_some()
            && apps::core_app(connection).await?.is_some();
        if !is_ours {
            let message = "it has not been set up: run `dailey-core init`";
            return Err(StoreError::Failed(message.to_owned()));
        }
        schema::migrate(connection).await?;
        warn_of_lost_writes(connection).await?;
        self.opened.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether the database has Core's own app, without making or changing it.
    pub async fn is_initialised(settings: &MysqlSettings) -> Result<bool, StoreError> {
        let connections = Connections::new(settings);
        let initialised = within(ANSWER_DEADLINE, async {
            let mut lease = connections.take().await?;
            let connection = &mut lease.connection;
            let initialised = schema::checked_version(connection).await?.is_some()
                && apps::core_app(connection).await?.is_some();
            lease.give_back();
            Ok(initialised)
        })
        .await;
        connections.close().await;
        initialised
    }
}

/// A commit that the server may forget when it crashes is not what Core acknowledges; only the operator can change it.
async fn warn_of_lost_writes(connection: &mut Conn) -> Result<(), StoreError> {
    let row: Option<(i64, i64)> = connection
        .query_first("SELECT @@global.innodb_flush_log_at_trx_commit, @@global.sync_binlog")
        .await
        .map_err(|error| failed(&error))?;
    if row != Some((1, 1)) {
        tracing::warn!(
            "the server may lose what it acknowledged when it crashes: set innodb_flush_log_at_trx_commit=1 and sync_binlog=1"
        );
    }
    Ok(())
}

impl Store for MysqlStore {
    /// Whether it answers, and takes writes.
    fn ping(&self) -> Answer<'_, ()> {
        read!(self, |connection| async {
            let read_only: Option<i64> = connection
                .query_first("SELECT @@global.read_only FROM schema_version LIMIT 1")
                .await
                .map_err(|error| failed(&error))?;
            match read_only {
                Some(0) => Ok(()),
                Some(_) => Err(StoreError::Failed(READ_ONLY.to_owned())),
                None => Err(StoreError::Failed("the schema is gone".to_owned())),
            }
        })
    }

    fn core_app(&self) -> Answer<'_, Option<App>> {
        read!(self, |connection| apps::core_app(connection))
    }

    fn ensure_core_app(&self, context: Context) -> Answer<'_, App> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            async move { apps::ensure_core_app(connection, &occasion).await }
        })
    }

    fn create_app(
        &self,
        name: String,
        scopes: Scopes,
        secret: SecretHash,
        context: Context,
    ) -> Answer<'_, App> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let (name, scopes, secret) = (&name, &scopes, &secret);
            async move { apps::create(connection, name, scopes, secret, &occasion).await }
        })
    }

    fn apps(&self) -> Answer<'_, Vec<App>> {
        read!(self, |connection| apps::list(connection))
    }

    fn app(&self, app_id: Uuid) -> Answer<'_, Option<App>> {
        read!(self, |connection| apps::get(connection, app_id))
    }

    fn change_app(&self, app_id: Uuid, change: AppChange, context: Context) -> Answer<'_, App> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let change = change.clone();
            async move { apps::change(connection, app_id, change, &occasion).await }
        })
    }

    fn delete_app(&self, app_id: Uuid, context: Context) -> Answer<'_, ()> {
        Box::pin(async move {
            // All of its tokens with the app at once would hold others up, and perhaps never end in time: so many
            // transactions, each with its own time.
            let mut swept = Swept::InPart;
            while swept == Swept::InPart {
                let context = context.clone();
                let piece: Answer<'_, Swept> = transaction!(self, |connection, now| {
                    let occasion = Occasion::new(context.clone(), now);
                    async move { apps::empty(connection, app_id, &occasion).await }
                });
                swept = piece.await?;
            }
            let last: Answer<'_, ()> = transaction!(self, |connection, now| {
                let occasion = Occasion::new(context.clone(), now);
                async move { apps::delete(connection, app_id, &occasion).await }
            });
            last.await
        })
    }

    fn rotate_app_secret(
        &self,
        app_id: Uuid,
        secret: SecretHash,
        old: OldSecrets,
        context: Context,
    ) -> Answer<'_, App> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let secret = &secret;
            async move { apps::rotate_secret(connection, app_id, secret, old, &occasion).await }
        })
    }

    fn authenticate_app(&self, app_id: Uuid, secret: SecretHash) -> Answer<'_, Option<App>> {
        read!(self, |connection| {
            let now = (self.clock)();
            apps::authenticate(connection, app_id, &secret, now)
        })
    }

    fn create_user(
        &self,
        email: Email,
        password_hash: String,
        role: UserRole,
        context: Context,
    ) -> Answer<'_, User> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let (email, hash) = (&email, &password_hash);
            async move { users::create(connection, email, hash, role, &occasion).await }
        })
    }

    fn users(&self) -> Answer<'_, Vec<User>> {
        read!(self, |connection| users::list(connection))
    }

    fn user_by_email(&self, email: Email) -> Answer<'_, Option<User>> {
        read!(self, |connection| async {
            let found = users::by_email(connection, &email).await?;
            Ok::<_, StoreError>(found.map(|(user, _)| user))
        })
    }

    fn user(&self, user_id: Uuid) -> Answer<'_, Option<User>> {
        read!(self, |connection| users::get(connection, user_id))
    }

    fn disable_user(&self, user_id: Uuid, context: Context) -> Answer<'_, ()> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            async move { users::disable(connection, user_id, &occasion).await }
        })
    }

    fn set_password(
        &self,
        user_id: Uuid,
        password_hash: String,
        context: Context,
    ) -> Answer<'_, ()> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let hash = &password_hash;
            async move { users::set_password(connection, user_id, hash, &occasion).await }
        })
    }

    fn begin_login(&self, attempt: LoginAttempt) -> Answer<'_, LoginStart> {
        transaction!(self, |connection, now| logins::begin(
            connection, &attempt, now
        ))
    }

    fn login_failed(
        &self,
        attempt: LoginAttempt,
        user_id: Option<Uuid>,
        context: Context,
    ) -> Answer<'_, ()> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let attempt = &attempt;
            async move { logins::failed_attempt(connection, attempt, user_id, &occasion).await }
        })
    }

    fn client_failed(&self, app_id: Uuid, network: String, context: Context) -> Answer<'_, ()> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let network = &network;
            async move { logins::failed_client(connection, app_id, network, &occasion).await }
        })
    }

    fn login_succeeded(&self, success: LoginSuccess, context: Context) -> Answer<'_, LoginEnd> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let success = &success;
            async move { logins::succeeded(connection, success, &occasion).await }
        })
    }

    fn login_abandoned(&self, attempt: LoginAttempt) -> Answer<'_, ()> {
        transaction!(self, |connection, _now| logins::take_back(
            connection, &attempt
        ))
    }

    fn refresh(&self, attempt: RefreshAttempt, context: Context) -> Answer<'_, Refreshed> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let attempt = &attempt;
            async move { logins::refresh(connection, attempt, &occasion).await }
        })
    }

    fn revoke_family(
        &self,
        presented: SecretHash,
        app_id: Option<Uuid>,
        context: Context,
    ) -> Answer<'_, ()> {
        transaction!(self, |connection, now| {
            let occasion = Occasion::new(context.clone(), now);
            let presented = &presented;
            async move { logins::revoke_family(connection, presented, app_id, &occasion).await }
        })
    }

    fn sweep(&self) -> Answer<'_, Swept> {
        transaction!(self, |connection, now| schema::sweep(connection, now))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.connections.close().await;
            Ok(())
        })
    }
}

/// Notes a security event.
async fn audit(
    connection: &mut Conn,
    event: &str,
    subject: Option<Uuid>,
    app_id: Option<Uuid>,
    occasion: &Occasion,
) -> Result<(), StoreError> {
    connection
        .exec_drop(
            "INSERT INTO audit (at, event, subject, app_id, address, request_id, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                occasion.now,
                event,
                subject.map(text),
                app_id.map(text),
                occasion.address.as_deref(),
                occasion.request_id.as_deref(),
                occasion.detail(),
            ),
        )
        .await
        .map_err(|error| failed(&error))
}
