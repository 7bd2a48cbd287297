//! The collector against damage: one row that cannot be read, whichever it is, keeps what it may
//! hold and nothing else. And the world these tests and those of `hold` are in.

mod hold;

use super::CollectOptions;
use crate::clock::{Clock, Hands};
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk, MemoryDisk};
use crate::tests::put_of;
use crate::{Engine, Options};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct World {
    disk: Arc<MemoryDisk>,
    hands: Arc<Hands>,
    engine: Engine,
}

const GRACE: Duration = Duration::from_secs(100);

impl World {
    async fn new() -> Self {
        Self::with_undo(Duration::ZERO).await
    }

    async fn with_undo(undo: Duration) -> Self {
        let disk = Arc::new(MemoryDisk::new());
        disk.create_directory(Path::new("/store")).unwrap();
        Self::on(disk, undo).await
    }

    async fn on(disk: Arc<MemoryDisk>, undo: Duration) -> Self {
        let hands = Arc::new(Hands::default());
        let mut options = Options::new("/store");
        options.disk = Arc::clone(&disk) as Arc<dyn Disk>;
        options.clock = Arc::clone(&hands) as Arc<dyn Clock>;
        options.grace = GRACE;
        options.lease = GRACE;
        options.undo = undo;
        options.small_blob_limit = 100;
        options.collect_interval = Duration::from_hours(10);
        let engine = Engine::open(options).await.unwrap();
        Self {
            disk,
            hands,
            engine,
        }
    }

    async fn reopened(self) -> Self {
        self.engine.close().await.unwrap();
        Self::on(self.disk, Duration::ZERO).await
    }

    fn pass(&self, time: Duration) {
        self.hands.pass(time);
    }

    async fn push(&self, repository: &str, content: &[u8]) -> Digest {
        let repository = self.engine.repository(&repository.parse().unwrap());
        let content = Bytes::copy_from_slice(content);
        repository
            .put_blob(Algorithm::Sha256, content)
            .await
            .unwrap()
    }

    async fn put(&self, repository: &str, links: Links) -> Digest {
        let put = put_of(format!("{links:?}"), links, &["t"]);
        let repository = self.engine.repository(&repository.parse().unwrap());
        repository.put_manifest(put).await.unwrap().digest
    }

    async fn damage(&self, table: &str, key_part: &[u8]) -> usize {
        let meta = &self.engine.collector().engine.meta;
        meta.damage(table, key_part).await
    }

    async fn blobs(&self) -> u64 {
        self.engine.statistics().await.unwrap().blobs
    }

    fn files(&self) -> usize {
        self.disk.list(Path::new("/store/blobs/0")).unwrap().len()
    }
}

/// Damages one row of the blob in the middle of the queue.
async fn one_damaged_row_keeps_its_blob(table: &str, size: usize) {
    let world = World::new().await;
    let mut digests = Vec::new();
    for seed in 0..3_u8 {
        digests.push(world.push("a", &vec![seed; size]).await);
        world.pass(Duration::from_secs(1));
    }
    world.pass(GRACE);
    let key_part = if table == "files" {
        // Of all small blobs there is one segment, so its row may hold all of them.
        Vec::new()
    } else {
        digests[1].to_key()
    };
    assert!(world.damage(table, &key_part).await > 0);
    let kept = if table == "files" { 3 } else { 1 };
    for _ in 0..2 {
        let planned = dry_run(&world).await;
        let report = world.engine.collect().await.unwrap();
        assert!(report.complete);
        assert_eq!(planned.unlinked, report.unlinked, "{table}");
        assert_eq!(planned.bytes, report.bytes, "{table}");
        assert_eq!(report.damaged, kept, "{table}");
        assert_eq!(world.blobs().await, kept, "{table}");
        assert_eq!(world.engine.collector().damaged().total, kept);
        assert_eq!(world.engine.collector().status().damaged, kept);
    }
    // What comes later goes on.
    if table != "files" {
        world.push("b", &vec![9; size]).await;
        world.pass(GRACE);
        assert_eq!(world.engine.collect().await.unwrap().removed, 1, "{table}");
        assert_eq!(world.blobs().await, kept, "{table}");
    }
    // Repaired, it goes, and is not reported any more.
    world.damage(table, &key_part).await;
    let report = world.engine.collect().await.unwrap();
    assert_eq!((report.damaged, world.blobs().await), (0, 0), "{table}");
    assert_eq!(world.engine.collector().damaged().rows, []);
    assert_eq!(world.engine.audit().await.unwrap(), Vec::<String>::new());
}

