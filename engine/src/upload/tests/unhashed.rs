//! A client that is ahead of the hash: what it sent last is written and answered first, and hashed behind that.

use super::super::writer::Writer;
use super::*;
use crate::digest::hasher::HasherState;
use tokio::time::{sleep, timeout};

/// What comes at once from such a client.
const READ: usize = AHEAD / 2;
/// One of its chunks, of which the last two reads wait for the hash.
const CHUNK: usize = 8 * READ;
const LONG: Duration = Duration::from_mins(1);

/// Appends a whole chunk in pieces.
async fn append(session: &mut UploadSession, content: &Bytes, piece: usize) {
    session.announce_chunk(content.len() as u64);
    for piece in content.chunks(piece) {
        session.append(content.slice_ref(piece)).await.unwrap();
    }
}

/// Appends a whole request and brings the upload to rest.
async fn chunk(session: UploadSession, content: &Bytes) -> u64 {
    let mut session = session;
    append(&mut session, content, READ).await;
    session.suspend().await.unwrap()
}

fn record(world: &World, id: &UploadId) -> SessionRecord {
    let record = world.uploads.shared.sessions.load(id.key()).unwrap();
    record.expect("it is at rest")
}

/// Does something with the writer of an upload that somebody has open.
async fn with_writer<T>(
    world: &World,
    id: &UploadId,
    look: impl FnOnce(&Writer) -> T,
) -> Option<T> {
    let slot = world.uploads.shared.slots.enter(id.key());
    let place = slot.writer.lock().await;
    place.as_deref().map(look)
}

/// Waits until nobody has any upload open.
async fn until_closed(world: &World) {
    let closed = async {
        while world.open_count() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, closed).await.expect("it is let go");
}

/// An upload of which one chunk is at rest.
async fn at_rest(world: &World, algorithm: Algorithm, content: &Bytes) -> UploadId {
    let session = world.start(algorithm);
    let id = session.id();
    assert_eq!(chunk(session, content).await, content.len() as u64);
    id
}

async fn go_on(world: &World, id: &UploadId, content: &Bytes, from: usize) {
    let mut session = world.resume(id).await.unwrap();
    assert_eq!(session.offset(), from as u64);
    append(&mut session, &content.slice(from..), READ).await;
    let digest = Digest::of(id.algorithm(), content);
    session.finish(&digest).await.unwrap();
    world.expect_committed(content, &digest);
}

