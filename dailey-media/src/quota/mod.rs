//! How much an app and a subject may store: claimed before the bytes are written, given back when they
//! are not. An object and all bytes of an upload that goes on over many requests are held from its beginning until it
//! has ended, however many of them have come.
//!
//! Objects and their bytes count, not their descriptions. What is stored and held is found out from the storage
//! when an app is first written to after a start, and counted from then on, so nothing is wrong after a
//! crash. In one process it is exact, whatever happens at once. Several replicas each count what they
//! do themselves and look again every [`RECOUNT`]: between two looks they may together pass a quota by
//! what the others wrote meanwhile.

mod account;
mod amount;
mod claim;
mod spaces;

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::account::{Account, Counted, Quota};
use crate::key::Space;
use crate::settings::Limits;
use crate::storage::{Pending, Storage, StorageError};

pub(crate) use self::account::{Exceeded, OpenUpload};
pub(crate) use self::amount::Amount;
pub(crate) use self::claim::{Claim, Hold};

/// How often the storage is asked again where others write to it as well.
const RECOUNT: Duration = Duration::from_secs(10 * 60);

/// Longest wait for the first count of an app. It goes on when nobody waits.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Whether this process alone writes to the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Alone,
    Others,
}

/// How soon a subject's open uploads are looked at again that another replica may have completed.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Knows which uploads are open, whoever began them.
pub(crate) trait OpenUploads: Debug + Send + Sync {
    /// Those of an app.
    fn of_app<'a>(&'a self, app_id: &'a str) -> Pending<'a, Vec<OpenUpload>>;

    /// Those of these names.
    fn among(&self, ids: Vec<String>) -> Pending<'_, Vec<OpenUpload>>;
}

/// Why nothing can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuotaError {
    Exceeded(Exceeded),
    /// What is stored is not known yet.
    Unknown,
}

impl From<Exceeded> for QuotaError {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

/// All accounts. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Quotas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quota: Quota,
    most_open: u32,
    writers: Writers,
    storage: Arc<dyn Storage>,
    open: Arc<dyn OpenUploads>,
    apps: Mutex<HashMap<String, watch::Sender<Count>>>,
}

#[derive(Clone, Debug)]
enum Count {
    None,
    /// With the uploads that have ended meanwhile: it may have seen them.
    UnderWay(HashSet<String>),
    Failed,
    Known {
        account: Shared,
        since: Instant,
    },
}

type Shared = Arc<Mutex<Account>>;

impl Quotas {
    pub(crate) fn new(
        limits: &Limits,
        writers: Writers,
        storage: Arc<dyn Storage>,
        open: Arc<dyn OpenUploads>,
    ) -> Self {
        Self(Arc::new(Inner {
            quota: Quota {
                app_bytes: limits.app_quota_bytes,
                user_bytes: limits.user_quota_bytes,
                user_objects: limits.user_quota_objects,
            },
            most_open: limits.open_uploads_per_subject,
            writers,
            storage,
            open,
            apps: Mutex::default(),
        }))
    }

    /// Begins a change in `space`, with nothing claimed.
    pub(crate) async fn begin(&self, space: &Space) -> Result<Claim, QuotaError> {
        let inner = &self.0;
        if !inner.quota.is_limited() {
            return Ok(Claim::uncounted());
        }
        let account = inner.account(space.app_id()).await?;
        if !lock(&account).knows(space.subject()) {
            let noted = spaces::note(&*inner.storage, space).await;
            noted.map_err(|error| unknown(&error))?;
            lock(&account).add_subject(space.subject());
        }
        Ok(Claim::in_account(account, space))
    }

    /// The same for the object that an upload becomes: what is held for it is claimed already.
    pub(crate) async fn begin_held(&self, space: &Space, id: &str) -> Result<Claim, QuotaError> {
        Ok(self.begin(space).await?.of_upload(id))
    }

    /// Holds all `length` bytes of an upload that begins.
    pub(crate) async fn hold(
        &self,
        space: &Space,
        id: &str,
        length: u64,
    ) -> Result<Hold, QuotaError> {
        let account = self.0.account(space.app_id()).await?;
        let upload = OpenUpload {
            id: id.to_owned(),
            space: space.clone(),
            length,
        };
        let held = lock(&account).hold(upload.clone(), self.0.most_open);
        match held {
            Err(Exceeded::Uploads { .. }) if self.0.writers == Writers::Others => {
                self.0.look_again(&account, space.subject()).await?;
                lock(&account).hold(upload, self.0.most_open)?;
            }
            held => held?,
        }
        Ok(Hold::new(account, space, id))
    }

