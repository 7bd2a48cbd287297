//! The metadata on its own: transactions, visibility, queues, reopening. Every test ends with the
//! audit.

mod batches;
mod copy;
mod damage;
mod drains;
mod formats;
mod journal;
mod listings;
mod order;
mod policies;
mod steps;
mod strays;

use super::content::Guarded;
use super::{Collected, CommitBlob, Mark, Metadata, NewContent, WriterParts};
use crate::blob::LocalStore;
use crate::clock::{Clock, EngineTime, Hands};
use crate::descriptor::{Links, MediaType};
use crate::digest::{Algorithm, Digest};
use crate::disk::SystemDisk;
use crate::layout::Layout;
use crate::name::{Reference, RepositoryName};
use crate::options::Options;
use crate::policy::ImmutableTags;
use crate::repository::{BlobError, ManifestError, Missing, PutManifest, TagCondition};
use crate::tests::put_of;
use bytes::Bytes;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;

struct Store {
    folder: TempDir,
    hands: Arc<Hands>,
    meta: Metadata,
}

const GRACE: Duration = Duration::from_secs(100);

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let meta = open(&folder, &hands);
        Self {
            folder,
            hands,
            meta,
        }
    }

    /// Closes and opens again, as a new process whose clock starts at zero would.
    fn reopen(self) -> Self {
        self.meta.close().unwrap();
        let hands = Arc::new(Hands::default());
        let meta = open(&self.folder, &hands);
        Self {
            folder: self.folder,
            hands,
            meta,
        }
    }

    fn pass(&self, time: Duration) {
        self.hands.pass(time);
    }

    async fn push(&self, repository: &str, content: &'static [u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, content);
        let commit = CommitBlob {
            repository: name(repository),
            digest,
            size: content.len() as u64,
            content: NewContent::Small(Bytes::from_static(content)),
            upload: ([content.len() as u8; 16], EngineTime(u64::MAX)),
        };
        self.meta.commit_blob(commit).await.unwrap();
        digest
    }

    async fn put(&self, repository: &str, tags: &[&str], links: Links) -> Digest {
        let content = format!("{links:?}");
        let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
        let put = put_of(content, links, tags);
        self.meta
            .put_manifest(unguarded(&name(repository)), digest, put)
            .await
            .unwrap();
        digest
    }

    fn sees(&self, repository: &str, digest: &Digest) -> bool {
        self.meta.blob(&name(repository), digest).unwrap().is_some()
    }

    fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        let reference = Reference::Tag(tag.parse().unwrap());
        let stat = self
            .meta
            .stat_manifest(&name(repository), &reference)
            .unwrap();
        stat.map(|stat| stat.digest)
    }

    fn finish(&self) {
        assert_eq!(self.meta.audit().unwrap(), Vec::<String>::new());
    }
}

/// A repository without immutable tags.
fn unguarded(name: &RepositoryName) -> Guarded<'_> {
    static NONE: LazyLock<ImmutableTags> = LazyLock::new(ImmutableTags::default);
    (name, &NONE)
}

fn open(folder: &TempDir, hands: &Arc<Hands>) -> Metadata {
    let mut options = Options::new(folder.path());
    options.clock = Arc::clone(hands) as Arc<dyn Clock>;
    options.grace = GRACE;
    options.lease = GRACE;
    options.undo = Duration::ZERO;
    let layout = Layout::new(folder.path());
    let store = Arc::new(LocalStore::new(Arc::new(SystemDisk), layout.clone()));
    let parts = WriterParts {
        store,
        collector: Arc::new(Notify::new()),
        lock: Box::new(()),
    };
    Metadata::open(&options, parts).unwrap()
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn layers(layers: &[Digest]) -> Links {
    Links {
        layers: layers.to_vec(),
        ..Links::default()
    }
}

#[tokio::test]
async fn a_blob_is_visible_where_it_was_pushed_or_mounted_and_nowhere_else() {
    let store = Store::new();
    let digest = store.push("a", b"one").await;
    assert!(store.sees("a", &digest));
    assert!(!store.sees("b", &digest));
    store
        .meta
        .mount_blob(&name("b"), &name("a"), &digest)
        .await
        .unwrap();
    assert!(store.sees("b", &digest));
    let unknown = store.meta.mount_blob(&name("c"), &name("x"), &digest).await;
    assert!(
        matches!(unknown, Err(BlobError::Unknown { repository, .. }) if repository == name("x"))
    );
    assert_eq!(
        store.meta.holders(&digest, 9).unwrap(),
        [name("a"), name("b")]
    );
    store.meta.delete_blob(&name("a"), &digest).await.unwrap();
    assert!(!store.sees("a", &digest) && store.sees("b", &digest));
    assert!(store.meta.places(None, 9).unwrap().items.is_empty());
    store.meta.delete_blob(&name("b"), &digest).await.unwrap();
    assert_eq!(store.meta.places(None, 9).unwrap().items.len(), 1);
    assert!(store.meta.delete_blob(&name("b"), &digest).await.is_err());
    store.finish();
}

#[tokio::test]
async fn a_blob_goes_after_its_grace_unless_something_links_it() {
    let store = Store::new();
    let (kept, lost) = (
        store.push("a", b"kept").await,
        store.push("a", b"lost").await,
    );
    let manifest = store.put("a", &["t"], layers(&[kept])).await;
    store.pass(GRACE - Duration::from_millis(1));
    assert_eq!(
        store.meta.collect_due().await.unwrap(),
        Collected::default()
    );
    store.pass(Duration::from_millis(1));
    let collected = store.meta.collect_due().await.unwrap();
    let expected = Collected {
        unlinked: 1,
        removed: 1,
        bytes: 4,
    };
    assert_eq!(collected, expected);
    assert!(store.sees("a", &kept) && !store.sees("a", &lost));
    // The grace of a blob begins when its last link goes.
    store
        .meta
        .delete_manifest(unguarded(&name("a")), &manifest)
        .await
        .unwrap();
    store.pass(GRACE - Duration::from_millis(1));
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 0);
    assert!(store.sees("a", &kept));
    store.pass(Duration::from_millis(1));
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 1);
    assert!(!store.sees("a", &kept));
    store.finish();
}

