//! Immutable tags: they are set once, and neither move nor go, whoever else sets them at that moment.

use crate::support::{Hands, manifest, options};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::Digest;
use floundr_engine::name::{Reference, Tag};
use floundr_engine::policy::ImmutableTags;
use floundr_engine::repository::{
    ManifestError, RestoreError, StoredManifest, TagCondition, TagEvent, TagImmutable,
};
use floundr_engine::{Engine, Repository};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

struct Store {
    _folder: TempDir,
    engine: Engine,
    /// Its tags `v*` are immutable.
    guarded: Repository,
    free: Repository,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), &Arc::new(Hands::default()));
        options.undo = Duration::from_hours(1);
        let engine = Engine::open(options).await.unwrap();
        let free = engine.repository(&"a".parse().unwrap());
        let immutable = ImmutableTags::from(vec!["v*".parse().unwrap()]);
        Self {
            _folder: folder,
            engine,
            guarded: free.clone().with_immutable(immutable),
            free,
        }
    }

    async fn names(&self, tag: &str) -> Option<Digest> {
        let reference = Reference::Tag(tag_of(tag));
        let stat = self.free.stat_manifest(&reference).await;
        stat.ok().map(|stat| stat.digest)
    }
}

fn tag_of(text: &str) -> Tag {
    text.parse().unwrap()
}

async fn push(
    repository: &Repository,
    text: &str,
    tags: &[&str],
) -> Result<StoredManifest, ManifestError> {
    let put = manifest(text, tags, Links::default());
    repository.put_manifest(put).await
}

#[track_caller]
fn expect_immutable<T: std::fmt::Debug>(
    outcome: Result<T, ManifestError>,
    tag: &str,
    current: Digest,
    wanted: Option<Digest>,
) {
    let tag = tag_of(tag);
    let expected = TagImmutable {
        tag,
        current,
        wanted,
    };
    match outcome {
        Err(ManifestError::Immutable(refusal)) => assert_eq!(refusal, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_immutable_tag_is_set_once_and_set_again_to_the_same() {
    let store = Store::new().await;
    let pushed = push(&store.guarded, "one", &["v1", "latest"])
        .await
        .unwrap();
    let one = pushed.digest;
    push(&store.guarded, "one", &["v1", "v2"]).await.unwrap();
    let two = push(&store.free, "two", &[]).await.unwrap().digest;
    let moved = push(&store.guarded, "two", &["latest", "v1"]).await;
    expect_immutable(moved, "v1", one, Some(two));
    // All or nothing: the other tag did not move.
    assert_eq!(store.names("latest").await, Some(one));
    push(&store.guarded, "two", &["latest"]).await.unwrap();
    assert_eq!(store.names("latest").await, Some(two));
    assert_eq!(store.names("v1").await, Some(one));
    assert_eq!(store.engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_immutable_tag_does_not_go_and_keeps_its_manifest() {
    let store = Store::new().await;
    let pushed = push(&store.guarded, "one", &["v1", "latest"])
        .await
        .unwrap();
    let one = pushed.digest;
    let untagged = store.guarded.delete_tag(&tag_of("v1")).await;
    expect_immutable(untagged, "v1", one, None);
    expect_immutable(store.guarded.delete_manifest(&one).await, "v1", one, None);
    store.guarded.delete_tag(&tag_of("latest")).await.unwrap();
    assert_eq!(store.names("v1").await, Some(one));
    let two = push(&store.guarded, "two", &["latest"]).await.unwrap();
    store.guarded.delete_manifest(&two.digest).await.unwrap();

    store.free.delete_manifest(&one).await.unwrap();
    // It is deleted, so its tag names nothing and may be set; restoring takes nothing back from it.
    let three = push(&store.guarded, "three", &["v1"]).await.unwrap().digest;
    let restored = store.guarded.restore_manifest(&one).await.unwrap();
    assert_eq!(restored.taken, [tag_of("v1")]);
    let back = store.guarded.restore_tag(&tag_of("v1")).await;
    assert!(
        matches!(&back, Err(RestoreError::Immutable(refusal)) if refusal.current == three),
        "{back:?}"
    );
    store.guarded.delete().await.unwrap();
    assert_eq!(store.names("v1").await, None);
    assert_eq!(store.engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tag_is_set_without_its_manifest_by_the_same_rules() {
    let store = Store::new().await;
    let one = push(&store.free, "one", &["v1"]).await.unwrap().digest;
    let two = push(&store.free, "two", &[]).await.unwrap().digest;
    let set = async |tag: &str, digest: &Digest, condition| {
        let tag = tag_of(tag);
        store.guarded.set_tag(&tag, digest, condition).await
    };
    let always = || TagCondition::Always;
    assert_eq!(set("v2", &one, always()).await.unwrap(), None);
    assert_eq!(set("v2", &one, always()).await.unwrap(), Some(one));
    expect_immutable(set("v2", &two, always()).await, "v2", one, Some(two));
    assert_eq!(
        set("latest", &one, TagCondition::Absent).await.unwrap(),
        None
    );
    let taken = set("latest", &two, TagCondition::Absent).await;
    assert!(
        matches!(taken, Err(ManifestError::Condition { names: Some(digest), .. }) if digest == one)
    );
    assert_eq!(set("latest", &two, always()).await.unwrap(), Some(one));
    assert_eq!(store.names("latest").await, Some(two));
    let history = store.free.tag_history(&tag_of("latest")).await.unwrap();
    let events: Vec<_> = history.iter().map(|change| change.event).collect();
    assert_eq!(events, [TagEvent::Set, TagEvent::Moved]);

    store.free.delete_manifest(&two).await.unwrap();
    let gone = set("latest", &two, always()).await;
    assert!(
        matches!(gone, Err(ManifestError::Unknown { .. })),
        "{gone:?}"
    );
    let elsewhere = store.engine.repository(&"b".parse().unwrap());
    let unknown = elsewhere.set_tag(&tag_of("v1"), &one, always()).await;
    assert!(matches!(unknown, Err(ManifestError::Unknown { .. })));
    assert_eq!(store.engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_push_to_one_immutable_tag_at_the_same_time_one_is_refused() {
    let store = Store::new().await;
    for round in 0..200 {
        let tag = format!("v{round}");
        let pushing = ["one", "two"].map(|text| {
            let (repository, tag) = (store.guarded.clone(), tag.clone());
            tokio::spawn(async move { push(&repository, text, &[&tag]).await })
        });
        let [one, two] = pushing;
        let (won, lost) = match (one.await.unwrap(), two.await.unwrap()) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            outcomes => panic!("{outcomes:?}"),
        };
        assert_eq!(store.names(&tag).await, Some(won.digest));
        let current = won.digest;
        assert!(
            matches!(&lost, ManifestError::Immutable(refusal) if refusal.current == current),
            "{lost:?}"
        );
    }
}
