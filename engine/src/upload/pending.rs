//! [`Pending`]: bytes of an upload that wait for enough of them to be written at once.

use bytes::{Bytes, BytesMut};

/// Pieces shorter than this are copied together, so that a pending write holds few buffers.
const SHORT: usize = 8 * 1024;

/// Bytes that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

// === impl Pending ===

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SHORT {
            self.tail.extend_from_slice(&piece);
            return;
        }
        self.close_tail();
        self.pieces.push(piece);
    }

    /// All of it, in order; nothing is pending afterwards.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.close_tail();
        self.len = 0;
        std::mem::take(&mut self.pieces)
    }

    /// All of it as one piece; it stays pending.
    pub(super) fn joined(&self) -> Bytes {
        let mut joined = BytesMut::with_capacity(self.len);
        for piece in &self.pieces {
            joined.extend_from_slice(piece);
        }
        joined.extend_from_slice(&self.tail);
        joined.freeze()
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }
}
