//! Going on after a drop, a kill, a power cut, a takeover.

use super::super::record::tests::encode_replaced;
use super::*;
use crate::digest::hasher::HasherState;

/// Waits, with a bound, until `condition` holds.
async fn until(mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..10_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came about");
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_and_reads_nothing_again() {
    for algorithm in Algorithm::ALL {
        for cut in INTERESTING_SIZES {
            let mut world = World::new();
            let content = content(cut + 70_000);
            let mut session = world.start(algorithm);
            let id = session.id();
            session.append(content.slice(..cut)).await.unwrap();
            assert_eq!(session.suspend().await.unwrap(), cut as u64);
            assert_eq!(world.open_count(), 0);
            world.restart();
            assert_eq!(world.status(&id).await, Some(cut as u64));
            let before = world.disk.counts().bytes_read;
            let mut session = world.resume(&id).await.unwrap();
            let read = world.disk.counts().bytes_read - before;
            assert!(read < 140_000, "the record alone: {read} bytes");
            assert_eq!(session.offset(), cut as u64);
            session.append(content.slice(cut..)).await.unwrap();
            let digest = Digest::of(algorithm, &content);
            session.finish(&digest).await.unwrap();
            world.expect_committed(&content, &digest);
        }
    }
}

#[tokio::test]
async fn a_small_upload_in_many_requests_becomes_a_small_blob() {
    let world = World::new();
    let content = content(50_000);
    let id = world.start(Algorithm::Sha256).id();
    for chunk in 0..5 {
        let mut session = world.resume(&id).await.unwrap();
        let range = chunk * 10_000..(chunk + 1) * 10_000;
        session.append(content.slice(range)).await.unwrap();
        session.suspend().await.unwrap();
    }
    let session = world.resume(&id).await.unwrap();
    session.finish(&sha256(&content)).await.unwrap();
    world.expect_committed(&content, &sha256(&content));
    assert!(world.disk.files().is_empty());
}

#[tokio::test]
async fn what_a_dropped_session_delivered_is_kept() {
    for size in [1, 70_000, 600_000] {
        let mut world = World::new();
        let content = content(size);
        let mut session = world.start(Algorithm::Sha256);
        let id = session.id();
        session.append(content.clone()).await.unwrap();
        drop(session);
        // The next request waits for it; so does the next process for the close of this one.
        let session = world.resume(&id).await.unwrap();
        assert_eq!(session.offset(), size as u64);
        drop(session);
        world.uploads.idle().await;
        assert_eq!(world.open_count(), 0);
        world.restart();
        assert_eq!(world.status(&id).await, Some(size as u64));
        let session = world.resume(&id).await.unwrap();
        session.finish(&sha256(&content)).await.unwrap();
        world.expect_committed(&content, &sha256(&content));
    }
}

#[tokio::test]
async fn a_killed_process_loses_no_more_than_a_checkpoint_s_distance() {
    let mut world = World::new();
    let content = content(40 * 1024 * 1024);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.clone()).await.unwrap();
    std::mem::forget(session);
    let record = || world.uploads.shared.sessions.load(id.key()).unwrap();
    until(async || record().is_some()).await;
    world.restart();
    let offset = world.status(&id).await.unwrap();
    assert!(offset >= 32 * 1024 * 1024, "{offset}");
    let mut session = world.resume(&id).await.unwrap();
    let rest = content.slice(usize::try_from(offset).unwrap()..);
    session.append(rest).await.unwrap();
    session.finish(&sha256(&content)).await.unwrap();
    world.expect_committed(&content, &sha256(&content));
}

/// A request that sends `content` from `offset` on, where the upload is to be, and rests.
async fn send(world: &World, id: &UploadId, content: Bytes, offset: usize) {
    let mut session = world.resume(id).await.unwrap();
    assert_eq!(session.offset(), offset as u64);
    session.append(content).await.unwrap();
    session.suspend().await.unwrap();
}

