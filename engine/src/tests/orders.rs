//! What goes before what: files and their records, queues and the medium, sessions and closing.

use super::*;
use std::path::Path;

const LARGE: usize = 300_000;

/// Brings an upload to rest and closes; the next process compares all ranges and closes too.
async fn upload_of_an_old_process(world: &World) -> crate::upload::UploadId {
    let engine = world.open().await;
    let mut session = repository(&engine).start_upload(Algorithm::Sha256).unwrap();
    let id = session.id();
    session.append(content(LARGE, 1)).await.unwrap();
    session.suspend().await.unwrap();
    engine.close().await.unwrap();
    let engine = world.open().await;
    engine.collect().await.unwrap();
    assert_eq!(world.files("blobs").len(), 1);
    engine.close().await.unwrap();
    id
}

#[tokio::test]
async fn a_session_record_that_is_damaged_later_leaves_no_file_behind() {
    let world = World::new(Durability::Durable);
    upload_of_an_old_process(&world).await;
    let record = world.files("uploads").pop().unwrap();
    world.disk.open(&record, false).unwrap().set_len(3).unwrap();
    let engine = world.open().await;
    engine.collect().await.unwrap();
    assert!(world.files("blobs").is_empty(), "{:?}", world.disk.files());
    assert!(world.files("uploads").is_empty());
}

#[tokio::test]
async fn an_upload_at_rest_outlives_every_comparison() {
    let world = World::new(Durability::Durable);
    let id = upload_of_an_old_process(&world).await;
    for _process in 0..3 {
        let engine = world.open().await;
        engine.collect().await.unwrap();
        engine.close().await.unwrap();
    }
    let engine = world.open().await;
    let session = repository(&engine).resume_upload(&id).await.unwrap();
    assert_eq!(session.offset(), LARGE as u64);
    let bytes = content(LARGE, 1);
    session.finish(&sha256(&bytes)).await.unwrap();
    assert!(read_blob(&engine, &sha256(&bytes)).await == bytes);
}

#[tokio::test]
async fn a_file_that_was_freed_stays_so_after_a_power_cut() {
    let world = World::new(Durability::Durable);
    let engine = world.open().await;
    let mut digests = Vec::new();
    for size in [LARGE, 2_000] {
        let put = repository(&engine)
            .put_blob(Algorithm::Sha256, content(size, 1))
            .await;
        digests.push(put.unwrap());
    }
    engine.close().await.unwrap();
    // The next process forgets the ranges: nobody looks for files in them any more.
    let engine = world.open().await;
    engine.collect().await.unwrap();
    for digest in &digests {
        repository(&engine).delete_blob(digest).await.unwrap();
    }
    engine.collect().await.unwrap();
    engine.close().await.unwrap();
    world.disk.cut_power();
    let engine = world.open().await;
    engine.collect().await.unwrap();
    assert!(world.files("blobs").is_empty(), "{:?}", world.disk.files());
    assert!(world.files("segments").is_empty());
}

#[tokio::test]
async fn a_comparison_that_failed_is_made_again() {
    let world = World::new(Durability::Durable);
    let engine = world.open().await;
    let orphan = repository(&engine)
        .put_blob(Algorithm::Sha256, content(LARGE, 1))
        .await;
    orphan.unwrap();
    engine.close().await.unwrap();
    let orphan = Path::new("/store/blobs/0/77");
    world.disk.open(orphan, true).unwrap();
    let directory = orphan.parent().unwrap();
    world.disk.sync_directory(directory).unwrap();
    // Its first try comes with the opening, and finds the directory's sync failing for want of
    // space, which does not stop the store.
    world.disk.inject(crate::disk::Fault::SyncDirectoryFull(1));
    let engine = world.open().await;
    while world.disk.fault_count() > 0 {
        tokio::task::yield_now().await;
    }
    engine.collect().await.unwrap();
    engine.close().await.unwrap();
    world.disk.cut_power();
    assert!(!world.disk.files().contains(&orphan.to_owned()));
}

#[tokio::test]
async fn a_segment_that_was_emptied_while_it_is_written_is_removed() {
    let world = World::new(Durability::Durable);
    let engine = world.open().await;
    for seed in 0..3 {
        let put = repository(&engine)
            .put_blob(Algorithm::Sha256, content(900, seed))
            .await;
        let digest = put.unwrap();
        repository(&engine).delete_blob(&digest).await.unwrap();
        engine.collect().await.unwrap();
        assert!(world.files("segments").is_empty());
    }
    let put = repository(&engine)
        .put_blob(Algorithm::Sha256, content(900, 9))
        .await;
    assert!(read_blob(&engine, &put.unwrap()).await == content(900, 9));
    expect_whole(&engine).await;
}

#[tokio::test]
async fn closing_brings_every_session_that_is_held_to_rest() {
    let world = World::new(Durability::Durable);
    let engine = world.open().await;
    let mut sessions = Vec::new();
    for seed in 0..4 {
        let mut session = repository(&engine).start_upload(Algorithm::Sha256).unwrap();
        session.append(content(LARGE, seed)).await.unwrap();
        sessions.push(session);
    }
    engine.close().await.unwrap();
    for session in &mut sessions {
        session.append(content(1, 1)).await.unwrap_err();
    }
    let again = world.open().await;
    for session in &sessions {
        let status = repository(&again)
            .upload_status(&session.id())
            .await
            .unwrap();
        assert_eq!(status.offset, LARGE as u64);
    }
}
