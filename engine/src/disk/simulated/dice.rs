//! [`Dice`]: numbers that look random and follow from a seed, so that a run can be repeated.

use crate::random::Random;
use parking_lot::Mutex;
use std::io;

/// Numbers that follow from a seed (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Dice(u64);

/// [`Dice`] as the source of random bytes of a store.
#[derive(Debug)]
pub struct SeededRandom(Mutex<Dice>);

// === impl Dice ===

impl Dice {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let rolled = usize::try_from(self.roll() >> 1).unwrap_or(0);
        rolled.checked_rem(end).unwrap_or(0)
    }

    /// Whether something happens that does in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

// === impl SeededRandom ===

impl SeededRandom {
    /// The bytes of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice::new(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut dice = self.0.lock();
        for chunk in bytes.chunks_mut(8) {
            let rolled = dice.roll().to_le_bytes();
            chunk.copy_from_slice(&rolled[..chunk.len()]);
        }
        Ok(())
    }
}
