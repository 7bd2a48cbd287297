//! Finish, cancel and expiry, and what each leaves behind.

use super::*;

#[tokio::test]
async fn a_blob_of_every_size_is_committed_whatever_it_arrives_in() {
    for size in INTERESTING_SIZES {
        let pieces = [1_000, 16_384, 400_000, 20_000_000].into_iter();
        for piece in pieces.filter(|piece| size / piece < 2_000) {
            arrives(content(size), piece).await;
        }
    }
}

async fn arrives(content: Bytes, piece: usize) {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let mut rest = content.clone();
    while !rest.is_empty() {
        let piece = rest.split_to(piece.min(rest.len()));
        session.append(piece).await.unwrap();
        assert_eq!(session.offset(), (content.len() - rest.len()) as u64);
    }
    let digest = sha256(&content);
    let size = session.finish(&digest).await.unwrap();
    assert_eq!(size, content.len() as u64);
    world.expect_committed(&content, &digest);
    let left = usize::from(size > 65_536);
    assert_eq!(world.disk.files().len(), left, "{size} in {piece}");
    assert_eq!(world.open_count(), 0);
}

#[tokio::test]
async fn a_finish_by_another_algorithm_is_verified_by_it() {
    for size in [0, 1_000, 65_536, 65_537, 3_000_000] {
        for claimed in Algorithm::ALL {
            is_verified_by(claimed, content(size)).await;
        }
    }
}

async fn is_verified_by(claimed: Algorithm, content: Bytes) {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    session.append(content.clone()).await.unwrap();
    let digest = Digest::of(claimed, &content);
    session.finish(&digest).await.unwrap();
    world.expect_committed(&content, &digest);

    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content).await.unwrap();
    let other = Digest::of(claimed, b"other");
    let refused = session.finish(&other).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("content is {digest}, not {other}")
    );
    assert_eq!(world.status(&id).await, None);
}

#[tokio::test]
async fn a_wrong_digest_ends_the_upload_and_leaves_nothing() {
    for size in [0, 1_000, 3_000_000] {
        is_refused(content(size), false).await;
        is_refused(content(size), true).await;
    }
}

async fn is_refused(content: Bytes, rests: bool) {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content).await.unwrap();
    if rests {
        session.suspend().await.unwrap();
        session = world.resume(&id).await.unwrap();
    }
    let refused = session.finish(&sha256(b"other")).await.unwrap_err();
    assert!(matches!(refused, UploadError::DigestMismatch { .. }));
    assert!(world.disk.files().is_empty());
    assert!(world.records.commits.lock().is_empty());
    assert_eq!(world.status(&id).await, None);
    let again = world.resume(&id).await.unwrap_err();
    assert!(matches!(again, UploadError::Unknown(_)));
}

#[tokio::test]
async fn a_cancelled_upload_leaves_nothing_and_is_unknown_after_a_restart() {
    for size in [0, 1_000, 3_000_000] {
        let mut world = World::new();
        let mut session = world.start(Algorithm::Sha256);
        let id = session.id();
        session.append(content(size)).await.unwrap();
        session.suspend().await.unwrap();
        world.resume(&id).await.unwrap().cancel().await.unwrap();
        assert!(world.disk.files().is_empty());
        assert_eq!(world.status(&id).await, None);
        world.restart();
        assert_eq!(world.status(&id).await, None);
        assert!(world.resume(&id).await.is_err());
    }
}

#[tokio::test]
async fn a_finished_upload_is_unknown_and_its_blob_survives_a_stale_record() {
    let mut world = World::new();
    let content = content(3_000_000);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content.clone()).await.unwrap();
    session.suspend().await.unwrap();
    let record = world
        .uploads
        .shared
        .sessions
        .load(id.key())
        .unwrap()
        .unwrap();
    let session = world.resume(&id).await.unwrap();
    session.finish(&sha256(&content)).await.unwrap();
    // As after a power cut that undid the removal of the record.
    let survives = super::super::store::Survives::Death;
    world
        .uploads
        .shared
        .sessions
        .save(&record, survives)
        .unwrap();
    world.restart();
    assert_eq!(world.status(&id).await, None);
    assert!(world.resume(&id).await.is_err());
    // Even when nobody remembers any more that it ended.
    world.records.ended.lock().clear();
    assert_eq!(world.status(&id).await, None);
    assert!(world.resume(&id).await.is_err());
    world.pass_everything();
    assert_eq!(world.expired().await, 0);
    world.expect_committed(&content, &sha256(&content));
    assert_eq!(world.disk.files().len(), 1);
}

#[tokio::test]
async fn an_upload_expires_without_progress_and_not_while_it_is_open() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let (id, empty) = (session.id(), world.start(Algorithm::Sha256).id());
    world.pass(LIFETIME / 2);
    session.append(content(100_000)).await.unwrap();
    session.suspend().await.unwrap();
    world.pass(LIFETIME * 3 / 4);
    assert_eq!(world.status(&empty).await, None, "it made no progress");
    assert!(world.resume(&empty).await.is_err());
    assert_eq!(world.expired().await, 0);
    assert_eq!(world.status(&id).await, Some(100_000));
    let session = world.resume(&id).await.unwrap();
    world.pass(LIFETIME);
    assert_eq!(world.expired().await, 0);
    drop(session);
    assert_eq!(world.status(&id).await, None);
    assert!(world.resume(&id).await.is_err());
    assert_eq!(world.expired().await, 1);
    assert!(world.disk.files().is_empty());
    assert_eq!(world.open_count(), 0);
}

#[tokio::test]
async fn an_expiry_run_does_the_work_a_dead_process_left() {
    let mut world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.append(content(100_000)).await.unwrap();
    session.suspend().await.unwrap();
    let file = world.uploads.live_files().await.unwrap();
    assert_eq!(file.len(), 1);
    // It died after it remembered the end, and while it wrote a record.
    world.records.ended.lock().insert((id.key(), id.expiry()));
    let new = Layout::new("/store").new_session([5; 16]);
    drop(world.disk.open(&new, true).unwrap());
    world.restart();
    assert_eq!(world.expired().await, 0);
    assert!(world.disk.files().is_empty());
}

#[tokio::test]
async fn an_id_is_useless_in_another_repository() {
    let world = World::new();
    let id = world.start(Algorithm::Sha256).id();
    let other = "other".parse().unwrap();
    let refused = world.uploads.resume(&other, &id).await.unwrap_err();
    assert!(matches!(refused, UploadError::Unknown(_)));
    assert!(world.uploads.status(&other, &id).await.is_err());
    assert_eq!(world.status(&id).await, Some(0));
}

#[tokio::test]
async fn the_files_of_uploads_are_live_until_they_are_blobs() {
    let world = World::new();
    let content = content(300_000);
    let mut session = world.start(Algorithm::Sha256);
    assert!(world.uploads.live_files().await.unwrap().is_empty());
    session.append(content.clone()).await.unwrap();
    let open = world.uploads.live_files().await.unwrap();
    assert_eq!(open.len(), 1);
    let id = session.id();
    session.suspend().await.unwrap();
    assert_eq!(world.uploads.live_files().await.unwrap(), open);
    let session = world.resume(&id).await.unwrap();
    assert_eq!(world.uploads.live_files().await.unwrap(), open);
    session.finish(&sha256(&content)).await.unwrap();
    assert!(world.uploads.live_files().await.unwrap().is_empty());
    let holder = open
        .into_iter()
        .find_map(|number| world.records.file_holder(number).unwrap());
    assert_eq!(holder, Some(sha256(&content)));
}
