//! Large pushes: each stream pushes one blob of its own.
//!
//! The clock covers every request of a push, from the POST to the acknowledgement of the PUT.

use std::time::Instant;

use anyhow::Result;

use crate::content::{Algorithm, Blob, Source, hash_all};
use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::{Mode, Repository};
use crate::units::KIB;

/// How to push.
#[derive(Debug, Clone, Copy)]
pub struct Push {
    /// Bytes of each blob.
    pub size: u64,
    /// How many blobs at once.
    pub streams: u64,
    /// The requests by which each is pushed.
    pub mode: Mode,
    /// What each is named by.
    pub algorithm: Algorithm,
}

// === impl Push ===

impl Push {
    /// Pushes one small blob, when it is not named by SHA-256: a registry that refuses that says so here, and not
    /// by closing the connection in the middle of a large one.
    ///
    /// # Errors
    /// When the push fails or is refused.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the blob, or an unfinished upload, behind.
    pub async fn prepare(&self, target: &Target, source: &mut Source) -> Result<()> {
        if self.algorithm == Algorithm::Sha256 {
            return Ok(());
        }
        let blob = source.content(KIB).hashed_by(self.algorithm);
        let mut repository = target.connect_one().await?;
        let pushing = repository.push(&blob, self.mode);
        target.within("trying a push", pushing).await
    }

    /// Measures one round with new content from `source`.
    ///
    /// # Errors
    /// When a push fails or takes longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future leaves unfinished uploads behind.
    pub async fn run(&self, target: &Target, source: &mut Source) -> Result<Outcome> {
        let contents = (0..self.streams).map(|_| source.content(self.size));
        let hashing = hash_all(contents.collect(), self.algorithm);
        let blobs = target.within("hashing", hashing).await?;
        let connections = target.connect(self.streams).await?;
        let jobs = connections.into_iter().zip(blobs);
        let jobs = jobs
            .map(|(connection, blob)| push(connection, blob, self.mode))
            .collect();
        measure(target, jobs).await
    }
}

async fn push(mut repository: Repository, blob: Blob, mode: Mode) -> Result<Tally> {
    let mut tally = Tally::default();
    let begin = Instant::now();
    repository.push(&blob, mode).await?;
    tally.count(blob.content.len(), begin);
    Ok(tally)
}
