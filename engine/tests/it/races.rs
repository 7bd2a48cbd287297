//! Races that broke other registries: pushes, mounts, tags and manifests against deletion and a
//! collector that takes everything it may at once.
//!
//! Every round begins with blobs whose grace and lease have passed, so the collector may take them
//! at any moment; then what a client was told must hold, and bytes and records must agree.

use crate::support::{Hands, content, options};
use bytes::Bytes;
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::gc::CollectOptions;
use floundr_engine::name::Reference;
use floundr_engine::repository::{BlobError, ManifestError, Missing, PutManifest, StoredManifest};
use floundr_engine::{Engine, Repository};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How often each race is run.
const ROUNDS: u64 = 120;

const LEASE: Duration = Duration::from_secs(10);

/// A store whose collector is run by the race.
struct Arena {
    _folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
}

impl Arena {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut options = options(folder.path(), &hands);
        options.grace = Duration::ZERO;
        options.lease = LEASE;
        options.small_blob_limit = 10_000;
        options.collect_interval = Duration::from_hours(1);
        Self {
            _folder: folder,
            hands,
            engine: Engine::open(options).await.unwrap(),
        }
    }

    fn repository(&self, name: &str) -> Repository {
        self.engine.repository(&name.parse().unwrap())
    }

    /// Content that was pushed so long ago that nothing protects it. Every other one is small.
    async fn old_blob(&self, name: &str, round: u64) -> (Digest, Bytes) {
        let content = content(
            if round.is_multiple_of(2) {
                3_000
            } else {
                30_000
            },
            round,
        );
        let repository = self.repository(name);
        let digest = push(&repository, &content).await;
        self.hands.pass(LEASE);
        (digest, content)
    }

    /// Takes everything that may go, a few times, while the race goes on.
    fn collecting(&self) -> tokio::task::JoinHandle<u64> {
        let collector = self.engine.collector();
        tokio::spawn(async move {
            let mut removed = 0;
            for _ in 0..3 {
                let options = CollectOptions {
                    grace: Some(Duration::ZERO),
                    ..CollectOptions::default()
                };
                let report = collector.run(options).await.unwrap();
                assert_eq!((report.damaged, report.failed), (0, 0));
                removed += report.removed;
                tokio::task::yield_now().await;
            }
            removed
        })
    }

    async fn expect_in_step(&self) {
        assert_eq!(self.engine.audit().await.unwrap(), Vec::<String>::new());
    }
}

async fn push(repository: &Repository, content: &Bytes) -> Digest {
    let put = repository.put_blob(Algorithm::Sha256, content.clone());
    put.await.unwrap()
}

async fn expect_bytes(repository: &Repository, digest: &Digest, content: &Bytes) {
    let blob = repository.blob(digest).await.unwrap();
    assert!(blob.read(0..blob.size()).await.unwrap() == *content);
}

async fn put(
    repository: &Repository,
    links: Links,
    tag: &str,
) -> Result<StoredManifest, ManifestError> {
    let put = PutManifest {
        tags: vec![tag.parse().unwrap()],
        missing_children: Missing::Refuse,
        ..PutManifest::new(
            format!("{links:?}"),
            "application/vnd.example+json".parse().unwrap(),
            links,
        )
    };
    repository.put_manifest(put).await
}

