//! A policy's deletion is judged in its own transaction: what changed since it was looked at stays.

use super::{Store, name, unguarded};
use crate::clock::EngineTime;
use crate::descriptor::Links;
use crate::meta::{KeepRules, Newest, Rows as _, Rules, Table, keys};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn what_changed_since_it_was_judged_is_not_deleted() {
    let store = Store::new();
    let about = |text: &str| Links {
        artifact_type: Some(text.to_owned()),
        ..Links::default()
    };
    let untouched = store.put("a", &[], about("untouched")).await;
    let tagged = store.put("a", &[], about("tagged")).await;
    let child = store.put("a", &[], about("child")).await;
    let pulled = store.put("a", &[], about("pulled")).await;
    store.put("a", &["goes", "moved"], Links::default()).await;
    store.pass(Duration::from_hours(10));
    let cut = EngineTime(1000);
    let rules = Arc::new(Rules {
        untagged_before: Some(cut),
        orphans_before: None,
        used_since: Some(EngineTime(2 * 60 * 60 * 1000)),
        keep: Some(KeepRules {
            newest: Newest::None,
            matching: Vec::new(),
        }),
    });
    let meta = &store.meta;
    let id = meta.policy_repositories(None).unwrap()[0].1;
    let manifests = meta.doomed_manifests(id, None, &rules).unwrap().items;
    let tags = meta.doomed_tags(id, None, &rules).unwrap().items;
    let mut expected = vec![untouched, tagged, child, pulled];
    expected.sort();
    assert_eq!((manifests.clone(), tags.len()), (expected, 2));
    store.put("a", &["new", "moved"], about("tagged")).await;
    let index = Links {
        manifests: vec![child],
        ..Links::default()
    };
    store.put("a", &["index"], index).await;
    meta.note_pull(&name("a"), &pulled).unwrap();
    let repository = (name("a"), id);
    let doomed = (tags, manifests);
    let applied = meta.apply_policy(repository, &rules, doomed).await.unwrap();
    assert_eq!((applied.tags, applied.manifests), (1, 1));
    assert_eq!(store.tag("a", "goes"), None);
    assert_eq!(store.tag("a", "moved"), Some(tagged));
    for (digest, stays) in [
        (untouched, false),
        (tagged, true),
        (child, true),
        (pulled, true),
    ] {
        let reference = crate::name::Reference::Digest(digest);
        let found = meta.stat_manifest(&name("a"), &reference).unwrap();
        assert_eq!(found.is_some(), stays);
    }
    store.finish();
}

#[tokio::test]
async fn a_repository_that_was_deleted_and_made_anew_is_another_one() {
    let store = Store::new();
    store.put("a", &[], Links::default()).await;
    store.pass(Duration::from_hours(10));
    let rules = Arc::new(Rules {
        untagged_before: Some(EngineTime(1000)),
        ..Rules::default()
    });
    let meta = &store.meta;
    let id = meta.policy_repositories(None).unwrap()[0].1;
    let doomed = meta.doomed_manifests(id, None, &rules).unwrap().items;
    assert_eq!(doomed.len(), 1);
    meta.delete_repository(&name("a")).await.unwrap();
    let digest = store.put("a", &[], Links::default()).await;
    assert_eq!(doomed, [digest]);
    let applied = meta.apply_policy((name("a"), id), &rules, (Vec::new(), doomed));
    let applied = applied.await.unwrap();
    assert_eq!((applied.tags, applied.manifests), (0, 0));
    store.finish();
}

#[tokio::test]
async fn a_pull_is_recorded_at_most_once_an_hour_and_goes_with_its_manifest() {
    let store = Store::new();
    let (meta, name) = (&store.meta, name("a"));
    let digest = store.put("a", &[], Links::default()).await;
    let id = meta.policy_repositories(None).unwrap()[0].1;
    let pull = || async {
        meta.note_pull(&name, &digest).unwrap();
        // What is asked behind it is answered behind it.
        meta.keep_time().await.unwrap();
        let key = keys::in_repository(id, &digest);
        let recorded = meta
            .database
            .read(|rows| rows.record::<u64>(Table::Pulls, &key));
        recorded.unwrap()
    };
    assert_eq!(pull().await, Some(0));
    store.pass(Duration::from_mins(59));
    assert_eq!(pull().await, Some(0));
    store.pass(Duration::from_mins(1));
    assert_eq!(pull().await, Some(60 * 60 * 1000));
    meta.delete_manifest(unguarded(&name), &digest)
        .await
        .unwrap();
    assert_eq!(pull().await, None);
    store.finish();
}
