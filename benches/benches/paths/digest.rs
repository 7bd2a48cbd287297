//! Hashing as content arrives, with the engine's own hasher.
//!
//! A machine that valgrind makes up has no instructions for SHA: what is counted then is the library's
//! portable code, and of BLAKE3 the AVX2 one. What is timed is what the machine has.

use crate::store::Operation;
use crate::table::PIECE;
use floundr_engine::digest::Algorithm;
use floundr_engine::digest::hasher::Hasher;
use std::hint::black_box;

/// The digest of `len` bytes, taken in as pieces that are in the cache.
pub(crate) fn stream(algorithm: Algorithm, len: u64) -> Operation {
    let piece = vec![0x5a; usize::try_from(PIECE).expect("a piece fits memory")];
    Box::new(move |times| {
        for _ in 0..times {
            let mut hasher = Hasher::new(algorithm);
            for _ in 0..len / PIECE {
                hasher.update(black_box(&piece));
            }
            black_box(hasher.finish());
        }
    })
}