#[tokio::test]
async fn a_lease_is_asked_for_when_less_than_promised_is_left_and_holds() {
    let store = Store::new();
    let digest = store.push("a", b"leased").await;
    let needs = || {
        store
            .meta
            .blob(&name("a"), &digest)
            .unwrap()
            .unwrap()
            .needs_lease
    };
    assert!(!needs());
    store.pass(Duration::from_millis(1));
    assert!(needs());
    store.meta.lease_blob(&name("a"), &digest).await.unwrap();
    // Questions within the promised time write nothing, and each of them is good for that time.
    store.pass(GRACE);
    assert!(!needs());
    store.pass(GRACE - Duration::from_millis(1));
    assert!(needs());
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 0);
    store.pass(Duration::from_millis(1));
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 1);
    store.finish();
}

#[tokio::test]
async fn a_manifest_is_refused_with_every_blob_it_lacks() {
    let store = Store::new();
    let here = store.push("a", b"here").await;
    let elsewhere = store.push("b", b"elsewhere").await;
    let never = Digest::of(Algorithm::Sha512, b"never");
    let links = layers(&[here, elsewhere, never, never]);
    let put = put_of("m", links.clone(), &["t"]);
    let digest = Digest::of(Algorithm::Sha256, b"m");
    match store
        .meta
        .put_manifest(unguarded(&name("a")), digest, put.clone())
        .await
    {
        Err(ManifestError::MissingBlobs(missing)) => assert_eq!(missing, [elsewhere, never]),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.tag("a", "t"), None);
    assert_eq!(store.meta.statistics().unwrap().manifests, 0);
    let accepting = PutManifest {
        missing_blobs: Missing::Accept,
        ..put
    };
    store
        .meta
        .put_manifest(unguarded(&name("a")), digest, accepting)
        .await
        .unwrap();
    // The link waited for its target: a blob pushed later is kept at once.
    store.push("a", b"elsewhere").await;
    store.pass(GRACE * 2);
    store.meta.collect_due().await.unwrap();
    assert!(store.sees("a", &elsewhere));
    store.finish();
}

#[tokio::test]
async fn deleting_a_manifest_hides_its_tags_at_once_and_for_ever() {
    let store = Store::new();
    let first = store.put("a", &["x", "y"], Links::default()).await;
    let blob = store.push("a", b"layer").await;
    let second = store.put("a", &["y", "z"], layers(&[blob])).await;
    assert_eq!(
        (store.tag("a", "x"), store.tag("a", "y")),
        (Some(first), Some(second))
    );
    store
        .meta
        .delete_manifest(unguarded(&name("a")), &second)
        .await
        .unwrap();
    assert_eq!((store.tag("a", "y"), store.tag("a", "z")), (None, None));
    // The same manifest again, before the old rows are drained: old tags stay hidden.
    store.put("a", &["z"], layers(&[blob])).await;
    assert_eq!(
        (store.tag("a", "y"), store.tag("a", "z")),
        (None, Some(second))
    );
    store.meta.drain_rows().await.unwrap();
    assert_eq!(
        (store.tag("a", "y"), store.tag("a", "z")),
        (None, Some(second))
    );
    assert_eq!(store.meta.statistics().unwrap().tags, 2);
    store.finish();
}

