//! Grace and leases: how long a blob stays that nothing links, what a told client may rely on, and
//! that deleting a blob overrides both.

use crate::support::{Hands, content, manifest, options};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::repository::{BlobError, Missing, PutManifest, StoredManifest};
use floundr_engine::{Engine, Options, Repository};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(1000);
const LEASE: Duration = Duration::from_mins(1);

struct Store {
    folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
    repository: Repository,
}

impl Store {
    async fn new(grace: Duration) -> Self {
        Self::open(|options| options.grace = grace).await
    }

    async fn open(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut options = options(folder.path(), &hands);
        options.lease = LEASE;
        options.collect_interval = Duration::from_secs(100_000);
        change(&mut options);
        let engine = Engine::open(options).await.unwrap();
        let repository = engine.repository(&"a".parse().unwrap());
        Self {
            folder,
            hands,
            engine,
            repository,
        }
    }

    async fn pass(&self, time: Duration) {
        self.hands.pass(time);
        self.engine.collect().await.unwrap();
    }

    async fn push(&self) -> Digest {
        let put = self.repository.put_blob(Algorithm::Sha256, content(50, 1));
        put.await.unwrap()
    }

    async fn link(&self, text: &str, layer: &Digest) -> Digest {
        put(&self.repository, text, layer).await.digest
    }

    /// Whether the blob is there, without asking for a lease.
    async fn holds(&self, digest: &Digest) -> bool {
        self.repository.blob(digest).await.is_ok()
    }

    fn metadata(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("metadata.redb")).unwrap()
    }

    async fn finish(self) {
        assert_eq!(self.engine.audit().await.unwrap(), Vec::<String>::new());
    }
}

async fn put(repository: &Repository, text: &str, layer: &Digest) -> StoredManifest {
    let layers = vec![*layer];
    let links = Links {
        layers,
        ..Links::default()
    };
    let put = PutManifest {
        missing_blobs: Missing::Refuse,
        ..manifest(text, &[], links)
    };
    repository.put_manifest(put).await.unwrap()
}

