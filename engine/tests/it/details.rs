//! What people want to know of tags, manifests, repositories and uploads, page by page.

use crate::support::{Hands, content, manifest, options};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::Reference;
use floundr_engine::page::{Page, Part};
use floundr_engine::policy::{KeepTags, OrphanedReferrers, Pattern, Policy};
use floundr_engine::repository::{ManifestDetail, ManifestError, RepositoryError, TagDetail};
use floundr_engine::upload::{UploadDetail, UploadError, UploadUuid};
use floundr_engine::{Engine, Repository};
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);

struct Store {
    _folder: TempDir,
    hands: Arc<Hands>,
    engine: Engine,
}

impl Store {
    /// A store that records pulls.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hands = Arc::new(Hands::default());
        let mut options = options(folder.path(), &hands);
        options.policies = vec![Policy {
            repositories: "**".parse().unwrap(),
            untagged_after: None,
            keep_tags: Some(KeepTags {
                pulled_within: Some(HOUR * 24 * 365),
                ..KeepTags::default()
            }),
            orphaned_referrers: OrphanedReferrers::Keep,
        }];
        let engine = Engine::open(options).await.unwrap();
        Self {
            _folder: folder,
            hands,
            engine,
        }
    }

    fn repository(&self, name: &str) -> Repository {
        self.engine.repository(&name.parse().unwrap())
    }

    async fn uploads(&self) -> Vec<UploadDetail> {
        let listing = self.engine.uploads(first(100)).await.unwrap();
        assert!(!listing.more);
        listing.items
    }
}

fn first<K>(limit: usize) -> Page<K> {
    Page { after: None, limit }
}

fn texts<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// All pages of a listing of names, joined.
macro_rules! joined {
    ($page:ident, $limit:expr, $call:expr) => {{
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let $page = Page {
                after,
                limit: $limit,
            };
            let Part { items, next } = $call.await.unwrap();
            assert!(items.len() <= $limit);
            all.extend(items);
            after = next;
            if after.is_none() {
                break all;
            }
        }
    }};
}

#[tokio::test]
async fn tags_are_told_with_size_and_times_and_by_a_part_of_their_name() {
    let store = Store::new().await;
    let repository = store.repository("a");
    store.hands.pass(Duration::from_secs(5));
    let image = manifest("image", &["v1", "v2", "latest"], Links::default());
    let digest = repository.put_manifest(image).await.unwrap().digest;
    store.hands.pass(HOUR);
    let gone = manifest("gone", &["v3"], Links::default());
    let gone = repository.put_manifest(gone).await.unwrap().digest;
    repository.delete_manifest(&gone).await.unwrap();

    let tags = repository.tag_details(first(1), Some("v")).await.unwrap();
    let expected = TagDetail {
        tag: "v1".parse().unwrap(),
        digest,
        media_type: "application/x".parse().unwrap(),
        size: 5,
        updated: 5_000,
        last_pull: None,
    };
    assert_eq!(tags.items.as_slice(), from_ref(&expected));
    for (filter, limit, names) in [
        (None, 1, "latest v1 v2"),
        (None, 100, "latest v1 v2"),
        (Some("v"), 1, "v1 v2"),
        (Some("a"), 1, "latest"),
        (Some("V"), 2, ""),
    ] {
        let all = joined!(page, limit, repository.tag_details(page, filter));
        assert_eq!(texts(&all, |tag| tag.tag.to_string()), names, "{filter:?}");
    }

    repository.note_pull(&digest).unwrap();
    // Pulls wait for nobody: the next write is behind them.
    store.repository("b").create().await.unwrap();
    let pulled = repository
        .tag_details(first(100), Some("v1"))
        .await
        .unwrap();
    let last_pull = Some(5_000 + 3_600_000);
    assert_eq!(
        pulled.items,
        [TagDetail {
            last_pull,
            ..expected
        }]
    );
    assert_eq!(pulled.next, None);
    let unknown = store.repository("none").tag_details(first(1), None).await;
    assert!(matches!(unknown, Err(RepositoryError::Unknown(_))));
}

#[tokio::test]
async fn a_search_among_many_tags_comes_to_its_end_in_short_pages() {
    let store = Store::new().await;
    let repository = store.repository("a");
    for hundred in 0..101 {
        let tags: Vec<_> = (0..100)
            .map(|one| format!("t{hundred:03}{one:02}"))
            .collect();
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        let put = manifest("image", &tags, Links::default());
        repository.put_manifest(put).await.unwrap();
    }
    let short = repository.tag_details(first(10), Some("10099"));
    let short = short.await.unwrap();
    assert_eq!(
        (short.items, short.next.as_deref()),
        (vec![], Some("t09999"))
    );
    let page = Page {
        after: short.next,
        limit: 10,
    };
    let last = repository.tag_details(page, Some("10099")).await.unwrap();
    assert_eq!(texts(&last.items, |tag| tag.tag.to_string()), "t10099");
    assert_eq!(last.next, None);
}

