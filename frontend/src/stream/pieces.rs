//! [`Pieces`]: what is sent over TLS, in slices that are fast to copy wherever they lie.
//!
//! rustls copies what it is given into records, 5 bytes behind the begin of their memory, or 14 with the head of
//! a frame of HTTP/2. That, and what is sent, often begin with a page. On AMD's processors (seen on an EPYC; their Zen 3 and
//! later say that `rep movsb` is fast) such a copy is 17 times slower: with the target 1 to 16 bytes ahead of the
//! source, counted from where their pages begin, 3 GB/s and not 54. glibc copies by `rep movsb` from 2,112 bytes
//! on (2.36; its bug 30994).

use std::io::IoSlice;

/// Bytes that are copied at once, fewer than glibc copies by `rep movsb`.
const LONGEST: usize = 2 * 1024;

/// How many there are at most: rustls takes 64 KiB at once.
const MOST: usize = 64 * 1024 / LONGEST;

/// The first bytes of what is to be written, each slice no longer than is fast to copy. There is none only if
/// nothing is to be written.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    slices: [IoSlice<'a>; MOST],
    count: usize,
}

// === impl Pieces ===

impl<'a> Pieces<'a> {
    pub(super) fn of(bufs: &'a [IoSlice<'_>]) -> Self {
        let mut slices = [IoSlice::new(&[]); MOST];
        let pieces = bufs.iter().flat_map(|buf| buf.chunks(LONGEST));
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        Self { slices, count }
    }

    pub(super) fn get(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of the pieces of buffers so long, which are the first bytes of them.
    fn lengths(bufs: &[usize]) -> Vec<usize> {
        let len = bufs.iter().sum();
        let content: Vec<u8> = (0..=250).cycle().take(len).collect();
        let mut rest = content.as_slice();
        let slices: Vec<_> = bufs
            .iter()
            .map(|&len| IoSlice::new(rest.split_off(..len).unwrap()))
            .collect();
        let pieces = Pieces::of(&slices);
        let joined: Vec<u8> = pieces
            .get()
            .iter()
            .flat_map(|piece| piece.to_vec())
            .collect();
        assert_eq!(joined, content[..joined.len()]);
        pieces.get().iter().map(|piece| piece.len()).collect()
    }

    #[test]
    fn no_piece_is_longer_than_is_copied_well_and_none_is_left_out() {
        assert_eq!(lengths(&[300]), [300]);
        assert_eq!(lengths(&[300, 5000, 7]), [300, 2048, 2048, 904, 7]);
        assert_eq!(lengths(&[9, 16 * 1024 - 9]).len(), 9);
    }

    #[test]
    fn buffers_without_bytes_are_no_pieces() {
        assert_eq!(lengths(&[0, 5, 0, 6, 0]), [5, 6]);
        assert!(lengths(&[0, 0]).is_empty());
        assert!(lengths(&[]).is_empty());
    }

    #[test]
    fn there_are_as_many_as_fit_and_of_the_first_bytes() {
        assert_eq!(lengths(&[1024 * 1024]).iter().sum::<usize>(), 64 * 1024);
        assert_eq!(lengths(&[1; 100]).len(), MOST);
    }
}
