//! Unique content that costs the client next to nothing.
//!
//! 1. Every [`Content`] starts with 32 random bytes of its own, so no two have the same digest.
//! 2. What follows is one pool of pseudo-random bytes, read in a circle from a place of its own, so content
//!    does not compress, and a gigabyte is never held: every piece is a slice of the pool that shares its memory.
//! 3. Digests are computed here, on blocking threads, before any clock starts.

use anyhow::{Context, Result};
use bytes::Bytes;
use sha2::{Digest, Sha256, Sha512};
use tokio::task::spawn_blocking;

use crate::units::{KIB, MIB};

const POOL_BYTES: u64 = 16 * MIB;
const HEAD_BYTES: u64 = 32;
/// What is handed to the socket, or to the hash, at a time.
const PIECE_BYTES: u64 = 256 * KIB;

/// The source of one run's content.
#[derive(Debug)]
pub struct Source {
    pool: Bytes,
    random: Random,
}

/// Bytes of one blob, made up as they are read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Content {
    head: Bytes,
    pool: Bytes,
    start: u64,
    len: u64,
}

/// Content with its digest, ready to be pushed.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The bytes.
    pub content: Content,
    /// The algorithm, a colon and hexadecimal digits.
    pub digest: String,
}

/// What a blob is named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// What every registry knows.
    #[default]
    Sha256,
    /// What the specification allows besides.
    Sha512,
}

/// A fast generator (splitmix64): the same numbers for the same seed; not for secrets.
#[derive(Debug)]
pub struct Random(u64);

// === impl Source ===

impl Source {
    /// Fills the pool with bytes that differ from every other run's.
    ///
    /// # Errors
    /// When the operating system has no random seed to give.
    pub fn new() -> Result<Self> {
        let seed = getrandom::u64().context("no random seed from the operating system")?;
        let mut random = Random::seeded(seed);
        let pool = random.bytes(POOL_BYTES);
        Ok(Self { pool, random })
    }

    /// New content of `len` bytes, unlike any other.
    pub fn content(&mut self, len: u64) -> Content {
        let head = self.random.bytes(HEAD_BYTES);
        let start = self.random.next() % POOL_BYTES;
        Content {
            head,
            pool: self.pool.clone(),
            start,
            len,
        }
    }

    /// `count` new blobs of `len` bytes each, named by SHA-256.
    ///
    /// # Errors
    /// When a hashing thread panicked.
    ///
    /// # Cancel safety
    /// Dropping the future wastes the hashing done; nothing else is affected.
    pub async fn blobs(&mut self, count: u64, len: u64) -> Result<Vec<Blob>> {
        let contents = (0..count).map(|_| self.content(len)).collect();
        hash_all(contents, Algorithm::Sha256).await
    }
}

/// Names all `contents`, in their order, on as many threads as the machine has cores.
///
/// # Errors
/// When a hashing thread panicked.
///
/// # Cancel safety
/// Dropping the future wastes the hashing done; nothing else is affected.
pub async fn hash_all(contents: Vec<Content>, algorithm: Algorithm) -> Result<Vec<Blob>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = contents.len().div_ceil(threads).max(1);
    let mut tasks = Vec::new();
    for part in contents.chunks(share) {
        let part = part.to_vec();
        let hashed = move |content: Content| content.hashed_by(algorithm);
        tasks.push(spawn_blocking(move || {
            part.into_iter().map(hashed).collect::<Vec<_>>()
        }));
    }
    let mut blobs = Vec::with_capacity(contents.len());
    for part in tasks {
        blobs.extend(part.await.context("hashing failed")?);
    }
    Ok(blobs)
}

// === impl Content ===

