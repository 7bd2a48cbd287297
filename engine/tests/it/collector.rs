//! The collector's control: plan and run agree, pause, budget, progress, runs that were interrupted.

use crate::support::{GRACE, Hands, content, open, options};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::gc::{
    CollectError, CollectOptions, GcReport, GcStatus, PlanPosition, PlannedRemoval, RemovalReason,
};
use floundr_engine::page::Page;
use floundr_engine::repository::{Missing, PutManifest};
use floundr_engine::{CollectBudget, Engine, Options, Repository};
use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// Bounds every wait for something that comes by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store whose lease is much shorter than its grace, and whose collector is run by hand.
pub(crate) fn strict(root: &Path, hands: &Arc<Hands>) -> Options {
    let mut options = options(root, hands);
    options.lease = LEASE;
    options.small_blob_limit = 1_000;
    options.collect_interval = Duration::from_hours(1);
    options
}

pub(crate) async fn push(engine: &Engine, name: &str, seed: u64) -> Digest {
    let len = if seed.is_multiple_of(2) { 500 } else { 5_000 } + usize::try_from(seed).unwrap();
    let repository = engine.repository(&name.parse().unwrap());
    let put = repository.put_blob(Algorithm::Sha256, content(len, seed));
    put.await.unwrap()
}

pub(crate) async fn put(repository: &Repository, links: Links, tags: &[&str]) -> Digest {
    let put = PutManifest {
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        missing_blobs: Missing::Accept,
        ..PutManifest::new(
            format!("{links:?}"),
            "application/vnd.example+json".parse().unwrap(),
            links,
        )
    };
    repository.put_manifest(put).await.unwrap().digest
}

fn with_grace(grace: Option<Duration>) -> CollectOptions {
    CollectOptions {
        grace,
        ..CollectOptions::default()
    }
}

/// All pages of a plan.
async fn whole_plan(engine: &Engine, options: CollectOptions, limit: usize) -> Vec<PlannedRemoval> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit };
        let listing = engine.collector().plan(options, page).await.unwrap();
        assert!(listing.items.len() <= limit);
        after = listing.items.last().map(|item: &PlannedRemoval| {
            // As a client would keep it.
            let text = item.position.to_string();
            text.parse::<PlanPosition>().unwrap()
        });
        items.extend(listing.items);
        if !listing.more {
            return items;
        }
    }
}

/// What every repository of these holds of these digests, asked without telling anybody.
async fn held(engine: &Engine, digests: &[Digest]) -> BTreeSet<(String, Digest)> {
    let mut held = BTreeSet::new();
    for digest in digests {
        let page = Page {
            after: None,
            limit: 100,
        };
        let why = engine.why(digest, page).await.unwrap();
        for holder in why.into_iter().flat_map(|why| why.holders) {
            if holder.blob.is_some() {
                held.insert((holder.repository.to_string(), *digest));
            }
        }
    }
    held
}

/// Blobs of every kind of standing, in repositories that live and that are deleted.
async fn fill(engine: &Engine, hands: &Hands) -> Vec<Digest> {
    let mut digests = Vec::new();
    for seed in 0..60_u64 {
        let home = ["a", "b", "dead", "dead2"][usize::try_from(seed % 4).unwrap()];
        let digest = push(engine, home, seed).await;
        digests.push(digest);
        for other in ["b", "dead", "c"] {
            if seed.is_multiple_of(u64::try_from(other.len()).unwrap() + 2) {
                let repository = engine.repository(&other.parse().unwrap());
                let source = home.parse().unwrap();
                repository.mount(&digest, &source).await.unwrap();
            }
        }
        if seed.is_multiple_of(5) {
            let links = Links {
                layers: vec![digest],
                ..Links::default()
            };
            let repository = engine.repository(&home.parse().unwrap());
            let manifest = put(&repository, links, &["t"]).await;
            if seed.is_multiple_of(2) {
                repository.delete_manifest(&manifest).await.unwrap();
            }
        }
        if seed.is_multiple_of(9) {
            let repository = engine.repository(&home.parse().unwrap());
            repository.stat_blob(&digest).await.unwrap();
        }
        hands.pass(Duration::from_secs(2));
    }
    digests
}

