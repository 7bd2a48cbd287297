//! Manifest reads: many clients GET or HEAD one image manifest by its tag.
//!
//! The manifest, its config and layer are pushed, and read back and compared once, before the clock starts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::content::Source;
use crate::load::image::push_image;
use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::Repository;

/// The tag that is read.
pub const TAG: &str = "bench";

/// How to read a manifest.
#[derive(Debug, Clone, Copy)]
pub struct ManifestRead {
    /// How many connections read at once.
    pub clients: u64,
    /// For how long.
    pub time: Duration,
    /// The request.
    pub verb: Verb,
}

/// A request that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The bytes.
    Get,
    /// Their length alone.
    Head,
}

// === impl ManifestRead ===

impl ManifestRead {
    /// Measures one round of reading `manifest`.
    ///
    /// # Errors
    /// When a read fails or has another length.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections.
    pub async fn run(&self, target: &Target, manifest: &Bytes) -> Result<Outcome> {
        let connections = target.connect(self.clients).await?;
        let length = manifest.len() as u64;
        let jobs = connections
            .into_iter()
            .map(|repository| self.read(repository, length));
        measure(target, jobs.collect()).await
    }

    async fn read(self, mut repository: Repository, length: u64) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut begin = Instant::now();
        let end = begin + self.time;
        while begin < end {
            let (read, moved) = match self.verb {
                Verb::Get => {
                    let read = repository.manifest(TAG, |_| ()).await?;
                    (read, read)
                }
                Verb::Head => (repository.head_manifest(TAG).await?, 0),
            };
            ensure!(read == length, "manifest has {read} bytes, not {length}");
            tally.count(moved, begin);
            begin = Instant::now();
        }
        Ok(tally)
    }
}

/// Pushes the image that is read, under [`TAG`], and returns its manifest.
///
/// # Errors
/// When a request fails or other bytes come back.
///
/// # Cancel safety
/// Dropping the future leaves a part of the image behind.
pub async fn prepare(target: &Target, source: &mut Source) -> Result<Bytes> {
    let mut repository = target.connect_one().await?;
    let image = push_image(&mut repository, source, TAG);
    target.within("preparing an image", image).await
}
