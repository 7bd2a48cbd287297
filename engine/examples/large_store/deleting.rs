//! What deleting a thousand manifests and collecting what they leave costs in the large store by the
//! small one. Both are told; the bound is on their sum, since one is put off by the other.
//!
//! In both stores ten manifests of each of a hundred repositories, with a tag and a blob each that
//! nothing else links: made with the store, not just now. One client deletes them one after another,
//! each durably; then the collector, which rests meanwhile and has no budget, runs until nothing is
//! garbage. The waiting for leases between its runs does not count. Both stores take turns; what was
//! deleted is pushed again after each, unmeasured.

use crate::store::{Store, collect_all, manifest_of, name, push_one};
use crate::{Bound, FEW, Failure, percentile, say};
use floundr_engine::Engine;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often it is measured. Each takes other manifests.
const ROUNDS: usize = 9;
/// Repositories that manifests are deleted of.
const REPOSITORIES: usize = 100;
/// Manifests that are deleted of each.
const DELETED: usize = 10;

/// What was measured of one store.
struct Costs<'s> {
    store: &'s Store,
    engine: Engine,
    deleting: Vec<Duration>,
    collecting: Vec<Duration>,
}

pub(crate) async fn measure(large: &Store, small: &Store) -> Result<Bound, Failure> {
    let mut large = Costs::of(large).await?;
    let mut small = Costs::of(small).await?;
    for round in 0..ROUNDS {
        large.measure(round).await?;
        small.measure(round).await?;
    }
    large.engine.close().await?;
    small.engine.close().await?;
    let (what, count) = ("deleting and collecting", REPOSITORIES * DELETED);
    let (large, small) = (large.medians()?, small.medians()?);
    Ok(Bound {
        what: format!("{what} {count} manifests, by that in a store of {FEW} blobs"),
        measured: large.as_secs_f64() / small.as_secs_f64(),
        limit: 1.5,
        unit: "times",
    })
}

// === impl Costs ===

impl<'s> Costs<'s> {
    /// Begins with a store without garbage.
    async fn of(store: &'s Store) -> Result<Self, Failure> {
        let engine = store.open().await?;
        collect_all(&engine).await?;
        Ok(Self {
            store,
            engine,
            deleting: Vec::new(),
            collecting: Vec::new(),
        })
    }

    async fn measure(&mut self, round: usize) -> Result<(), Failure> {
        let doomed = self.doomed(round);
        let mut deletions = Vec::new();
        for &(index, number) in &doomed {
            let repository = self.engine.repository(&name(index)?);
            deletions.push((repository, manifest_of(index, number)));
        }
        let began = Instant::now();
        for (repository, manifest) in &deletions {
            repository.delete_manifest(manifest).await?;
        }
        let deleting = began.elapsed();
        let (collecting, removed) = collect_all(&self.engine).await?;
        if removed != doomed.len() as u64 {
            return Err(format!("{removed} blobs were collected").into());
        }
        let what = self.store.what;
        say(&format!(
            "the {what} store: deleting {deleting:.1?}, collecting {collecting:.1?}"
        ))?;
        self.deleting.push(deleting);
        self.collecting.push(collecting);
        self.push_again(doomed).await
    }

    /// Tells the median of each cost; answers their sum.
    fn medians(&mut self) -> Result<Duration, Failure> {
        let deleting = percentile(&mut self.deleting, 50);
        let collecting = percentile(&mut self.collecting, 50);
        say(&format!(
            "the {} store, medians: deleting {deleting:.1?}, collecting {collecting:.1?}",
            self.store.what
        ))?;
        Ok(deleting + collecting)
    }

    /// The manifests of a round, all over the store: the repository's number and theirs in it.
    fn doomed(&self, round: usize) -> Vec<(usize, usize)> {
        let apart = self.store.repositories() / REPOSITORIES;
        let numbers = round * DELETED..(round + 1) * DELETED;
        numbers
            .flat_map(|number| (0..REPOSITORIES).map(move |index| (index * apart, number)))
            .collect()
    }

    async fn push_again(&self, deleted: Vec<(usize, usize)>) -> Result<(), Failure> {
        let mut running = JoinSet::new();
        for (index, number) in deleted {
            let repository = self.engine.repository(&name(index)?);
            running.spawn(async move { push_one(&repository, index, number).await });
        }
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    }
}
