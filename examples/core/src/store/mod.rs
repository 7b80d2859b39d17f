//! What Core keeps, said without saying where: routes and commands know this module, never a database.
//!
//! Every method is one transaction: it happens as a whole and durably, or not at all. Times are milliseconds UTC.

mod mysql;
mod occasion;
mod sqlite;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use uuid::Uuid;

pub use mysql::MysqlStore;
pub use occasion::{Clock, system_clock};
pub use sqlite::SqliteStore;

use crate::email::Email;
use crate::refresh::Decision;
use crate::scope::Scopes;
use crate::secret::{SecretHash, sha256};
use crate::settings::DatabaseSettings;

/// The name of Core's own app.
const CORE_NAME: &str = "Core";
/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long the audit is kept. It also says which addresses a user has logged in from.
const AUDIT_MS: i64 = 180 * DAY_MS;

/// How long an old client secret works beside its successor, in milliseconds: a day to roll it out.
pub const OLD_SECRET_MS: i64 = DAY_MS;

/// A pending answer of a store.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another app has this name.
    #[error("an app with this name exists already")]
    NameTaken,
    /// Another user has this email address.
    #[error("a user with this email address exists already")]
    EmailTaken,
    /// No such app.
    #[error("there is no app with this id")]
    NoSuchApp,
    /// No such user.
    #[error("there is no such user")]
    NoSuchUser,
    /// Core's own app is needed as it is.
    #[error(
        "this is Core's own app: it can be neither disabled nor deleted, and it keeps the scope core:admin"
    )]
    CoreApp,
    /// Too much is waiting already.
    #[error("the database is busy; try again in a few seconds")]
    Busy,
    /// The schema is newer than this program.
    #[error(
        "the database was written by a newer version (schema {found}, this program knows {known}): run that version"
    )]
    TooNew {
        /// What the database has.
        found: i64,
        /// What this program knows.
        known: i64,
    },
    /// The database failed.
    #[error("the database failed: {0}")]
    Failed(String),
    /// There is no way to the database.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
}

/// An app that tokens are issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its id, the audience of its tokens.
    pub app_id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// What its tokens may carry.
    pub scopes: Scopes,
    /// Since when it gets no new token.
    pub disabled_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// Whether it stands for Core itself.
    pub role: AppRole,
}

/// Whom an app stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppRole {
    /// Core itself: the audience of tokens that manage apps.
    Core,
    /// Any other.
    Ordinary,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The id, the subject of tokens.
    pub user_id: Uuid,
    /// The address as it was given.
    pub email: String,
    /// What the user may do with Core.
    pub role: UserRole,
    /// Since when no token is given.
    pub disabled_at: Option<i64>,
    /// When the account was made.
    pub created_at: i64,
}

/// What a user may do with Core itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// May have the scope `core:admin` in tokens for Core's own app.
    Administrator,
    /// May not.
    Ordinary,
}

impl User {
    /// What this user may have of an app's scopes.
    pub fn scopes_in(&self, app: &App) -> Scopes {
        match (app.role, self.role) {
            (AppRole::Core, UserRole::Ordinary) => app.scopes.without(crate::scope::ADMIN_SCOPE),
            _ => app.scopes.clone(),
        }
    }
}

/// What to change of an app; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct AppChange {
    /// A new name.
    pub name: Option<String>,
    /// New scopes.
    pub scopes: Option<Scopes>,
    /// Whether it gets tokens.
    pub availability: Option<Availability>,
}

impl AppChange {
    /// The app as it is after the change, if it may be so.
    fn apply(self, mut app: App, now: i64) -> Result<App, StoreError> {
        app.name = self.name.unwrap_or(app.name);
        app.scopes = self.scopes.unwrap_or(app.scopes);
        app.disabled_at = match self.availability {
            None => app.disabled_at,
            Some(Availability::Enabled) => None,
            Some(Availability::Disabled) => app.disabled_at.or(Some(now)),
        };
        let is_whole = app.disabled_at.is_none() && app.scopes.contains(crate::scope::ADMIN_SCOPE);
        if app.role == AppRole::Core && !is_whole {
            return Err(StoreError::CoreApp);
        }
        Ok(app)
    }
}

/// Whether an app or a user gets tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
}

/// What becomes of an app's older secrets when it gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldSecrets {
    /// They work for another day.
    WorkOneMoreDay,
    /// They stop working.
    Revoked,
}

/// Who does it, for the audit. When is for the store to say: it reads its clock when it comes to it.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The client's address; none when an operator works on the machine itself.
    pub address: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The administrator who asked for it.
    pub actor: Option<String>,
}

