//! Full disks, failing disks, damaged records, failing commits.

use super::*;
use crate::disk::Fault;

fn other_error() -> StorageError {
    StorageError::OutcomeUnknown("injected".to_owned())
}

#[tokio::test]
async fn a_full_disk_keeps_the_upload_at_its_last_rest() {
    for at_rest in [0, 70_000, 1_500_000] {
        let world = World::new();
        let content = content(at_rest + 8_000_000);
        let id = world.start(Algorithm::Sha256).id();
        let mut session = world.resume(&id).await.unwrap();
        session.append(content.slice(..at_rest)).await.unwrap();
        session.suspend().await.unwrap();
        let used = world.disk.used();
        world.disk.set_capacity(Some(used + 600_000));
        let mut session = world.resume(&id).await.unwrap();
        let appended = session.append(content.slice(at_rest..)).await;
        let error = appended.unwrap_err();
        assert!(
            matches!(&error, UploadError::Storage(error) if error.is_full()),
            "{error}"
        );
        assert!(session.append(Bytes::from_static(b"x")).await.is_err());
        assert_eq!(world.status(&id).await, Some(at_rest as u64));
        drop(session);
        world.uploads.idle().await;
        assert_eq!(world.disk.used(), used, "the space came back");
        world.disk.set_capacity(None);
        let mut session = world.resume(&id).await.unwrap();
        assert_eq!(session.offset(), at_rest as u64);
        session.append(content.slice(at_rest..)).await.unwrap();
        session.finish(&sha256(&content)).await.unwrap();
        world.expect_committed(&content, &sha256(&content));
    }
}

#[tokio::test]
async fn a_disk_too_full_for_the_record_keeps_the_upload_at_its_last_rest() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(1_000)).await.unwrap();
    world.disk.set_capacity(Some(1_010));
    let error = session.suspend().await.unwrap_err();
    assert!(matches!(error, UploadError::Storage(error) if error.is_full()));
    assert_eq!(world.status(&id).await, Some(0));
    assert!(world.disk.files().is_empty(), "{:?}", world.disk.files());
}

/// A record that was saved before the write which found the disk full is what the upload goes back to:
/// one before it would cut the file below what the record says, for good.
#[tokio::test]
async fn a_disk_full_right_behind_a_record_keeps_the_upload_at_that_record() {
    const CHECKPOINT: usize = 32 * 1024 * 1024;
    let content = content(CHECKPOINT + 4_000_000);
    for room in [100_000, 400_000, 1_000_000] {
        let world = World::new();
        let mut session = world.start(Algorithm::Sha256);
        let id = session.id();
        let used = world.disk.used();
        world
            .disk
            .set_capacity(Some(used + (CHECKPOINT + room) as u64));
        // Written behind the hashing: the full disk is found long after the record was handed over.
        world.disk.delay_writes(Duration::from_millis(2));
        let appended = session.append(content.clone()).await;
        let rested = session.suspend().await;
        assert!(appended.is_err() || rested.is_err());
        world.uploads.idle().await;
        world.disk.set_capacity(None);
        world.disk.delay_writes(Duration::ZERO);
        assert_eq!(world.status(&id).await, Some(CHECKPOINT as u64));
        let mut session = world.resume(&id).await.unwrap();
        let offset = usize::try_from(session.offset()).unwrap();
        assert_eq!(offset, CHECKPOINT);
        session.append(content.slice(offset..)).await.unwrap();
        session.finish(&sha256(&content)).await.unwrap();
        world.expect_committed(&content, &sha256(&content));
    }
}

#[tokio::test]
async fn nothing_is_written_any_more_once_an_upload_was_taken_back() {
    for at_rest in [0, 1_500_000] {
        let world = World::new();
        let content = content(at_rest + 2_000_000);
        let mut session = world.start(Algorithm::Sha256);
        let id = session.id();
        session.append(content.slice(..at_rest)).await.unwrap();
        session.suspend().await.unwrap();
        let mut session = world.resume(&id).await.unwrap();
        world.disk.delay_writes(Duration::from_millis(20));
        session.append(content.slice(at_rest..)).await.unwrap();
        // Refused for the sake of something else, with writes in the queue that are none the worse.
        (world.uploads.shared.store.health()).fail(&other_error());
        assert!(session.suspend().await.is_err());
        let writes = world.disk.counts().writes;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.disk.counts().writes, writes, "{at_rest}");
        assert_eq!(world.status(&id).await, Some(at_rest as u64));
    }
}

