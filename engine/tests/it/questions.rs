//! What a person asks when a disk fills up: why a digest is there, and what belongs to whom.

use crate::collector::{LEASE, push, put, strict};
use crate::support::{GRACE, Hands, content};
use floundr_engine::Engine;
use floundr_engine::clock::EngineTime;
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::gc::{EdgeReason, HolderState, Standing, StoredIn, Why};
use floundr_engine::page::Page;
use std::sync::Arc;
use std::time::Duration;

fn first() -> Page<u64> {
    Page {
        after: None,
        limit: 10,
    }
}

#[tokio::test]
async fn why_names_every_edge_up_to_the_tags_and_says_when_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = Engine::open(strict(folder.path(), &hands)).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    let (layer, free) = (push(&engine, "a", 1).await, push(&engine, "a", 2).await);
    let links = Links {
        layers: vec![layer],
        ..Links::default()
    };
    let image = put(&repository, links, &["v1", "v2"]).await;
    let links = Links {
        manifests: vec![image],
        ..Links::default()
    };
    let index = put(&repository, links, &["latest"]).await;
    let links = Links {
        subject: Some(image),
        ..Links::default()
    };
    let signature = put(&repository, links, &[]).await;
    let other = engine.repository(&"other".parse().unwrap());
    other.mount(&layer, repository.name()).await.unwrap();

    let why = engine.why(&layer, first()).await.unwrap().unwrap();
    let bytes = why.blob.unwrap();
    assert_eq!((bytes.size, bytes.damaged), (5_001, false));
    assert!(matches!(bytes.location, StoredIn::File { .. }));
    let [here, there] = why.holders.as_slice() else {
        panic!("{why:?}")
    };
    assert_eq!(
        (&here.repository, here.blob),
        (repository.name(), Some(Standing::Kept))
    );
    assert_eq!((here.edges_that_keep, here.state), (1, HolderState::Live));
    let edges: Vec<_> = (here.edges.iter())
        .map(|edge| (edge.target, edge.reason, edge.source))
        .collect();
    let expected = [
        (layer, EdgeReason::Layer, image),
        (image, EdgeReason::Child, index),
        (image, EdgeReason::Subject, signature),
    ];
    assert_eq!(edges, expected);
    let tags: Vec<_> = (here.tags.iter())
        .map(|(tag, digest)| (tag.as_str(), *digest))
        .collect();
    assert_eq!(tags, [("v1", image), ("v2", image), ("latest", index)]);
    let due = hands_time(&why, GRACE);
    let Some(Standing::Garbage {
        leased_until,
        due: goes,
        ..
    }) = there.blob
    else {
        panic!("{there:?}")
    };
    assert_eq!((goes, leased_until), (due, hands_time(&why, LEASE)));

    let why = engine.why(&free, first()).await.unwrap().unwrap();
    assert!(matches!(
        why.blob.unwrap().location,
        StoredIn::Segment { .. }
    ));
    assert!(matches!(
        why.holders[0].blob,
        Some(Standing::Garbage { .. })
    ));
    // A manifest, and what nobody knows.
    let why = engine.why(&image, first()).await.unwrap().unwrap();
    assert!(why.blob.is_none() && why.holders[0].manifest.is_some());
    assert_eq!(why.holders[0].tags.len(), 3);
    let unknown = Digest::of(Algorithm::Sha256, b"never pushed");
    assert!(engine.why(&unknown, first()).await.unwrap().is_none());
}

fn hands_time(why: &Why, after: Duration) -> EngineTime {
    why.now.after(after)
}

#[tokio::test]
async fn why_answers_by_the_page_and_bounds_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = Engine::open(strict(folder.path(), &hands)).await.unwrap();
    let layer = push(&engine, "r0", 1).await;
    for index in 1..7 {
        let repository = engine.repository(&format!("r{index}").parse().unwrap());
        repository
            .mount(&layer, &"r0".parse().unwrap())
            .await
            .unwrap();
    }
    let tags: Vec<String> = (0..120).map(|index| format!("t{index}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let links = Links {
        layers: vec![layer],
        ..Links::default()
    };
    put(&engine.repository(&"r3".parse().unwrap()), links, &tags).await;
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 2 };
        let why = engine.why(&layer, page).await.unwrap().unwrap();
        after = why.holders.last().map(|holder| holder.position);
        for holder in why.holders {
            assert_eq!(holder.more_tags, holder.repository.as_str() == "r3");
            assert_eq!(holder.tags.len(), if holder.more_tags { 100 } else { 0 });
            names.push(holder.repository.to_string());
        }
        if !why.more_holders {
            break;
        }
    }
    assert_eq!(names, ["r0", "r1", "r2", "r3", "r4", "r5", "r6"]);
}

