//! The kinds of load, and the clock around them.
//!
//! 1. A load prepares everything (content, digests, connections, what is to be read) before [`measure`] starts
//!    the clock, and checks what came back outside of it.
//! 2. The clock runs from before the first job starts until the last job ended.
//! 3. One job is one connection in one task; the first job that fails ends the measurement.

pub mod idle;
pub mod image;
pub mod manifest_read;
pub mod mixed;
mod plain_pull;
pub mod pull;
pub mod pull_range;
pub mod push;
pub mod queue;
pub mod raw;
pub mod small_push;
pub mod wrk;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http::HeaderValue;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::memory;
use crate::process::{Usage, Watch, own_cpu};
use crate::registry::Repository;
use crate::stats::Latencies;
use crate::transport::Transport;
use crate::units::float;

/// What is measured, and within which bounds.
#[derive(Debug, Clone)]
pub struct Target {
    /// The registry.
    pub endpoint: Endpoint,
    /// What carries the requests.
    pub transport: Transport,
    /// What every request shows to a registry that demands a login.
    pub authorization: Option<HeaderValue>,
    /// The repository to use; created by pushing to it.
    pub repository: String,
    /// Of a server of files, the folder it serves: what is to be read is placed there instead of pushed.
    pub static_root: Option<PathBuf>,
    /// The server's process ids; its cost, with that of their children, is not measured when there are none.
    pub pids: Vec<u32>,
    /// The longest a preparation, and a measurement, may take.
    pub limit: Duration,
    /// About how many bytes a measurement moves: as much memory is [put at hand](memory::put_at_hand) before.
    pub moves: u64,
}

/// What a job did.
#[derive(Debug, Default)]
pub struct Tally {
    /// Content bytes moved.
    pub bytes: u64,
    /// How many pushes or pulls.
    pub operations: u64,
    /// How long each took.
    pub latencies: Latencies,
}

/// One measurement.
#[derive(Debug)]
pub struct Outcome {
    /// What all jobs did together.
    pub tally: Tally,
    /// How long it took.
    pub elapsed: Duration,
    /// What the server used, when its process ids are known.
    pub server: Option<Usage>,
    /// Processor time of the load generator itself.
    pub client_cpu: Duration,
}

// === impl Target ===

impl Target {
    /// One for tests of what is sent to `address`.
    #[cfg(test)]
    pub(crate) fn of(address: &str, authorization: Option<HeaderValue>) -> Self {
        Self {
            endpoint: format!("http://{address}").parse().unwrap(),
            transport: Transport::Plain,
            authorization,
            repository: "a/b".into(),
            static_root: None,
            pids: Vec::new(),
            limit: Duration::from_secs(10),
            moves: 0,
        }
    }

    /// `count` connections.
    ///
    /// # Errors
    /// When one is not accepted within the limit.
    ///
    /// # Cancel safety
    /// Dropping the future closes the sockets.
    pub async fn connect(&self, count: u64) -> Result<Vec<Repository>> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(self.connect_one().await?);
        }
        Ok(connections)
    }

    /// One connection.
    ///
    /// # Errors
    /// When it is not accepted within the limit.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn connect_one(&self) -> Result<Repository> {
        self.within("connecting", Repository::connect(self)).await
    }

    /// Begins to watch the server: the last thing before the clock starts. Before that, memory is put at hand.
    ///
    /// # Errors
    /// When the memory cannot be had, or the server's cost not be read.
    ///
    /// # Cancel safety
    /// Dropping the future frees the memory a little later.
    pub(crate) async fn watch(&self) -> Result<Option<Watch>> {
        let moves = self.moves;
        let at_hand = spawn_blocking(move || memory::put_at_hand(moves)).await;
        at_hand.context("a job panicked")??;
        match self.pids.as_slice() {
            [] => Ok(None),
            pids => Watch::start(pids).map(Some),
        }
    }

    /// Runs a preparation or check within the limit.
    ///
    /// # Errors
    /// When it fails or takes longer.
    ///
    /// # Cancel safety
    /// As that of `work`.
    pub async fn within<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let result = timeout(self.limit, work).await;
        result
            .with_context(|| format!("{what} took over {:?}", self.limit))?
            .context(what)
    }
}

// === impl Tally ===

impl Tally {
    /// Counts one operation that moved `bytes` and began at `since`.
    pub fn count(&mut self, bytes: u64, since: Instant) {
        self.bytes += bytes;
        self.operations += 1;
        self.latencies.record(since.elapsed());
    }

    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.operations += other.operations;
        self.latencies.merge(&other.latencies);
    }
}

// === impl Outcome ===

impl Outcome {
    /// Content throughput in decimal megabytes a second.
    pub fn megabytes_per_second(&self) -> f64 {
        float(self.tally.bytes) / 1e6 / self.elapsed.as_secs_f64()
    }

    /// Operations a second.
    pub fn operations_per_second(&self) -> f64 {
        float(self.tally.operations) / self.elapsed.as_secs_f64()
    }
}

/// Runs all `jobs` at once against the clock.
///
/// # Errors
/// When a job fails, all together take longer than the limit, or the server's cost cannot be read.
///
/// # Cancel safety
/// Dropping the future ends the jobs.
pub async fn measure<F>(target: &Target, jobs: Vec<F>) -> Result<Outcome>
where
    F: Future<Output = Result<Tally>> + Send + 'static,
{
    let watch = target.watch().await?;
    let own_before = own_cpu()?;
    let begin = Instant::now();
    let mut running: JoinSet<_> = jobs.into_iter().collect();
    let all = async {
        let mut tally = Tally::default();
        while let Some(job) = running.join_next().await {
            tally.add(&job.context("a job panicked")??);
        }
        Ok(tally)
    };
    let tally = target.within("measurement", all).await?;
    let elapsed = begin.elapsed();
    let client_cpu = own_cpu()?.saturating_sub(own_before);
    let server = watch.map(Watch::finish).transpose()?;
    Ok(Outcome {
        tally,
        elapsed,
        server,
        client_cpu,
    })
}
