//! Drains: what is settled at once, what waits for the background, and what damage does to both.

use super::*;

#[tokio::test]
async fn every_step_of_a_drain_leaves_the_rows_in_step() {
    let store = Store::new();
    let blob = store.push("a", b"layer").await;
    store.put("a", &["t", "u"], layers(&[blob])).await;
    store.meta.delete_repository(&name("a")).await.unwrap();
    let drain = store.meta.drains(None).unwrap().items.remove(0);
    let (mut steps, mut mark) = (0, Some(Mark::START));
    while let Some(from) = mark {
        mark = store.meta.drain(drain.clone(), from).await.unwrap().next;
        steps += 1;
        store.finish();
    }
    assert!(steps > 3, "{steps}");
    assert!(store.meta.drains(None).unwrap().items.is_empty());
}

/// Each drain is a commit of its own: a thousand deleted manifests must not cost a thousand.
#[tokio::test]
async fn no_drain_waits_for_the_tags_of_a_deleted_manifest_that_has_few() {
    let store = Store::new();
    let few = store.put("a", &["t", "u"], Links::default()).await;
    let tags: Vec<String> = (0..20).map(|number| format!("v{number}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let many = store.put("b", &tags, Links::default()).await;
    for (repository, digest, drains) in [("a", few, 0), ("b", many, 1)] {
        let repository = name(repository);
        store
            .meta
            .delete_manifest(unguarded(&repository), &digest)
            .await
            .unwrap();
        assert_eq!(store.meta.drains(None).unwrap().items.len(), drains);
        store.meta.drain_rows().await.unwrap();
        assert!(store.meta.drains(None).unwrap().items.is_empty());
        store.finish();
    }
}

/// The deletion goes on; the name waits until somebody mends the row.
#[tokio::test]
async fn a_damaged_tag_of_a_deleted_manifest_leaves_a_drain_and_nothing_else() {
    let store = Store::new();
    let tags = ["first", "second"];
    let digest = store.put("a", &tags, Links::default()).await;
    assert_eq!(store.meta.damage("tags", b"first").await, 1);
    let deleted = store
        .meta
        .delete_manifest(unguarded(&name("a")), &digest)
        .await;
    deleted.unwrap();
    assert_eq!(store.tag("a", "second"), None);
    for _ in 0..2 {
        store.meta.drain_rows().await.unwrap();
        assert_eq!(store.meta.drains(None).unwrap().items.len(), 1);
    }
    assert_eq!(store.meta.damage("tags", b"first").await, 1);
    store.meta.drain_rows().await.unwrap();
    assert!(store.meta.drains(None).unwrap().items.is_empty());
    assert_eq!(store.tag("a", "first"), None);
    store.finish();
}
