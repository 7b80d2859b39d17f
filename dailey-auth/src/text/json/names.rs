//! The member names of a text, so that none stands twice in one object.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::JsonError;
use super::string::Text;

/// Chosen anew by each process, so that nobody can choose names which all hash alike.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

/// Odd and without pattern: digits of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Names that were seen, each in its object.
pub(super) struct Names<'a> {
    seed: u64,
    // Real tokens have about a dozen members: these stay on the stack.
    seen: SmallVec<[Seen<'a>; 24]>,
    /// One bit of each hash: most names need no search.
    bits: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    object: usize,
    hash: u32,
    name: Text<'a>,
}

impl<'a> Names<'a> {
    pub(super) fn new() -> Self {
        Self {
            seed: *SEED,
            seen: SmallVec::new(),
            bits: 0,
        }
    }

    /// Takes in the name of one more member, of at most `limit` in all.
    pub(super) fn add(
        &mut self,
        object: usize,
        name: Text<'a>,
        limit: usize,
    ) -> Result<(), JsonError> {
        let hash = self.hash(object, name);
        let bit = 1 << (hash % 64);
        let twice = self.bits & bit != 0
            && self.seen.iter().any(|seen| {
                seen.hash == hash && seen.object == object && seen.name.means_the_same(name)
            });
        if twice {
            return Err(JsonError::DuplicateMember);
        }
        if self.seen.len() >= limit {
            return Err(JsonError::Invalid);
        }
        self.bits |= bit;
        self.seen.push(Seen { object, hash, name });
        Ok(())
    }

    /// A hash of what the name means. Only ever a shortcut before a full comparison.
    fn hash(&self, object: usize, name: Text<'a>) -> u32 {
        let start = self.seed ^ (object as u64).wrapping_mul(SPREAD);
        if name.is_escaped() {
            let mut bytes: SmallVec<[u8; 64]> = SmallVec::new();
            let mut utf8 = [0; 4];
            name.chars()
                .for_each(|c| bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()));
            hash(start, &bytes)
        } else {
            hash(start, name.raw().as_bytes())
        }
    }
}

/// Eight bytes at a time, each word folded in by a wide multiplication.
fn hash(start: u64, bytes: &[u8]) -> u32 {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(SPREAD);
        #[allow(clippy::cast_possible_truncation)] // both halves are used
        {
            product as u64 ^ (product >> 64) as u64
        }
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = words
        .iter()
        .fold(start, |hash, word| fold(hash, u64::from_le_bytes(*word)));
    let last = rest
        .iter()
        .fold(0, |last, byte| last << 8 | u64::from(*byte));
    // The length, so that zeros at the end count.
    hash = fold(hash, last ^ (bytes.len() as u64) << 56);
    #[allow(clippy::cast_possible_truncation)] // 32 bits are enough for a shortcut
    {
        (hash >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn names_rarely_hash_alike_and_never_by_their_length_or_order() {
        let mut names: Vec<Vec<u8>> = (0..20).map(|length| vec![0; length]).collect();
        names.extend((0..=u8::MAX).map(|byte| vec![byte, 1]));
        names.extend((0..=u8::MAX).map(|byte| vec![1, byte, 2, 3, 4, 5, 6, 7, 8, 9]));
        names.sort_unstable();
        names.dedup();
        let mut hashes: Vec<u32> = names.iter().map(|name| hash(7, name)).collect();
        hashes.sort_unstable();
        let before = hashes.len();
        hashes.dedup();
        assert!(before - hashes.len() <= 1, "{} of {before}", hashes.len());
    }

    #[test]
    fn the_seed_decides() {
        assert_ne!(hash(1, b"role"), hash(2, b"role"));
    }
}