#[tokio::test]
async fn a_record_that_was_half_written_costs_what_came_since_the_one_before() {
    const CHUNK: usize = 150_000;
    let mut world = World::new();
    let content = content(1_000_000);
    let id = world.start(Algorithm::Sha256).id();
    for offset in (0..6).map(|count| count * CHUNK) {
        let chunk = content.slice(offset..offset + CHUNK);
        send(&world, &id, chunk.clone(), offset).await;
        if offset > 0 {
            let last = world.disk.open(&world.last_record(&id), false).unwrap();
            last.set_len(last.len().unwrap() / 2).unwrap();
            world.restart();
            send(&world, &id, chunk, offset).await;
        }
    }
    world.finish_from(&id, &content, 6 * CHUNK).await;
}

#[tokio::test]
async fn an_upload_that_the_version_before_left_goes_on_in_the_other_file() {
    let mut world = World::new();
    let content = content(500_000);
    let id = world.start(Algorithm::Sha256).id();
    send(&world, &id, content.slice(..200_000), 0).await;
    let record = world.uploads.shared.sessions.load(id.key()).unwrap();
    let bytes = encode_replaced(&record.unwrap());
    let paths = [0, 1].map(|turn| Layout::new("/store").session(id.key(), turn));
    world.overwrite_file(&paths[0], &bytes);
    world.restart();
    send(&world, &id, content.slice(200_000..300_000), 200_000).await;
    let [before, next] = paths.map(|path| world.disk.open(&path, false).unwrap());
    assert_eq!(before.read_at(bytes.len(), 0).unwrap(), bytes);
    assert_eq!(before.len().unwrap(), bytes.len() as u64);
    assert!(next.len().unwrap() > 0);
    world.finish_from(&id, &content, 300_000).await;
}

#[tokio::test]
async fn bytes_behind_the_checkpoint_are_cut_off() {
    let mut world = World::new();
    let content = content(3_000_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.slice(..2_000_000)).await.unwrap();
    session.suspend().await.unwrap();
    let mut session = world.resume(&id).await.unwrap();
    session.append(content.slice(2_000_000..)).await.unwrap();
    let number = *world
        .uploads
        .live_files()
        .await
        .unwrap()
        .iter()
        .next()
        .unwrap();
    // The writes in the queue have to end, as they do when a process dies.
    let place = world.uploads.shared.slots.enter(id.key());
    let mut writer = place.writer.lock().await;
    writer.as_mut().unwrap().wait().await.unwrap();
    drop(writer);
    assert!(world.data(number).len() > 2_500_000);
    std::mem::forget((place, session));
    world.restart();
    let session = world.resume(&id).await.unwrap();
    assert_eq!(session.offset(), 2_000_000);
    session
        .finish(&sha256(&content[..2_000_000]))
        .await
        .unwrap();
    world.expect_committed(&content[..2_000_000], &sha256(&content[..2_000_000]));
}

#[tokio::test]
async fn after_a_power_cut_only_what_was_synced_counts() {
    let mut world = World::new();
    let content = content(7_000_000);
    let synced = 5_000_000; // past SYNC_INTERVAL
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.slice(..synced)).await.unwrap();
    session.suspend().await.unwrap();
    let mut session = world.resume(&id).await.unwrap();
    session
        .append(content.slice(synced..6_500_000))
        .await
        .unwrap();
    assert_eq!(session.suspend().await.unwrap(), 6_500_000);
    world.disk.cut_power();
    world.restart();
    assert_eq!(world.status(&id).await, Some(synced as u64));
    let mut session = world.resume(&id).await.unwrap();
    session.append(content.slice(synced..)).await.unwrap();
    session.finish(&sha256(&content)).await.unwrap();
    world.expect_committed(&content, &sha256(&content));
}