    /// An upload is no longer open, as its keeper says from now on.
    pub(crate) fn release(&self, space: &Space, id: &str) {
        let apps = lock(&self.0.apps);
        let Some(count) = apps.get(space.app_id()) else {
            return;
        };
        count.send_if_modified(|count| {
            match count {
                Count::UnderWay(ended) => {
                    ended.insert(id.to_owned());
                }
                Count::Known { account, .. } => lock(account).release(space.subject(), id),
                // The count to come does not find it.
                Count::None | Count::Failed => {}
            }
            false
        });
    }

    /// Begins a removal in `space`: where nothing was ever stored, nothing is counted, and what cannot
    /// be counted now is when it can.
    pub(crate) async fn begin_removal(&self, space: &Space) -> Result<Claim, QuotaError> {
        let inner = &self.0;
        if !inner.quota.is_limited() {
            return Ok(Claim::uncounted());
        }
        let account = match inner.account(space.app_id()).await {
            Ok(account) => account,
            Err(QuotaError::Unknown) if !inner.is_counting(space.app_id()) => {
                return Ok(Claim::uncounted());
            }
            Err(error) => return Err(error),
        };
        if !lock(&account).knows(space.subject()) {
            return Ok(Claim::uncounted());
        }
        Ok(Claim::in_account(account, space))
    }
}

impl Inner {
    fn is_counting(&self, app_id: &str) -> bool {
        let apps = lock(&self.apps);
        apps.get(app_id)
            .is_some_and(|count| matches!(*count.borrow(), Count::UnderWay(_)))
    }

    async fn account(self: &Arc<Self>, app_id: &str) -> Result<Shared, QuotaError> {
        let mut count = {
            let mut apps = lock(&self.apps);
            // At most as many as audiences are configured.
            let count = apps
                .entry(app_id.to_owned())
                .or_insert_with(|| watch::Sender::new(Count::None));
            let mut begin = false;
            count.send_if_modified(|state| {
                begin = match state {
                    Count::None | Count::Failed => true,
                    Count::UnderWay(_) => false,
                    Count::Known { since, .. } => {
                        self.writers == Writers::Others && since.elapsed() >= RECOUNT
                    }
                };
                match state {
                    // Nobody waits for it: what is known serves until then.
                    Count::Known { since, .. } if begin => *since = Instant::now(),
                    _ if begin => *state = Count::UnderWay(HashSet::new()),
                    _ => {}
                }
                begin
            });
            if begin {
                tokio::spawn(Arc::clone(self).count(app_id.to_owned(), count.clone()));
            }
            count.subscribe()
        };
        let known = count.wait_for(|count| !matches!(count, Count::UnderWay(_)));
        match tokio::time::timeout(MAX_WAIT, known).await {
            Ok(Ok(count)) => match &*count {
                Count::Known { account, .. } => Ok(Arc::clone(account)),
                _ => Err(QuotaError::Unknown),
            },
            _ => Err(QuotaError::Unknown),
        }
    }

    async fn count(self: Arc<Self>, app_id: String, count: watch::Sender<Count>) {
        let counted = self.look(&app_id).await;
        count.send_modify(|state| match (counted, state) {
            (Ok(counted), Count::Known { account, .. }) => lock(account).recounted(counted),
            (Ok(mut counted), state) => {
                if let Count::UnderWay(ended) = state {
                    counted.open.retain(|upload| !ended.contains(&upload.id));
                }
                *state = Count::Known {
                    account: Arc::new(Mutex::new(Account::new(self.quota, counted))),
                    since: Instant::now(),
                };
            }
            (Err(error), state) => {
                unknown(&error);
                if !matches!(state, Count::Known { .. }) {
                    *state = Count::Failed;
                }
            }
        });
    }

    /// Another replica may have ended some of a subject's uploads.
    async fn look_again(&self, account: &Shared, subject: &str) -> Result<(), QuotaError> {
        let ids = lock(account).look_at(subject, Instant::now(), LOOK_AGAIN);
        if ids.is_empty() {
            return Ok(());
        }
        let open = self.open.among(ids.clone()).await;
        let open = open.map_err(|error| unknown(&error))?;
        let open: HashSet<String> = open.into_iter().map(|upload| upload.id).collect();
        let mut account = lock(account);
        for id in ids.iter().filter(|id| !open.contains(*id)) {
            account.ended_by_others(subject, id);
        }
        Ok(())
    }

    async fn look(&self, app_id: &str) -> Result<Counted, StorageError> {
        // First: one that becomes an object meanwhile counts twice rather than never.
        let open = self.open.of_app(app_id).await?;
        let stored = if self.quota.is_limited() {
            spaces::scan(&*self.storage, app_id).await?
        } else {
            HashMap::new()
        };
        Ok(Counted { stored, open })
    }
}

fn unknown(error: &StorageError) -> QuotaError {
    tracing::warn!(%error, "what an app stores could not be counted");
    QuotaError::Unknown
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change to an account is one addition: whole at all times.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
