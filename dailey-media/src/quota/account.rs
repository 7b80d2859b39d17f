//! What one app's subjects store, and what they are about to. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::amount::Amount;
use crate::key::Space;

/// How much may be stored; 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) app_bytes: u64,
    pub(super) user_bytes: u64,
    pub(super) user_objects: u64,
}

impl Quota {
    /// Whether there is any limit, so that what is stored must be known.
    pub(super) fn is_limited(self) -> bool {
        self.app_bytes != 0 || self.user_bytes != 0 || self.user_objects != 0
    }
}

/// What a new account starts from, and an old one is set right by.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By subject.
    pub(super) stored: HashMap<String, Amount>,
    pub(super) open: Vec<OpenUpload>,
}

/// An upload that goes on over many requests: all its bytes are held from its beginning on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenUpload {
    pub(crate) id: String,
    /// Whose it is.
    pub(crate) space: Space,
    /// How many bytes there will be.
    pub(crate) length: u64,
}

/// Which quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    User {
        limit_bytes: u64,
    },
    /// The number of objects that a subject may have.
    UserObjects {
        most: u64,
    },
    App,
    /// The number of uploads that a subject may have open.
    Uploads {
        most: u32,
    },
}

#[derive(Debug)]
pub(super) struct Account {
    quota: Quota,
    stored: HashMap<String, Amount>,
    /// By changes that are not done.
    claimed: HashMap<String, Amount>,
    /// By uploads that are open.
    held: HashMap<String, Held>,
    /// Of all subjects, stored, claimed and held.
    total: Amount,
}

/// What is held for one subject.
#[derive(Debug, Default)]
struct Held {
    /// The open uploads, by their names.
    open: HashMap<String, Open>,
    /// Of these and of those that others have ended: what became of them, the next count finds.
    amount: Amount,
    /// When it was asked which of them others have ended.
    looked_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    length: u64,
    /// Whether others can find it.
    has_begun: bool,
}

impl Held {
    fn add(&mut self, id: String, open: Open) {
        self.amount = self.amount.plus(open.amount());
        self.open.insert(id, open);
    }
}

impl Open {
    /// What it becomes.
    fn amount(self) -> Amount {
        Amount::object(self.length)
    }
}

impl Account {
    pub(super) fn new(quota: Quota, counted: Counted) -> Self {
        let mut account = Self {
            quota,
            stored: HashMap::new(),
            claimed: HashMap::new(),
            held: HashMap::new(),
            total: Amount::NOTHING,
        };
        account.recounted(counted);
        account
    }

    /// What is there was counted again. What changed during the count is in it or not.
    pub(super) fn recounted(&mut self, counted: Counted) {
        let known = std::mem::replace(&mut self.stored, counted.stored);
        for subject in known.into_keys() {
            self.stored.entry(subject).or_default();
        }
        for held in self.held.values_mut() {
            // Those that are about to begin could not be found.
            held.open.retain(|_, open| !open.has_begun);
            let open = held.open.values();
            held.amount = open.fold(Amount::NOTHING, |sum, open| sum.plus(open.amount()));
        }
        self.held.retain(|_, held| !held.open.is_empty());
        for OpenUpload { id, space, length } in counted.open {
            let held = self.held.entry(space.subject().to_owned()).or_default();
            let has_begun = true;
            held.add(id, Open { length, has_begun });
        }
        let all = self.stored.values().chain(self.claimed.values());
        let all = all.chain(self.held.values().map(|held| &held.amount));
        self.total = all.fold(Amount::NOTHING, |total, amount| total.plus(*amount));
    }

    pub(super) fn knows(&self, subject: &str) -> bool {
        self.stored.contains_key(subject)
    }

    pub(super) fn add_subject(&mut self, subject: &str) {
        self.stored.entry(subject.to_owned()).or_default();
    }

