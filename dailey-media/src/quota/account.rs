//! What one app's subjects store, and what they are about to. Pure.

use std::collections::HashMap;

/// Bytes that may be stored; 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) app_bytes: u64,
    pub(super) user_bytes: u64,
}

/// Which quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    User { limit_bytes: u64 },
    App,
}

#[derive(Debug)]
pub(super) struct Account {
    quota: Quota,
    stored: HashMap<String, u64>,
    /// By changes that are not done.
    claimed: HashMap<String, u64>,
    /// Of all subjects, stored and claimed.
    total: u64,
}

impl Account {
    pub(super) fn new(quota: Quota, stored: HashMap<String, u64>) -> Self {
        Self {
            quota,
            total: stored.values().sum(),
            stored,
            claimed: HashMap::new(),
        }
    }

    /// What is stored was counted again. What changed during the count is in it or not.
    pub(super) fn recounted(&mut self, stored: HashMap<String, u64>) {
        self.total = stored.values().sum::<u64>() + self.claimed.values().sum::<u64>();
        let known = std::mem::replace(&mut self.stored, stored);
        for subject in known.into_keys() {
            self.stored.entry(subject).or_default();
        }
    }

    pub(super) fn knows(&self, subject: &str) -> bool {
        self.stored.contains_key(subject)
    }

    pub(super) fn add_subject(&mut self, subject: &str) {
        self.stored.entry(subject.to_owned()).or_default();
    }

    /// Claims `bytes` more. Nothing is always granted, so that who has too much may still change it.
    pub(super) fn claim(&mut self, subject: &str, bytes: u64) -> Result<(), Exceeded> {
        if bytes == 0 {
            return Ok(());
        }
        let over = |used: u64, limit: u64| limit != 0 && used.saturating_add(bytes) > limit;
        let of = |bytes: &HashMap<String, u64>| bytes.get(subject).copied().unwrap_or_default();
        let used = of(&self.stored).saturating_add(of(&self.claimed));
        let limit_bytes = self.quota.user_bytes;
        if over(used, limit_bytes) {
            return Err(Exceeded::User { limit_bytes });
        }
        if over(self.total, self.quota.app_bytes) {
            return Err(Exceeded::App);
        }
        let claimed = self.claimed.entry(subject.to_owned()).or_default();
        *claimed = claimed.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
        Ok(())
    }

    /// Gives back what was claimed.
    pub(super) fn give_back(&mut self, subject: &str, bytes: u64) {
        let Some(claimed) = self.claimed.get_mut(subject) else {
            return;
        };
        *claimed = claimed.saturating_sub(bytes);
        self.total = self.total.saturating_sub(bytes);
        if *claimed == 0 {
            self.claimed.remove(subject);
        }
    }

    /// `new` bytes are stored in the place of `old` ones, whether they may or not.
    pub(super) fn settle(&mut self, subject: &str, new: u64, old: u64) {
        let stored = self.stored.entry(subject.to_owned()).or_default();
        // What another replica added is not in the account, so it cannot be taken out of it.
        let old = old.min(*stored);
        *stored = (*stored - old).saturating_add(new);
        self.total = self.total.saturating_sub(old).saturating_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(app_bytes: u64, user_bytes: u64) -> Account {
        let quota = Quota {
            app_bytes,
            user_bytes,
        };
        Account::new(quota, HashMap::from([("ada".to_owned(), 40)]))
    }

    #[test]
    fn each_quota_holds_to_the_byte() {
        let user = Err(Exceeded::User { limit_bytes: 100 });
        let mut of_users = account(0, 100);
        assert_eq!(of_users.claim("ada", 61), user);
        assert_eq!(of_users.claim("ada", 60), Ok(()));
        assert_eq!(of_users.claim("ada", 1), user);
        assert_eq!(of_users.claim("ada", 0), Ok(()));
        assert_eq!(of_users.claim("bob", 100), Ok(()));
        of_users.give_back("ada", 10);
        assert_eq!(of_users.claim("ada", 10), Ok(()));
        of_users.give_back("ada", 60);
        of_users.settle("ada", 90, 40);
        assert_eq!(of_users.claim("ada", 11), user);
        assert_eq!(of_users.claim("ada", 10), Ok(()));

        let mut of_app = account(100, 0);
        assert_eq!(of_app.claim("bob", 61), Err(Exceeded::App));
        assert_eq!(of_app.claim("bob", 60), Ok(()));
        assert_eq!(of_app.claim("ada", 1), Err(Exceeded::App));

        let mut without = account(0, 0);
        assert_eq!(without.claim("ada", u64::MAX), Ok(()));
        assert_eq!(without.claim("ada", u64::MAX), Ok(()));
    }

    #[test]
    fn nobody_gives_back_more_than_there_is() {
        let mut account = account(100, 0);
        account.settle("ada", 0, 1000);
        account.settle("bob", 0, 1000);
        account.give_back("bob", 1000);
        assert_eq!(account.claim("ada", 100), Ok(()));
        assert_eq!(account.claim("bob", 1), Err(Exceeded::App));
    }

    #[test]
    fn a_count_replaces_what_was_thought_to_be_stored_and_no_claim() {
        let mut account = account(100, 0);
        assert_eq!(account.claim("ada", 30), Ok(()));
        account.recounted(HashMap::from([("bob".to_owned(), 50)]));
        assert!(account.knows("ada"));
        assert_eq!(account.claim("bob", 21), Err(Exceeded::App));
        assert_eq!(account.claim("bob", 20), Ok(()));
        account.give_back("ada", 30);
        assert_eq!(account.claim("bob", 30), Ok(()));
    }
}