async fn expect_the_plan(grace: Option<Duration>, pass: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let mut opened = strict(folder.path(), &hands);
    if grace.is_some() {
        // A deletion wakes the collector, which then takes what is due by the store's own grace.
        opened.grace = GRACE * 1_000;
    }
    let engine = Engine::open(opened).await.unwrap();
    let digests = fill(&engine, &hands).await;
    hands.pass(pass);
    // Deletions wake the collector, which must not be the first.
    engine.collector().pause().await.unwrap();
    for name in ["dead", "dead2"] {
        engine
            .repository(&name.parse().unwrap())
            .delete()
            .await
            .unwrap();
    }
    let before = held(&engine, &digests).await;
    let options = with_grace(grace);
    let plan = whole_plan(&engine, options, 7).await;
    let positions: Vec<_> = plan.iter().map(|item| item.position.to_string()).collect();
    assert_eq!(positions, {
        let plan = whole_plan(&engine, options, 1_000).await;
        let positions = plan.iter().map(|item| item.position.to_string());
        positions.collect::<Vec<_>>()
    });
    let dry = CollectOptions {
        dry_run: true,
        ..options
    };
    let dry = engine.collector().run(dry).await.unwrap();
    assert_eq!(
        held(&engine, &digests).await,
        before,
        "a dry run removes nothing"
    );

    engine.collector().resume().await.unwrap();
    assert!(engine.collector().run(options).await.unwrap().complete);
    let after = held(&engine, &digests).await;
    let gone: BTreeSet<_> = before.difference(&after).cloned().collect();
    let planned: BTreeSet<_> = plan
        .iter()
        .map(|item| (item.repository.as_ref().unwrap().to_string(), item.digest))
        .collect();
    assert_eq!(planned.len(), plan.len(), "nothing is planned twice");
    assert_eq!(gone, planned);
    let freed: u64 = plan.iter().filter(|i| i.frees).map(|i| i.size).sum();
    let usage = engine.store_usage().await.unwrap();
    let stored: u64 = held_bytes(&digests, &after);
    assert_eq!(usage.stored_bytes, stored);
    assert_eq!(held_bytes(&digests, &before) - stored, freed);
    assert_eq!((dry.bytes, dry.unlinked), (freed, plan.len() as u64));
    let kinds = |reason: fn(&RemovalReason) -> bool| plan.iter().any(|item| reason(&item.reason));
    assert!(kinds(|reason| *reason == RemovalReason::RepositoryDeleted));
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
    engine.close().await.unwrap();
}

/// The bytes of the digests that somebody holds.
fn held_bytes(digests: &[Digest], held: &BTreeSet<(String, Digest)>) -> u64 {
    let sizes = digests
        .iter()
        .zip(0_u64..)
        .filter(|(digest, _)| held.iter().any(|(_, of)| of == *digest));
    sizes
        .map(|(_, seed)| if seed.is_multiple_of(2) { 500 } else { 5_000 } + seed)
        .sum()
}

#[tokio::test]
async fn a_run_removes_exactly_what_the_plan_lists() {
    expect_the_plan(None, Duration::ZERO).await;
    expect_the_plan(None, GRACE).await;
    expect_the_plan(Some(Duration::ZERO), Duration::ZERO).await;
    expect_the_plan(Some(Duration::from_secs(30)), LEASE / 2).await;
    expect_the_plan(Some(GRACE), GRACE / 2).await;
}

#[tokio::test]
async fn a_run_with_its_own_grace_leaves_leases_alone() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = Engine::open(strict(folder.path(), &hands)).await.unwrap();
    let (old, told) = (push(&engine, "a", 1).await, push(&engine, "a", 2).await);
    hands.pass(LEASE);
    let repository = engine.repository(&"a".parse().unwrap());
    repository.stat_blob(&told).await.unwrap();
    let young = push(&engine, "a", 3).await;
    hands.pass(LEASE - Duration::from_millis(1));
    assert_eq!(
        engine.collect().await.unwrap().unlinked,
        0,
        "the grace has not passed"
    );
    let now = with_grace(Some(Duration::ZERO));
    let report = engine.collector().run(now).await.unwrap();
    assert_eq!(report.removed, 1);
    let left = held(&engine, &[old, told, young]).await;
    let left: Vec<Digest> = left.into_iter().map(|(_, digest)| digest).collect();
    assert!(!left.contains(&old) && left.contains(&told) && left.contains(&young));
    // A longer one than the store's holds back what the store would take.
    hands.pass(GRACE);
    let later = with_grace(Some(GRACE * 9));
    assert_eq!(engine.collector().run(later).await.unwrap().unlinked, 0);
    engine.collect().await.unwrap();
    assert_eq!(engine.statistics().await.unwrap().blobs, 0);
}