#[tokio::test]
async fn a_record_of_another_boot_is_believed_up_to_its_synced_offset() {
    for (first, expected) in [(5_000_000, 5_000_000), (1_000_000, 0)] {
        let mut world = World::new();
        let content = content(7_000_000);
        let id = world.start(Algorithm::Sha512).id();
        for range in [0..first, first..first + 1_500_000] {
            let mut session = world.resume(&id).await.unwrap();
            session.append(content.slice(range)).await.unwrap();
            session.suspend().await.unwrap();
        }
        world.disk.restart_machine();
        world.restart();
        assert_eq!(world.status(&id).await, Some(expected as u64));
        let mut session = world.resume(&id).await.unwrap();
        session.append(content.slice(expected..)).await.unwrap();
        let digest = Digest::of(Algorithm::Sha512, &content);
        session.finish(&digest).await.unwrap();
        world.expect_committed(&content, &digest);
        assert_eq!(world.disk.files().len(), 1);
    }
}

#[tokio::test]
async fn a_hash_state_of_another_version_costs_a_read() {
    let world = World::new();
    let content = content(3_000_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.slice(..2_500_000)).await.unwrap();
    session.suspend().await.unwrap();
    world.edit(&id, |record| {
        record.written.state = HasherState::from_bytes(vec![99, 1, 2, 3]);
    });
    let before = world.disk.counts().bytes_read;
    let mut session = world.resume(&id).await.unwrap();
    assert!(world.disk.counts().bytes_read - before >= 2_500_000);
    session.append(content.slice(2_500_000..)).await.unwrap();
    session.finish(&sha256(&content)).await.unwrap();
    world.expect_committed(&content, &sha256(&content));
}

#[tokio::test]
async fn a_later_request_fences_an_earlier_one_that_hangs() {
    for size in [100, 100_000, 2_000_000] {
        let world = World::new();
        let content = content(2 * size);
        let mut first = world.start(Algorithm::Sha256);
        let id = first.id();
        first.append(content.slice(..size)).await.unwrap();
        assert_eq!(world.status(&id).await, Some(size as u64));
        // `first` is neither dropped nor asked anything.
        let mut second = world.resume(&id).await.unwrap();
        assert_eq!(second.offset(), size as u64);
        let fenced = first.append(Bytes::from_static(b"late")).await.unwrap_err();
        assert!(matches!(fenced, UploadError::Fenced(_)));
        second.append(content.slice(size..)).await.unwrap();
        let fenced = first.finish(&sha256(&content)).await.unwrap_err();
        assert!(matches!(fenced, UploadError::Fenced(_)));
        second.finish(&sha256(&content)).await.unwrap();
        world.expect_committed(&content, &sha256(&content));
        assert_eq!(world.open_count(), 0);
    }
}

#[tokio::test]
async fn of_many_who_resume_at_once_the_last_one_writes() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(300_000)).await.unwrap();
    drop(session);
    let attempts = (0..20).map(|_| {
        let uploads = world.uploads.clone();
        tokio::spawn(async move { uploads.resume(&repository(), &id).await })
    });
    let mut able = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Ok(mut session) => able += u32::from(session.append(Bytes::new()).await.is_ok()),
            Err(error) => assert!(matches!(error, UploadError::Fenced(_)), "{error}"),
        }
    }
    assert!(able >= 1);
    world.uploads.idle().await;
    assert_eq!(world.open_count(), 0);
    assert_eq!(world.status(&id).await, Some(300_000));
}

#[tokio::test]
async fn cancelled_calls_lose_nothing_and_leave_no_slot() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    let content = content(2_000_000);
    session.append(content.slice(..1_000_000)).await.unwrap();
    for _ in 0..50 {
        let resuming = world.resume(&id);
        drop(tokio::time::timeout(Duration::ZERO, resuming).await);
    }
    drop(session);
    world.uploads.idle().await;
    assert_eq!(world.status(&id).await, Some(1_000_000));
    assert_eq!(world.open_count(), 0);
    let mut session = world.resume(&id).await.unwrap();
    session.append(content.slice(1_000_000..)).await.unwrap();
    drop(tokio::time::timeout(Duration::ZERO, session.suspend()).await);
    world.uploads.idle().await;
    let session = world.resume(&id).await.unwrap();
    let digest = sha256(&content);
    let finishing = session.finish(&digest);
    drop(tokio::time::timeout(Duration::ZERO, finishing).await);
    world.uploads.idle().await;
    world.expect_committed(&content, &sha256(&content));
}
