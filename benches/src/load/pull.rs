//! Large pulls: every stream reads the same blob in full.
//!
//! 1. The blob is pushed and pulled once before the clock starts. That pull proves the digest, and means that
//!    figures are of a blob in the page cache.
//! 2. Over plain HTTP/1.1 a pull is a thread of its own, see `plain_pull`; over TLS and HTTP/2 it is hyper's.
//! 3. Within the clock, bytes are counted and dropped; a wrong count fails the measurement.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::content::{Blob, Source, digest_text};
use crate::load::plain_pull::PlainPull;
use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::{Mode, Repository};
use crate::transport::Transport;

/// How to pull.
#[derive(Debug, Clone, Copy)]
pub struct Pull {
    /// Bytes of the blob.
    pub size: u64,
    /// How many connections pull it at once.
    pub streams: u64,
}

// === impl Pull ===

impl Pull {
    /// Measures one round of pulling `blob`.
    ///
    /// # Errors
    /// When a pull fails, is short, or takes longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections.
    pub async fn run(&self, target: &Target, blob: &Blob) -> Result<Outcome> {
        if matches!(target.transport, Transport::Plain) {
            return self.run_plain(target, blob).await;
        }
        let connections = target.connect(self.streams).await?;
        let jobs = connections
            .into_iter()
            .map(|repository| pull(repository, blob.clone()));
        measure(target, jobs.collect()).await
    }

    async fn run_plain(&self, target: &Target, blob: &Blob) -> Result<Outcome> {
        let mut jobs = Vec::new();
        for _ in 0..self.streams {
            let pull = PlainPull::connect(target, &blob.digest, blob.content.len())?;
            jobs.push(async {
                let thread = spawn_blocking(|| pull.run());
                thread.await.context("the thread panicked")?
            });
        }
        measure(target, jobs).await
    }
}

/// Pushes a new blob of `size` bytes from `source` and proves that it comes back right.
///
/// # Errors
/// When the push or the pull fails, or other bytes come back.
///
/// # Cancel safety
/// Dropping the future leaves the blob, or an unfinished upload, behind.
pub async fn prepare(target: &Target, source: &mut Source, size: u64) -> Result<Blob> {
    let mut blobs = target.within("hashing", source.blobs(1, size)).await?;
    let blob = blobs.pop().context("no blob was made")?;
    let mut repository = target.connect_one().await?;
    target
        .within("preparing a push", repository.push(&blob, Mode::Monolithic))
        .await?;
    target
        .within("checking a pull", check(&mut repository, &blob))
        .await?;
    Ok(blob)
}

async fn pull(mut repository: Repository, blob: Blob) -> Result<Tally> {
    let mut tally = Tally::default();
    let begin = Instant::now();
    let length = repository.pull(&blob.digest, |_| ()).await?;
    tally.count(length, begin);
    ensure!(
        length == blob.content.len(),
        "blob has {length} bytes, not {}",
        blob.content.len()
    );
    Ok(tally)
}

async fn check(repository: &mut Repository, blob: &Blob) -> Result<()> {
    let mut hash = Sha256::new();
    repository
        .pull(&blob.digest, |piece| hash.update(piece))
        .await?;
    let actual = digest_text("sha256", hash);
    ensure!(
        actual == blob.digest,
        "content is {actual}, not {}",
        blob.digest
    );
    Ok(())
}
