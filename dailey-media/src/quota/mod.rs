//! How much an app and a subject may store: claimed before the bytes are written, given back when they
//! are not.
//!
//! Bytes of objects count, not their descriptions. What is stored is found out from the storage when
//! an app is first written to after a start, and counted from then on, so nothing is wrong after a
//! crash. In one process it is exact, whatever happens at once. Several replicas each count what they
//! do themselves and look again every [`RECOUNT`]: between two looks they may together pass a quota by
//! what the others wrote meanwhile.

mod account;
mod spaces;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::account::{Account, Quota};
use crate::key::Space;
use crate::settings::Limits;
use crate::storage::Storage;

pub(crate) use self::account::Exceeded;

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
pub(crate) struct Quotas(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    quota: Quota,
    writers: Writers,
    storage: Arc<dyn Storage>,
    apps: Mutex<HashMap<String, watch::Sender<Count>>>,
}

#[derive(Clone, Debug)]
enum Count {
    None,
    UnderWay,
    Failed,
    Known { account: Shared, since: Instant },
}

type Shared = Arc<Mutex<Account>>;

impl Quotas {
    pub(crate) fn new(limits: &Limits, writers: Writers, storage: Arc<dyn Storage>) -> Self {
        let quota = Quota {
            app_bytes: limits.app_quota_bytes,
            user_bytes: limits.user_quota_bytes,
        };
        let any = quota.app_bytes != 0 || quota.user_bytes != 0;
        Self(any.then(|| {
            Arc::new(Inner {
                quota,
                writers,
                storage,
                apps: Mutex::default(),
            })
        }))
    }

    /// Begins a change in `space`, with nothing claimed.
    pub(crate) async fn begin(&self, space: &Space) -> Result<Claim, QuotaError> {
        let Some(inner) = &self.0 else {
            return Ok(Claim(None));
        };
        let account = inner.account(space.app_id()).await?;
        if !lock(&account).knows(space.subject()) {
            let noted = spaces::note(&*inner.storage, space).await;
            noted.map_err(|error| unknown(&error))?;
            lock(&account).add_subject(space.subject());
        }
        Ok(Claim::in_account(account, space))
    }
}

impl Quotas {
    /// Begins a removal in `space`: where nothing was ever stored, nothing is counted, and what cannot
    /// be counted now is when it can.
    pub(crate) async fn begin_removal(&self, space: &Space) -> Result<Claim, QuotaError> {
        let Some(inner) = &self.0 else {
            return Ok(Claim(None));
        };
        let account = match inner.account(space.app_id()).await {
            Ok(account) => account,
            Err(QuotaError::Unknown) if !inner.is_counting(space.app_id()) => {
                return Ok(Claim(None));
            }
            Err(error) => return Err(error),
        };
        if !lock(&account).knows(space.subject()) {
            return Ok(Claim(None));
        }
        Ok(Claim::in_account(account, space))
    }
}

impl Inner {
    fn is_counting(&self, app_id: &str) -> bool {
        let apps = lock(&self.apps);
        let count = apps.get(app_id).map(|count| count.borrow().clone());
        matches!(count, Some(Count::UnderWay))
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
                    Count::UnderWay => false,
                    Count::Known { account, since } => {
                        self.writers == Writers::Others
                            && since.elapsed() >= RECOUNT
                            && lock(account).is_idle()
                    }
                };
                if begin {
                    *state = Count::UnderWay;
                }
                begin
            });
            if begin {
                tokio::spawn(Arc::clone(self).count(app_id.to_owned(), count.clone()));
            }
            count.subscribe()
        };
        let known = count.wait_for(|count| !matches!(count, Count::UnderWay));
        match tokio::time::timeout(MAX_WAIT, known).await {
            Ok(Ok(count)) => match &*count {
                Count::Known { account, .. } => Ok(Arc::clone(account)),
                _ => Err(QuotaError::Unknown),
            },
            _ => Err(QuotaError::Unknown),
        }
    }

    async fn count(self: Arc<Self>, app_id: String, count: watch::Sender<Count>) {
        let state = match spaces::scan(&*self.storage, &app_id).await {
            Ok(stored) => Count::Known {
                account: Arc::new(Mutex::new(Account::new(self.quota, stored))),
                since: Instant::now(),
            },
            Err(error) => {
                unknown(&error);
                Count::Failed
            }
        };
        count.send_replace(state);
    }
}

fn unknown(error: &crate::storage::StorageError) -> QuotaError {
    tracing::warn!(%error, "what an app stores could not be counted");
    QuotaError::Unknown
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change to an account is one addition: whole at all times.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a change has claimed so far; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim(Option<Claimed>);

#[derive(Debug)]
struct Claimed {
    account: Shared,
    subject: String,
    bytes: u64,
}

impl Claim {
    fn in_account(account: Shared, space: &Space) -> Self {
        lock(&account).begin();
        Self(Some(Claimed {
            account,
            subject: space.subject().to_owned(),
            bytes: 0,
        }))
    }

    /// Whether anything is counted here.
    pub(crate) fn counts(&self) -> bool {
        self.0.is_some()
    }

    /// Sees to it that at least `bytes` are claimed.
    pub(crate) fn cover(&mut self, bytes: u64) -> Result<(), Exceeded> {
        let Some(claimed) = &mut self.0 else {
            return Ok(());
        };
        let more = bytes.saturating_sub(claimed.bytes);
        lock(&claimed.account).claim(&claimed.subject, more)?;
        claimed.bytes += more;
        Ok(())
    }

    /// `new` bytes are stored in the place of `old` ones, and nothing else is claimed any more.
    pub(crate) fn stored(&mut self, new: u64, old: u64) {
        if let Some(claimed) = &mut self.0 {
            let mut account = lock(&claimed.account);
            account.give_back(&claimed.subject, claimed.bytes);
            account.give_back(&claimed.subject, old);
            account.add(&claimed.subject, new);
            claimed.bytes = 0;
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut account = lock(&self.account);
        account.give_back(&self.subject, self.bytes);
        account.end();
    }
}
