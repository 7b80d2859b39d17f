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
    object: u32,
    hash: u32,
    name: Text<'a>,
}

impl<'a> Names<'a> {
    pub(super) fn new() -> Self {
        Self::with_seed(*SEED)
    }

    fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            seen: SmallVec::new(),
            bits: 0,
        }
    }

    /// Takes in the name of one more member, of at most `limit` in all.
    // Inlined, the name stays in registers.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        object: u32,
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
    fn hash(&self, object: u32, name: Text<'a>) -> u32 {
        let start = self.seed ^ u64::from(object).wrapping_mul(SPREAD);
        name.read_as(|name| hash(start, name.as_bytes()))
    }
}

/// Eight bytes at a time, each word folded in by a wide multiplication; the last word overlaps the
/// one before it, so that no byte is read by itself.
fn hash(start: u64, bytes: &[u8]) -> u32 {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(SPREAD);
        #[allow(clippy::cast_possible_truncation)] // both halves are used
        {
            product as u64 ^ (product >> 64) as u64
        }
    };
    let last = if let Some(last) = bytes.last_chunk::<8>() {
        *last
    } else if let (Some([a, b, c, d]), Some([e, f, g, h])) =
        (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
    {
        [*a, *b, *c, *d, *e, *f, *g, *h]
    } else {
        let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
        [at(0), at(1), at(2), 0, 0, 0, 0, 0]
    };
    let mut hash = start ^ (bytes.len() as u64).wrapping_mul(SPREAD);
    if bytes.len() > 8 {
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            hash = fold(hash, u64::from_le_bytes(*word));
        }
    }
    #[allow(clippy::cast_possible_truncation)] // 32 bits are enough for a shortcut
    {
        (fold(hash, u64::from_le_bytes(last)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const SEED: u64 = 7;

    /// Two of these that hash alike: among so many there are some (a hash has 32 bits).
    fn alike<T: Copy>(hashes: impl Iterator<Item = (u32, T)>) -> (T, T) {
        let mut before = HashMap::new();
        for (hash, one) in hashes {
            if let Some(other) = before.insert(hash, one) {
                return (other, one);
            }
        }
        panic!("no two hash alike");
    }

    #[test]
    fn names_that_hash_alike_are_told_apart() {
        let name = |number: u32| format!("name {number}");
        let hashes = (0..1_000_000).map(|number| {
            let name = name(number);
            let hash = Names::with_seed(SEED).hash(0, Text::plain(&name));
            (hash, number)
        });
        let (one, other) = alike(hashes);
        let (one, other) = (name(one), name(other));
        let mut names = Names::with_seed(SEED);
        assert_eq!(names.add(0, Text::plain(&one), 9), Ok(()));
        assert_eq!(names.add(0, Text::plain(&other), 9), Ok(()));
        for twice in [&one, &other] {
            let added = names.add(0, Text::plain(twice), 9);
            assert_eq!(added, Err(JsonError::DuplicateMember));
        }
    }

    #[test]
    fn the_same_name_in_objects_that_hash_alike_is_told_apart() {
        let name = Text::plain("role");
        let names = Names::with_seed(SEED);
        let (one, other) = alike((0..1_000_000).map(|object| (names.hash(object, name), object)));
        let mut names = Names::with_seed(SEED);
        assert_eq!(names.add(one, name, 9), Ok(()));
        assert_eq!(names.add(other, name, 9), Ok(()));
        assert_eq!(names.add(one, name, 9), Err(JsonError::DuplicateMember));
    }

    #[test]
    fn names_rarely_hash_alike() {
        let mut names: Vec<Vec<u8>> = (0..20).map(|length| vec![0; length]).collect();
        names.extend((0..=u8::MAX).map(|byte| vec![byte, 1]));
        // One byte changed at every place.
        for length in [3, 4, 7, 8, 9, 15, 16, 17, 30] {
            for at in 0..length {
                names.extend((0..=u8::MAX).map(|byte| {
                    let mut name = vec![b'n'; length];
                    name[at] = byte;
                    name
                }));
            }
        }
        names.sort_unstable();
        names.dedup();
        let mut hashes: Vec<u32> = names.iter().map(|name| hash(SEED, name)).collect();
        hashes.sort_unstable();
        let before = hashes.len();
        hashes.dedup();
        assert!(before - hashes.len() <= 2, "{} of {before}", hashes.len());
    }

    #[test]
    fn seed_and_object_decide() {
        let name = Text::plain("role");
        let hash = |seed, object| Names::with_seed(seed).hash(object, name);
        assert_ne!(hash(1, 0), hash(2, 0));
        assert_ne!(hash(1, 0), hash(1, 1));
    }
}
