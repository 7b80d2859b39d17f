//! What threads do to one row of the table at the same time, and what must come of it.

#![allow(clippy::missing_panics_doc)] // all of them do where a promise breaks

use std::sync::Arc;

use loom::thread;

use super::table::Table;
use crate::explore;

/// Entries are a token and what was found of it; both threads use one row.
type Tokens = Table<(&'static str, u32)>;

const PREEMPTIONS: usize = 2;

/// What the cache does: an entry counts only for its own token.
fn find(table: &Tokens, hash: u64, token: &str) -> Option<u32> {
    table.find(hash, |(own, found)| (*own == token).then_some(*found))
}

fn insert(table: &Tokens, hash: u64, token: &'static str, found: u32) {
    table.insert(hash, (token, found), |_| false);
}

/// Two tokens are put in and looked for at the same time, be their hashes the same or not: whoever
/// finds one finds what belongs to it.
pub fn no_token_is_ever_taken_for_another() -> usize {
    explore(PREEMPTIONS, || {
        let table = Arc::new(Tokens::new(1));
        let threads = [("a", 1), ("b", 2)].map(|(token, found)| {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                insert(&table, 7, token, found);
                assert!(find(&table, 7, token).is_none_or(|other| other == found));
                insert(&table, 8, token, found);
                assert!(find(&table, 8, token).is_none_or(|other| other == found));
            })
        });
        for thread in threads {
            thread.join().expect("it keeps its promise");
        }
        for hash in [7, 8] {
            assert!(find(&table, hash, "a").is_none_or(|found| found == 1));
            assert!(find(&table, hash, "b").is_none_or(|found| found == 2));
        }
    })
}

/// A row that two writers and a sweep have left in disorder serves the next token that is put in.
pub fn a_row_in_disorder_heals_with_the_next_token() -> usize {
    explore(PREEMPTIONS, || {
        let table = Arc::new(Tokens::new(1));
        insert(&table, 7, "old", 0);
        let sweep = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.retain(|(token, _)| *token != "old"))
        };
        insert(&table, 7, "a", 1);
        insert(&table, 8, "b", 2);
        sweep.join().expect("it keeps its promise");
        assert_eq!(find(&table, 7, "old"), None);
        for (hash, token) in [(7, "a"), (8, "b"), (9, "c")] {
            insert(&table, hash, token, 3);
            assert_eq!(find(&table, hash, token), Some(3));
        }
    })
}

/// What is swept out stays out, whatever is put in meanwhile.
pub fn a_swept_entry_does_not_come_back() -> usize {
    explore(PREEMPTIONS, || {
        let table = Arc::new(Tokens::new(1));
        insert(&table, 7, "removed", 1);
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                insert(&table, 8, "kept", 2);
                find(&table, 7, "removed")
            })
        };
        table.retain(|(token, _)| *token != "removed");
        assert_eq!(find(&table, 7, "removed"), None);
        let seen = reader.join().expect("it keeps its promise");
        assert!(seen.is_none_or(|found| found == 1));
        assert_eq!(find(&table, 7, "removed"), None);
    })
}
