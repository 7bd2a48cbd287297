//! Opening the store as configured, and the runtime it runs on.

use crate::args::DurabilityChoice;
use crate::config::StoreConfig;
use anyhow::{Context as _, Result, bail};
use floundr_engine::{Durability, Engine, OpenError, Options};
use tokio::runtime::Runtime;

/// Threads that may wait for the disk at once. Each costs a stack, and beyond a disk's own queue
/// more of them only wait in another place; tokio's own bound, 512, would let a burst of requests
/// cost half a gigabyte of address space and the memory bar.
const BLOCKING_THREADS: usize = 64;

/// The runtime: a worker per core, and a bounded number of threads that wait for the disk.
pub(crate) fn runtime() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start the threads")
}

/// What the configuration says of the store.
pub(crate) fn options(config: &StoreConfig) -> Options {
    Options {
        durability: match config.durability {
            DurabilityChoice::Durable => Durability::Durable,
            DurabilityChoice::Relaxed => Durability::Relaxed,
        },
        grace: config.gc_grace,
        collect_interval: config.gc_interval,
        lease: config.lease,
        undo: config.undo,
        tag_history: config.tag_history,
        refuse_referenced: config.refuse_referenced,
        policies: config.policies.clone(),
        policy_interval: config.policy_interval,
        upload_lifetime: config.upload_lifetime,
        ..Options::new(&config.root)
    }
}

/// Opens the store, or makes it.
///
/// # Errors
/// What keeps it from being opened, with what to do about it. `in_use` says what to do when
/// another process has it.
pub(crate) async fn open(config: &StoreConfig, in_use: &str) -> Result<Engine> {
    match Engine::open(options(config)).await {
        Ok(engine) => Ok(engine),
        Err(error @ OpenError::InUse(_)) => bail!("{error}: {in_use}"),
        Err(error @ OpenError::NewerFormat { .. }) => bail!("{error}: install a newer floundr"),
        Err(error @ OpenError::Restoring(_)) => {
            bail!("{error}: run floundr restore again, which begins anew")
        }
        Err(error @ OpenError::Storage(_)) => Err(error)
            .with_context(|| format!("cannot open the store in {}", config.root.display())),
    }
}