    /// Claims `more`. Of what nothing is claimed there may be too much already, so that who has that may
    /// still change it.
    pub(super) fn claim(&mut self, subject: &str, more: Amount) -> Result<(), Exceeded> {
        self.allows(subject, more)?;
        if more != Amount::NOTHING {
            let claimed = self.claimed.entry(subject.to_owned()).or_default();
            *claimed = claimed.plus(more);
            self.total = self.total.plus(more);
        }
        Ok(())
    }

    fn allows(&self, subject: &str, more: Amount) -> Result<(), Exceeded> {
        let over = |used: u64, more: u64, limit: u64| {
            limit != 0 && more != 0 && used.saturating_add(more) > limit
        };
        let of = |all: &HashMap<String, Amount>| all.get(subject).copied().unwrap_or_default();
        let held = self.held.get(subject).map(|held| held.amount);
        let used = of(&self.stored)
            .plus(of(&self.claimed))
            .plus(held.unwrap_or_default());
        let limit_bytes = self.quota.user_bytes;
        if over(used.bytes, more.bytes, limit_bytes) {
            return Err(Exceeded::User { limit_bytes });
        }
        let most = self.quota.user_objects;
        if over(used.objects, more.objects, most) {
            return Err(Exceeded::UserObjects { most });
        }
        if over(self.total.bytes, more.bytes, self.quota.app_bytes) {
            return Err(Exceeded::App);
        }
        Ok(())
    }

    /// Holds all bytes of an upload, of which a subject may have `most`.
    pub(super) fn hold(&mut self, upload: OpenUpload, most: u32) -> Result<(), Exceeded> {
        let OpenUpload { id, space, length } = upload;
        let subject = space.subject();
        let open = self.held.get(subject).map_or(0, |held| held.open.len());
        if u32::try_from(open).is_ok_and(|open| open < most) {
            let has_begun = false;
            let open = Open { length, has_begun };
            self.allows(subject, open.amount())?;
            let held = self.held.entry(subject.to_owned()).or_default();
            held.add(id, open);
            self.total = self.total.plus(open.amount());
            Ok(())
        } else {
            Err(Exceeded::Uploads { most })
        }
    }

    /// What is held for this upload.
    pub(super) fn held(&self, subject: &str, id: &str) -> Amount {
        let open = self.held.get(subject).and_then(|held| held.open.get(id));
        open.map_or(Amount::NOTHING, |open| open.amount())
    }

    /// What is held is for an upload that others can find from now on.
    pub(super) fn has_begun(&mut self, subject: &str, id: &str) {
        let held = self.held.get_mut(subject);
        if let Some(open) = held.and_then(|held| held.open.get_mut(id)) {
            open.has_begun = true;
        }
    }

    /// The open uploads of a subject, if it was not asked for `pause` which of them others have ended.
    pub(super) fn look_at(&mut self, subject: &str, now: Instant, pause: Duration) -> Vec<String> {
        let Some(held) = self.held.get_mut(subject) else {
            return Vec::new();
        };
        let just_asked = |last| now.saturating_duration_since(last) < pause;
        if held.looked_at.is_some_and(just_asked) {
            return Vec::new();
        }
        held.looked_at = Some(now);
        let begun = held.open.iter().filter(|(_, open)| open.has_begun);
        begun.map(|(id, _)| id.clone()).collect()
    }

    /// Another replica has ended an upload.
    pub(super) fn ended_by_others(&mut self, subject: &str, id: &str) {
        if let Some(held) = self.held.get_mut(subject) {
            held.open.remove(id);
        }
    }

    /// An upload is no longer open.
    pub(super) fn release(&mut self, subject: &str, id: &str) {
        let Some(held) = self.held.get_mut(subject) else {
            return;
        };
        let ended = held.open.remove(id).map(Open::amount).unwrap_or_default();
        held.amount = held.amount.less(ended);
        if held.open.is_empty() && held.amount == Amount::NOTHING {
            self.held.remove(subject);
        }
        self.total = self.total.less(ended);
    }

    /// Gives back what was claimed.
    pub(super) fn give_back(&mut self, subject: &str, amount: Amount) {
        let Some(claimed) = self.claimed.get_mut(subject) else {
            return;
        };
        *claimed = claimed.less(amount);
        self.total = self.total.less(amount);
        if *claimed == Amount::NOTHING {
            self.claimed.remove(subject);
        }
    }

