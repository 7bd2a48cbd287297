//! A backup of a store that is written to, deleted from and collected meanwhile, restored elsewhere.

use crate::support::content;
use bytes::Bytes;
use floundr_engine::backup::{BackupOptions, RestoreOptions, restore};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::repository::{Missing, PutManifest};
use floundr_engine::{Engine, Options};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Images before the first backup, and clients that push more of them meanwhile.
const IMAGES: u64 = 60;
const PUSHERS: u64 = 4;

/// What the clients of a store were told.
#[derive(Debug, Default)]
struct Told {
    /// Images that exist, and those that somebody may be deleting.
    pushed: Mutex<BTreeSet<u64>>,
    next: AtomicU64,
    is_over: AtomicBool,
}

fn layers(index: u64) -> [Bytes; 2] {
    [content(150_000, index), content(10 * 1024, index)]
}

fn tag(index: u64) -> String {
    format!("t{index}")
}

fn repository(engine: &Engine, index: u64) -> floundr_engine::Repository {
    engine.repository(&format!("r{}", index % 5).parse().unwrap())
}

async fn push(engine: &Engine, index: u64) {
    let repository = repository(engine, index);
    let mut pushed = Vec::new();
    for layer in layers(index) {
        let put = repository.put_blob(Algorithm::Sha256, layer);
        pushed.push(put.await.unwrap());
    }
    let put = PutManifest {
        tags: vec![tag(index).parse().unwrap()],
        missing_children: Missing::Refuse,
        ..PutManifest::new(
            format!("manifest {index}"),
            "application/vnd.oci.image.manifest.v1+json"
                .parse()
                .unwrap(),
            Links {
                layers: pushed,
                ..Links::default()
            },
        )
    };
    repository.put_manifest(put).await.unwrap();
}

/// Fails unless the image is there with every byte.
async fn expect(engine: &Engine, index: u64) {
    let repository = repository(engine, index);
    let reference = tag(index).parse().unwrap();
    let manifest = repository.manifest(&reference).await.unwrap();
    assert_eq!(manifest.content, format!("manifest {index}"));
    for layer in layers(index) {
        let digest = Digest::of(Algorithm::Sha256, &layer);
        let blob = repository.blob(&digest).await.unwrap();
        assert!(
            blob.read(0..blob.size()).await.unwrap() == layer,
            "{digest}"
        );
    }
}

async fn push_until_over(engine: Engine, told: Arc<Told>) {
    while !told.is_over.load(Ordering::SeqCst) {
        let index = told.next.fetch_add(1, Ordering::SeqCst);
        push(&engine, index).await;
        told.pushed.lock().await.insert(index);
    }
}

/// Deletes every third of what was pushed, blobs at once.
async fn delete_until_over(engine: Engine, told: Arc<Told>) {
    while !told.is_over.load(Ordering::SeqCst) {
        let index = {
            let mut pushed = told.pushed.lock().await;
            let index = pushed.iter().copied().find(|index| index % 3 == 0);
            index.inspect(|index| {
                pushed.remove(index);
            })
        };
        let Some(index) = index else {
            tokio::task::yield_now().await;
            continue;
        };
        let repository = repository(&engine, index);
        let reference = tag(index).parse().unwrap();
        let digest = repository.manifest(&reference).await.unwrap().digest;
        repository.delete_manifest(&digest).await.unwrap();
        for layer in layers(index) {
            let digest = Digest::of(Algorithm::Sha256, &layer);
            repository.delete_blob(&digest).await.unwrap();
        }
    }
}

async fn collect_until_over(engine: Engine, told: Arc<Told>) {
    while !told.is_over.load(Ordering::SeqCst) {
        engine.collect().await.unwrap();
        tokio::task::yield_now().await;
    }
}

fn options(root: &Path) -> Options {
    let mut options = Options::new(root);
    options.grace = Duration::from_secs(30);
    options.lease = Duration::from_secs(30);
    options
}

async fn restored(backup: &Path, root: &Path) -> Engine {
    restore(backup, root, RestoreOptions::default())
        .await
        .unwrap();
    let engine = Engine::open(options(root)).await.unwrap();
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
    engine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_has_everything_that_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let [root, target, first, second] =
        ["store", "backup", "first", "second"].map(|name| folder.path().join(name));
    let engine = Engine::open(options(&root)).await.unwrap();
    let told = Arc::new(Told::default());
    for index in 0..IMAGES {
        push(&engine, index).await;
        told.pushed.lock().await.insert(index);
    }
    told.next.store(IMAGES, Ordering::SeqCst);
    let mut clients = JoinSet::new();
    for _ in 0..PUSHERS {
        clients.spawn(push_until_over(engine.clone(), Arc::clone(&told)));
    }
    clients.spawn(delete_until_over(engine.clone(), Arc::clone(&told)));
    clients.spawn(collect_until_over(engine.clone(), Arc::clone(&told)));
    while told.next.load(Ordering::SeqCst) < IMAGES + 40 {
        tokio::task::yield_now().await;
    }

    let acknowledged = told.pushed.lock().await.clone();
    let copied = engine.backup(&target, BackupOptions::default()).await;
    let kept = told.pushed.lock().await.clone();
    told.is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_eq!(copied.unwrap().damaged, []);
    let elsewhere = restored(&target, &first).await;
    let mut compared = 0;
    for index in acknowledged.intersection(&kept) {
        expect(&elsewhere, *index).await;
        compared += 1;
    }
    assert!(compared >= IMAGES / 2, "only {compared} images");
    elsewhere.close().await.unwrap();

    // Now that it is quiet: what is new is added, and then there is nothing to add.
    let catching_up = engine.backup(&target, BackupOptions::default()).await;
    assert!(catching_up.unwrap().kept_bytes > 0);
    let unchanged = engine.backup(&target, BackupOptions::default()).await;
    let unchanged = unchanged.unwrap();
    assert!(
        unchanged.copied_bytes * 100 < unchanged.kept_bytes,
        "{unchanged:?}"
    );
    let elsewhere = restored(&target, &second).await;
    for index in told.pushed.lock().await.iter() {
        expect(&elsewhere, *index).await;
    }
    assert_eq!(
        elsewhere.statistics().await.unwrap(),
        engine.statistics().await.unwrap()
    );
    elsewhere.close().await.unwrap();
    engine.close().await.unwrap();
}
