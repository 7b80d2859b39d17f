//! A table of a fixed size that threads read and write without waiting for each other.
//!
//! It forgets: a row that is full loses an entry to the next one, and an entry that two threads
//! write at once may be found by neither. It never confuses, since who asks looks at what is found.
//! A look-up reads one row's tags, which share a cache line, and writes nothing that another
//! thread reads: so one entry that all threads want is as quick as any other.

use std::sync::Arc;

use super::sync::{AtomicU64, Ordering, Slot};

/// Entries in a row: as many as tags fit into a cache line.
const ROW: usize = 8;

/// The tag of a place that was never used. No hash is taken for it.
const EMPTY: u64 = 0;

pub(super) struct Table<T> {
    rows: Box<[Row<T>]>,
}

/// Tags say what probably lies in a slot. They are not ordered with it: a tag that is ahead or
/// behind costs a hit, nothing else.
#[repr(align(64))]
struct Row<T> {
    tags: [AtomicU64; ROW],
    slots: [Slot<T>; ROW],
}

impl<T> Table<T> {
    /// With room for `entries`, in whole rows.
    pub(super) fn new(entries: usize) -> Self {
        let row = || Row {
            tags: std::array::from_fn(|_| AtomicU64::new(EMPTY)),
            slots: std::array::from_fn(|_| Slot::new(None)),
        };
        let rows = entries.div_ceil(ROW).max(1);
        Self {
            rows: (0..rows).map(|_| row()).collect(),
        }
    }

    /// What `take` makes of an entry with this hash.
    pub(super) fn find<R>(&self, hash: u64, take: impl Fn(&T) -> Option<R>) -> Option<R> {
        let row = self.row(hash)?;
        let tag = tag(hash);
        row.tags
            .iter()
            .zip(&row.slots)
            .filter(|(own, _)| own.load(Ordering::Relaxed) == tag)
            .find_map(|(_, slot)| take(slot.load().as_deref()?))
    }

    /// Puts an entry into its row: in the place of one with its hash, of none, of one that is
    /// `over`, or of any.
    pub(super) fn insert(&self, hash: u64, entry: T, over: impl Fn(&T) -> bool) {
        let Some(row) = self.row(hash) else { return };
        let tag = tag(hash);
        let tagged = |wanted: u64| {
            row.tags
                .iter()
                .position(|own| own.load(Ordering::Relaxed) == wanted)
        };
        let is_over = |slot: &Slot<T>| slot.load().as_deref().is_none_or(&over);
        // Low bits of the hash: the row was chosen by the high ones.
        let any = usize::from(hash.to_le_bytes()[0]) % ROW;
        let place = tagged(tag)
            .or_else(|| tagged(EMPTY))
            .or_else(|| row.slots.iter().position(is_over))
            .unwrap_or(any);
        if let (Some(slot), Some(own)) = (row.slots.get(place), row.tags.get(place)) {
            slot.store(Some(Arc::new(entry)));
            own.store(tag, Ordering::Relaxed);
        }
    }

    /// Drops every entry that `keep` does not want. One that is put in meanwhile may go, too.
    #[allow(dead_code)] // nobody asks for it where the key set never changes
    pub(super) fn retain(&self, keep: impl Fn(&T) -> bool) {
        for row in &self.rows {
            for (own, slot) in row.tags.iter().zip(&row.slots) {
                if slot.load().as_deref().is_some_and(|entry| !keep(entry)) {
                    own.store(EMPTY, Ordering::Relaxed);
                    slot.store(None);
                }
            }
        }
    }

    fn row(&self, hash: u64) -> Option<&Row<T>> {
        // The high half of the product: evenly from the hash's high bits, without a division.
        let rows = self.rows.len() as u128;
        let row = (u128::from(hash) * rows) >> u64::BITS;
        self.rows.get(usize::try_from(row).ok()?)
    }
}

fn tag(hash: u64) -> u64 {
    if hash == EMPTY { 1 } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(table: &Table<u32>, hash: u64) -> Option<u32> {
        table.find(hash, |entry| Some(*entry))
    }

    #[test]
    fn an_entry_is_found_under_its_hash_alone() {
        let table = Table::new(100);
        for hash in [0, 1, 2, u64::MAX / 2, u64::MAX] {
            table.insert(hash, 7, |_| false);
            assert_eq!(get(&table, hash), Some(7));
        }
        assert_eq!(get(&table, 3), None);
    }

    #[test]
    fn what_the_caller_refuses_is_not_found() {
        let table = Table::new(1);
        table.insert(1, 7, |_| false);
        assert_eq!(table.find(1, |_| None::<u32>), None);
    }

    #[test]
    fn an_entry_takes_the_place_of_one_with_its_hash() {
        let table = Table::new(1);
        table.insert(1, 7, |_| false);
        table.insert(1, 8, |_| false);
        assert_eq!(get(&table, 1), Some(8));
        assert_eq!(held(&table), 1);
    }

    #[test]
    fn a_full_row_loses_what_is_over_before_anything_else() {
        let table = Table::new(ROW);
        for hash in 1..=8 {
            table.insert(hash, u32::try_from(hash).unwrap(), |_| false);
        }
        table.insert(9, 9, |entry| *entry == 5);
        assert_eq!(get(&table, 5), None);
        for hash in [1, 2, 3, 4, 6, 7, 8, 9] {
            assert!(get(&table, hash).is_some(), "{hash}");
        }
        table.insert(10, 10, |_| false);
        assert_eq!(held(&table), ROW);
        assert_eq!(get(&table, 10), Some(10));
    }

    #[test]
    fn it_holds_what_it_was_made_for_and_never_more() {
        for (entries, most) in [(1, 8), (8, 8), (9, 16), (1000, 1000)] {
            let table = Table::new(entries);
            for step in 0..20_000_u64 {
                table.insert(step.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0, |_| false);
            }
            assert_eq!(held(&table), most);
        }
    }

    #[test]
    fn what_is_not_wanted_goes_and_makes_room() {
        let table = Table::new(ROW);
        for hash in 1..=8 {
            table.insert(hash, u32::try_from(hash).unwrap(), |_| false);
        }
        table.retain(|entry| entry % 2 == 0);
        assert_eq!(held(&table), 4);
        assert_eq!((get(&table, 3), get(&table, 4)), (None, Some(4)));
        table.insert(9, 9, |_| false);
        assert_eq!(held(&table), 5);
    }

    fn held(table: &Table<u32>) -> usize {
        let slots = table.rows.iter().flat_map(|row| &row.slots);
        slots.filter(|slot| slot.load().is_some()).count()
    }
}