impl Content {
    /// Content of exactly these bytes.
    pub fn of(bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self {
            head: bytes,
            pool: Bytes::new(),
            start: 0,
            len,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Some bytes from offset `at` on, not past `end`; empty only when `at` is at the end. Shares memory.
    pub fn piece(&self, at: u64, end: u64) -> Bytes {
        let want = end.min(self.len).saturating_sub(at).min(PIECE_BYTES);
        let head = self.head.len() as u64;
        if at < head {
            return slice(&self.head, at, want);
        }
        if want == 0 {
            return Bytes::new();
        }
        let pool = self.pool.len() as u64;
        slice(&self.pool, (self.start + (at - head)) % pool, want)
    }

    /// The same content with its SHA-256 digest. Blocks for about a second per GiB.
    pub fn hashed(self) -> Blob {
        self.hashed_by(Algorithm::Sha256)
    }

    /// The same content with its digest by `algorithm`. Blocks for about a second per GiB.
    pub fn hashed_by(self, algorithm: Algorithm) -> Blob {
        let digest = match algorithm {
            Algorithm::Sha256 => digest_text("sha256", self.read_by(Sha256::new())),
            Algorithm::Sha512 => digest_text("sha512", self.read_by(Sha512::new())),
        };
        Blob {
            digest,
            content: self,
        }
    }

    fn read_by<D: Digest>(&self, mut hash: D) -> D {
        let mut at = 0;
        while at < self.len {
            let piece = self.piece(at, self.len);
            hash.update(&piece);
            at += piece.len() as u64;
        }
        hash
    }
}

/// The digest of what `hash` has seen, as registries write it.
pub fn digest_text(algorithm: &str, hash: impl Digest) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{algorithm}:");
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").expect("a string accepts every write");
    }
    text
}

fn slice(bytes: &Bytes, at: u64, want: u64) -> Bytes {
    let at = usize::try_from(at).expect("an offset into memory fits usize");
    let want = usize::try_from(want).expect("a piece fits usize");
    bytes.slice(at..bytes.len().min(at + want))
}

// === impl Random ===

impl Random {
    /// The numbers that follow from `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, or 0 when `end` is 0; even enough while `end` is far below 2^64.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `len` bytes, a multiple of 8.
    fn bytes(&mut self, len: u64) -> Bytes {
        (0..len / 8)
            .flat_map(|_| self.next().to_le_bytes())
            .collect::<Vec<u8>>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &Content) -> Vec<u8> {
        let mut all = Vec::new();
        while (all.len() as u64) < content.len() {
            let piece = content.piece(all.len() as u64, content.len());
            assert!(!piece.is_empty() && piece.len() as u64 <= PIECE_BYTES);
            all.extend_from_slice(&piece);
        }
        all
    }

    #[test]
    fn content_has_its_length_and_is_the_same_on_every_reading() {
        let mut source = Source::new().unwrap();
        for len in [0, 1, 31, 32, 33, 10 * KIB, PIECE_BYTES, POOL_BYTES + 100] {
            let content = source.content(len);
            let bytes = read(&content);
            assert_eq!(bytes.len() as u64, len);
            assert_eq!(bytes, read(&content));
            assert!(content.piece(len, len).is_empty());
        }
    }

    #[test]
    fn pieces_stop_at_the_asked_end() {
        let content = Source::new().unwrap().content(MIB);
        assert_eq!(content.piece(100, 150).len(), 50);
        assert_eq!(content.piece(10, 20).len(), 10);
        assert!(content.piece(20, 20).is_empty());
    }

    #[test]
    fn digest_is_of_the_whole_content() {
        let blob = Content::of(Bytes::from_static(b"abc")).hashed();
        assert_eq!(
            blob.digest,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let content = Source::new().unwrap().content(3 * MIB + 7);
        let all = Content::of(read(&content).into()).hashed();
        assert_eq!(content.hashed().digest, all.digest);
    }

    #[test]
    fn content_can_be_named_by_sha512() {
        let blob = Content::of(Bytes::from_static(b"abc")).hashed_by(Algorithm::Sha512);
        assert!(
            blob.digest.starts_with("sha512:ddaf35a193617aba"),
            "{}",
            blob.digest
        );
        assert_eq!(blob.digest.len(), "sha512:".len() + 128);
    }

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let numbers = || {
            let mut random = Random::seeded(7);
            [(); 20].map(|()| random.below(10))
        };
        assert_eq!(numbers(), numbers());
        assert!(numbers().iter().all(|number| *number < 10));
        assert_eq!(Random::seeded(7).below(0), 0);
    }

    #[tokio::test]
    async fn blobs_are_as_many_as_asked_and_all_different() {
        let blobs = Source::new().unwrap().blobs(50, KIB).await.unwrap();
        let mut digests: Vec<_> = blobs.iter().map(|blob| blob.digest.clone()).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 50);
    }
}
