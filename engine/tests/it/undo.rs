//! What was deleted can be restored until it is final, and what was pushed since is never
//! overwritten by it.

use crate::support::{GRACE, Hands, content, manifest, options};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::gc::CollectOptions;
use floundr_engine::name::{Reference, RepositoryName, Tag};
use floundr_engine::page::Page;
use floundr_engine::repository::{
    DeletedManifest, ManifestError, ReferrersQuery, RestoreError, TagEvent,
};
use floundr_engine::{Engine, Repository};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How long deletions can be undone here.
const UNDO: Duration = Duration::from_secs(1000);
const SECOND: Duration = Duration::from_secs(1);

struct Store {
    folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let engine = open(&folder, &hands).await;
        Self {
            folder,
            hands,
            engine,
        }
    }

    async fn reopen(self) -> Self {
        self.engine.close().await.unwrap();
        let engine = open(&self.folder, &self.hands).await;
        Self { engine, ..self }
    }

    fn repository(&self) -> Repository {
        self.engine.repository(&name("a"))
    }

    async fn pass(&self, time: Duration) {
        self.hands.pass(time);
        self.engine.collect().await.unwrap();
    }

    async fn names(&self, tag: &str) -> Option<Digest> {
        let (repository, reference) = (self.repository(), Reference::Tag(tag_of(tag)));
        let stat = repository.stat_manifest(&reference);
        stat.await.ok().map(|stat| stat.digest)
    }

    async fn has(&self, digest: &Digest) -> bool {
        let (repository, reference) = (self.repository(), Reference::Digest(*digest));
        match repository.manifest(&reference).await {
            Ok(_) => true,
            Err(ManifestError::Unknown { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    async fn history(&self, tag: &str) -> Vec<(TagEvent, Digest)> {
        let changes = self.repository().tag_history(&tag_of(tag)).await.unwrap();
        changes
            .into_iter()
            .map(|change| (change.event, change.digest))
            .collect()
    }

    async fn deleted(&self) -> Vec<DeletedManifest> {
        let page = Page {
            after: None,
            limit: 100,
        };
        self.repository().deleted(page).await.unwrap().items
    }

    async fn finish(self) {
        assert_eq!(self.engine.audit().await.unwrap(), Vec::<String>::new());
    }
}

async fn open(folder: &TempDir, hands: &Arc<Hands>) -> Engine {
    let mut options = options(folder.path(), hands);
    options.undo = UNDO;
    options.tag_history = 5;
    options.collect_interval = Duration::from_secs(100_000);
    Engine::open(options).await.unwrap()
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn tag_of(text: &str) -> Tag {
    text.parse().unwrap()
}

fn texts(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(Tag::as_str).collect()
}

async fn blob(repository: &Repository, seed: u64) -> Digest {
    let put = repository.put_blob(Algorithm::Sha256, content(500, seed));
    put.await.unwrap()
}

async fn put(repository: &Repository, text: &str, tags: &[&str], links: Links) -> Digest {
    let put = manifest(text, tags, links);
    repository.put_manifest(put).await.unwrap().digest
}

fn layers(layers: &[Digest]) -> Links {
    Links {
        layers: layers.to_vec(),
        ..Links::default()
    }
}

#[tokio::test]
async fn a_deleted_manifest_is_gone_at_once_everywhere_and_comes_back_as_it_was() {
    let store = Store::new().await;
    let repository = store.repository();
    let layer = blob(&repository, 1).await;
    let subject = Digest::of(Algorithm::Sha256, b"subject");
    let links = Links {
        subject: Some(subject),
        artifact_type: Some("x/y".to_owned()),
        ..layers(&[layer])
    };
    let digest = put(&repository, "m", &["t", "u"], links).await;
    let page = || Page {
        after: None,
        limit: 10,
    };
    let referrers = || {
        let query = ReferrersQuery {
            artifact_type: Some("x/y".to_owned()),
            page: Page {
                after: None,
                limit: 10,
            },
        };
        let repository = repository.clone();
        async move {
            repository
                .referrers(&subject, query)
                .await
                .unwrap()
                .items
                .len()
        }
    };
    assert_eq!(referrers().await, 1);
    repository.delete_manifest(&digest).await.unwrap();
    assert!(!store.has(&digest).await);
    assert_eq!(store.names("t").await, None);
    assert_eq!(referrers().await, 0);
    let tags = repository
        .tags(Page {
            after: None,
            limit: 10,
        })
        .await
        .unwrap();
    assert_eq!(tags.items, []);
    assert!(repository.delete_manifest(&digest).await.is_err());
    let deleted = repository.deleted(page_of_digests()).await.unwrap().items;
    assert_eq!(deleted.len(), 1);
    assert_eq!(
        (deleted[0].digest, texts(&deleted[0].tags), deleted[0].left),
        (digest, vec!["t", "u"], UNDO)
    );
    let store = store.reopen().await;
    store.pass(UNDO - SECOND).await;
    assert_eq!(store.deleted().await[0].left, SECOND);
    let restored = store.repository().restore_manifest(&digest).await.unwrap();
    assert_eq!(texts(&restored.tags), ["t", "u"]);
    assert_eq!((restored.taken, restored.missing_blobs), (vec![], vec![]));
    let repository = store.repository();
    assert!(store.has(&digest).await && store.names("u").await == Some(digest));
    assert!(repository.blob(&layer).await.is_ok());
    let again = repository.restore_manifest(&digest).await;
    assert!(matches!(again, Err(RestoreError::Manifest { .. })));
    let tags = repository.tags(page()).await.unwrap();
    assert_eq!(texts(&tags.items), ["t", "u"]);
    // It is kept again for ever, and its layer with it.
    store.pass(UNDO * 2).await;
    assert!(store.has(&digest).await && repository.blob(&layer).await.is_ok());
    store.finish().await;
}

fn page_of_digests() -> Page<Digest> {
    Page {
        after: None,
        limit: 10,
    }
}

#[tokio::test]
async fn after_the_undo_period_record_and_edges_go_and_the_grace_of_the_blobs_begins() {
    let store = Store::new().await;
    let repository = store.repository();
    let layer = blob(&repository, 1).await;
    let digest = put(&repository, "m", &["t"], layers(&[layer])).await;
    repository.delete_manifest(&digest).await.unwrap();
    store.pass(UNDO - SECOND).await;
    assert_eq!(store.deleted().await.len(), 1);
    store.pass(SECOND).await;
    assert_eq!(store.deleted().await, []);
    let restored = repository.restore_manifest(&digest).await;
    assert!(matches!(restored, Err(RestoreError::Manifest { .. })));
    store.pass(GRACE - SECOND).await;
    assert!(repository.blob(&layer).await.is_ok());
    store.pass(SECOND).await;
    assert!(repository.blob(&layer).await.is_err());
    assert_eq!(store.engine.statistics().await.unwrap().tags, 0);
    store.finish().await;
}

#[tokio::test]
async fn restoring_leaves_tags_that_were_set_since_and_names_them() {
    let store = Store::new().await;
    let repository = store.repository();
    let old = put(
        &repository,
        "old",
        &["free", "taken", "twice"],
        Links::default(),
    )
    .await;
    repository.delete_manifest(&old).await.unwrap();
    let new = put(&repository, "new", &["taken", "twice"], Links::default()).await;
    // A tag that was taken and is free again comes back.
    repository.delete_tag(&tag_of("twice")).await.unwrap();
    let restored = repository.restore_manifest(&old).await.unwrap();
    assert_eq!(texts(&restored.tags), ["free", "twice"]);
    assert_eq!(texts(&restored.taken), ["taken"]);
    assert_eq!(store.names("taken").await, Some(new));
    assert_eq!(store.names("twice").await, Some(old));
    store.finish().await;
}

#[tokio::test]
async fn of_two_deleted_manifests_that_had_a_tag_the_first_restored_gets_it() {
    let store = Store::new().await;
    let repository = store.repository();
    let first = put(&repository, "1", &["t"], Links::default()).await;
    repository.delete_manifest(&first).await.unwrap();
    let second = put(&repository, "2", &["t"], Links::default()).await;
    repository.delete_manifest(&second).await.unwrap();
    let restored = repository.restore_manifest(&first).await.unwrap();
    assert_eq!(texts(&restored.tags), ["t"]);
    let restored = repository.restore_manifest(&second).await.unwrap();
    assert_eq!(texts(&restored.taken), ["t"]);
    assert_eq!(store.names("t").await, Some(first));
    store.finish().await;
}

#[tokio::test]
async fn a_manifest_put_again_replaces_the_deleted_one_and_counts_its_links_once() {
    let store = Store::new().await;
    let repository = store.repository();
    let layer = blob(&repository, 1).await;
    let digest = put(&repository, "m", &["old"], layers(&[layer])).await;
    repository.delete_manifest(&digest).await.unwrap();
    assert_eq!(
        put(&repository, "m", &["new"], layers(&[layer])).await,
        digest
    );
    assert_eq!(store.deleted().await, []);
    assert_eq!(store.names("old").await, None);
    // Deleting it for good leaves nothing that keeps the layer.
    store.pass(UNDO).await;
    assert!(store.has(&digest).await);
    repository.delete_manifest(&digest).await.unwrap();
    store.pass(UNDO).await;
    store.pass(GRACE).await;
    assert!(repository.blob(&layer).await.is_err());
    store.finish().await;
}

#[tokio::test]
async fn a_restored_manifest_tells_which_of_its_blobs_were_deleted_and_pushing_them_heals() {
    let store = Store::new().await;
    let repository = store.repository();
    let layer = blob(&repository, 1).await;
    let digest = put(&repository, "m", &[], layers(&[layer])).await;
    repository.delete_manifest(&digest).await.unwrap();
    repository.delete_blob(&layer).await.unwrap();
    let restored = repository.restore_manifest(&digest).await.unwrap();
    assert_eq!(restored.missing_blobs, [layer]);
    blob(&repository, 1).await;
    store.pass(GRACE * 2).await;
    assert!(repository.blob(&layer).await.is_ok());
    store.finish().await;
}

#[tokio::test]
async fn every_change_of_a_tag_is_in_its_history_and_the_history_is_bounded() {
    let store = Store::new().await;
    let repository = store.repository();
    let one = put(&repository, "1", &["t"], Links::default()).await;
    let two = put(&repository, "2", &["t"], Links::default()).await;
    // Setting what is set already changes nothing.
    put(&repository, "2", &["t"], Links::default()).await;
    repository.delete_tag(&tag_of("t")).await.unwrap();
    put(&repository, "1", &["t"], Links::default()).await;
    let mut expected = vec![
        (TagEvent::Set, one),
        (TagEvent::Moved, two),
        (TagEvent::Deleted, two),
        (TagEvent::Set, one),
    ];
    assert_eq!(store.history("t").await, expected);
    repository.delete_manifest(&one).await.unwrap();
    expected.push((TagEvent::ManifestDeleted, one));
    assert_eq!(store.history("t").await, expected);
    store.engine.collect().await.unwrap();
    assert_eq!(store.history("t").await, expected);
    put(&repository, "2", &["t"], Links::default()).await;
    expected.push((TagEvent::Set, two));
    assert_eq!(store.history("t").await, expected[1..]);
    // A history goes with its tag, after the undo period and not before.
    repository.delete_tag(&tag_of("t")).await.unwrap();
    store.pass(UNDO - SECOND).await;
    assert_eq!(store.history("t").await.len(), 5);
    store.pass(SECOND).await;
    assert_eq!(store.history("t").await, []);
    store.finish().await;
}

#[tokio::test]
async fn a_restored_tag_names_what_it_named_before_also_from_the_trash() {
    let store = Store::new().await;
    let repository = store.repository();
    let tag = tag_of("t");
    let unknown = repository.restore_tag(&tag).await;
    assert!(matches!(unknown, Err(RestoreError::Tag { .. })));
    let one = put(&repository, "1", &["t", "other"], Links::default()).await;
    let unknown = repository.restore_tag(&tag).await;
    assert!(matches!(unknown, Err(RestoreError::Tag { .. })));
    let two = put(&repository, "2", &["t"], Links::default()).await;
    // Overwritten: and back, and forth.
    assert_eq!(repository.restore_tag(&tag).await.unwrap(), one);
    assert_eq!(store.names("t").await, Some(one));
    assert_eq!(repository.restore_tag(&tag).await.unwrap(), two);
    // Deleted.
    repository.delete_tag(&tag).await.unwrap();
    assert_eq!(repository.restore_tag(&tag).await.unwrap(), two);
    // Its previous manifest is in the trash: that comes back, its other tags do not.
    repository.delete_manifest(&one).await.unwrap();
    assert_eq!(repository.restore_tag(&tag).await.unwrap(), one);
    assert!(store.has(&one).await);
    assert_eq!(store.names("other").await, None);
    store.engine.collect().await.unwrap();
    assert_eq!(
        (store.names("t").await, store.names("other").await),
        (Some(one), None)
    );
    // Gone for good.
    repository.delete_manifest(&two).await.unwrap();
    store.pass(UNDO).await;
    let gone = repository.restore_tag(&tag).await;
    assert!(matches!(gone, Err(RestoreError::ManifestGone { digest, .. }) if digest == two));
    store.finish().await;
}

#[tokio::test]
async fn a_tag_of_a_deleted_manifest_is_restored_by_name_before_and_after_its_row_is_gone() {
    for drained in [false, true] {
        let store = Store::new().await;
        let repository = store.repository();
        let digest = put(&repository, "m", &["t"], Links::default()).await;
        repository.delete_manifest(&digest).await.unwrap();
        if drained {
            store.engine.collect().await.unwrap();
        }
        assert_eq!(repository.restore_tag(&tag_of("t")).await.unwrap(), digest);
        assert_eq!(store.names("t").await, Some(digest));
        store.engine.collect().await.unwrap();
        assert_eq!(store.names("t").await, Some(digest));
        let events: Vec<_> = store
            .history("t")
            .await
            .into_iter()
            .map(|(e, _)| e)
            .collect();
        let expected = [TagEvent::Set, TagEvent::ManifestDeleted, TagEvent::Restored];
        assert_eq!(events, expected);
        store.finish().await;
    }
}

#[tokio::test]
async fn a_manifest_with_many_tags_is_hidden_at_once_and_restored_with_all_of_them() {
    let store = Store::new().await;
    let repository = store.repository();
    let tags: Vec<String> = (0..700).map(|index| format!("t{index:03}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let digest = put(&repository, "m", &tags, Links::default()).await;
    repository.delete_manifest(&digest).await.unwrap();
    assert_eq!(store.names("t699").await, None);
    store.engine.collect().await.unwrap();
    assert_eq!(store.engine.statistics().await.unwrap().tags, 0);
    let restored = repository.restore_manifest(&digest).await.unwrap();
    assert_eq!(texts(&restored.tags), tags);
    store.engine.collect().await.unwrap();
    assert_eq!(store.names("t699").await, Some(digest));
    store.finish().await;
}

#[tokio::test]
async fn a_deleted_repository_comes_back_whole_unless_its_name_is_taken() {
    let store = Store::new().await;
    let repository = store.repository();
    let layer = blob(&repository, 1).await;
    let digest = put(&repository, "m", &["t"], layers(&[layer])).await;
    let trashed = put(&repository, "gone", &["g"], Links::default()).await;
    repository.delete_manifest(&trashed).await.unwrap();
    repository.delete().await.unwrap();
    assert!(!repository.exists().await.unwrap() && !store.has(&digest).await);
    assert!(repository.blob(&layer).await.is_err());
    let page = || Page {
        after: None,
        limit: 10,
    };
    let deleted = store.engine.deleted_repositories(page());
    let deleted = deleted.await.unwrap().items;
    assert_eq!(deleted.len(), 1);
    assert_eq!((&deleted[0].name, deleted[0].left), (&name("a"), UNDO));
    // A new one of the name: the old one stays where it is.
    blob(&repository, 2).await;
    let taken = store.engine.restore_repository(&name("a")).await;
    assert!(matches!(taken, Err(RestoreError::Exists(_))));
    repository.delete().await.unwrap();
    // The last one comes back first, and has to go before the one before it.
    store.engine.restore_repository(&name("a")).await.unwrap();
    assert!(repository.blob(&layer).await.is_err());
    let own = Digest::of(Algorithm::Sha256, &content(500, 2));
    repository.delete_blob(&own).await.unwrap();
    store.engine.restore_repository(&name("a")).await.unwrap();
    assert_eq!(store.names("t").await, Some(digest));
    assert!(repository.blob(&layer).await.is_ok());
    assert_eq!(store.deleted().await[0].digest, trashed);
    let none = store.engine.restore_repository(&name("a")).await;
    assert!(matches!(none, Err(RestoreError::Repository(_))));
    store.pass(UNDO * 2).await;
    assert_eq!(store.names("t").await, Some(digest));
    // And it goes for good.
    repository.delete().await.unwrap();
    store.pass(UNDO).await;
    let deleted = store.engine.deleted_repositories(page());
    assert_eq!(deleted.await.unwrap().items, []);
    assert_eq!(store.engine.statistics().await.unwrap().blobs, 0);
    store.finish().await;
}

#[tokio::test]
async fn an_emptied_trash_gives_its_space_back_after_the_leases() {
    let store = Store::new().await;
    let repository = store.repository();
    let layer = blob(&repository, 1).await;
    let digest = put(&repository, "m", &["t"], layers(&[layer])).await;
    repository.delete_manifest(&digest).await.unwrap();
    let mut options = CollectOptions {
        grace: Some(Duration::ZERO),
        empty_trash: true,
        dry_run: true,
    };
    let planned = store.engine.collector().run(options).await.unwrap();
    assert_eq!(planned.purged_manifests, 1);
    assert_eq!(store.deleted().await.len(), 1);
    options.dry_run = false;
    let report = store.engine.collector().run(options).await.unwrap();
    assert_eq!((report.purged_manifests, report.removed), (1, 0));
    options.empty_trash = false;
    store.hands.pass(GRACE * 2);
    let report = store.engine.collector().run(options).await.unwrap();
    assert!(report.complete);
    assert!(repository.blob(&layer).await.is_err());
    assert_eq!(store.deleted().await, []);
    let restored = repository.restore_manifest(&digest).await;
    assert!(matches!(restored, Err(RestoreError::Manifest { .. })));
    store.finish().await;
}
