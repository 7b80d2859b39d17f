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
    /// Stored and claimed, of all subjects.
    total: u64,
    subjects: HashMap<String, u64>,
    /// Claims that are not settled.
    open: usize,
}

impl Account {
    pub(super) fn new(quota: Quota, stored: HashMap<String, u64>) -> Self {
        Self {
            quota,
            total: stored.values().sum(),
            subjects: stored,
            open: 0,
        }
    }

    pub(super) fn knows(&self, subject: &str) -> bool {
        self.subjects.contains_key(subject)
    }

    pub(super) fn add_subject(&mut self, subject: &str) {
        self.subjects.entry(subject.to_owned()).or_default();
    }

    pub(super) fn begin(&mut self) {
        self.open += 1;
    }

    pub(super) fn end(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open == 0
    }

    /// Claims `bytes` more. Nothing is always granted, so that who has too much may still change it.
    pub(super) fn claim(&mut self, subject: &str, bytes: u64) -> Result<(), Exceeded> {
        if bytes == 0 {
            return Ok(());
        }
        let over = |used: u64, limit: u64| limit != 0 && used.saturating_add(bytes) > limit;
        let used = self.subjects.get(subject).copied().unwrap_or_default();
        let limit_bytes = self.quota.user_bytes;
        if over(used, limit_bytes) {
            return Err(Exceeded::User { limit_bytes });
        }
        if over(self.total, self.quota.app_bytes) {
            return Err(Exceeded::App);
        }
        self.add(subject, bytes);
        Ok(())
    }

    /// Adds what is stored whether it may or not.
    pub(super) fn add(&mut self, subject: &str, bytes: u64) {
        let used = self.subjects.entry(subject.to_owned()).or_default();
        *used = used.saturating_add(bytes);
        self.total = self.total.saturating_add(bytes);
    }

    pub(super) fn give_back(&mut self, subject: &str, bytes: u64) {
        // What another replica added is not in the account, so it cannot be taken out of it.
        let used = self.subjects.entry(subject.to_owned()).or_default();
        let bytes = bytes.min(*used);
        *used -= bytes;
        self.total = self.total.saturating_sub(bytes);
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
        account.give_back("ada", 1000);
        account.give_back("bob", 1000);
        assert_eq!(account.claim("ada", 100), Ok(()));
        assert_eq!(account.claim("bob", 1), Err(Exceeded::App));
    }
}
