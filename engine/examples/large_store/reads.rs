//! How long reading a manifest by tag takes at the slowest percent: of an idle store, and while two
//! clients push and delete and the collector removes garbage without a pause.
//!
//! One reader, on a thread of its own, reads manifests all over the store, one after another and each
//! another one. Idle and busy times take turns, with the same number of reads each, so that what else
//! the machine does meets both.

use crate::load::{Done, Load};
use crate::store::{LEASE, Store, TAGGED, name, push, tag};
use crate::{Bound, Failure, percentile, say, scattered};
use floundr_engine::Engine;
use floundr_engine::name::Reference;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often idle and busy take turns.
const ROUNDS: usize = 5;
/// Reads of each turn.
const READS: usize = 100_000;
/// Clients that push and delete.
const PUSHERS: usize = 2;
/// Blobs that are garbage when a busy time begins, beside what the pushers leave.
const GARBAGE: usize = 2_000;

/// Reads manifests; each call goes on behind the one before.
struct Reader<'s> {
    store: &'s Store,
    engine: Engine,
    count: usize,
}

pub(crate) async fn measure(store: &Store) -> Result<Bound, Failure> {
    let engine = store.open().await?;
    let mut reader = Reader {
        store,
        engine: engine.clone(),
        count: 0,
    };
    reader.read().await?;
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        make_garbage(&engine, round).await?;
        idle.extend(reader.read().await?);
        let load = Load::start(&engine, PUSHERS)?;
        let began = Instant::now();
        busy.extend(reader.read().await?);
        let took = began.elapsed();
        say_load(load.stop().await?, took)?;
    }
    engine.close().await?;
    for (what, times) in [("idle", &mut idle), ("busy", &mut busy)] {
        let [median, high, highest] = [50, 99, 100].map(|percent| percentile(times, percent));
        say(&format!(
            "reading a manifest, {what}: median {median:.1?}, p99 {high:.1?}, slowest {highest:.1?}"
        ))?;
    }
    let (idle, busy) = (percentile(&mut idle, 99), percentile(&mut busy, 99));
    Ok(Bound {
        what: "p99 of reading a manifest during push and collection, by idle".to_owned(),
        measured: busy.as_secs_f64() / idle.as_secs_f64(),
        limit: 2.0,
        unit: "times",
    })
}

fn say_load(done: Done, took: Duration) -> Result<(), Failure> {
    let Done {
        pushed,
        removed,
        collecting,
    } = done;
    if pushed == 0 || removed == 0 {
        return Err(format!("there was no load: {done:?}").into());
    }
    say(&format!(
        "{READS} reads in {took:.1?} beside {PUSHERS} pushers: {pushed} pushes, {removed} blobs \
         collected in {:.0} % of the time",
        collecting * 100.0
    ))?;
    Ok(())
}

/// Leaves blobs that the next run of the collector removes.
async fn make_garbage(engine: &Engine, round: usize) -> Result<(), Failure> {
    let repository = engine.repository(&"load/garbage".parse()?);
    let mut running = JoinSet::new();
    for number in 0..GARBAGE {
        let repository = repository.clone();
        let seed = format!("garbage {number} {round} of {}", std::process::id());
        running.spawn(async move { push(&repository, &seed, &[]).await });
    }
    let mut manifests = Vec::new();
    while let Some(pushed) = running.join_next().await {
        manifests.push(pushed??);
    }
    let mut running = JoinSet::new();
    for manifest in manifests {
        let repository = repository.clone();
        running.spawn(async move { repository.delete_manifest(&manifest).await });
    }
    while let Some(deleted) = running.join_next().await {
        deleted??;
    }
    tokio::time::sleep(LEASE + LEASE / 5).await;
    Ok(())
}

// === impl Reader ===

impl Reader<'_> {
    async fn read(&mut self) -> Result<Vec<Duration>, Failure> {
        let mut times = Vec::with_capacity(READS);
        for _ in 0..READS {
            let at = scattered(self.count);
            self.count += 1;
            let repository = name(at % self.store.repositories())?;
            let repository = self.engine.repository(&repository);
            let number = at / self.store.repositories() % TAGGED;
            let reference = Reference::Tag(tag(number).parse()?);
            let began = Instant::now();
            repository.manifest(&reference).await?;
            times.push(began.elapsed());
        }
        Ok(times)
    }
}