async fn dry_run(world: &World) -> super::GcReport {
    let options = CollectOptions {
        dry_run: true,
        ..CollectOptions::default()
    };
    world.engine.collector().run(options).await.unwrap()
}

#[tokio::test]
async fn a_damaged_row_of_a_small_blob_keeps_it_and_the_rest_goes() {
    for table in ["candidates", "blob-links", "holders", "blobs", "files"] {
        one_damaged_row_keeps_its_blob(table, 50).await;
    }
}

#[tokio::test]
async fn a_damaged_row_of_a_large_blob_keeps_it_and_the_rest_goes() {
    for table in ["candidates", "blob-links", "holders", "blobs"] {
        one_damaged_row_keeps_its_blob(table, 5_000).await;
    }
}

#[tokio::test]
async fn a_damaged_edge_or_count_to_a_candidate_keeps_it() {
    for table in ["edges", "counts"] {
        let world = World::new().await;
        let layer = world.push("a", b"layer").await;
        let links = Links {
            layers: vec![layer],
            ..Links::default()
        };
        world.put("a", links).await;
        let other = world.push("a", b"other").await;
        // The layer's due time says that it may go; of all that knows better this one row is left.
        let meta = &world.engine.collector().engine.meta;
        meta.forge_candidate("a", &layer).await;
        meta.forget_but(table, "a", &layer).await;
        assert_eq!(world.damage(table, &layer.to_key()).await, 1);
        world.pass(GRACE);
        let report = world.engine.collect().await.unwrap();
        assert_eq!((report.unlinked, report.damaged), (1, 1), "{table}");
        let repository = world.engine.repository(&"a".parse().unwrap());
        assert!(repository.blob(&layer).await.is_ok(), "{table}");
        assert!(repository.blob(&other).await.is_err(), "{table}");
    }
}