#[tokio::test]
async fn tag_conditions_are_checked_with_the_change() {
    let store = Store::new();
    let first = store.put("a", &["t"], Links::default()).await;
    let put = |condition| PutManifest {
        condition,
        ..put_of("m", Links::default(), &["t"])
    };
    let digest = Digest::of(Algorithm::Sha256, b"m");
    for condition in [
        TagCondition::Absent,
        TagCondition::Names(vec![digest]),
        TagCondition::NamesNot(vec![first]),
    ] {
        let refused = store
            .meta
            .put_manifest(unguarded(&name("a")), digest, put(condition))
            .await;
        let Err(ManifestError::Condition { names, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(names, Some(first));
    }
    let condition = TagCondition::Names(vec![first]);
    store
        .meta
        .put_manifest(unguarded(&name("a")), digest, put(condition))
        .await
        .unwrap();
    assert_eq!(store.tag("a", "t"), Some(digest));
    store.finish();
}

#[tokio::test]
async fn a_deleted_repository_is_gone_at_once_and_its_name_is_free() {
    let store = Store::new();
    let blob = store.push("a", b"layer").await;
    store
        .meta
        .mount_blob(&name("b"), &name("a"), &blob)
        .await
        .unwrap();
    let only_here = store.push("a", b"only here").await;
    store
        .put("a", &["t", "u"], layers(&[blob, only_here]))
        .await;
    store.meta.delete_repository(&name("a")).await.unwrap();
    assert!(!store.meta.repository_exists(&name("a")).unwrap());
    assert!(store.meta.delete_repository(&name("a")).await.is_err());
    assert!(!store.sees("a", &blob));
    assert_eq!(store.meta.holders(&blob, 9).unwrap(), [name("b")]);
    // Used again before the old rows are gone: nothing of the old one shows.
    store.put("a", &["new"], Links::default()).await;
    assert_eq!(store.tag("a", "t"), None);
    store.meta.drain_rows().await.unwrap();
    assert_eq!(store.meta.places(None, 9).unwrap().items.len(), 1);
    assert!(store.sees("b", &blob) && store.tag("a", "new").is_some());
    store.finish();
}

#[tokio::test]
async fn the_same_content_from_many_clients_is_stored_once() {
    let store = Arc::new(Store::new());
    let pushes = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.push("a", b"the same").await })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap();
    }
    assert_eq!(store.meta.statistics().unwrap().blobs, 1);
    store.finish();
}

#[tokio::test]
async fn everything_is_there_after_reopening_and_time_goes_on() {
    let store = Store::new();
    let blob = store.push("a", b"layer").await;
    let manifest = store.put("a", &["t"], layers(&[blob])).await;
    let orphan = store.push("a", b"orphan").await;
    store.pass(GRACE / 2);
    store.meta.keep_time().await.unwrap();
    let number = store.meta.new_file_number().await.unwrap();
    let store = store.reopen();
    assert!(store.sees("a", &blob) && store.tag("a", "t") == Some(manifest));
    assert!(store.meta.new_file_number().await.unwrap() > number);
    let inherited = store.meta.inherited_file_ranges().to_vec();
    assert!(
        inherited
            .iter()
            .any(|&(start, end)| (start..end).contains(&number))
    );
    assert!(
        store
            .meta
            .is_upload_ended([5; 16], EngineTime(u64::MAX))
            .unwrap()
    );
    // Half of the grace passed before; the time between the two processes counts for nothing.
    store.pass(GRACE / 2);
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 1);
    assert!(!store.sees("a", &orphan));
    store.finish();
}

#[tokio::test]
async fn file_numbers_never_repeat_and_go_on_when_a_range_is_used_up() {
    let store = Store::new();
    let mut last = None;
    for _ in 0..10_000 {
        let number = store.meta.new_file_number().await.unwrap();
        assert!(last.is_none_or(|last| number > last));
        last = Some(number);
    }
    store.finish();
}

#[tokio::test]
async fn the_media_type_belongs_to_the_repository() {
    let store = Store::new();
    let blob = store.push("a", b"layer").await;
    let digest = store.put("a", &["t"], layers(&[blob])).await;
    let content = format!("{:?}", layers(&[blob]));
    let other: MediaType = "application/x".parse().unwrap();
    let put = put_of(content, Links::default(), &[]);
    let put = PutManifest {
        media_type: other.clone(),
        ..put
    };
    store
        .meta
        .put_manifest(unguarded(&name("b")), digest, put.clone())
        .await
        .unwrap();
    let reference = Reference::Digest(digest);
    let media_type = |repository| {
        store
            .meta
            .manifest(&name(repository), &reference)
            .unwrap()
            .unwrap()
            .media_type
    };
    assert_ne!(media_type("a"), media_type("b"));
    // The same bytes under another type link something else; the tag stays.
    store
        .meta
        .put_manifest(unguarded(&name("a")), digest, put)
        .await
        .unwrap();
    assert_eq!(media_type("a"), other);
    assert_eq!(store.tag("a", "t"), Some(digest));
    store.pass(GRACE);
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 1);
    store.finish();
}
