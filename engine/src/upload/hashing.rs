//! [`Hashing`]: the content's digest and its block checksums, computed together, once.
//!
//! Both are computed piece by piece while a piece is in the processor's cache: hashing streamed
//! memory costs half as much again. Together with another upload's piece (see [`Pairs`]) the digest is
//! computed of all that was read, and the checks behind it.

use super::pairs::Pairs;
use crate::digest::hasher::{Hasher, HasherState, UnknownHasherState};
use crate::digest::{Algorithm, Digest};
use crate::meta::{BLOCK, BlockChecks};
use bytes::Bytes;

/// Bytes that stay in the cache between the two computations.
pub(super) const PIECE: usize = 64 * 1024;

/// The content's digest and block checksums in the making.
#[derive(Debug, Clone)]
pub(super) struct Hashing {
    hasher: Hasher,
    /// Of the whole blocks before `offset`.
    checks: BlockChecks,
    /// Of the bytes behind the last whole block.
    partial: u32,
    offset: u64,
}

// === impl Hashing ===

impl Hashing {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            hasher: Hasher::new(algorithm),
            checks: Vec::new(),
            partial: 0,
            offset: 0,
        }
    }

    /// Goes on from a checkpoint: `checks` are those of the whole blocks before `offset`.
    ///
    /// # Errors
    /// [`UnknownHasherState`]: the content before `offset` has to be read again. So it has when the
    /// state is not of as many bytes.
    pub(super) fn restore(
        state: &HasherState,
        offset: u64,
        checks: BlockChecks,
        partial: u32,
    ) -> Result<Self, UnknownHasherState> {
        if state.taken() != Some(offset) {
            return Err(UnknownHasherState);
        }
        Ok(Self {
            hasher: Hasher::restore(state)?,
            checks,
            partial,
            offset,
        })
    }

    /// Bytes taken in.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.hasher.algorithm()
    }

    pub(super) fn state(&self) -> HasherState {
        self.hasher.save()
    }

    pub(super) fn partial(&self) -> u32 {
        self.partial
    }

    /// The checks of the whole blocks so far.
    pub(super) fn checks(&self) -> &[u32] {
        &self.checks
    }

    pub(super) fn update(&mut self, content: &[u8]) {
        for piece in content.chunks(PIECE) {
            self.hasher.update(piece);
            self.check(piece);
        }
    }

    /// As [`Hashing::update`], together with pieces of other uploads if they come.
    ///
    /// # Cancel safety
    /// A cancelled call has taken in nothing.
    pub(super) async fn update_in_company(&mut self, piece: &Bytes, pairs: &Pairs) {
        if !Pairs::fit(&self.hasher, piece.len()) {
            self.update(piece);
            return;
        }
        let (hasher, taken) = pairs.hash(&self.hasher, piece).await;
        self.hasher = hasher;
        self.check(&piece[..taken]);
        self.update(&piece[taken..]);
    }

    /// The digest, and the checks of all blocks, the last one included.
    pub(super) fn finish(mut self) -> (Digest, BlockChecks) {
        if !self.offset.is_multiple_of(BLOCK) {
            self.checks.push(self.partial);
        }
        (self.hasher.finish(), self.checks)
    }

    fn check(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let left = BLOCK - self.offset % BLOCK;
            let taken = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            let (block, rest) = piece.split_at(taken);
            self.partial = crc32c::crc32c_append(self.partial, block);
            self.offset += taken as u64;
            if self.offset.is_multiple_of(BLOCK) {
                self.checks.push(std::mem::take(&mut self.partial));
            }
            piece = rest;
        }
    }
}