/// Who wants to log in.
#[derive(Debug, Clone)]
pub struct LoginAttempt {
    /// The account's address, canonical.
    pub email: Email,
    /// For which app.
    pub app_id: Option<Uuid>,
    /// What the attempt is counted under beside the account: the client's address or its network.
    pub network: String,
}

impl LoginAttempt {
    /// The counter of the account. Hashed: of one length, and no list of addresses that someone tried.
    fn account_key(&self) -> String {
        let hash = sha256(self.email.canonical().as_bytes());
        format!("account:{}", data_encoding::HEXLOWER.encode(&hash))
    }

    /// The counter of the address.
    fn address_key(&self) -> String {
        format!("address:{}", self.network)
    }

    /// Both counters, and the event that one of them makes when it makes wait.
    fn counters(&self) -> [(String, &'static str); 2] {
        [
            (self.address_key(), "login.address_locked"),
            (self.account_key(), "login.locked"),
        ]
    }
}

/// The counter of an address that does not prove to be an app.
fn client_key(network: &str) -> String {
    format!("client:{network}")
}

/// What is known before the password is looked at. The attempt is counted already.
#[derive(Debug, Clone)]
pub struct LoginStart {
    /// The user, with the stored hash.
    pub user: Option<(User, String)>,
    /// The app.
    pub app: Option<App>,
    /// How long this account must wait, in milliseconds.
    pub account_wait: Option<i64>,
    /// How long this address must wait, in milliseconds.
    pub address_wait: Option<i64>,
    /// Whether this user has logged in from this address before.
    pub known_address: bool,
}

/// A login that succeeded.
#[derive(Debug, Clone)]
pub struct LoginSuccess {
    /// The attempt, whose counts are taken back.
    pub attempt: LoginAttempt,
    /// Who.
    pub user_id: Uuid,
    /// For which app.
    pub app_id: Uuid,
    /// What was granted.
    pub scopes: Scopes,
    /// The first refresh token of a new family.
    pub refresh_hash: SecretHash,
    /// How long that one lives, in milliseconds.
    pub refresh_life_ms: i64,
    /// The stored hash that the password was verified against.
    pub verified_hash: String,
    /// The password's hash with today's parameters, when the stored one is of older ones.
    pub new_password_hash: Option<String>,
}

/// What became of a login whose password was right when it was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum LoginEnd {
    /// The refresh token is stored.
    Recorded,
    /// Another password was set meanwhile, or the user or the app was disabled. No refresh token was stored.
    Outdated,
}

/// A presented refresh token and what is to take its place.
#[derive(Debug, Clone)]
pub struct RefreshAttempt {
    /// What was presented.
    pub presented: SecretHash,
    /// Its successor.
    pub successor: SecretHash,
    /// How long the successor lives, in milliseconds.
    pub successor_life_ms: i64,
    /// The app that presents it, where it has shown who it is: only its own tokens are exchanged then.
    pub app_id: Option<Uuid>,
    /// What the access token shall carry, when that is to be less than what was granted (RFC 6749 section 6).
    pub requested: Option<Scopes>,
}

/// How far a sweep came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Nothing is left that could be forgotten.
    All,
    /// There may be more.
    InPart,
}

/// What became of a presented refresh token.
#[derive(Debug, Clone)]
pub enum Refreshed {
    /// Its successor is stored; this is who it is for.
    Rotated {
        /// The user.
        user: User,
        /// The app.
        app: App,
        /// What the access token carries.
        scopes: Scopes,
    },
    /// More was requested than was granted; nothing was spent.
    BeyondGrant,
    /// No successor was stored.
    Refused(Decision),
}

/// Opens the database that the settings name, making it and bringing its schema up to date.
pub async fn open(settings: &DatabaseSettings) -> Result<Box<dyn Store>, StoreError> {
    Ok(match settings {
        DatabaseSettings::Sqlite(path) => Box::new(SqliteStore::open(path, system_clock())?),
        DatabaseSettings::Mysql(settings) => {
            Box::new(MysqlStore::open(settings, system_clock()).await?)
        }
    })
}

/// The database that the settings name, opened as soon as it can be reached and if it was set up. None where it is a file:
/// that is there or not.
pub fn open_when_reachable(settings: &DatabaseSettings) -> Option<Box<dyn Store>> {
    match settings {
        DatabaseSettings::Sqlite(_) => None,
        DatabaseSettings::Mysql(settings) => {
            Some(Box::new(MysqlStore::unopened(settings, system_clock())))
        }
    }
}