fn layer(digest: Digest) -> Links {
    Links {
        layers: vec![digest],
        ..Links::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blob_pushed_again_while_it_is_removed_is_there() {
    let arena = Arena::new().await;
    let (mut removed, repository) = (0, arena.repository("a"));
    for round in 0..ROUNDS {
        let (digest, content) = arena.old_blob("a", round).await;
        let collecting = arena.collecting();
        let reader = tokio::spawn({
            let (repository, content) = (repository.clone(), content.clone());
            async move {
                match repository.blob(&digest).await {
                    Ok(blob) => match blob.read(0..blob.size()).await {
                        Ok(read) => assert!(read == content),
                        Err(error) => panic!("an open blob is read to its end: {error}"),
                    },
                    Err(BlobError::Unknown { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        push(&repository, &content).await;
        put(&repository, layer(digest), "t").await.unwrap();
        removed += collecting.await.unwrap();
        reader.await.unwrap();
        expect_bytes(&repository, &digest, &content).await;
    }
    assert!(removed > 0, "the collector was never first");
    arena.expect_in_step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_manifest_is_accepted_after_head_said_that_its_blob_is_there() {
    let arena = Arena::new().await;
    let (mut told, mut not_told, repository) = (0, 0, arena.repository("a"));
    for round in 0..ROUNDS {
        let (digest, content) = arena.old_blob("a", round).await;
        let collecting = arena.collecting();
        if round.is_multiple_of(3) {
            tokio::task::yield_now().await;
        }
        match repository.stat_blob(&digest).await {
            Ok(_) => told += 1,
            Err(BlobError::Unknown { .. }) => {
                not_told += 1;
                push(&repository, &content).await;
            }
            Err(error) => panic!("{error}"),
        }
        // Almost all of the lease passes, and the collector comes again.
        arena.hands.pass(LEASE - Duration::from_millis(1));
        let again = arena.collecting();
        collecting.await.unwrap();
        put(&repository, layer(digest), "t").await.unwrap();
        again.await.unwrap();
        expect_bytes(&repository, &digest, &content).await;
    }
    assert!(told > 0, "HEAD was never first ({not_told} times second)");
    arena.expect_in_step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blob_that_was_linked_when_head_said_so_outlives_its_manifest_by_the_lease() {
    let arena = Arena::new().await;
    let repository = arena.repository("a");
    for round in 0..ROUNDS / 4 {
        let (digest, content) = arena.old_blob("a", round).await;
        let manifest = put(&repository, layer(digest), "t").await.unwrap().digest;
        repository.stat_blob(&digest).await.unwrap();
        let collecting = arena.collecting();
        repository.delete_manifest(&manifest).await.unwrap();
        arena.hands.pass(LEASE - Duration::from_millis(1));
        let again = arena.collecting();
        collecting.await.unwrap();
        again.await.unwrap();
        put(&repository, layer(digest), "u").await.unwrap();
        expect_bytes(&repository, &digest, &content).await;
    }
    arena.expect_in_step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_child_of_an_accepted_index_is_there() {
    let arena = Arena::new().await;
    let (mut refused, repository) = (0, arena.repository("a"));
    for round in 0..ROUNDS {
        let (digest, content) = arena.old_blob("a", round).await;
        let links = Links {
            manifests: vec![digest],
            ..Links::default()
        };
        let collecting = arena.collecting();
        match put(&repository, links.clone(), "t").await {
            Ok(_) => {}
            Err(ManifestError::MissingChildren(missing)) => {
                refused += 1;
                assert_eq!(missing, [digest]);
                push(&repository, &content).await;
                put(&repository, links, "t").await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        arena.hands.pass(LEASE);
        let again = arena.collecting();
        collecting.await.unwrap();
        again.await.unwrap();
        expect_bytes(&repository, &digest, &content).await;
    }
    assert!(refused < ROUNDS, "the index was never first");
    arena.expect_in_step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blob_mounted_during_collection_is_there_or_was_refused() {
    let arena = Arena::new().await;
    let (mut mounted, target) = (0, arena.repository("target"));
    for round in 0..ROUNDS {
        let (digest, content) = arena.old_blob("source", round).await;
        let collecting = arena.collecting();
        match target.mount(&digest, &"source".parse().unwrap()).await {
            Ok(stat) => {
                mounted += 1;
                assert_eq!(stat.size, content.len() as u64);
            }
            Err(BlobError::Unknown { .. }) => {
                push(&target, &content).await;
            }
            Err(error) => panic!("{error}"),
        }
        arena.hands.pass(LEASE - Duration::from_millis(1));
        let again = arena.collecting();
        put(&target, layer(digest), "t").await.unwrap();
        collecting.await.unwrap();
        again.await.unwrap();
        expect_bytes(&target, &digest, &content).await;
        let source = arena.repository("source").stat_blob(&digest).await;
        assert!(
            matches!(source, Err(BlobError::Unknown { .. })),
            "{source:?}"
        );
    }
    assert!(mounted > 0, "the mount was never first");
    arena.expect_in_step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_digest_uploaded_by_sixteen_at_once_is_stored_once() {
    let arena = Arena::new().await;
    for round in 0..ROUNDS / 4 {
        let (digest, content) = arena.old_blob("a", round).await;
        let collecting = arena.collecting();
        let deleting = tokio::spawn({
            let repository = arena.repository("r3");
            async move { repository.delete_blob(&digest).await }
        });
        let uploads: Vec<_> = (0..16)
            .map(|index| {
                let repository = arena.repository(&format!("r{}", index % 4));
                let content = content.clone();
                tokio::spawn(async move {
                    let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
                    for piece in content.chunks(1_000) {
                        let piece = Bytes::copy_from_slice(piece);
                        session.append(piece).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    let digest = Digest::of(Algorithm::Sha256, &content);
                    session.finish(&digest).await.unwrap();
                })
            })
            .collect();
        for upload in uploads {
            upload.await.unwrap();
        }
        collecting.await.unwrap();
        match deleting.await.unwrap() {
            Ok(()) | Err(BlobError::Unknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        for name in ["r0", "r1", "r2"] {
            expect_bytes(&arena.repository(name), &digest, &content).await;
        }
        let statistics = arena.engine.statistics().await.unwrap();
        assert_eq!(statistics.blobs, round + 1);
        // So that the next round's digest is another one, and this one stays.
        put(&arena.repository("r0"), layer(digest), "t")
            .await
            .unwrap();
    }
    let usage = arena.engine.store_usage().await.unwrap();
    let stored = (0..ROUNDS / 4).map(|round| {
        if round.is_multiple_of(2) {
            3_000
        } else {
            30_000
        }
    });
    assert_eq!(usage.stored_bytes, stored.sum::<u64>());
    arena.expect_in_step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tag_deleted_and_pushed_at_once_is_whole_or_absent() {
    let arena = Arena::new().await;
    let (mut present, mut absent, repository) = (0, 0, arena.repository("a"));
    for round in 0..ROUNDS {
        let (digest, content) = arena.old_blob("a", round).await;
        let first = put(&repository, layer(digest), "t").await.unwrap().digest;
        let collecting = arena.collecting();
        let deleting = tokio::spawn({
            let repository = repository.clone();
            async move {
                if round.is_multiple_of(2) {
                    repository.delete_tag(&"t".parse().unwrap()).await
                } else {
                    repository.delete_manifest(&first).await
                }
            }
        });
        put(&repository, layer(digest), "t").await.unwrap();
        match deleting.await.unwrap() {
            Ok(()) | Err(ManifestError::Unknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        let removed = collecting.await.unwrap();
        let reference = Reference::Tag("t".parse().unwrap());
        match repository.manifest(&reference).await {
            Ok(manifest) => {
                present += 1;
                assert_eq!(manifest.digest, first);
                arena.hands.pass(LEASE);
                arena.collecting().await.unwrap();
                expect_bytes(&repository, &digest, &content).await;
            }
            Err(ManifestError::Unknown { .. }) => absent += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(removed <= 1, "only what an earlier round left may go");
    }
    assert!(present + absent == ROUNDS);
    arena.expect_in_step().await;
}
