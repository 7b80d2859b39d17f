//! Numbers that look random and come again with the same seed (`SplitMix64`).

/// The source.
pub(super) struct Chance(u64);

impl From<u64> for Chance {
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is small: the bias does not count.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, count: u64) -> Vec<u8> {
        (0..count.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .collect()
    }
}

/// Things that are drawn one after the other, each as often as the others: when none is left, all of them are there
/// again.
pub(super) struct Deck<T> {
    all: Vec<T>,
    left: Vec<T>,
    /// How often all were drawn.
    pub(super) rounds: u32,
}

impl<T: Copy> Deck<T> {
    pub(super) fn of(all: &[T]) -> Self {
        Self {
            all: all.to_vec(),
            left: all.to_vec(),
            rounds: 0,
        }
    }

    /// The next one.
    pub(super) fn draw(&mut self, chance: &mut Chance) -> T {
        let count = u64::try_from(self.left.len()).unwrap_or_default();
        let one = usize::try_from(chance.below(count)).unwrap_or_default();
        let drawn = self.left.swap_remove(one);
        if self.left.is_empty() {
            self.left.clone_from(&self.all);
            self.rounds += 1;
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deck_gives_each_once_in_an_order_that_the_seed_decides() {
        let drawn = |seed: u64| {
            let (mut chance, mut deck) = (Chance::from(seed), Deck::of(&[1, 2, 3, 4, 5]));
            let drawn: Vec<i32> = (0..5).map(|_| deck.draw(&mut chance)).collect();
            assert_eq!(deck.rounds, 1);
            drawn
        };
        let mut sorted = drawn(1);
        sorted.sort_unstable();
        assert_eq!(sorted, [1, 2, 3, 4, 5]);
        assert_eq!(drawn(1), drawn(1));
        assert!((2..10).any(|seed| drawn(seed) != drawn(1)));
    }
}