#[tokio::test]
async fn a_failed_write_ends_the_upload() {
    for fault in 0..6 {
        let mut world = World::new();
        let mut session = world.start(Algorithm::Sha256);
        let id = session.id();
        session.append(content(300_000)).await.unwrap();
        session.suspend().await.unwrap();
        let mut session = world.resume(&id).await.unwrap();
        world.disk.inject(Fault::Write(fault));
        let appended = session.append(content(2_000_000)).await;
        let outcome = session.suspend().await;
        assert!(appended.is_err() || outcome.is_err());
        assert!(matches!(
            outcome,
            Err(UploadError::Storage(StorageError::Io { .. }))
        ));
        assert_eq!(world.status(&id).await, None);
        assert!(world.resume(&id).await.is_err());
        assert!(world.disk.files().is_empty());
        world.restart();
        assert_eq!(world.status(&id).await, None);
    }
}

#[tokio::test]
async fn a_failed_sync_ends_the_upload_and_stores_nothing() {
    let mut world = World::new();
    let content = content(2_000_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.clone()).await.unwrap();
    session.suspend().await.unwrap();
    let session = world.resume(&id).await.unwrap();
    world.disk.inject(Fault::Sync(0));
    let error = session.finish(&sha256(&content)).await.unwrap_err();
    assert!(
        matches!(error, UploadError::Storage(StorageError::Io { .. })),
        "{error}"
    );
    assert!(world.records.commits.lock().is_empty());
    // The next process is told that the disk failed; nothing else is left.
    assert_eq!(world.disk.files(), [Layout::new("/store").failure()]);
    world.restart();
    assert_eq!(world.status(&id).await, None);
}

#[tokio::test]
async fn a_dropped_session_whose_write_fails_ends() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(1_000)).await.unwrap();
    world.disk.inject(Fault::Write(0));
    drop(session);
    world.uploads.idle().await;
    assert_eq!(world.status(&id).await, None);
    assert!(world.disk.files().is_empty());
}

#[tokio::test]
async fn a_refused_commit_leaves_the_upload_at_rest() {
    for size in [1_000, 2_000_000] {
        for error in [
            other_error(),
            StorageError::Full {
                action: "commit",
                path: "metadata.redb".into(),
            },
        ] {
            let mut world = World::new();
            let content = content(size);
            let mut session = world.start(Algorithm::Sha256);
            let id = session.id();
            session.append(content.clone()).await.unwrap();
            *world.records.refusal.lock() = Some((error, false));
            assert!(session.finish(&sha256(&content)).await.is_err());
            world.restart();
            assert_eq!(world.status(&id).await, Some(size as u64));
            let session = world.resume(&id).await.unwrap();
            session.finish(&sha256(&content)).await.unwrap();
            world.expect_committed(&content, &sha256(&content));
        }
    }
}

#[tokio::test]
async fn a_commit_that_happened_in_spite_of_its_error_keeps_its_file() {
    let mut world = World::new();
    let content = content(2_000_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.clone()).await.unwrap();
    *world.records.refusal.lock() = Some((other_error(), true));
    // And the record cannot be saved either: of the two writes to come it is the second.
    let slot = world.uploads.shared.slots.enter(id.key());
    slot.writer
        .lock()
        .await
        .as_mut()
        .unwrap()
        .wait()
        .await
        .unwrap();
    drop(slot);
    world.disk.inject(Fault::Write(1));
    assert!(session.finish(&sha256(&content)).await.is_err());
    assert_eq!(world.uploads.shared.sessions.load(id.key()).unwrap(), None);
    world.restart();
    assert_eq!(world.status(&id).await, None);
    world.pass_everything();
    assert_eq!(world.expired().await, 0);
    world.expect_committed(&content, &sha256(&content));
}

#[tokio::test]
async fn an_upload_whose_record_was_not_synced_and_is_damaged_begins_anew() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(100_000)).await.unwrap();
    session.suspend().await.unwrap();
    let path = world.last_record(&id);
    for damage in [&b""[..], b"short", &[0; 400]] {
        world.overwrite_file(&path, damage);
        assert_eq!(world.status(&id).await, Some(0));
        assert_eq!(world.resume(&id).await.unwrap().offset(), 0);
        assert!(world.uploads.live_files().await.unwrap().is_empty());
    }
    assert_eq!(world.expired().await, 0);
    assert_eq!(world.uploads.shared.sessions.list().unwrap(), [].into());
    assert_eq!(world.status(&id).await, Some(0));
}