/// Whether the database is one that this program can use and has Core's own app, without making or changing it.
pub async fn is_initialised(settings: &DatabaseSettings) -> Result<bool, StoreError> {
    match settings {
        DatabaseSettings::Sqlite(path) => SqliteStore::is_initialised(path),
        DatabaseSettings::Mysql(settings) => MysqlStore::is_initialised(settings).await,
    }
}

/// Everything Core keeps.
pub trait Store: Send + Sync {
    /// Whether the database answers.
    fn ping(&self) -> Answer<'_, ()>;

    /// Core's own app.
    fn core_app(&self) -> Answer<'_, Option<App>>;
    /// Core's own app, made when it is not there.
    fn ensure_core_app(&self, context: Context) -> Answer<'_, App>;
    /// Makes an app.
    fn create_app(
        &self,
        name: String,
        scopes: Scopes,
        secret: SecretHash,
        context: Context,
    ) -> Answer<'_, App>;
    /// All apps, by name.
    fn apps(&self) -> Answer<'_, Vec<App>>;
    /// One app.
    fn app(&self, app_id: Uuid) -> Answer<'_, Option<App>>;
    /// Changes an app.
    fn change_app(&self, app_id: Uuid, change: AppChange, context: Context) -> Answer<'_, App>;
    /// Deletes an app with its secrets and refresh tokens. After an error it may be disabled, with some of its tokens gone:
    /// to be repeated.
    fn delete_app(&self, app_id: Uuid, context: Context) -> Answer<'_, ()>;
    /// Gives an app another secret.
    fn rotate_app_secret(
        &self,
        app_id: Uuid,
        secret: SecretHash,
        old: OldSecrets,
        context: Context,
    ) -> Answer<'_, App>;
    /// The app, if it is enabled and this is one of its working secrets.
    fn authenticate_app(&self, app_id: Uuid, secret: SecretHash) -> Answer<'_, Option<App>>;

    /// Makes a user.
    fn create_user(
        &self,
        email: Email,
        password_hash: String,
        role: UserRole,
        context: Context,
    ) -> Answer<'_, User>;
    /// All users, by address.
    fn users(&self) -> Answer<'_, Vec<User>>;
    /// One user by address.
    fn user_by_email(&self, email: Email) -> Answer<'_, Option<User>>;
    /// One user by id.
    fn user(&self, user_id: Uuid) -> Answer<'_, Option<User>>;
    /// Disables a user and revokes the user's refresh tokens.
    fn disable_user(&self, user_id: Uuid, context: Context) -> Answer<'_, ()>;
    /// Sets a password and revokes the user's refresh tokens.
    fn set_password(
        &self,
        user_id: Uuid,
        password_hash: String,
        context: Context,
    ) -> Answer<'_, ()>;

    /// Counts an attempt and says what is known.
    fn begin_login(&self, attempt: LoginAttempt) -> Answer<'_, LoginStart>;
    /// Notes that it failed, and what must wait from now on because of it.
    fn login_failed(
        &self,
        attempt: LoginAttempt,
        user_id: Option<Uuid>,
        context: Context,
    ) -> Answer<'_, ()>;
    /// Notes that somebody at `network` did not prove to be this app, if there is one. Nobody is made to
    /// wait: a secret of 256 bits is not guessed. After the fiftieth time in a quarter of an hour nothing is noted
    /// for a while, so that nobody fills the audit from outside.
    fn client_failed(&self, app_id: Uuid, network: String, context: Context) -> Answer<'_, ()>;
    /// Takes the counts back and stores the first refresh token, if what was verified is still so.
    fn login_succeeded(&self, success: LoginSuccess, context: Context) -> Answer<'_, LoginEnd>;
    /// Takes the counts back without a login: the password was right, something else was not.
    fn login_abandoned(&self, attempt: LoginAttempt) -> Answer<'_, ()>;
    /// Exchanges a refresh token for its successor, or decides against it.
    fn refresh(&self, attempt: RefreshAttempt, context: Context) -> Answer<'_, Refreshed>;
    /// Revokes the family of a refresh token, if there is one. With `app_id`, only one of that app.
    fn revoke_family(
        &self,
        presented: SecretHash,
        app_id: Option<Uuid>,
        context: Context,
    ) -> Answer<'_, ()>;

    /// Forgets what no rule needs any more, or a good piece of it.
    fn sweep(&self) -> Answer<'_, Swept>;

    /// Says goodbye to the database. What is asked afterwards is refused.
    fn close(&self) -> Answer<'_, ()>;
}
