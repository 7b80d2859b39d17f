//! What one change, or one upload that begins, takes of an account; given back when it is dropped.

use super::{Amount, Exceeded, Shared, lock};
use crate::key::Space;

/// What a change has claimed so far; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim(Option<Claimed>);

#[derive(Debug)]
struct Claimed {
    account: Shared,
    subject: String,
    amount: Amount,
    /// The upload that becomes the object, and what is held for it.
    upload: Option<String>,
}

impl Claim {
    /// Where nothing is counted.
    pub(super) fn uncounted() -> Self {
        Self(None)
    }

    pub(super) fn in_account(account: Shared, space: &Space) -> Self {
        Self(Some(Claimed {
            account,
            subject: space.subject().to_owned(),
            amount: Amount::NOTHING,
            upload: None,
        }))
    }

    /// For the object that the upload `id` becomes.
    pub(super) fn of_upload(mut self, id: &str) -> Self {
        if let Some(claimed) = &mut self.0 {
            claimed.upload = Some(id.to_owned());
        }
        self
    }

    /// Whether anything is counted here.
    pub(crate) fn counts(&self) -> bool {
        self.0.is_some()
    }

    /// Sees to it that at least `amount` is claimed or held.
    pub(crate) fn cover(&mut self, amount: Amount) -> Result<(), Exceeded> {
        let Some(claimed) = &mut self.0 else {
            return Ok(());
        };
        let mut account = lock(&claimed.account);
        let held = claimed.upload.as_deref();
        let held = held.map(|id| account.held(&claimed.subject, id));
        let more = amount.less(held.unwrap_or_default());
        let more = more.less(claimed.amount);
        account.claim(&claimed.subject, more)?;
        claimed.amount = claimed.amount.plus(more);
        Ok(())
    }

    /// `new` is stored in the place of `old`, and nothing else is claimed any more.
    pub(crate) fn stored(&mut self, new: Amount, old: Amount) {
        self.settle(None, new, old);
    }

    /// The same where it came by an upload, which is no longer open.
    pub(crate) fn filled(&mut self, new: Amount, old: Amount) {
        let upload = self.0.as_mut().and_then(|claimed| claimed.upload.take());
        self.settle(upload.as_deref(), new, old);
    }

    fn settle(&mut self, ended: Option<&str>, new: Amount, old: Amount) {
        if let Some(claimed) = &mut self.0 {
            let mut account = lock(&claimed.account);
            if let Some(id) = ended {
                account.release(&claimed.subject, id);
            }
            account.give_back(&claimed.subject, claimed.amount);
            account.settle(&claimed.subject, new, old);
            claimed.amount = Amount::NOTHING;
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        lock(&self.account).give_back(&self.subject, self.amount);
    }
}

/// What is held for an upload that begins; given back when it is dropped and not kept.
#[derive(Debug)]
pub(crate) struct Hold {
    account: Shared,
    subject: String,
    id: String,
    is_kept: bool,
}

impl Hold {
    pub(super) fn new(account: Shared, space: &Space, id: &str) -> Self {
        Self {
            account,
            subject: space.subject().to_owned(),
            id: id.to_owned(),
            is_kept: false,
        }
    }

    /// The upload has begun: until [`Quotas::release`](super::Quotas::release).
    pub(crate) fn keep(mut self) {
        lock(&self.account).has_begun(&self.subject, &self.id);
        self.is_kept = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.is_kept {
            lock(&self.account).release(&self.subject, &self.id);
        }
    }
}
