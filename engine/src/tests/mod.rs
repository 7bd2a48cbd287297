//! The engine as a whole on a disk in memory that is full, fails, or loses power.

mod failing; // syncs and reads that fail, and what the next process finds
mod full; // a disk that fills up at any point
mod orders; // what goes before what, and what a power cut leaves

use crate::clock::{Clock, Hands};
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk as _, MemoryDisk};
use crate::name::Reference;
use crate::options::{Durability, Options};
use crate::repository::{Missing, PutManifest, Repository};
use crate::{Engine, OpenError};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(100);

/// A machine: its disk outlives the processes, which are engines.
struct World {
    disk: MemoryDisk,
    hands: Arc<Hands>,
    durability: Durability,
    /// See `Options::metadata_journal`.
    journal: u64,
}

// === impl World ===

impl World {
    fn new(durability: Durability) -> Self {
        Self {
            disk: MemoryDisk::new(),
            hands: Arc::default(),
            durability,
            journal: Options::new("").metadata_journal,
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
            metadata_journal: self.journal,
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
        self.hands.pass(time);
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

/// A manifest with `links`, under `tags`; for the tests of the parts, too.
pub(crate) fn put_of(content: impl Into<Bytes>, links: Links, tags: &[&str]) -> PutManifest {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    PutManifest {
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        ..PutManifest::new(content, media_type.parse().unwrap(), links)
    }
}

/// A manifest that links `layers`, under a tag.
fn manifest(tag: &str, layers: &[Digest]) -> PutManifest {
    let links = Links {
        layers: layers.to_vec(),
        ..Links::default()
    };
    PutManifest {
        missing_children: Missing::Refuse,
        ..put_of(format!("{tag} {layers:?}"), links, &[tag])
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
