//! [`Unhashed`]: bytes at the end of a request that are written before they are hashed.
//!
//! A client that sends chunk after chunk waits for each answer, and what it sent last is still to be hashed
//! then: the hash is slower than the network and the disk. So the last bytes are handed to their writes
//! first. The answer needs those alone, and the hash goes on beside them and while the next chunk comes.

use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;

/// Of all that may wait, the part that has to come at once from a client that is ahead. Of a slower one less
/// comes, and of many, who share the memory, too: those are hashed as they come.
const PARTS: usize = 4;

/// Of what has to come at once first, the part that has to behind it: of shorter pieces each would hold a whole
/// buffer. But for the last one.
const SHORTER: usize = 8;

/// Bytes that are hashed at once: between two steps it is seen that what was waited for is there.
const STEP: usize = 128 * 1024;

/// How much may wait for the hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    /// Bytes of one upload that may.
    most: usize,
    /// Bytes that come at once from a client that is ahead.
    least: usize,
}

/// Bytes that were taken in and not hashed yet, in order.
#[derive(Debug, Default)]
pub(super) struct Unhashed {
    pieces: VecDeque<Bytes>,
    len: usize,
}

// === impl Ahead ===

impl Ahead {
    /// What one of `uploads` may, of `bytes` for all.
    pub(super) fn share(bytes: usize, uploads: usize) -> Self {
        Self {
            most: bytes / uploads.max(1),
            least: (bytes / PARTS).max(1),
        }
    }
}

// === impl Unhashed ===

impl Unhashed {
    /// Whether `piece` may wait for the hash, behind which `left` more bytes are known to come in its
    /// request, so that those may as well.
    pub(super) fn may_take(&self, piece: &[u8], left: u64, ahead: Ahead) -> bool {
        let least = if self.is_empty() {
            ahead.least
        } else if left > 0 {
            ahead.least / SHORTER
        } else {
            0
        };
        let is_ahead = piece.len() >= least;
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let all = self.len.saturating_add(piece.len()).saturating_add(left);
        is_ahead && all <= ahead.most
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push_back(piece);
    }

    /// What is to be hashed next, [`STEP`] bytes at most. It stays until [`Unhashed::pop`].
    pub(super) fn next(&self) -> Option<Bytes> {
        let piece = self.pieces.front()?;
        Some(piece.slice(..piece.len().min(STEP)))
    }

    /// Forgets what was next: it was hashed.
    pub(super) fn pop(&mut self) {
        let Some(piece) = self.pieces.front_mut() else {
            return;
        };
        let hashed = piece.len().min(STEP);
        piece.advance(hashed);
        self.len -= hashed;
        if piece.is_empty() {
            self.pieces.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Ahead = Ahead {
        most: 400_000,
        least: 100_000,
    };

    fn piece(len: usize) -> Bytes {
        vec![7; len].into()
    }

    #[test]
    fn only_the_end_of_a_request_waits_and_only_of_who_is_ahead() {
        let none = Unhashed::default();
        for (len, left, expected) in [
            (100_000, 0, true),
            (100_000, 300_000, true),
            (100_000, 300_001, false),
            (99_999, 0, false),
            (400_000, 0, true),
            (400_001, 0, false),
            (100_000, u64::MAX, false),
        ] {
            let may = none.may_take(&piece(len), left, ALONE);
            assert_eq!(may, expected, "{len} with {left} behind it");
        }
        assert!(!none.may_take(&piece(1), 0, Ahead::share(0, 1)));
    }

    #[test]
    fn of_many_uploads_nothing_waits() {
        for (uploads, expected) in [(0, true), (1, true), (4, true), (5, false), (64, false)] {
            let share = Ahead::share(400_000, uploads);
            let may = Unhashed::default().may_take(&piece(100_000), 0, share);
            assert_eq!(may, expected, "{uploads}");
        }
    }

    #[test]
    fn what_comes_behind_bytes_that_wait_does_too_while_all_of_them_are_few() {
        let mut unhashed = Unhashed::default();
        unhashed.push(piece(300_000));
        assert!(unhashed.may_take(&piece(12_500), 87_500, ALONE));
        assert!(!unhashed.may_take(&piece(12_500), 87_501, ALONE));
        assert!(!unhashed.may_take(&piece(100_001), 0, ALONE));
        // Of short ones the last one alone: each holds a buffer.
        assert!(!unhashed.may_take(&piece(12_499), 1, ALONE));
        assert!(unhashed.may_take(&piece(1), 0, ALONE));
        // Another upload began, so that there is less for each.
        assert!(!unhashed.may_take(&piece(1), 0, Ahead::share(400_000, 2)));
    }

    #[test]
    fn pieces_come_out_in_order_and_step_by_step() {
        let content: Bytes = (0..=250_u8).cycle().take(3 * STEP + 5).collect();
        let mut unhashed = Unhashed::default();
        unhashed.push(content.slice(..=2 * STEP));
        unhashed.push(content.slice(2 * STEP + 1..));
        let mut out = Vec::new();
        while let Some(step) = unhashed.next() {
            assert_eq!(unhashed.len(), content.len() - out.len());
            assert!(!step.is_empty() && step.len() <= STEP);
            out.extend_from_slice(&step);
            unhashed.pop();
        }
        assert_eq!(out, content);
        assert_eq!((unhashed.is_empty(), unhashed.len()), (true, 0));
    }
}
