//! Syncs and reads that fail: what is answered, what is still served, what the next process finds.

use super::*;
use crate::disk::{Disk, DiskFile, Fault, Health, WatchedDisk};
use crate::fault::StorageError;
use crate::page::Page;
use crate::repository::{BlobError, ManifestError};
use crate::upload::UploadError;
use std::io::IoSlice;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

const LARGE: usize = 300_000;

/// Whether writing is refused because the disk failed.
fn is_stopped(error: &ManifestError) -> bool {
    matches!(error, ManifestError::Storage(StorageError::Stopped(_)))
}

#[tokio::test]
async fn a_failed_sync_stops_all_writing_and_reads_go_on() {
    let mut points = 0;
    loop {
        let world = World::new(Durability::Durable);
        let engine = world.open().await;
        let kept = content(LARGE, 1);
        let put = repository(&engine);
        let kept_digest = put.put_blob(Algorithm::Sha256, kept.clone()).await.unwrap();
        put.put_manifest(manifest("kept", &[kept_digest]))
            .await
            .unwrap();
        world.disk.inject(Fault::Sync(points));
        let pushed = put.put_blob(Algorithm::Sha256, content(LARGE, 2)).await;
        let stored = put.put_manifest(manifest("new", &[])).await;
        // Too long for the journal: it goes into the metadata's file.
        let mut long = manifest("long", &[]);
        long.content = content(3_000_000, 3);
        let stored_long = put.put_manifest(long).await;
        if pushed.is_ok() && stored.is_ok() && stored_long.is_ok() {
            assert!(points > 3, "only {points} points");
            return;
        }
        let failure = tokio::time::timeout(Duration::from_secs(5), engine.failed());
        assert!(matches!(failure.await, Ok(StorageError::Stopped(_))));
        let refused = put.put_manifest(manifest("later", &[])).await.unwrap_err();
        assert!(is_stopped(&refused), "{refused}");
        assert!(engine.check_ready().await.is_err());
        assert!(read_blob(&engine, &kept_digest).await == kept);
        assert!(has_tag(&engine, "kept").await);
        assert!(engine.close().await.is_err());
        drop((engine, put));
        assert_eq!(world.files("FAILED").len(), 1);
        let engine = world.open().await;
        assert_eq!(world.files("FAILED").len(), 0);
        assert!(read_blob(&engine, &kept_digest).await == kept);
        assert_eq!(has_tag(&engine, "new").await, stored.is_ok());
        assert_eq!(has_tag(&engine, "long").await, stored_long.is_ok());
        repository(&engine)
            .put_manifest(manifest("later", &[]))
            .await
            .unwrap();
        expect_whole(&engine).await;
        points += 1;
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_not_read_by_the_next_process() {
    let disk = MemoryDisk::new();
    let path = Path::new("/file");
    let (marker, always) = (Path::new("/FAILED"), Path::new("/always"));
    let process = || {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let health = Arc::<Health>::default();
        (
            WatchedDisk::new(disk, marker.to_owned(), Arc::clone(&health)),
            health,
        )
    };
    let read = |file: &Arc<dyn DiskFile>| {
        let mut bytes = [0; 3];
        file.read_exact_at(&mut bytes, 0).map(|()| bytes)
    };
    let (watched, health) = process();
    let file = watched.open(path, true).unwrap();
    file.write_all_at(&[IoSlice::new(b"old")], 0).unwrap();
    file.sync().unwrap();
    file.write_all_at(&[IoSlice::new(b"new")], 0).unwrap();
    disk.inject(Fault::SyncFull(0));
    file.sync().unwrap_err();
    health.check().expect("a full disk is no failure of it");
    disk.inject(Fault::Sync(0));
    file.sync().unwrap_err();
    health.check().unwrap_err();
    let (watched, health) = process();
    assert_eq!(&read(&watched.open(path, false).unwrap()).unwrap(), b"new");
    watched.forget_suspects(always).unwrap();
    assert_eq!(&read(&watched.open(path, false).unwrap()).unwrap(), b"old");
    watched.forget_failure().unwrap();
    watched.forget_failure().unwrap();
    health.check().unwrap();
    assert_eq!(disk.files(), [path]);
}

/// A store whose pages are not in the memory of its process.
async fn cold(world: &World) -> Engine {
    let engine = world.open().await;
    let repository = repository(&engine);
    for index in 0..200 {
        let put = manifest(&format!("t{index}"), &[]);
        repository.put_manifest(put).await.unwrap();
    }
    engine.close().await.unwrap();
    drop((engine, repository));
    let mut options = world.options();
    options.metadata_cache = 0;
    Engine::open(options).await.unwrap()
}

async fn count_tags(engine: &Engine) -> usize {
    let page = Page {
        after: None,
        limit: 1000,
    };
    let tags = repository(engine).tags(page).await;
    tags.map_or(0, |tags| tags.items.len())
}

#[tokio::test]
async fn a_read_that_failed_once_is_made_again_and_nobody_hears_of_it() {
    let world = World::new(Durability::Durable);
    let engine = cold(&world).await;
    for point in 0..8 {
        world.disk.inject(Fault::Read(point));
        assert_eq!(count_tags(&engine).await, 200, "point {point}");
    }
    expect_whole(&engine).await;
}

#[tokio::test]
async fn reads_that_keep_failing_end_and_all_is_well_when_they_succeed() {
    let world = World::new(Durability::Durable);
    let engine = cold(&world).await;
    for point in 0..500 {
        world.disk.inject(Fault::Read(point));
    }
    for _try in 0..50 {
        assert_eq!(count_tags(&engine).await, 0);
    }
    // Far from all of them were used up: the file is not opened again for ever.
    assert!(world.disk.fault_count() > 300);
    world.disk.forget_faults();
    // A commit ends it, and is none the worse for the reads that failed before it.
    repository(&engine)
        .put_manifest(manifest("after", &[]))
        .await
        .unwrap();
    assert_eq!(count_tags(&engine).await, 201);
    expect_whole(&engine).await;
}

#[tokio::test]
async fn a_disk_that_turns_out_full_at_a_sync_stores_nothing_and_stays_in_service() {
    let mut points = 0;
    loop {
        let world = World::new(Durability::Durable);
        let engine = world.open().await;
        let repository = repository(&engine);
        let (bytes, digest) = (content(LARGE, 1), sha256(&content(LARGE, 1)));
        let before = world.disk.counts().syncs;
        world.disk.inject(Fault::SyncFull(points));
        let pushed = repository.put_blob(Algorithm::Sha256, bytes.clone()).await;
        let is_reached = world.disk.counts().syncs - before > points;
        let found = repository.blob(&digest).await;
        match &pushed {
            Ok(_) => drop(found.unwrap()),
            Err(UploadError::Storage(StorageError::Full { .. } | StorageError::Io { .. })) => {
                assert!(matches!(found, Err(BlobError::Unknown { .. })), "{found:?}");
            }
            Err(other) => panic!("{other}"),
        }
        drop((engine, repository));
        // What was answered holds over a power cut, and the store is whole.
        world.disk.forget_faults();
        let engine = reopened_after_power_cut(&world).await;
        if pushed.is_ok() {
            assert!(read_blob(&engine, &digest).await == bytes);
        }
        super::repository(&engine)
            .put_blob(Algorithm::Sha256, bytes.clone())
            .await
            .unwrap();
        assert!(read_blob(&engine, &digest).await == bytes);
        expect_whole(&engine).await;
        if !is_reached {
            assert!(points > 2, "only {points} points");
            return;
        }
        points += 1;
    }
}

#[tokio::test]
async fn a_commit_that_landed_though_the_disk_was_full_is_made_durable_and_answered_so() {
    let mut landed = 0;
    for point in 0..6 {
        let world = World::new(Durability::Durable);
        let engine = world.open().await;
        world.disk.inject(Fault::SyncFull(point));
        let stored = repository(&engine).put_manifest(manifest("new", &[])).await;
        let is_fired = world.disk.fault_count() == 0;
        assert_eq!(has_tag(&engine, "new").await, stored.is_ok());
        match &stored {
            Ok(_) => landed += u64::from(is_fired),
            Err(ManifestError::Storage(StorageError::Full { .. })) => {}
            Err(other) => panic!("{other}"),
        }
        drop(engine);
        world.disk.forget_faults();
        let engine = reopened_after_power_cut(&world).await;
        assert_eq!(has_tag(&engine, "new").await, stored.is_ok(), "{point}");
        expect_whole(&engine).await;
    }
    assert!(landed > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn reads_hear_nothing_of_a_file_that_is_opened_again_for_want_of_space() {
    let world = World::new(Durability::Durable);
    let mut options = world.options();
    // Every read is one of the file.
    options.metadata_cache = 0;
    let engine = Engine::open(options).await.unwrap();
    let put = repository(&engine);
    put.put_manifest(manifest("kept", &[])).await.unwrap();
    let is_over = Arc::<AtomicBool>::default();
    let mut readers = JoinSet::new();
    for _reader in 0..8 {
        let (repository, is_over) = (repository(&engine), Arc::clone(&is_over));
        readers.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                let page = Page {
                    after: None,
                    limit: 10,
                };
                repository.tags(page).await.unwrap();
            }
        });
    }
    for number in 0..60 {
        world.disk.inject(Fault::SyncFull(0));
        // It may land all the same.
        drop(put.put_manifest(manifest(&format!("t{number}"), &[])).await);
    }
    is_over.store(true, Ordering::SeqCst);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    world.disk.forget_faults();
    world.pass(Duration::from_secs(2));
    put.put_manifest(manifest("after", &[])).await.unwrap();
    expect_whole(&engine).await;
}

/// After a power cut, once the processes of before are over.
async fn reopened_after_power_cut(world: &World) -> Engine {
    // The writer's thread gives the lock back when it is done.
    for _try in 0..100_000 {
        match world.disk.lock(Path::new("/store/LOCK")) {
            Ok(lock) => {
                drop(lock);
                break;
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
    world.disk.cut_power();
    world.open().await
}

#[tokio::test]
async fn relaxed_durability_never_shows_a_blob_whose_bytes_a_power_cut_took() {
    for fault in [Fault::Sync, Fault::SyncFull] {
        for point in 0..8 {
            let world = World::new(Durability::Relaxed);
            let engine = world.open().await;
            world.disk.inject(fault(point));
            let mut pushed = Vec::new();
            for seed in 0..6 {
                let bytes = content(if seed % 2 == 0 { LARGE } else { 2_000 }, seed);
                // Its outcome is the client's; here only what is found later counts.
                let put = repository(&engine)
                    .put_blob(Algorithm::Sha256, bytes.clone())
                    .await;
                assert!(put.is_ok() || world.disk.fault_count() == 0);
                pushed.push((sha256(&bytes), bytes));
                world.pass(Duration::from_millis(400));
            }
            drop(engine);
            world.disk.forget_faults();
            let engine = reopened_after_power_cut(&world).await;
            for (digest, bytes) in &pushed {
                // A blob whose bytes turn out damaged is answered as unknown as well: what the
                // record says is asked first.
                match repository(&engine).stat_blob(digest).await {
                    Ok(_) => assert!(read_blob(&engine, digest).await == *bytes),
                    Err(BlobError::Unknown { .. }) => {}
                    Err(other) => panic!("point {point}: {other}"),
                }
            }
            expect_whole(&engine).await;
        }
    }
}
