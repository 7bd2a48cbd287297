//! Small pushes: many clients push many small blobs, each by POST and PUT.
//!
//! 1. All blobs are hashed before the clock starts. Bounded by time, at most [`PREPARED_PER_SECOND`] are ready
//!    for each second; a registry that is faster runs out of them, and is measured over what it took.
//! 2. Clients take blobs from one [`Queue`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::content::{Blob, Source};
use crate::load::queue::Queue;
use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::{Mode, Repository};
use crate::units::scaled;

/// How many blobs are prepared for each second of a run bounded by time.
pub const PREPARED_PER_SECOND: u64 = 30_000;

/// How to push small blobs.
#[derive(Debug, Clone, Copy)]
pub struct SmallPush {
    /// Bytes of each blob.
    pub size: u64,
    /// How many connections push at once.
    pub clients: u64,
    /// When to stop.
    pub until: Until,
}

/// The end of a run.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this many operations of all clients together.
    Count(u64),
    /// After this time.
    Elapsed(Duration),
}

// === impl SmallPush ===

impl SmallPush {
    /// Measures one round with new content from `source`.
    ///
    /// # Errors
    /// When a push fails or all take longer than the target's limit.
    ///
    /// # Cancel safety
    /// Dropping the future leaves unfinished uploads behind.
    pub async fn run(&self, target: &Target, source: &mut Source) -> Result<Outcome> {
        let longest = match self.until {
            Until::Count(_) => None,
            Until::Elapsed(longest) => Some(longest),
        };
        let blobs = target
            .within("hashing", source.blobs(self.prepared(), self.size))
            .await?;
        let queue = Arc::new(Queue::new(blobs));
        let connections = target.connect(self.clients).await?;
        let jobs = connections
            .into_iter()
            .map(|repository| push(repository, Arc::clone(&queue), longest));
        measure(target, jobs.collect()).await
    }

    /// How many blobs are prepared.
    pub(crate) fn prepared(&self) -> u64 {
        match self.until {
            Until::Count(count) => count,
            Until::Elapsed(longest) => scaled(PREPARED_PER_SECOND, longest.as_secs_f64(), 1),
        }
    }
}

async fn push(
    mut repository: Repository,
    queue: Arc<Queue<Blob>>,
    longest: Option<Duration>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let end = longest.map(|longest| Instant::now() + longest);
    while end.is_none_or(|end| Instant::now() < end) {
        let Some(blob) = queue.take() else { break };
        let begin = Instant::now();
        repository.push(blob, Mode::Monolithic).await?;
        tally.count(blob.content.len(), begin);
    }
    Ok(tally)
}
