//! Clients that push and delete, and a collector that takes at once what becomes garbage, until they
//! are told to stop or are killed.

use crate::store::{options, push};
use crate::{Failure, say};
use floundr_engine::{Engine, Repository};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The first argument of a process that is there to be killed; the second is the store.
pub(crate) const FOR_EVER: &str = "--load";

/// Clients of a process that is there to be killed.
const KILLED_PUSHERS: usize = 4;

/// Clients and a collector at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    running: JoinSet<Result<(), Failure>>,
    began: Instant,
}

/// What the load did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Pushes of a blob and its manifest.
    pub(crate) pushed: u64,
    /// Blobs the collector removed.
    pub(crate) removed: u64,
    /// How much of the time a run went on that removed something.
    pub(crate) collecting: f64,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    pushed: AtomicU64,
    removed: AtomicU64,
    collecting_micros: AtomicU64,
}

/// Lets a store be worked on until the process is killed; tells all along how much was pushed.
pub(crate) async fn run_for_ever(root: &Path) -> Result<ExitCode, Failure> {
    let engine = Engine::open(options(root)).await?;
    let mut load = Load::start(&engine, KILLED_PUSHERS)?;
    loop {
        tokio::select! {
            ended = load.running.join_next() => {
                ended.ok_or("nothing runs")???;
                return Err("the load ended".into());
            }
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        say(&load.shared.pushed.load(Ordering::SeqCst).to_string())?;
    }
}

// === impl Load ===

impl Load {
    /// Begins with so many pushers and one collector.
    pub(crate) fn start(engine: &Engine, pushers: usize) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::default());
        let mut running = JoinSet::new();
        running.spawn(collect(engine.clone(), Arc::clone(&shared)));
        for pusher in 0..pushers {
            let repository = engine.repository(&format!("load/{pusher}").parse()?);
            running.spawn(push_and_delete(repository, Arc::clone(&shared), pusher));
        }
        Ok(Self {
            shared,
            running,
            began: Instant::now(),
        })
    }

    /// Ends it after what is under way.
    pub(crate) async fn stop(mut self) -> Result<Done, Failure> {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        let collecting = self.shared.collecting_micros.load(Ordering::SeqCst);
        let collecting = Duration::from_micros(collecting).as_secs_f64();
        Ok(Done {
            pushed: self.shared.pushed.load(Ordering::SeqCst),
            removed: self.shared.removed.load(Ordering::SeqCst),
            collecting: collecting / self.began.elapsed().as_secs_f64(),
        })
    }
}

/// Pushes a blob and a manifest under the same tag, one after another, and deletes the one before.
async fn push_and_delete(
    repository: Repository,
    shared: Arc<Shared>,
    pusher: usize,
) -> Result<(), Failure> {
    let mut before = None;
    for round in 0_u64.. {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let seed = format!("load {pusher} {round} of {}", std::process::id());
        let manifest = push(&repository, &seed, &["latest".to_owned()]).await?;
        shared.pushed.fetch_add(1, Ordering::SeqCst);
        if let Some(before) = before.replace(manifest) {
            repository.delete_manifest(&before).await?;
        }
    }
    Ok(())
}

/// Collects without a pause while there is garbage.
async fn collect(engine: Engine, shared: Arc<Shared>) -> Result<(), Failure> {
    while !shared.stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        let report = engine.collect().await?;
        if report.removed == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        shared.removed.fetch_add(report.removed, Ordering::SeqCst);
        let micros = u64::try_from(began.elapsed().as_micros())?;
        shared.collecting_micros.fetch_add(micros, Ordering::SeqCst);
    }
    Ok(())
}
