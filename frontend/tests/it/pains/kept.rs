//! Content that must not go: 2 (no live content deleted), under races and by every kind of edge.

use super::super::registry::{
    OCI_INDEX, OCI_MANIFEST, TestRegistry, artifact, describe, descriptor, sha256,
};
use super::super::support::soon;
use super::machine::{Call, Machine};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// An image whose one layer is `layer` and whose configuration is `{}`.
pub(super) fn image_of(layer: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", "{}"),
        "layers": [descriptor("application/octet-stream", layer)],
    })
}

/// An index of what `children` describe.
pub(super) fn index_of(children: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
}

/// That the image under `reference` can be pulled as a whole.
pub(super) async fn pulls(registry: &TestRegistry, repository: &str, reference: &str) {
    let path = format!("/v2/{repository}/manifests/{reference}");
    let manifest = registry.get(&path).await.expect(200).json();
    let layers = manifest["layers"].as_array().unwrap();
    for descriptor in layers.iter().chain([&manifest["config"]]) {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = format!("/v2/{repository}/blobs/{digest}");
        let content = registry.get(&blob).await.expect(200).body;
        assert_eq!(sha256(&content).to_string(), digest);
    }
}

/// Line 2: a push of a blob whose old copy is being removed waits for nothing and loses nothing:
/// the new copy has a place of its own.
#[tokio::test]
async fn pain_02_a_blob_pushed_again_while_its_bytes_are_removed_is_there() {
    let machine = Machine::default();
    let registry = machine.registry().await;
    let content = "x".repeat(100_000);
    registry.push_blob("a", "{}").await;
    let blob = format!(
        "/v2/a/blobs/{}",
        registry.push_blob("a", content.clone()).await
    );
    let held = machine.hold(Call::Remove, "/blobs/");
    registry.delete(&blob).await.expect(202);
    held.reached().await;
    soon(async {
        registry.get(&blob).await.expect(404);
        registry.push_blob("a", content.clone()).await;
        registry.push("a", "v1", &image_of(&content)).await;
        pulls(&registry, "a", "v1").await;
    })
    .await;
    drop(held);
    registry.engine.collect().await.unwrap();
    pulls(&registry, "a", "v1").await;
    let registry = registry.restart().await;
    registry.engine.collect().await.unwrap();
    pulls(&registry, "a", "v1").await;
    registry.audit().await;
}

/// Pushes an image with this layer, pulls it, deletes all of it, again and again.
async fn push_pull_and_delete(registry: Arc<TestRegistry>, repository: String, layer: String) {
    for _ in 0..15 {
        registry.push_blob(&repository, "{}").await;
        let blob = registry.push_blob(&repository, layer.clone()).await;
        let digest = registry.push(&repository, "v1", &image_of(&layer)).await;
        pulls(&registry, &repository, "v1").await;
        for path in [format!("manifests/{digest}"), format!("blobs/{blob}")] {
            let path = format!("/v2/{repository}/{path}");
            registry.delete(&path).await.expect(202);
        }
    }
}

/// Line 2: several clients push and delete the same content, each in a repository of its own,
/// so that the last holder goes and comes back all the time, while collection never stops.
/// Nobody's acknowledged image is ever missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pain_02_the_same_digest_pushed_deleted_and_collected_at_once() {
    let registry = Arc::new(TestRegistry::start().await);
    let client = |number: usize| {
        let (repository, layer) = (format!("r{number}"), "x".repeat(70_000));
        tokio::spawn(push_pull_and_delete(
            Arc::clone(&registry),
            repository,
            layer,
        ))
    };
    let clients: Vec<_> = (0..4).map(client).collect();
    let mut runs = 0;
    while !clients.iter().all(tokio::task::JoinHandle::is_finished) {
        registry.engine.collect().await.unwrap();
        runs += 1;
    }
    for client in clients {
        client.await.unwrap();
    }
    assert!(runs > 1, "nothing was collected meanwhile");
    registry.engine.collect().await.unwrap();
    let files = registry.disk.files();
    let large = files.iter().find(|path| path.starts_with("/store/blobs"));
    assert_eq!(large, None, "is left of deleted blobs");
    registry.audit().await;
}

/// Line 2: children of indexes, blobs in indexes, referrers and what fallback tags name have no tag
/// of their own; their edges keep their content.
#[tokio::test]
async fn pain_02_what_only_an_index_a_subject_or_a_fallback_tag_names_is_kept() {
    let machine = Machine::default();
    let registry = machine.registry().await;
    for content in ["{}", "one", "two", "three", "four"] {
        registry.push_blob("a", content).await;
    }
    let push_untagged = async |manifest: &Value| {
        let digest = sha256(manifest.to_string().as_bytes()).to_string();
        registry.push("a", &digest, manifest).await;
        digest
    };
    let child = push_untagged(&image_of("one")).await;
    let nested = index_of(&[describe(&image_of("one"))]);
    push_untagged(&nested).await;
    let cached = descriptor("application/vnd.oci.image.layer.v1.tar", "two");
    let top = registry
        .push("a", "top", &index_of(&[describe(&nested), cached]))
        .await;
    let mut signature = artifact("a/b", &describe(&index_of(&[])), "1");
    signature["subject"]["digest"] = json!(top.to_string());
    signature["layers"] = json!([descriptor("text/plain", "three")]);
    let signature = push_untagged(&signature).await;
    let old = push_untagged(&image_of("four")).await;
    let fallback = top.to_string().replace(':', "-");
    let entries = [describe(&image_of("four"))];
    registry.push("a", &fallback, &index_of(&entries)).await;

    for _ in 0..3 {
        machine.pass(2 * HOUR);
        registry.engine.collect().await.unwrap();
    }
    for digest in [&child, &signature, &old] {
        pulls(&registry, "a", digest).await;
    }
    let two = format!("/v2/a/blobs/{}", sha256(b"two"));
    registry.get(&two).await.expect(200);
    let referrers = registry
        .get(&format!("/v2/a/referrers/{top}"))
        .await
        .expect(200);
    let listed = referrers.json()["manifests"].to_string();
    assert!(
        listed.contains(&signature) && listed.contains(&old),
        "{listed}"
    );
    registry.audit().await;
}

/// Line 2: no cache says "exists" after a collection: the next push uploads, and the pull finds it.
#[tokio::test]
async fn pain_02_after_a_collection_nobody_is_told_that_the_blob_exists() {
    let machine = Machine::default();
    let registry = machine.registry().await;
    registry.push_image("a", "v1", "x").await;
    registry.push_blob("a", "{}").await;
    let digest = registry.push_blob("a", "gone").await;
    let blob = format!("/v2/a/blobs/{digest}");
    registry.get(&blob).await.expect(200);
    registry.head(&blob).await.expect(200);
    machine.pass(2 * HOUR);
    registry.engine.collect().await.unwrap();
    registry.head(&blob).await.expect(404);
    registry.get(&blob).await.expect(404);
    let mount = format!("POST /v2/b/blobs/uploads/?mount={digest}&from=a");
    registry.call(&mount, &[], "").await.expect(202);
    let put = registry.call("PUT /v2/a/manifests/v2", &[], image_of("gone").to_string());
    put.await.refused(404, "MANIFEST_BLOB_UNKNOWN");
    for content in ["gone", "{}"] {
        registry.push_blob("a", content).await;
    }
    registry.push("a", "v2", &image_of("gone")).await;
    pulls(&registry, "a", "v2").await;
}