#[tokio::test]
async fn usage_tells_own_shared_and_garbage_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = Engine::open(strict(folder.path(), &hands)).await.unwrap();
    let (own, shared) = (push(&engine, "a", 1).await, push(&engine, "a", 3).await);
    let loose = push(&engine, "a", 2).await;
    let a = engine.repository(&"a".parse().unwrap());
    let b = engine.repository(&"b".parse().unwrap());
    b.mount(&shared, a.name()).await.unwrap();
    let links = Links {
        config: Some(own),
        layers: vec![shared],
        ..Links::default()
    };
    let manifest = put(&a, links, &["x", "y"]).await;
    put(&a, Links::default(), &["z"]).await;
    let mut session = a.start_upload(Algorithm::Sha256).unwrap();
    session.append(content(70_000, 5)).await.unwrap();
    session.suspend().await.unwrap();

    let page = || Page {
        after: None,
        limit: 10,
    };
    let usage = engine.usage(page()).await.unwrap().items;
    let [of_a, of_b] = usage.as_slice() else {
        panic!("{usage:?}")
    };
    assert_eq!((of_a.blobs, of_a.manifests, of_a.tags), (3, 2, 3));
    assert_eq!(
        (of_a.own_bytes, of_a.shared_bytes, of_a.garbage_bytes),
        (5_001 + 502, 5_003, 502)
    );
    assert_eq!(
        (of_b.own_bytes, of_b.shared_bytes, of_b.garbage_bytes),
        (0, 5_003, 5_003)
    );
    let store = engine.store_usage().await.unwrap();
    assert_eq!(store.logical_bytes, 5_001 + 5_003 * 2 + 502);
    assert_eq!(store.stored_bytes, 5_001 + 5_003 + 502);
    assert_eq!(store.garbage_bytes, 502 + 5_003);
    assert_eq!((store.uploads, store.upload_bytes), (1, 70_000));
    assert!(store.free_bytes.is_some_and(|free| free > 0));

    a.delete_manifest(&manifest).await.unwrap();
    a.delete_blob(&loose).await.unwrap();
    engine.collect().await.unwrap();
    let usage = engine.usage(page()).await.unwrap().items;
    assert_eq!(usage[0].garbage_bytes, 5_001 + 5_003);
    assert_eq!((usage[0].blobs, usage[0].tags), (2, 1));
    let store = engine.store_usage().await.unwrap();
    assert_eq!(
        (store.garbage_bytes, store.waiting_bytes),
        (store.logical_bytes, 0)
    );
    hands.pass(GRACE);
    engine.collect().await.unwrap();
    let store = engine.store_usage().await.unwrap();
    assert_eq!(
        (store.logical_bytes, store.stored_bytes, store.garbage_bytes),
        (0, 0, 0)
    );
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn why_says_until_when_a_deleted_manifest_keeps_its_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let mut options = strict(folder.path(), &hands);
    options.undo = Duration::from_secs(1000);
    let engine = Engine::open(options).await.unwrap();
    let layer = push(&engine, "a", 1).await;
    let links = Links {
        layers: vec![layer],
        ..Links::default()
    };
    let repository = engine.repository(&"a".parse().unwrap());
    let image = put(&repository, links, &["t"]).await;
    repository.delete_manifest(&image).await.unwrap();
    let why = engine.why(&layer, first()).await.unwrap().unwrap();
    let until = Some(hands_time(&why, Duration::from_secs(1000)));
    let edge = &why.holders[0].edges[0];
    assert_eq!((edge.source_is_visible, edge.source), (false, image));
    assert_eq!(edge.source_deleted_until, until);
    let why = engine.why(&image, first()).await.unwrap().unwrap();
    assert_eq!(why.holders[0].deleted_until, until);
    assert!(why.holders[0].manifest.is_none());
    engine.close().await.unwrap();
}
