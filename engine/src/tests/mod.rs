//! The engine as a whole on a disk in memory that is full, fails, or loses power.

mod failing; // syncs and reads that fail, and what the next process finds
mod full; // a disk that fills up at any point
mod orders; // what goes before what, and what a power cut leaves

use crate::clock::Clock;
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk as _, MemoryDisk};
use crate::name::Reference;
use crate::options::{Durability, Options};
use crate::repository::{Missing, Naming, PutManifest, Repository, TagCondition};
use crate::{Engine, OpenError};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(100);

/// Clocks that a test moves, in milliseconds.
#[derive(Debug, Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn wall(&self) -> Duration {
        self.monotonic()
    }
}

/// A machine: its disk outlives the processes, which are engines.
struct World {
    disk: MemoryDisk,
    hands: Arc<Hands>,
    durability: Durability,
}

// === impl World ===

impl World {
    fn new(durability: Durability) -> Self {
        Self {
            disk: MemoryDisk::new(),
            hands: Arc::default(),
            durability,
        }
    }

    fn options(&self) -> Options {
        Options {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.hands) as Arc<dyn Clock>,
            durability: self.durability,
            grace: GRACE,
            lease: Duration::from_secs(1),
            undo: Duration::ZERO,
            reserve: 2 * 1024 * 1024,
            collect_interval: Duration::from_hours(1),
            ..Options::new("/store")
        }
    }

    async fn try_open(&self) -> Result<Engine, OpenError> {
        Engine::open(self.options()).await
    }

    async fn open(&self) -> Engine {
        self.try_open().await.unwrap()
    }

    fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.hands.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// The files under a directory of the store.
    fn files(&self, directory: &str) -> Vec<PathBuf> {
        let mut files = self.disk.files();
        files.retain(|file| file.starts_with(format!("/store/{directory}")));
        files
    }
}

fn repository(engine: &Engine) -> Repository {
    engine.repository(&"library/alpine".parse().unwrap())
}

/// So many bytes, different for every seed.
fn content(len: usize, seed: u64) -> Bytes {
    let word = |at: u64| (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ seed.wrapping_mul(77_777));
    let words = (0..len.div_ceil(8) as u64).flat_map(|at| word(at).to_le_bytes());
    words.take(len).collect()
}

fn sha256(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// A manifest that links `layers`, under a tag.
fn manifest(tag: &str, layers: &[Digest]) -> PutManifest {
    PutManifest {
        content: format!("{tag} {layers:?}").into(),
        media_type: "application/x".parse().unwrap(),
        links: Links {
            layers: layers.to_vec(),
            ..Links::default()
        },
        naming: Naming::Computed(Algorithm::Sha256),
        tags: vec![tag.parse().unwrap()],
        condition: TagCondition::Always,
        missing_blobs: Missing::Refuse,
        missing_children: Missing::Refuse,
    }
}

fn tag(name: &str) -> Reference {
    Reference::Tag(name.parse().unwrap())
}

async fn has_tag(engine: &Engine, name: &str) -> bool {
    repository(engine).manifest(&tag(name)).await.is_ok()
}

async fn read_blob(engine: &Engine, digest: &Digest) -> Bytes {
    let blob = repository(engine).blob(digest).await.unwrap();
    blob.read(0..blob.size()).await.unwrap()
}

/// Whether every count fits and every blob that is said to be there can be read.
async fn expect_whole(engine: &Engine) {
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}
