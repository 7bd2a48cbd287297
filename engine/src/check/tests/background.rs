//! The background check: its budget, its pauses, its position over restarts.

use super::content::place;
use super::{SIZES, check, content, flip, options, push_all, read_blob, repository};
use crate::check::CheckProgress;
use crate::digest::Algorithm;
use crate::disk::{Fault, MemoryDisk};
use crate::engine::Engine;
use std::time::Duration;

async fn until(engine: &Engine, what: impl FnMut(&CheckProgress) -> bool) -> CheckProgress {
    let mut progress = engine.check_progress();
    *progress.wait_for(what).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pass_goes_on_in_the_next_process_where_it_was() {
    let disk = MemoryDisk::new();
    let engine = Engine::open(options(&disk)).await.unwrap();
    push_all(&engine).await;
    assert_eq!(*engine.check_progress().borrow(), CheckProgress::default());
    engine.set_check_rate(1);
    let progress = until(&engine, |progress| progress.done >= 2).await;
    assert_eq!((progress.total, progress.found), (SIZES.len() as u64, 0));
    assert!(progress.is_running);
    engine.close().await.unwrap();

    let engine = Engine::open(options(&disk)).await.unwrap();
    let kept = engine.metadata().check_position().unwrap();
    assert!((2..SIZES.len() as u64).contains(&kept.blobs), "{kept:?}");
    assert!(!kept.is_complete);
    let read_before = disk.counts().bytes_read;
    engine.set_check_rate(u64::MAX);
    until(&engine, |progress| progress.done >= SIZES.len() as u64).await;
    until(&engine, |progress| !progress.is_running).await;
    let position = engine.metadata().check_position().unwrap();
    assert!(position.is_complete, "{position:?}");
    assert_eq!(position.blobs, SIZES.len() as u64);
    assert_eq!(position.bytes, SIZES.iter().sum::<usize>() as u64);
    let read = disk.counts().bytes_read - read_before;
    assert!(read < position.bytes + 1_000_000, "{read}");
    engine.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_found_is_counted_and_the_count_outlives_the_process() {
    let disk = MemoryDisk::new();
    let engine = Engine::open(options(&disk)).await.unwrap();
    push_all(&engine).await;
    let (path, offset) = place(&engine, 70_000);
    flip(&disk, &path, offset * 8 + 100);
    engine.set_check_rate(u64::MAX);
    until(&engine, |progress| progress.quarantined == 1).await;
    let progress = until(&engine, |progress| !progress.is_running).await;
    assert_eq!((progress.found, progress.found_since_open), (1, 1));
    let all = SIZES.iter().sum::<usize>() as u64;
    assert_eq!((progress.bytes, progress.bytes_since_open), (all, all));
    let repository = repository(&engine, "first");
    assert!(read_blob(&repository, 70_000).await.is_err());
    engine.close().await.unwrap();

    // No pass is due: the last one is what there is to tell.
    let engine = Engine::open(options(&disk)).await.unwrap();
    engine.set_check_rate(u64::MAX);
    let progress = until(&engine, |progress| progress.quarantined == 1).await;
    assert!(!progress.is_running);
    assert_eq!((progress.bytes, progress.bytes_since_open), (all, 0));
    // A check somebody asks for finds it again, as known, and counts too.
    let report = check(&engine, false).await;
    assert_eq!((report.found, report.quarantined), (1, 1));
    let progress = until(&engine, |progress| progress.found_since_open == 1).await;
    assert_eq!(progress.bytes_since_open, all - 70_000);
    engine.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pass_whose_position_cannot_be_written_is_over_once() {
    let disk = MemoryDisk::new();
    let engine = Engine::open(options(&disk)).await.unwrap();
    push_all(&engine).await;
    // A failed sync stops all writing; reads go on.
    disk.inject(Fault::Sync(0));
    let first = repository(&engine, "first");
    let put = first.put_blob(Algorithm::Sha256, content(90_000));
    put.await.unwrap_err();
    engine.set_check_rate(u64::MAX);
    until(&engine, |progress| progress.done == SIZES.len() as u64).await;
    until(&engine, |progress| !progress.is_running).await;
    // That it is over is known all the same: nothing is read again.
    tokio::time::sleep(Duration::from_hours(1)).await;
    let progress = until(&engine, |progress| !progress.is_running).await;
    let all = SIZES.iter().sum::<usize>() as u64;
    assert_eq!((progress.found, progress.bytes_since_open), (0, all));
    assert_eq!(engine.metadata().check_position().unwrap().blobs, 0);
    engine.close().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_paused_check_reads_nothing_until_it_goes_on() {
    let engine = Engine::open(options(&MemoryDisk::new())).await.unwrap();
    push_all(&engine).await;
    engine.pause_check();
    engine.set_check_rate(u64::MAX);
    let mut progress = engine.check_progress();
    let moved = tokio::time::timeout(
        Duration::from_hours(1),
        progress.wait_for(|progress| progress.done > 0),
    );
    assert!(moved.await.is_err());
    assert!(engine.check_progress().borrow().is_paused);
    engine.resume_check();
    let done = until(&engine, |progress| progress.done >= SIZES.len() as u64).await;
    assert!(!done.is_paused);
    engine.close().await.unwrap();
}