    /// `new` is stored in the place of `old`, whether it may or not.
    pub(super) fn settle(&mut self, subject: &str, new: Amount, old: Amount) {
        let stored = self.stored.entry(subject.to_owned()).or_default();
        // What another replica added is not in the account, so it cannot be taken out of it.
        let old = old.at_most(*stored);
        *stored = stored.less(old).plus(new);
        self.total = self.total.less(old).plus(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if there were no objects around them.
    fn bytes(bytes: u64) -> Amount {
        Amount { bytes, objects: 0 }
    }

    fn account(app_bytes: u64, user_bytes: u64) -> Account {
        let quota = Quota {
            app_bytes,
            user_bytes,
            user_objects: 0,
        };
        let counted = Counted {
            stored: HashMap::from([("ada".to_owned(), bytes(40))]),
            open: Vec::new(),
        };
        Account::new(quota, counted)
    }

    #[test]
    fn each_quota_holds_to_the_byte() {
        let user = Err(Exceeded::User { limit_bytes: 100 });
        let mut of_users = account(0, 100);
        assert_eq!(of_users.claim("ada", bytes(61)), user);
        assert_eq!(of_users.claim("ada", bytes(60)), Ok(()));
        assert_eq!(of_users.claim("ada", bytes(1)), user);
        assert_eq!(of_users.claim("ada", bytes(0)), Ok(()));
        assert_eq!(of_users.claim("bob", bytes(100)), Ok(()));
        of_users.give_back("ada", bytes(10));
        assert_eq!(of_users.claim("ada", bytes(10)), Ok(()));
        of_users.give_back("ada", bytes(60));
        of_users.settle("ada", bytes(90), bytes(40));
        assert_eq!(of_users.claim("ada", bytes(11)), user);
        assert_eq!(of_users.claim("ada", bytes(10)), Ok(()));

        let mut of_app = account(100, 0);
        assert_eq!(of_app.claim("bob", bytes(61)), Err(Exceeded::App));
        assert_eq!(of_app.claim("bob", bytes(60)), Ok(()));
        assert_eq!(of_app.claim("ada", bytes(1)), Err(Exceeded::App));

        let mut without = account(0, 0);
        assert_eq!(without.claim("ada", bytes(u64::MAX)), Ok(()));
        assert_eq!(without.claim("ada", bytes(u64::MAX)), Ok(()));
    }

    #[test]
    fn objects_count_however_small_they_are() {
        let quota = Quota {
            app_bytes: 0,
            user_bytes: 0,
            user_objects: 3,
        };
        let empty = Amount::object(0);
        let full = Err(Exceeded::UserObjects { most: 3 });
        let mut account = Account::new(quota, Counted::default());
        account.settle("ada", empty, Amount::NOTHING);
        assert_eq!(account.claim("ada", empty), Ok(()));
        assert_eq!(account.hold(upload("ada", "1", 0), 2), Ok(()));
        assert_eq!(account.claim("ada", empty), full);
        assert_eq!(account.hold(upload("ada", "2", 0), 2), full);
        assert_eq!(account.claim("bob", empty), Ok(()));
        // More bytes in the place of an object are no more objects.
        assert_eq!(account.claim("ada", bytes(9)), Ok(()));
        account.release("ada", "1");
        assert_eq!(account.claim("ada", empty), Ok(()));
        account.settle("ada", Amount::NOTHING, empty);
        assert_eq!(account.claim("ada", empty), Ok(()));
        assert_eq!(account.claim("ada", empty), full);
    }

    #[test]
    fn nobody_gives_back_more_than_there_is() {
        let mut account = account(100, 0);
        account.settle("ada", bytes(0), bytes(1000));
        account.settle("bob", bytes(0), bytes(1000));
        account.give_back("bob", bytes(1000));
        assert_eq!(account.claim("ada", bytes(100)), Ok(()));
        assert_eq!(account.claim("bob", bytes(1)), Err(Exceeded::App));
    }

    #[test]
    fn a_count_replaces_what_was_thought_to_be_stored_and_no_claim() {
        let mut account = account(100, 0);
        assert_eq!(account.claim("ada", bytes(30)), Ok(()));
        account.recounted(Counted {
            stored: HashMap::from([("bob".to_owned(), bytes(50))]),
            open: Vec::new(),
        });
        assert!(account.knows("ada"));
        assert_eq!(account.claim("bob", bytes(21)), Err(Exceeded::App));
        assert_eq!(account.claim("bob", bytes(20)), Ok(()));
        account.give_back("ada", bytes(30));
        assert_eq!(account.claim("bob", bytes(30)), Ok(()));
    }

    fn upload(subject: &str, id: &str, length: u64) -> OpenUpload {
        OpenUpload {
            id: id.into(),
            space: Space::new("app", subject),
            length,
        }
    }

    #[test]
    fn which_uploads_others_have_ended_is_asked_once_in_a_while_and_their_bytes_stay_counted() {
        let mut account = account(0, 41);
        let (start, pause) = (Instant::now(), Duration::from_secs(5));
        assert_eq!(account.hold(upload("ada", "1", 1), 1), Ok(()));
        // Nobody can have ended what has not begun.
        assert!(account.look_at("ada", start, pause).is_empty());
        account.recounted(Counted::default());
        let user = Err(Exceeded::User { limit_bytes: 41 });
        assert_eq!(account.hold(upload("ada", "2", 41), 2), user);
        account.has_begun("ada", "1");
        let start = start + pause;
        assert_eq!(account.look_at("ada", start, pause), ["1"]);
        let soon = start + Duration::from_millis(4999);
        assert!(account.look_at("ada", soon, pause).is_empty());
        assert_eq!(account.look_at("ada", start + pause, pause), ["1"]);
        assert!(account.look_at("bob", start, pause).is_empty());
        account.ended_by_others("ada", "1");
        assert_eq!(account.hold(upload("ada", "2", 41), 1), user);
        assert_eq!(account.hold(upload("ada", "2", 0), 1), Ok(()));
        account.has_begun("ada", "2");
        account.recounted(Counted::default());
        assert_eq!(account.hold(upload("ada", "3", 41), 1), Ok(()));
    }

    #[test]
    fn what_is_held_for_an_upload_counts_until_it_is_no_longer_open() {
        let mut account = account(100, 90);
        let user = Err(Exceeded::User { limit_bytes: 90 });
        assert_eq!(account.hold(upload("ada", "1", 51), 2), user);
        assert_eq!(account.hold(upload("ada", "1", 50), 2), Ok(()));
        assert_eq!(account.claim("ada", bytes(1)), user);
        assert_eq!(account.claim("bob", bytes(11)), Err(Exceeded::App));
        // One of no bytes is one all the same.
        assert_eq!(account.hold(upload("ada", "2", 0), 2), Ok(()));
        let many = Err(Exceeded::Uploads { most: 2 });
        assert_eq!(account.hold(upload("ada", "3", 0), 2), many);
        assert_eq!(account.hold(upload("bob", "4", 10), 2), Ok(()));
        account.release("ada", "1");
        account.release("ada", "1");
        assert_eq!(account.held("ada", "1"), Amount::NOTHING);
        assert_eq!(account.hold(upload("ada", "3", 50), 2), Ok(()));
        for (subject, id) in [("ada", "2"), ("ada", "3"), ("bob", "4")] {
            account.has_begun(subject, id);
        }
        // What others have open is more than may be, and counts.
        account.recounted(Counted {
            stored: HashMap::new(),
            open: vec![upload("ada", "5", 80), upload("ada", "6", 15)],
        });
        assert_eq!(account.claim("bob", bytes(6)), Err(Exceeded::App));
        assert_eq!(account.claim("bob", bytes(5)), Ok(()));
        assert_eq!(account.hold(upload("ada", "7", 0), 2), many);
    }
}
