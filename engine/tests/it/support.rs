//! What the tests share: stores in temporary folders, and clocks that a test moves.

use bytes::Bytes;
use floundr_engine::clock::Clock;
pub(crate) use floundr_engine::clock::Hands;
use floundr_engine::descriptor::Links;
use floundr_engine::repository::{Missing, PutManifest};
use floundr_engine::{Engine, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The grace and the lease of every store here.
pub(crate) const GRACE: Duration = Duration::from_secs(100);

/// Options whose time stands still until the hands are moved. What is deleted is gone at once.
pub(crate) fn options(root: &Path, hands: &Arc<Hands>) -> Options {
    let mut options = Options::new(root);
    options.clock = Arc::clone(hands) as Arc<dyn Clock>;
    options.grace = GRACE;
    options.lease = GRACE;
    options.undo = Duration::ZERO;
    options
}

/// A store with those options.
pub(crate) async fn open(root: &Path, hands: &Arc<Hands>) -> Engine {
    Engine::open(options(root, hands)).await.unwrap()
}

/// Content of a length that differs by seed.
pub(crate) fn content(len: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut content = Vec::with_capacity(len + 8);
    while content.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(len);
    content.into()
}

/// A manifest of this content, which may link what is not there.
pub(crate) fn manifest(text: &str, tags: &[&str], links: Links) -> PutManifest {
    PutManifest {
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        missing_blobs: Missing::Accept,
        ..PutManifest::new(text.to_owned(), "application/x".parse().unwrap(), links)
    }
}

/// Bytes on the disk under a folder, holes not counted.
pub(crate) fn disk_use(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            total += disk_use(&entry.path());
        } else {
            total += metadata.blocks() * 512;
        }
    }
    total
}
