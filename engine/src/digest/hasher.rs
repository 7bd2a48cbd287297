//! [`Hasher`]: a digest computed in pieces, whose state can be saved between two of them.
//!
//! An upload that goes on after a restart continues from a saved [`HasherState`] and re-reads
//! nothing of what that has taken in. Invariants:
//! 1. A hasher restored from `save()` gives, for the same further input, the same digest.
//! 2. A state says which algorithm and which layout made it; anything else is refused, and the
//!    caller re-reads the content. A state never restores to a hasher of other content: sidecar
//!    files carry a checksum over it.
//! 3. A state that says it took in more than 2^58 bytes is refused: the libraries count without
//!    looking for an overflow.

use super::blake3_state::Blake3State;
use super::{Algorithm, Digest};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;

/// The layout of saved states: changed when a hash library changes its own.
const STATE_VERSION: u8 = 1;

/// Bytes that no content reaches: an eighth of what SHA-256 can count.
const MOST: u64 = 1 << 58;

/// A digest in the making.
#[derive(Clone)]
pub struct Hasher {
    state: State,
}

/// The saved state of a [`Hasher`]: version, algorithm, and the library's own state.
#[derive(Clone, PartialEq, Eq)]
pub struct HasherState(Vec<u8>);

/// A saved state of another version, another algorithm's size, or damaged: re-read the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("saved hash state is not readable by this version")]
pub struct UnknownHasherState;

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
    Blake3(Box<Blake3State>),
}

