//! Chance from a seed, and content that a seed and a length determine.

use floundr_engine::digest::{Algorithm, Digest};

/// Lengths of blobs with how often in a hundred: none, small ones that lie in segments, both sides
/// of the bound to files of their own, and some of megabytes.
const LENGTHS: [(u64, u64, u64); 6] = [
    (4, 0, 1),
    (26, 1, 400),
    (30, 10_000, 12_000),
    (12, 65_530, 65_543),
    (20, 100_000, 400_000),
    (8, 1_000_000, 4_000_000),
];

/// A source of chance: splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

/// What a blob holds, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    seed: u64,
    pub(crate) length: usize,
    pub(crate) digest: Digest,
}

// === impl Dice ===

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is above zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % end as u64).expect("below a usize")
    }

    /// A number of the range; the end is outside.
    pub(crate) fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.roll() % (end - start)
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `items`, if there is any.
    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        let index = self.below(items.len().max(1));
        items.get(index).cloned()
    }
}

// === impl Content ===

impl Content {
    pub(crate) fn new(seed: u64, length: usize) -> Self {
        let mut content = Self {
            seed,
            length,
            digest: Digest::of(Algorithm::Sha256, b""),
        };
        content.digest = Digest::of(Algorithm::Sha256, &content.bytes());
        content
    }

    /// Content of a length that `dice` choose.
    pub(crate) fn any(seed: u64, dice: &mut Dice) -> Self {
        let mut left = dice.between(0, 100);
        let mut lengths = LENGTHS.iter();
        let (start, end) = loop {
            let (share, start, end) = lengths.next().expect("the shares come to a hundred");
            if left < *share {
                break (*start, *end);
            }
            left -= share;
        };
        let length = usize::try_from(dice.between(start, end)).expect("some megabytes");
        Self::new(seed, length)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut dice = Dice::new(self.seed);
        let mut bytes = Vec::with_capacity(self.length + 8);
        while bytes.len() < self.length {
            bytes.extend_from_slice(&dice.roll().to_le_bytes());
        }
        bytes.truncate(self.length);
        bytes
    }
}