#[tokio::test]
async fn manifests_are_told_with_their_tags_and_artifact_type() {
    let store = Store::new().await;
    let repository = store.repository("a");
    store.hands.pass(Duration::from_secs(7));
    let tags: Vec<_> = (0..101).map(|tag| format!("t{tag:03}")).collect();
    let tags: Vec<_> = tags.iter().map(String::as_str).collect();
    let links = Links {
        artifact_type: Some("text/x".to_owned()),
        ..Links::default()
    };
    let artifact = manifest("artifact", &tags, links);
    let artifact = repository.put_manifest(artifact).await.unwrap().digest;
    let image = manifest("image", &["v1"], Links::default());
    let image = repository.put_manifest(image).await.unwrap().digest;

    let reference = Reference::Tag("v1".parse().unwrap());
    let one = repository.manifest_detail(&reference).await.unwrap();
    let expected = ManifestDetail {
        digest: image,
        media_type: "application/x".parse().unwrap(),
        size: 5,
        pushed: 7_000,
        tags: vec!["v1".parse().unwrap()],
        more_tags: false,
        artifact_type: None,
    };
    assert_eq!(one, expected);
    let mut digests = [artifact, image];
    digests.sort_by_key(ToString::to_string);
    let begin = repository.manifests(first(1)).await.unwrap();
    assert_eq!((begin.items[0].digest, begin.more), (digests[0], true));
    let page = Page {
        after: Some(digests[0]),
        limit: 1,
    };
    let end = repository.manifests(page).await.unwrap();
    assert_eq!((end.items[0].digest, end.more), (digests[1], false));
    let both = [begin.items, end.items].concat();
    assert!(both.contains(&expected));
    let artifact = both
        .iter()
        .find(|detail| detail.digest == artifact)
        .unwrap();
    assert_eq!(artifact.artifact_type.as_deref(), Some("text/x"));
    assert_eq!((artifact.tags.len(), artifact.more_tags), (100, true));

    repository.delete_manifest(&image).await.unwrap();
    let gone = repository.manifest_detail(&Reference::Digest(image)).await;
    assert!(matches!(gone, Err(ManifestError::Unknown { .. })));
    assert_eq!(repository.manifests(first(9)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_repository_is_told_with_what_it_shares_and_when_it_was_used_last() {
    let store = Store::new().await;
    let (a, b) = (store.repository("a"), store.repository("team/b"));
    let own = a
        .put_blob(Algorithm::Sha256, content(100, 1))
        .await
        .unwrap();
    let both = a
        .put_blob(Algorithm::Sha256, content(1_000, 2))
        .await
        .unwrap();
    b.mount(&both, a.name()).await.unwrap();
    let absent = Digest::of(Algorithm::Sha256, b"absent");
    let shared = a.shared(&[own, absent, both]).await.unwrap();
    assert_eq!(shared, [Some(false), None, Some(true)]);
    assert_eq!(b.shared(&[own]).await.unwrap(), [None]);

    store.hands.pass(HOUR);
    let image = manifest("image", &["v1"], Links::default());
    let image = a.put_manifest(image).await.unwrap().digest;
    store.hands.pass(HOUR);
    a.put_manifest(manifest("image", &["v2"], Links::default()))
        .await
        .unwrap();
    store.hands.pass(HOUR);
    a.note_pull(&image).unwrap();
    b.create().await.unwrap();
    let usage = a.usage().await.unwrap();
    assert_eq!((usage.own_bytes, usage.shared_bytes), (100, 1_000));
    assert_eq!(
        (usage.manifests, usage.manifest_bytes, usage.tags),
        (1, 5, 2)
    );
    assert_eq!(usage.last_push, Some(2 * 3_600_000));
    assert_eq!(usage.last_pull, Some(3 * 3_600_000));
    let all = store.engine.usage(first(9)).await.unwrap();
    assert_eq!(all.items[0], usage);
    assert_eq!(
        (all.items[1].last_push, all.items[1].last_pull),
        (None, None)
    );
    let unknown = store.repository("none").usage().await;
    assert!(matches!(unknown, Err(RepositoryError::Unknown(_))));

    let held = async |pattern: &str| {
        let pattern: Pattern = pattern.parse().unwrap();
        store.engine.held_bytes(&pattern).await.unwrap()
    };
    assert_eq!(held("**").await, 2_105);
    assert_eq!(held("a").await, 1_105);
    assert_eq!(held("team/*").await, 1_000);
    assert_eq!(held("tea").await, 0);
    a.delete().await.unwrap();
    assert_eq!(held("**").await, 1_000);
}

#[tokio::test]
async fn repositories_are_found_by_pattern_and_by_a_part_of_their_name() {
    let store = Store::new().await;
    for name in ["a", "team", "team/a", "team/a/b", "team/b", "teams/a"] {
        store.repository(name).create().await.unwrap();
    }
    store.repository("team/gone").create().await.unwrap();
    store.repository("team/gone").delete().await.unwrap();
    for limit in [1, 2, 100] {
        for (pattern, names) in [
            ("team/**", "team/a team/a/b team/b"),
            ("team/*", "team/a team/b"),
            ("**/a", "a team/a teams/a"),
            ("team", "team"),
            ("none/*", ""),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            let call = &store.engine;
            let all = joined!(page, limit, call.repositories_matching(&pattern, page));
            assert_eq!(texts(&all, ToString::to_string), names, "{pattern}");
        }
        let call = &store.engine;
        let all = joined!(page, limit, call.repositories_containing("m/", page));
        assert_eq!(texts(&all, ToString::to_string), "team/a team/a/b team/b");
    }
}

#[tokio::test]
async fn uploads_are_listed_while_they_are_open_and_at_rest() {
    let store = Store::new().await;
    let repository = store.repository("a");
    store.hands.pass(Duration::from_secs(3));
    let mut open = repository.start_upload(Algorithm::Sha256).unwrap();
    let uuid: UploadUuid = open.id().uuid().parse().unwrap();
    let fresh = store.uploads().await;
    let lifetime = fresh[0].expires_in.unwrap();
    let expected = UploadDetail {
        uuid,
        repository: Some(repository.name().clone()),
        offset: 0,
        started: Some(3_000),
        updated: None,
        expires_in: Some(lifetime),
        active: true,
    };
    assert_eq!(fresh.as_slice(), from_ref(&expected));
    store.hands.pass(Duration::from_secs(2));
    open.append(content(200_000, 1)).await.unwrap();
    assert_eq!(store.uploads().await[0].offset, 200_000);
    let id = open.id();
    open.suspend().await.unwrap();
    store.hands.pass(Duration::from_secs(1));
    let resting = UploadDetail {
        offset: 200_000,
        updated: Some(5_000),
        expires_in: Some(lifetime - Duration::from_secs(1)),
        active: false,
        ..expected
    };
    assert_eq!(store.uploads().await.as_slice(), from_ref(&resting));
    let again = repository.resume_upload(&id).await.unwrap();
    let active = UploadDetail {
        active: true,
        ..resting
    };
    assert_eq!(store.uploads().await, [active]);
    let digest = Digest::of(Algorithm::Sha256, &content(200_000, 1));
    again.finish(&digest).await.unwrap();
    assert_eq!(store.uploads().await, []);

    let others: Vec<_> = (0..5)
        .map(|_| repository.start_upload(Algorithm::Sha256).unwrap())
        .collect();
    let mut uuids: Vec<_> = others.iter().map(|open| open.id().uuid()).collect();
    uuids.sort();
    let begin = store.engine.uploads(first(2)).await.unwrap();
    let page = Page {
        after: Some(begin.items[1].uuid),
        limit: 3,
    };
    let end = store.engine.uploads(page).await.unwrap();
    assert!(begin.more && !end.more);
    let listed = [begin.items, end.items].concat();
    assert_eq!(
        texts(&listed, |upload| upload.uuid.to_string()),
        uuids.join(" ")
    );
}

#[tokio::test]
async fn an_upload_is_cancelled_by_its_uuid_open_or_at_rest() {
    let store = Store::new().await;
    let repository = store.repository("a");
    for rests in [false, true] {
        let mut upload = repository.start_upload(Algorithm::Sha256).unwrap();
        let (id, uuid) = (upload.id(), upload.id().uuid().parse().unwrap());
        upload.append(content(200_000, 2)).await.unwrap();
        let mut open = Some(upload);
        if rests {
            open.take().unwrap().suspend().await.unwrap();
        }
        assert!(store.engine.cancel_upload(uuid).await.unwrap());
        if let Some(mut open) = open {
            let fenced = open.append(content(1, 1)).await;
            assert!(matches!(fenced, Err(UploadError::Fenced(_))), "{fenced:?}");
        }
        let status = repository.upload_status(&id).await;
        assert!(matches!(status, Err(UploadError::Unknown(_))));
        assert_eq!(store.uploads().await, []);
        assert!(!store.engine.cancel_upload(uuid).await.unwrap());
    }
    assert_eq!(store.engine.store_usage().await.unwrap().upload_bytes, 0);
}
