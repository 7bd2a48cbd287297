//! Pulls of ranges: every client asks for parts of one large blob at random places.
//!
//! 1. The places are drawn from a fixed seed, so every registry and every round is asked for the same ones.
//! 2. Before the clock starts the whole blob is pulled and proved, and one range compared with its bytes.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::content::{Blob, Random, Source};
use crate::load::queue::Queue;
use crate::load::{Outcome, Tally, Target, measure, pull};
use crate::registry::Repository;

const SEED: u64 = 20_180_212;

/// How to pull ranges.
#[derive(Debug, Clone, Copy)]
pub struct PullRange {
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of each range; of the whole blob when that is smaller.
    pub range: u64,
    /// How many connections pull at once.
    pub clients: u64,
    /// How many ranges of all clients together.
    pub count: u64,
}

// === impl PullRange ===

impl PullRange {
    /// Pushes a new blob from `source` and proves that it, and a range of it, come back right.
    ///
    /// # Errors
    /// When a request fails, or other bytes come back.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the blob, or an unfinished upload, behind.
    pub async fn prepare(&self, target: &Target, source: &mut Source) -> Result<Blob> {
        let blob = pull::prepare(target, source, self.size).await?;
        let mut repository = target.connect_one().await?;
        let range = self.places().next().unwrap_or_default();
        let check = check(&mut repository, &blob, range);
        target.within("checking a range", check).await?;
        Ok(blob)
    }

    /// Measures one round of pulling ranges of `blob`.
    ///
    /// # Errors
    /// When a pull fails, is short, or all take longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections.
    pub async fn run(&self, target: &Target, blob: &Blob) -> Result<Outcome> {
        let connections = target.connect(self.clients).await?;
        let queue = Arc::new(Queue::new(self.places().collect()));
        let jobs = connections
            .into_iter()
            .map(|repository| pull_all(repository, blob.digest.clone(), Arc::clone(&queue)));
        measure(target, jobs.collect()).await
    }

    /// First byte and end of every range.
    fn places(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let mut random = Random::seeded(SEED);
        let range = self.range.min(self.size);
        let starts = self.size - range + 1;
        (0..self.count).map(move |_| {
            let from = random.below(starts);
            (from, from + range)
        })
    }
}

async fn pull_all(
    mut repository: Repository,
    digest: String,
    queue: Arc<Queue<(u64, u64)>>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    while let Some(range) = queue.take() {
        let begin = Instant::now();
        let length = repository.pull_range(&digest, *range, |_| ()).await?;
        tally.count(length, begin);
    }
    Ok(tally)
}

async fn check(repository: &mut Repository, blob: &Blob, range: (u64, u64)) -> Result<()> {
    let mut read = Vec::new();
    let seen = |piece: &bytes::Bytes| read.extend_from_slice(piece);
    repository.pull_range(&blob.digest, range, seen).await?;
    let (mut at, to) = range;
    let mut rest = read.as_slice();
    while at < to {
        let piece = blob.content.piece(at, to);
        let same = rest.split_off(..piece.len()) == Some(&*piece);
        ensure!(same, "range comes back with other bytes behind {at}");
        at += piece.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_in_the_blob_and_are_the_same_every_time() {
        let load = |size| PullRange {
            size,
            range: 100,
            clients: 1,
            count: 50,
        };
        let places_of = |size| load(size).places().collect::<Vec<_>>();
        let places = places_of(1000);
        assert_eq!(places, places_of(1000));
        assert!(
            places
                .iter()
                .all(|(from, to)| to - from == 100 && *to <= 1000)
        );
        assert_ne!(places.first(), places.last());
        assert!(places_of(60).iter().all(|place| *place == (0, 60)));
    }
}