// === impl Hasher ===

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
        };
        Self { state }
    }

    /// The algorithm it was made for.
    pub fn algorithm(&self) -> Algorithm {
        match self.state {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
            State::Blake3(_) => Algorithm::Blake3,
        }
    }

    /// Takes in the next bytes of the content.
    pub fn update(&mut self, content: &[u8]) {
        match &mut self.state {
            State::Sha256(hasher) => hasher.update(content),
            State::Sha512(hasher) => hasher.update(content),
            State::Blake3(hasher) => hasher.update(content),
        }
    }

    /// The library's, if it is SHA-256.
    pub(super) fn sha256(&mut self) -> Option<&mut Sha256> {
        match &mut self.state {
            State::Sha256(hasher) => Some(hasher),
            State::Sha512(_) | State::Blake3(_) => None,
        }
    }

    /// The digest of everything taken in.
    #[must_use]
    pub fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        let digest = match self.state {
            State::Sha256(hasher) => Digest::from_bytes(algorithm, &hasher.finalize()),
            State::Sha512(hasher) => Digest::from_bytes(algorithm, &hasher.finalize()),
            State::Blake3(hasher) => Digest::from_bytes(algorithm, &hasher.finish()),
        };
        digest.expect("each library makes as many bytes as its algorithm has")
    }

    /// Its state, to be restored later, in this process or another.
    pub fn save(&self) -> HasherState {
        let mut bytes = vec![STATE_VERSION, self.algorithm().code()];
        match &self.state {
            State::Sha256(hasher) => bytes.extend_from_slice(&hasher.serialize()),
            State::Sha512(hasher) => bytes.extend_from_slice(&hasher.serialize()),
            State::Blake3(hasher) => hasher.save(&mut bytes),
        }
        HasherState(bytes)
    }

    /// The hasher whose state this is (invariants 1 and 2).
    ///
    /// # Errors
    /// [`UnknownHasherState`] when another version wrote it or it is damaged.
    pub fn restore(state: &HasherState) -> Result<Self, UnknownHasherState> {
        if state.taken().is_none_or(|taken| taken > MOST) {
            return Err(UnknownHasherState);
        }
        let [STATE_VERSION, code, saved @ ..] = state.0.as_slice() else {
            return Err(UnknownHasherState);
        };
        let state = match Algorithm::from_code(*code).ok_or(UnknownHasherState)? {
            Algorithm::Sha256 => State::Sha256(deserialize(saved)?),
            Algorithm::Sha512 => State::Sha512(deserialize(saved)?),
            Algorithm::Blake3 => State::Blake3(Box::new(
                Blake3State::restore(saved).ok_or(UnknownHasherState)?,
            )),
        };
        Ok(Self { state })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

fn deserialize<H: SerializableState>(saved: &[u8]) -> Result<H, UnknownHasherState> {
    let state = SerializedState::<H>::try_from(saved)
        .ok()
        .ok_or(UnknownHasherState)?;
    H::deserialize(&state).ok().ok_or(UnknownHasherState)
}

// === impl HasherState ===

impl HasherState {
    /// Its bytes, as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes were taken in, as it says; `None` when it is none.
    pub(crate) fn taken(&self) -> Option<u64> {
        let [STATE_VERSION, code, saved @ ..] = self.0.as_slice() else {
            return None;
        };
        // The libraries save the words of the state, the number of whole blocks, and then the number
        // of bytes behind them.
        let (blocks, len, behind) = match Algorithm::from_code(*code)? {
            Algorithm::Sha256 => {
                let (blocks, buffer) = saved.get(32..)?.split_first_chunk()?;
                (u64::from_le_bytes(*blocks), 64, buffer.first()?)
            }
            Algorithm::Sha512 => {
                let (blocks, buffer) = saved.get(64..)?.split_first_chunk()?;
                let blocks = u128::from_le_bytes(*blocks);
                (u64::try_from(blocks).ok()?, 128, buffer.first()?)
            }
            Algorithm::Blake3 => return Blake3State::taken(saved),
        };
        blocks.checked_mul(len)?.checked_add(u64::from(*behind))
    }

    /// A state from stored bytes; [`Hasher::restore`] checks them.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for HasherState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HasherState({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sizes around every boundary of the three algorithms and of BLAKE3's groups.
    const INTERESTING_SIZES: [usize; 14] = [
        0, 1, 63, 64, 127, 128, 1_023, 1_024, 65_535, 65_536, 65_537, 131_072, 196_609, 1_000_003,
    ];

    fn content(len: usize) -> Vec<u8> {
        (0..len)
            .map(|index| u8::try_from(index % 251).expect("below 251"))
            .collect()
    }

    fn blake3_of(content: &[u8]) -> Digest {
        let digest = blake3::hash(content);
        Digest::from_bytes(Algorithm::Blake3, digest.as_bytes()).expect("32 bytes")
    }

    #[test]
    fn blake3_in_pieces_equals_the_library_in_one() {
        for size in INTERESTING_SIZES {
            let content = content(size);
            for piece in [1_000, 65_536, 70_000, 2_000_000] {
                let mut hasher = Hasher::new(Algorithm::Blake3);
                content.chunks(piece).for_each(|bytes| hasher.update(bytes));
                assert_eq!(hasher.finish(), blake3_of(&content), "{size} in {piece}");
            }
        }
    }

    #[test]
    fn a_state_of_another_version_or_length_is_refused() {
        for algorithm in Algorithm::ALL {
            let saved = Hasher::new(algorithm).save();
            let mut other_version = saved.as_bytes().to_vec();
            other_version[0] += 1;
            let mut short = saved.as_bytes().to_vec();
            short.pop();
            for bytes in [other_version, short, vec![], vec![1], vec![1, 9]] {
                assert!(Hasher::restore(&HasherState::from_bytes(bytes)).is_err());
            }
        }
    }

    #[test]
    fn a_state_says_how_many_bytes_were_taken_in() {
        for algorithm in Algorithm::ALL {
            for size in INTERESTING_SIZES {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&content(size));
                let taken = hasher.save().taken();
                assert_eq!(taken, u64::try_from(size).ok(), "{algorithm}");
            }
        }
    }

    /// Going on from one would overflow what the libraries count.
    #[test]
    fn a_state_of_more_bytes_than_can_be_counted_is_refused() {
        for (algorithm, count) in [
            (Algorithm::Sha256, 34..42),
            (Algorithm::Sha512, 66..82),
            (Algorithm::Blake3, 2..10),
        ] {
            let mut bytes = Hasher::new(algorithm).save().as_bytes().to_vec();
            bytes[count].fill(0xff);
            if algorithm == Algorithm::Blake3 {
                bytes.resize(2 + 8 + 64 * 32, 0);
                bytes.push(0);
            }
            let restored = Hasher::restore(&HasherState::from_bytes(bytes));
            let went_on = restored.map(|mut hasher| {
                hasher.update(&content(200_000));
                hasher.finish()
            });
            assert_eq!(went_on, Err(UnknownHasherState), "{algorithm}");
        }
    }

    proptest! {
        #[test]
        fn a_hasher_saved_anywhere_continues(
            len in 0_usize..300_000, cut in 0.0..1.0_f64, algorithm in 0_usize..3,
        ) {
            let algorithm = Algorithm::ALL[algorithm];
            let content = content(len);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss,
                clippy::cast_precision_loss, reason = "a position inside a small buffer")]
            let (head, tail) = content.split_at((len as f64 * cut) as usize);
            let mut first = Hasher::new(algorithm);
            first.update(head);
            let saved = HasherState::from_bytes(first.save().as_bytes().to_vec());
            let mut second = Hasher::restore(&saved).unwrap();
            second.update(tail);
            prop_assert_eq!(second.finish(), Digest::of(algorithm, &content));
        }
    }
}