#[tokio::test]
async fn a_pause_holds_over_a_restart_until_it_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = Engine::open(strict(folder.path(), &hands)).await.unwrap();
    let blob = push(&engine, "a", 1).await;
    engine.collector().pause().await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    repository.delete_blob(&blob).await.unwrap();
    engine.close().await.unwrap();

    let mut options = strict(folder.path(), &hands);
    options.collect_interval = Duration::from_millis(1);
    let engine = Engine::open(options).await.unwrap();
    assert!(engine.collector().status().paused);
    let refused = engine.collector().run(CollectOptions::default()).await;
    assert!(matches!(refused, Err(CollectError::Paused)), "{refused:?}");
    assert_eq!(engine.collect().await.unwrap(), GcReport::default());
    assert_eq!(engine.collector().queues().unwrap().waiting, 1);
    engine.collector().resume().await.unwrap();
    let comes_back = async {
        while engine.collector().queues().unwrap().waiting > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, comes_back).await.unwrap();
    engine.close().await.unwrap();
    let engine = open(folder.path(), &hands).await;
    assert!(!engine.collector().status().paused);
}

/// One blob, and then nothing for a long time.
fn crawling() -> CollectBudget {
    CollectBudget {
        blobs_per_second: NonZeroU64::new(1),
        bytes_per_second: NonZeroU64::new(1),
    }
}

/// A run that has removed one of five blobs and then stands still for its budget.
struct Crawl {
    folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
    progress: watch::Receiver<GcStatus>,
    run: JoinHandle<Result<GcReport, CollectError>>,
}

impl Crawl {
    async fn new(options: CollectOptions, pass: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut opened = strict(folder.path(), &hands);
        opened.collect_budget = crawling();
        let engine = Engine::open(opened).await.unwrap();
        for seed in 0..5 {
            push(&engine, "a", seed * 2 + 1).await;
            hands.pass(Duration::from_millis(1));
        }
        hands.pass(pass);
        let collector = engine.collector();
        let mut progress = collector.watch();
        let run = tokio::spawn(async move { collector.run(options).await });
        let seen = progress.wait_for(|status| status.done == 1);
        in_time(seen).await.unwrap();
        Self {
            folder,
            hands,
            engine,
            progress,
            run,
        }
    }
}

async fn in_time<T>(something: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, something).await.unwrap()
}

#[tokio::test]
async fn a_budget_holds_and_can_be_changed_while_a_run_goes_on() {
    let crawl = Crawl::new(CollectOptions::default(), GRACE).await;
    let collector = crawl.engine.collector();
    let seen = collector.status();
    assert_eq!((seen.due, seen.left(), seen.bytes), (5, 4, 5_001));
    assert!(seen.eta.is_some());
    // Much happens meanwhile, but not that.
    for seed in 100..120 {
        push(&crawl.engine, "b", seed).await;
    }
    assert_eq!(crawl.progress.borrow().done, 1);
    assert_eq!(crawl.engine.statistics().await.unwrap().blobs, 24);
    collector.set_budget(CollectBudget::default());
    let report = in_time(crawl.run).await.unwrap().unwrap();
    assert_eq!((report.removed, report.complete), (5, true));
    let status = collector.status();
    assert_eq!((status.done, status.left()), (5, 0));
    assert_eq!(collector.queues().unwrap().candidates, 20);
    assert_eq!(status.budget, CollectBudget::default());
    assert_eq!(status.last.map(|(report, _)| report), Some(report));
}

#[tokio::test]
async fn a_pause_ends_a_run_between_two_batches_and_the_rest_goes_after_it() {
    let crawl = Crawl::new(with_grace(Some(Duration::ZERO)), LEASE).await;
    let collector = crawl.engine.collector();
    in_time(collector.pause()).await.unwrap();
    let report = in_time(crawl.run).await.unwrap().unwrap();
    assert_eq!((report.removed, report.complete), (1, false));
    assert_eq!(crawl.engine.statistics().await.unwrap().blobs, 4);
    // What becomes garbage now is not of that run.
    let young = push(&crawl.engine, "a", 99).await;
    crawl.hands.pass(LEASE);
    collector.set_budget(CollectBudget::default());
    collector.resume().await.unwrap();
    expect_the_rest_to_go(&crawl.engine, &young).await;
}

#[tokio::test]
async fn a_run_that_closing_interrupted_goes_on_by_itself() {
    let crawl = Crawl::new(with_grace(Some(Duration::ZERO)), LEASE).await;
    in_time(crawl.engine.close()).await.unwrap();
    let ended = crawl.run.await.unwrap();
    assert!(matches!(ended, Err(CollectError::Storage(_))), "{ended:?}");

    // By the store's own grace nothing is due: what goes is the rest of that run.
    let options = strict(crawl.folder.path(), &crawl.hands);
    let engine = Engine::open(options).await.unwrap();
    let young = push(&engine, "a", 98).await;
    expect_the_rest_to_go(&engine, &young).await;
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}

/// Waits until one blob is left, which must be this one.
async fn expect_the_rest_to_go(engine: &Engine, young: &Digest) {
    in_time(async {
        while engine.statistics().await.unwrap().blobs > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(held(engine, &[*young]).await.len(), 1);
}