#[tokio::test]
async fn what_was_sent_last_is_at_rest_before_it_is_hashed() {
    for algorithm in Algorithm::ALL {
        let world = World::new();
        let content = content(CHUNK + 70_000);
        let id = at_rest(&world, algorithm, &content.slice(..CHUNK)).await;
        let written = record(&world, &id).written;
        assert_eq!(written.offset, CHUNK as u64);
        assert_eq!(written.hashed, (CHUNK - AHEAD) as u64);
        assert_eq!(world.status(&id).await, Some(CHUNK as u64));
        go_on(&world, &id, &content, CHUNK).await;
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_of_it_and_the_next_reads_what_was_not_hashed() {
    for algorithm in Algorithm::ALL {
        let mut world = World::new();
        let content = content(CHUNK + 70_000);
        let id = at_rest(&world, algorithm, &content.slice(..CHUNK)).await;
        world.restart();
        assert_eq!(world.status(&id).await, Some(CHUNK as u64));
        let before = world.disk.counts().bytes_read;
        let session = world.resume(&id).await.unwrap();
        let read = world.disk.counts().bytes_read - before;
        let bounds = AHEAD as u64..AHEAD as u64 + 140_000;
        assert!(bounds.contains(&read), "what waited and the record: {read}");
        drop(session);
        go_on(&world, &id, &content, CHUNK).await;
    }
}

#[tokio::test]
async fn after_a_power_cut_what_was_synced_counts_hashed_or_not() {
    for (first, second) in [(CHUNK, 0), (CHUNK, READ), (CHUNK, CHUNK)] {
        let mut world = World::new();
        let content = content(2 * CHUNK);
        assert!(first as u64 >= SYNC_INTERVAL);
        let id = at_rest(&world, Algorithm::Sha256, &content.slice(..first)).await;
        assert!(record(&world, &id).synced.hashed < first as u64);
        if second > 0 {
            let session = world.resume(&id).await.unwrap();
            chunk(session, &content.slice(first..first + second)).await;
        }
        world.disk.cut_power();
        world.restart();
        let synced = if second == CHUNK {
            first + second
        } else {
            first
        };
        assert_eq!(world.status(&id).await, Some(synced as u64));
        go_on(&world, &id, &content, synced).await;
    }
}

#[tokio::test]
async fn a_hash_state_that_is_unknown_costs_a_read_of_all() {
    let mut world = World::new();
    let content = content(CHUNK + 1);
    let id = at_rest(&world, Algorithm::Sha256, &content.slice(..CHUNK)).await;
    world.restart();
    world.edit_synced(&id, |record| {
        record.written.state = HasherState::from_bytes(vec![99, 1, 2, 3]);
    });
    let before = world.disk.counts().bytes_read;
    drop(world.resume(&id).await.unwrap());
    assert!(world.disk.counts().bytes_read - before >= CHUNK as u64);
    go_on(&world, &id, &content, CHUNK).await;
}

#[tokio::test]
async fn the_next_chunk_finds_the_upload_open_and_reads_nothing_again() {
    let world = World::new();
    let content = content(4 * CHUNK);
    let id = at_rest(&world, Algorithm::Sha256, &content.slice(..CHUNK)).await;
    for number in 1..4 {
        let before = world.disk.counts().bytes_read;
        let session = world.resume(&id).await.unwrap();
        assert_eq!(session.offset(), (number * CHUNK) as u64);
        let range = number * CHUNK..(number + 1) * CHUNK;
        chunk(session, &content.slice(range)).await;
        assert_eq!(world.disk.counts().bytes_read, before);
    }
    go_on(&world, &id, &content, 4 * CHUNK).await;
    assert_eq!(world.open_count(), 0, "whoever waited for it is gone");
}

#[tokio::test]
async fn without_a_next_chunk_it_catches_up_and_is_let_go() {
    let world = World::new();
    let content = content(CHUNK + 70_000);
    let id = at_rest(&world, Algorithm::Sha256, &content.slice(..CHUNK)).await;
    world.uploads.idle().await;
    let hashed = with_writer(&world, &id, |writer| writer.hashing.offset()).await;
    assert_eq!(hashed, Some(CHUNK as u64), "it is awaited, and caught up");
    until_closed(&world).await;
    assert_eq!(world.status(&id).await, Some(CHUNK as u64));
    go_on(&world, &id, &content, CHUNK).await;
}

#[tokio::test]
async fn closing_lets_go_of_what_is_awaited() {
    let mut world = World::new();
    let content = content(CHUNK + 1);
    let id = at_rest(&world, Algorithm::Sha256, &content.slice(..CHUNK)).await;
    world.uploads.close().await;
    assert_eq!(with_writer(&world, &id, |_| ()).await, None);
    let refused = world.resume(&id).await.unwrap_err();
    assert!(matches!(
        refused,
        UploadError::Storage(StorageError::Closed)
    ));
    world.restart();
    go_on(&world, &id, &content, CHUNK).await;
}

/// Each would hold the buffer that it was read into.
#[tokio::test]
async fn short_pieces_behind_what_waits_do_not_pile_up() {
    let world = World::new();
    let content = content(CHUNK);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.announce_chunk(CHUNK as u64);
    let begun = CHUNK - AHEAD + READ;
    for piece in content[..begun].chunks(READ) {
        session.append(content.slice_ref(piece)).await.unwrap();
    }
    let hashed = async || with_writer(&world, &id, |writer| writer.hashing.offset()).await;
    assert_eq!(
        hashed().await,
        Some((begun - READ) as u64),
        "one read waits"
    );
    for piece in content[begun..].chunks(1_000) {
        session.append(content.slice_ref(piece)).await.unwrap();
        assert!(hashed().await >= Some(begun as u64));
    }
    session.suspend().await.unwrap();
    go_on(&world, &id, &content, CHUNK).await;
}

#[tokio::test]
async fn who_is_not_ahead_is_hashed_as_it_comes() {
    let content = content(CHUNK);
    // Pieces as a slow connection brings them, and a request that does not say how long it is.
    for (piece, is_announced) in [(READ / 4, true), (READ, false), (CHUNK, true)] {
        let world = World::new();
        let mut session = world.start(Algorithm::Sha256);
        let id = session.id();
        if is_announced {
            append(&mut session, &content, piece).await;
        } else {
            session.append(content.clone()).await.unwrap();
        }
        session.suspend().await.unwrap();
        assert_eq!(world.open_count(), 0);
        assert_eq!(record(&world, &id).written.hashed, CHUNK as u64);
    }
}

#[tokio::test]
async fn what_is_finished_behind_a_chunk_is_hashed_to_its_end() {
    let world = World::new();
    let content = content(CHUNK);
    for digest in [sha256(&content), Digest::of(Algorithm::Sha512, &content)] {
        let mut session = world.start(Algorithm::Sha256);
        append(&mut session, &content, READ).await;
        session.finish(&digest).await.unwrap();
        world.expect_committed(&content, &digest);
    }
    let mut session = world.start(Algorithm::Sha256);
    append(&mut session, &content, READ).await;
    let refused = session.finish(&sha256(b"other")).await.unwrap_err();
    assert!(matches!(refused, UploadError::DigestMismatch { .. }));
}

#[tokio::test]
async fn a_last_request_is_hashed_as_it_comes() {
    let world = World::new();
    let content = content(CHUNK);
    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    session.announce(CHUNK as u64);
    for piece in content.chunks(READ) {
        session.append(content.slice_ref(piece)).await.unwrap();
        let hashed = with_writer(&world, &id, |writer| writer.hashing.offset()).await;
        assert_eq!(hashed, Some(session.offset()));
    }
    session.finish(&sha256(&content)).await.unwrap();
    world.expect_committed(&content, &sha256(&content));
}

#[tokio::test]
async fn it_ends_as_any_other_when_it_is_cancelled_or_dropped() {
    let world = World::new();
    let content = content(CHUNK);
    let id = at_rest(&world, Algorithm::Sha256, &content).await;
    let session = world.resume(&id).await.unwrap();
    session.cancel().await.unwrap();
    assert_eq!(world.status(&id).await, None);
    assert!(world.disk.files().is_empty());

    let mut session = world.start(Algorithm::Sha256);
    let id = session.id();
    append(&mut session, &content, READ).await;
    drop(session);
    go_on(&world, &id, &content, CHUNK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_comes_while_it_catches_up_goes_on_with_that() {
    for round in 0..20_u64 {
        let world = World::new();
        let content = content(3 * CHUNK);
        let id = at_rest(&world, Algorithm::Sha256, &content.slice(..CHUNK)).await;
        sleep(Duration::from_micros(round * 50)).await;
        let session = world.resume(&id).await.unwrap();
        chunk(session, &content.slice(CHUNK..2 * CHUNK)).await;
        // Of two at once, the later one has it.
        let (first, second) = tokio::join!(world.resume(&id), world.resume(&id));
        drop((first, second));
        go_on(&world, &id, &content, 2 * CHUNK).await;
    }
}