#[tokio::test]
async fn an_upload_whose_synced_record_is_damaged_is_refused() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(5_000_000)).await.unwrap();
    session.suspend().await.unwrap();
    let path = Layout::new("/store").synced_session(id.key());
    let file = world.disk.open(&path, false).unwrap();
    file.write_all_at(&[IoSlice::new(b"damage")], 30).unwrap();
    let error = world.resume(&id).await.unwrap_err();
    assert!(matches!(
        error,
        UploadError::Storage(StorageError::Corrupt(_))
    ));
}

#[tokio::test]
async fn a_power_cut_that_damages_the_last_record_goes_back_to_the_synced_one() {
    let mut world = World::new();
    let content = content(6_000_000);
    let id = world.start(Algorithm::Sha256).id();
    for range in [0..5_000_000, 5_000_000..5_500_000] {
        let mut session = world.resume(&id).await.unwrap();
        session.append(content.slice(range)).await.unwrap();
        session.suspend().await.unwrap();
    }
    assert_eq!(world.status(&id).await, Some(5_500_000));
    world.disk.restart_machine();
    world.overwrite_file(&world.last_record(&id), b"");
    world.restart();
    world.finish_from(&id, &content, 5_000_000).await;
}

#[tokio::test]
async fn old_records_that_cannot_be_removed_do_no_harm() {
    let mut world = World::new();
    let content = content(6_000_000);
    let id = world.start(Algorithm::Sha256).id();
    for range in [0..100_000, 100_000..5_000_000] {
        let mut session = world.resume(&id).await.unwrap();
        session.append(content.slice(range.clone())).await.unwrap();
        if range.start > 0 {
            world.disk.inject(Fault::RemoveFull(0));
        }
        assert_eq!(session.suspend().await.unwrap(), range.end as u64);
    }
    assert_eq!(world.disk.fault_count(), 0);
    world.disk.cut_power();
    world.restart();
    world.finish_from(&id, &content, 5_000_000).await;
}

#[tokio::test]
async fn an_upload_whose_file_is_gone_begins_anew() {
    let world = World::new();
    let content = content(5_100_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.slice(..5_000_000)).await.unwrap();
    session.suspend().await.unwrap();
    let files = world.uploads.live_files().await.unwrap();
    for number in files {
        world.uploads.shared.store.remove_file(number).unwrap();
    }
    assert_eq!(world.status(&id).await, Some(0));
    let mut session = world.resume(&id).await.unwrap();
    assert_eq!(session.offset(), 0);
    session.append(content.clone()).await.unwrap();
    session.finish(&sha256(&content)).await.unwrap();
    world.expect_committed(&content, &sha256(&content));
}

#[tokio::test]
async fn a_data_file_that_is_too_short_is_refused() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(100_000)).await.unwrap();
    session.suspend().await.unwrap();
    let number = *world
        .uploads
        .live_files()
        .await
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let path = Layout::new("/store").file(FileKind::Blob, number);
    world
        .disk
        .open(&path, false)
        .unwrap()
        .set_len(99_999)
        .unwrap();
    let error = world.resume(&id).await.unwrap_err();
    assert!(matches!(
        error,
        UploadError::Storage(StorageError::Corrupt(_))
    ));
}

#[tokio::test]
async fn a_small_file_that_changed_at_rest_is_not_committed() {
    let world = World::new();
    let content = content(1_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.clone()).await.unwrap();
    session.suspend().await.unwrap();
    let number = *world
        .uploads
        .live_files()
        .await
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let path = Layout::new("/store").file(FileKind::Blob, number);
    let file = world.disk.open(&path, false).unwrap();
    file.write_all_at(&[IoSlice::new(b"damage")], 500).unwrap();
    let session = world.resume(&id).await.unwrap();
    let error = session.finish(&sha256(&content)).await.unwrap_err();
    assert!(matches!(
        error,
        UploadError::Storage(StorageError::Corrupt(_))
    ));
    assert_eq!(world.status(&id).await, None);
    assert!(world.records.commits.lock().is_empty());
}
