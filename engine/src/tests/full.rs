//! A disk that fills up at any point of a push, a manifest put, a deletion and a collection.

use super::*;
use crate::Error;
use crate::repository::{BlobError, ManifestError};
use crate::upload::{UploadError, UploadId};

const LARGE: usize = 300_000;
const HALF: usize = 150_000;
/// Tags that are pushed behind the first three.
const MORE: [&str; 9] = ["d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// What a client was told.
#[derive(Default)]
struct Told {
    blobs: Vec<(Digest, Bytes)>,
    /// So many of them, from the first on, are linked by a manifest.
    linked: usize,
    tags: Vec<(&'static str, Digest)>,
    /// Answered with "full" since the disk was.
    refused: usize,
    /// The upload that was refused.
    unfinished: Option<UploadId>,
}

// === impl Told ===

impl Told {
    /// Takes an answer; refusals must say that the disk is full and nothing else.
    fn take<T, E: Into<Error>>(&mut self, answer: Result<T, E>) -> Option<T> {
        match answer.map_err(Into::into) {
            Ok(value) => Some(value),
            Err(
                Error::Upload(UploadError::Storage(error))
                | Error::Blob(BlobError::Storage(error))
                | Error::Manifest(ManifestError::Storage(error))
                | Error::Storage(error),
            ) if error.is_full() => {
                self.refused += 1;
                None
            }
            Err(other) => panic!("{other}"),
        }
    }

    async fn push_small(&mut self, engine: &Engine, seed: u64) {
        let bytes = content(3_000, seed);
        let repository = repository(engine);
        let answer = repository.put_blob(Algorithm::Sha256, bytes.clone()).await;
        if let Some(digest) = self.take(answer) {
            self.blobs.push((digest, bytes));
        }
    }

    /// In two requests, so that the upload is at rest in between.
    async fn push_large(&mut self, engine: &Engine, seed: u64) {
        let session = repository(engine).start_upload(Algorithm::Sha256).unwrap();
        self.unfinished = Some(session.id());
        let answer = upload(engine, session, seed).await;
        if self.take(answer).is_some() {
            self.unfinished = None;
            self.blobs
                .push((sha256(&content(LARGE, seed)), content(LARGE, seed)));
        }
    }

    async fn put(&mut self, engine: &Engine, name: &'static str) {
        let layers: Vec<_> = self.blobs.iter().map(|(digest, _)| *digest).collect();
        let answer = repository(engine)
            .put_manifest(manifest(name, &layers))
            .await;
        if let Some(stored) = self.take(answer) {
            self.linked = layers.len();
            self.tags.push((name, stored.digest));
        }
    }

    async fn expect_all(&self, engine: &Engine) {
        for (digest, bytes) in &self.blobs {
            assert!(read_blob(engine, digest).await == *bytes);
        }
        for (name, digest) in &self.tags {
            let found = repository(engine).manifest(&tag(name)).await.unwrap();
            assert_eq!(&found.digest, digest);
        }
        expect_whole(engine).await;
    }
}

/// Goes on with an upload to its end, with a rest in the middle.
async fn upload(
    engine: &Engine,
    mut session: crate::upload::UploadSession,
    seed: u64,
) -> Result<(), UploadError> {
    let (bytes, id) = (content(LARGE, seed), session.id());
    let offset = usize::try_from(session.offset()).unwrap();
    if offset < HALF {
        session.append(bytes.slice(offset..HALF)).await?;
        session.suspend().await?;
        session = repository(engine).resume_upload(&id).await?;
    }
    let offset = usize::try_from(session.offset()).unwrap();
    session.append(bytes.slice(offset..)).await?;
    session.finish(&sha256(&bytes)).await.map(drop)
}

/// Pushes, puts, deletes and collects; the disk fills up somewhere on the way.
async fn live(world: &World, engine: &Engine) -> Told {
    let mut told = Told::default();
    told.push_small(engine, 1).await;
    told.push_large(engine, 2).await;
    told.put(engine, "first").await;
    told.push_small(engine, 3).await;
    told.put(engine, "second").await;
    told.push_small(engine, 4).await;
    told.put(engine, "third").await;
    for (seed, name) in (5..).zip(MORE) {
        told.push_small(engine, seed).await;
        told.put(engine, name).await;
    }
    // The deletion of what is there must not fail at any point.
    let doomed = content(LARGE, 90);
    repository(engine)
        .delete_blob(&sha256(&doomed))
        .await
        .unwrap();
    world.pass(GRACE * 2);
    engine.collect().await.unwrap();
    // The collector took what no manifest links.
    told.blobs.truncate(told.linked);
    told
}

/// Deletes everything that was told, on a disk that may be full.
async fn delete_all(world: &World, engine: &Engine, told: &Told) {
    for (_, digest) in &told.tags {
        repository(engine).delete_manifest(digest).await.unwrap();
    }
    for (name, _) in &told.tags {
        assert!(!has_tag(engine, name).await);
    }
    world.pass(GRACE * 2);
    engine.collect().await.unwrap();
    assert_eq!(
        world.files("segments").len() + told_files(world),
        0,
        "{:?}",
        world.disk.files()
    );
    expect_whole(engine).await;
}

/// Blob files, but for that of an upload at rest.
fn told_files(world: &World) -> usize {
    let at_rest = world.files("uploads").len();
    world.files("blobs").len().saturating_sub(at_rest)
}

#[tokio::test]
async fn a_disk_that_fills_up_at_any_point_loses_nothing_and_takes_deletions() {
    // With every commit in the metadata's file, with a round of the journal for each two, and with one.
    // The last needs the less space, the more of it comes into the file in its own time.
    for (journal, fewest) in [(0, 30), (16 * 1024, 30), (4 * 1024 * 1024, 10)] {
        let points = fill_at_any_point(journal).await;
        assert!(points > fewest, "only {points} points");
    }
}

async fn fill_at_any_point(journal: u64) -> u64 {
    let mut points = 0;
    loop {
        let world = World {
            journal,
            ..World::new(Durability::Durable)
        };
        let engine = world.open().await;
        let doomed = content(LARGE, 90);
        repository(&engine)
            .put_blob(Algorithm::Sha256, doomed)
            .await
            .unwrap();
        world.disk.fill_after(points);
        let told = live(&world, &engine).await;
        told.expect_all(&engine).await;
        if told.refused == 0 && !world.disk.is_filled() {
            return points;
        }
        delete_all(&world, &engine, &told).await;
        go_on(&world, &engine, &told).await;
        engine.close().await.unwrap();
        let engine = world.open().await;
        expect_whole(&engine).await;
        points += 1;
    }
}

/// When there is space again: the upload goes on where it was, and new ones are taken.
async fn go_on(world: &World, engine: &Engine, told: &Told) {
    world.disk.set_capacity(None);
    world.pass(Duration::from_secs(2));
    if let Some(id) = &told.unfinished {
        let session = repository(engine).resume_upload(id).await.unwrap();
        upload(engine, session, 2).await.unwrap();
        let digest = sha256(&content(LARGE, 2));
        assert!(read_blob(engine, &digest).await == content(LARGE, 2));
    }
    let mut again = Told::default();
    again.push_small(engine, 77).await;
    again.push_large(engine, 78).await;
    again.put(engine, "again").await;
    assert_eq!(again.refused, 0);
    again.expect_all(engine).await;
}

#[tokio::test]
async fn a_disk_full_of_metadata_takes_every_deletion_and_then_pushes_again() {
    let world = World::new(Durability::Durable);
    world.disk.set_capacity(Some(12 * 1024 * 1024));
    let mut options = world.options();
    // What is deleted could be restored, if the disk were not full.
    options.undo = Duration::from_hours(24);
    let engine = Engine::open(options).await.unwrap();
    let mut digests = Vec::new();
    for index in 0.. {
        let mut put = manifest(&format!("t{index}"), &[]);
        put.content = content(60_000, index);
        match repository(&engine).put_manifest(put).await {
            Ok(stored) => digests.push(stored.digest),
            Err(ManifestError::Storage(error)) if error.is_full() => break,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(digests.len() > 20);
    let deletions = digests.iter().map(|digest| {
        let (repository, digest) = (repository(&engine), *digest);
        tokio::spawn(async move { repository.delete_manifest(&digest).await })
    });
    for deletion in deletions.collect::<Vec<_>>() {
        deletion.await.unwrap().unwrap();
    }
    world.pass(GRACE * 2);
    engine.collect().await.unwrap();
    repository(&engine)
        .put_manifest(manifest("again", &[]))
        .await
        .unwrap();
    expect_whole(&engine).await;
}

#[tokio::test]
async fn a_store_is_served_and_emptied_when_it_is_opened_on_a_full_disk() {
    for filled in [false, true] {
        let world = World::new(Durability::Durable);
        let engine = world.open().await;
        let mut told = Told::default();
        told.push_small(&engine, 1).await;
        told.push_large(&engine, 2).await;
        told.put(&engine, "kept").await;
        engine.close().await.unwrap();
        if filled {
            // Somebody else took what the reserve had kept.
            world
                .disk
                .remove(std::path::Path::new("/store/RESERVE"))
                .unwrap();
        }
        world.disk.set_capacity(Some(world.disk.used()));
        let engine = world.open().await;
        told.expect_all(&engine).await;
        let answer = repository(&engine)
            .put_blob(Algorithm::Sha256, content(100_000, 5))
            .await;
        assert!(told.take(answer).is_none());
        if !filled {
            delete_all(&world, &engine, &told).await;
        }
        world.disk.set_capacity(None);
        world.pass(Duration::from_secs(2));
        told.push_large(&engine, 9).await;
        assert_eq!(told.refused, 1);
    }
}