#[tokio::test]
async fn damage_in_a_deleted_repository_stops_nothing_but_its_own_end() {
    let world = World::new().await;
    let layer = world.push("gone", &[1; 5_000]).await;
    let single = world.push("gone", &[2; 5_000]).await;
    let links = Links {
        layers: vec![layer],
        ..Links::default()
    };
    let manifest = world.put("gone", links).await;
    let other = world.put("gone", Links::default()).await;
    world.push("also", &[3; 5_000]).await;
    world.engine.collector().pause().await.unwrap();
    for name in ["gone", "also"] {
        let repository = world.engine.repository(&name.parse().unwrap());
        repository.delete().await.unwrap();
    }
    world.damage("manifest-links", &manifest.to_key()).await;
    world.damage("blob-links", &single.to_key()).await;
    let planned = dry_run(&world).await;
    assert_eq!((planned.unlinked, planned.bytes), (2, 10_000));
    world.engine.collector().resume().await.unwrap();
    // Whoever is first, this run or the one that was woken: afterwards the rest is gone.
    let report = world.engine.collect().await.unwrap();
    assert_eq!(
        (report.damaged, world.blobs().await, world.files()),
        (2, 1, 1)
    );
    let statistics = world.engine.statistics().await.unwrap();
    assert_eq!(statistics.manifests, 1, "{other} is gone");
    world.damage("manifest-links", &manifest.to_key()).await;
    world.damage("blob-links", &single.to_key()).await;
    let report = world.engine.collect().await.unwrap();
    assert_eq!(
        (report.damaged, world.blobs().await, world.files()),
        (0, 0, 0)
    );
    assert_eq!(world.engine.collector().queues().unwrap().candidates, 0);
    assert_eq!(world.engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_tag_of_a_deleted_repository_stays_until_it_is_repaired() {
    let world = World::new().await;
    world.put("gone", Links::default()).await;
    world.engine.collector().pause().await.unwrap();
    let repository = world.engine.repository(&"gone".parse().unwrap());
    repository.delete().await.unwrap();
    assert_eq!(world.damage("tags", b"t").await, 1);
    world.engine.collector().resume().await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.engine.collect().await.unwrap().damaged, 1);
    }
    assert_eq!(world.damage("tags", b"t").await, 1, "it is still there");
    assert_eq!(world.engine.collect().await.unwrap().damaged, 0);
    assert_eq!(world.damage("tags", b"t").await, 0);
    assert_eq!(world.engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_place_or_drain_keeps_its_bytes_and_others_come_back() {
    for table in ["unlinks", "drains", "ended-uploads"] {
        let world = World::new().await;
        let repository = world.engine.repository(&"a".parse().unwrap());
        let first = world.push("a", &[1; 5_000]).await;
        world.put("gone", Links::default()).await;
        world.engine.collector().pause().await.unwrap();
        repository.delete_blob(&first).await.unwrap();
        let gone = world.engine.repository(&"gone".parse().unwrap());
        gone.delete().await.unwrap();
        assert!(world.damage(table, &[]).await > 0, "{table}");
        let second = world.push("a", &[2; 5_000]).await;
        repository.delete_blob(&second).await.unwrap();
        let links = Links::default();
        world.put("later", links).await;
        let later = world.engine.repository(&"later".parse().unwrap());
        later.delete().await.unwrap();
        world.engine.collector().resume().await.unwrap();
        let report = world.engine.collect().await.unwrap();
        assert!(report.complete, "{table}");
        let expected = (
            usize::from(table == "unlinks"),
            u64::from(table == "drains"),
            u64::from(table != "ended-uploads"),
        );
        let manifests = world.engine.statistics().await.unwrap().manifests;
        assert_eq!(
            (world.files(), manifests, report.damaged),
            expected,
            "{table}"
        );
    }
}

#[tokio::test]
async fn damage_in_the_trash_keeps_one_deletion_undone_and_stops_no_other() {
    for (table, purged, rows) in [
        ("trash", 1, 1),
        ("manifest-links", 1, 1),
        ("trash-queue", 0, 2),
    ] {
        let world = World::with_undo(GRACE).await;
        let mut manifests = Vec::new();
        for seed in [1, 2] {
            let layer = world.push("a", &[seed; 5_000]).await;
            let links = Links {
                layers: vec![layer],
                ..Links::default()
            };
            manifests.push(world.put("a", links).await);
        }
        let repository = world.engine.repository(&"a".parse().unwrap());
        for digest in &manifests {
            repository.delete_manifest(digest).await.unwrap();
        }
        let key = manifests[0].to_key();
        // A key of the queue has no digest: all of its rows are taken.
        let part: &[u8] = if table == "trash-queue" { &[] } else { &key };
        let damaged = world.damage(table, part).await as u64;
        assert!(damaged >= rows, "{table}");
        world.pass(GRACE);
        let report = world.engine.collect().await.unwrap();
        assert_eq!(
            (report.purged_manifests, report.damaged),
            (purged, damaged),
            "{table}"
        );
        world.pass(GRACE);
        world.engine.collect().await.unwrap();
        assert_eq!(world.blobs().await, rows, "{table}");
        // Repaired, it goes.
        world.damage(table, part).await;
        let report = world.engine.collect().await.unwrap();
        // Whoever is first, this run or the one that was woken.
        assert_eq!(report.damaged, 0, "{table}");
        world.pass(GRACE);
        world.engine.collect().await.unwrap();
        assert_eq!(world.blobs().await, 0, "{table}");
        assert_eq!(world.engine.audit().await.unwrap(), Vec::<String>::new());
    }
}