/// What is on the disk now, as a process would find it that starts after this one was killed.
fn copy_of_store(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_of_store(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn grace_starts_when_a_blob_loses_its_last_link() {
    let store = Store::new(GRACE).await;
    let layer = store.push().await;
    let (one, two) = (store.link("1", &layer).await, store.link("2", &layer).await);
    store.pass(GRACE * 2).await;
    store.repository.delete_manifest(&one).await.unwrap();
    store.pass(GRACE * 2).await;
    assert!(store.holds(&layer).await);
    store.repository.delete_manifest(&two).await.unwrap();
    store.pass(GRACE - SECOND).await;
    assert!(store.holds(&layer).await);
    store.pass(SECOND).await;
    assert!(!store.holds(&layer).await);
    store.finish().await;
}

#[tokio::test]
async fn grace_starts_when_a_blob_comes_without_a_link() {
    let store = Store::new(GRACE).await;
    let digest = store.push().await;
    store.pass(GRACE / 2).await;
    let other = store.engine.repository(&"b".parse().unwrap());
    other.mount(&digest, store.repository.name()).await.unwrap();
    store.pass(GRACE / 2 - SECOND).await;
    assert!(store.holds(&digest).await);
    store.pass(SECOND).await;
    assert!(!store.holds(&digest).await);
    // The one that was mounted later has its own.
    store.pass(GRACE / 2 - SECOND).await;
    assert!(other.blob(&digest).await.is_ok());
    store.pass(SECOND).await;
    assert!(other.blob(&digest).await.is_err());
    store.finish().await;
}

#[tokio::test]
async fn telling_of_a_linked_blob_writes_nothing() {
    let store = Store::open(|options| {
        options.grace = GRACE;
        // What rests in one comes into the file at any time.
        options.metadata_journal = 0;
    })
    .await;
    let layer = store.push().await;
    store.link("m", &layer).await;
    store.pass(GRACE * 2).await;
    let before = store.metadata();
    store.repository.stat_blob(&layer).await.unwrap();
    assert!(store.metadata() == before);
    store.finish().await;
}

#[tokio::test]
async fn telling_of_a_candidate_extends_its_time_durably_before_the_answer_and_once() {
    let store = Store::open(|options| {
        options.grace = Duration::ZERO;
        // What rests in one comes into the file at any time.
        options.metadata_journal = 0;
    })
    .await;
    let digest = store.push().await;
    let before = store.metadata();
    store.repository.stat_blob(&digest).await.unwrap();
    assert!(store.metadata() == before, "a fresh lease was extended");
    store.hands.pass(LEASE - SECOND);
    let tells = (0..16).map(|_| {
        let repository = store.repository.clone();
        tokio::spawn(async move { repository.stat_blob(&digest).await })
    });
    for tell in tells.collect::<Vec<_>>() {
        tell.await.unwrap().unwrap();
    }
    let extended = store.metadata();
    assert!(extended != before, "nothing was written");
    store.repository.stat_blob(&digest).await.unwrap();
    assert!(store.metadata() == extended, "it was extended again");
    // What a process finds that starts after this one was killed right behind the answer.
    let copy = tempfile::tempdir().unwrap();
    copy_of_store(store.folder.path(), copy.path());
    let hands = Arc::new(Hands::default());
    let mut options = options(copy.path(), &hands);
    (options.grace, options.lease) = (Duration::ZERO, LEASE);
    let engine = Engine::open(options).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    hands.pass(LEASE - SECOND);
    engine.collect().await.unwrap();
    assert!(repository.blob(&digest).await.is_ok());
    hands.pass(LEASE * 2);
    engine.collect().await.unwrap();
    assert!(repository.blob(&digest).await.is_err());
    store.finish().await;
}

#[tokio::test]
async fn an_explicit_collection_at_grace_zero_leaves_leases_alone() {
    let store = Store::new(Duration::ZERO).await;
    let pushed = store.push().await;
    store.pass(LEASE - SECOND).await;
    store.repository.stat_blob(&pushed).await.unwrap();
    store.pass(LEASE - SECOND).await;
    assert!(store.holds(&pushed).await, "a told client was let down");
    // A client that was told of a blob while a manifest linked it is not let down either.
    let manifest = store.link("m", &pushed).await;
    store.pass(LEASE * 3).await;
    store.repository.stat_blob(&pushed).await.unwrap();
    store.repository.delete_manifest(&manifest).await.unwrap();
    store.pass(LEASE - SECOND).await;
    assert!(put(&store.repository, "again", &pushed).await.created);
    store.finish().await;
}

#[tokio::test]
async fn a_lease_of_less_than_a_second_is_one_of_a_second() {
    let store = Store::open(|options| {
        (options.grace, options.lease) = (Duration::ZERO, Duration::ZERO);
    });
    let store = store.await;
    let digest = store.push().await;
    store.pass(Duration::from_millis(999)).await;
    assert!(store.holds(&digest).await);
    store.pass(SECOND * 2).await;
    assert!(!store.holds(&digest).await);
    store.finish().await;
}

#[tokio::test]
async fn deleting_a_blob_takes_its_link_here_at_once_in_spite_of_its_lease() {
    let store = Store::new(GRACE).await;
    let digest = store.push().await;
    let other = store.engine.repository(&"b".parse().unwrap());
    other.mount(&digest, store.repository.name()).await.unwrap();
    store.repository.stat_blob(&digest).await.unwrap();
    store.repository.delete_blob(&digest).await.unwrap();
    let told = store.repository.stat_blob(&digest).await;
    assert!(matches!(told, Err(BlobError::Unknown { .. })));
    assert!(other.stat_blob(&digest).await.is_ok());
    store.finish().await;
}

#[tokio::test]
async fn a_push_heals_the_links_to_a_deleted_blob() {
    let store = Store::new(GRACE).await;
    let layer = store.push().await;
    store.link("m", &layer).await;
    store.repository.delete_blob(&layer).await.unwrap();
    assert!(!store.holds(&layer).await);
    store.push().await;
    store.pass(GRACE * 2).await;
    assert!(store.holds(&layer).await);
    store.finish().await;
}

#[tokio::test]
async fn a_linked_blob_is_not_deleted_where_that_is_refused() {
    let store = Store::open(|options| {
        options.refuse_referenced = true;
        options.undo = GRACE;
    });
    let store = store.await;
    let layer = store.push().await;
    let manifest = store.link("m", &layer).await;
    let other = store.engine.repository(&"b".parse().unwrap());
    other.mount(&layer, store.repository.name()).await.unwrap();
    let refused = store.repository.delete_blob(&layer).await;
    assert!(matches!(refused, Err(BlobError::Referenced { by, .. }) if by == manifest));
    assert!(store.holds(&layer).await);
    // Manifests of other repositories do not count, nor do deleted ones.
    other.delete_blob(&layer).await.unwrap();
    store.repository.delete_manifest(&manifest).await.unwrap();
    store.repository.delete_blob(&layer).await.unwrap();
    store.finish().await;
}
