//! Deleting and collecting: 1 (no downtime), 2 (no live content deleted), 3 (cost in proportion to
//! what is deleted), 4 (the disk is given back), 5 (uploads nobody ends).

use super::super::registry::{
    OCI_INDEX, OCI_MANIFEST, TestRegistry, artifact, describe, descriptor, image, sha256,
    with_parameter,
};
use super::super::support::{eventually, soon};
use super::machine::{Call, Machine};
use floundr_engine::Options;
use floundr_engine::disk::Disk as _;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// A second less than the grace and the lease of a store with defaults.
const NEARLY: Duration = Duration::from_secs(3599);
const HOUR: Duration = Duration::from_hours(1);

async fn on(machine: &Machine) -> TestRegistry {
    TestRegistry::start_on(&machine.memory, |options| machine.install(options)).await
}

/// An image whose one layer is `layer` and whose configuration is `{}`.
fn image_of(layer: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.empty.v1+json", "{}"),
        "layers": [descriptor("application/octet-stream", layer)],
    })
}

/// An index of what `children` describe.
fn index_of(children: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children})
}

/// That the image under `reference` can be pulled as a whole.
async fn pulls(registry: &TestRegistry, repository: &str, reference: &str) {
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

/// Line 1: collection needs no downtime and no read-only mode. It is held in the middle, at the
/// removal of bytes, and everything a client does goes on.
#[tokio::test]
async fn pain_01_pushes_pulls_and_deletes_go_on_while_a_collection_runs() {
    let machine = Machine::default();
    let registry = on(&machine).await;
    registry.push_image("a", "kept", "kept").await;
    registry.push_blob("a", "{}").await;
    let layer = "x".repeat(100_000);
    registry.push_blob("a", layer.clone()).await;
    let garbage = registry.push_blob("a", vec![1; 100_000]).await;

    let held = machine.hold(Call::Remove, "/blobs/");
    let garbage = format!("/v2/a/blobs/{garbage}");
    registry.delete(&garbage).await.expect(202);
    held.reached().await;
    // What waits for a manifest is due now, and would be the next to go.
    machine.pass(HOUR);
    soon(async {
        pulls(&registry, "a", "kept").await;
        registry.push("a", "mid-run", &image_of(&layer)).await;
        registry.push_image("b", "new", "new").await;
        registry.delete("/v2/b/manifests/new").await.expect(202);
        registry.get("/v2/_catalog").await.expect(200);
    })
    .await;
    drop(held);

    registry.engine.collect().await.unwrap();
    registry.get(&garbage).await.expect(404);
    pulls(&registry, "a", "kept").await;
    pulls(&registry, "a", "mid-run").await;
    registry.audit().await;
}

/// Line 1: a blob that is linked while a run is under way, before the run comes to it, stays: the
/// transaction that removes a candidate checks its links itself. The run is held in its first
/// commit, which does not hold all candidates.
#[tokio::test]
async fn pain_01_a_blob_linked_in_the_middle_of_a_run_survives_it() {
    let machine = Machine::default();
    let registry = on(&machine).await;
    let layers: Vec<String> = (0..600).map(|number| format!("layer {number}")).collect();
    let pushes = layers
        .iter()
        .map(|layer| registry.push_blob("a", layer.clone()));
    let digests = join_all(pushes).await;
    let last = (0..layers.len())
        .max_by_key(|&at| digests[at].to_string())
        .unwrap();
    machine.pass(NEARLY);
    registry.push_blob("a", "{}").await;
    machine.pass(Duration::from_secs(2));

    let held = machine.hold(Call::Sync, "metadata.redb");
    let mut run = pin!(registry.engine.collect());
    tokio::select! {
        report = &mut run => panic!("it was not held: {report:?}"),
        () = held.reached() => {}
    }
    let body = image_of(&layers[last]).to_string();
    let headers = [("content-type", OCI_MANIFEST)];
    let mut put = pin!(registry.call("PUT /v2/a/manifests/mid-run", &headers, body));
    for _ in 0..100 {
        assert!(put.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(held);
    let (report, put) = tokio::join!(run, put);
    put.expect(201);
    assert_eq!(report.unwrap().removed, 599);
    machine.pass(2 * HOUR);
    registry.engine.collect().await.unwrap();
    pulls(&registry, "a", "mid-run").await;
    registry.audit().await;
}

/// Line 1: a digest that a client was told exists is under a lease, so that the manifest it pushes
/// next finds the blob, whatever is collected in between.
#[tokio::test]
async fn pain_01_what_a_client_was_told_exists_is_there_for_its_manifest() {
    let machine = Machine::default();
    let registry = on(&machine).await;
    registry.push_blob("a", "{}").await;
    let layer = registry.push_blob("a", "x").await;
    let unasked = registry.push_blob("a", "y").await;
    machine.pass(NEARLY);
    for digest in [layer, sha256(b"{}")] {
        registry
            .head(&format!("/v2/a/blobs/{digest}"))
            .await
            .expect(200);
    }
    machine.pass(NEARLY);
    assert_eq!(registry.engine.collect().await.unwrap().removed, 1);
    registry
        .head(&format!("/v2/a/blobs/{unasked}"))
        .await
        .expect(404);
    registry.push("a", "v1", &image_of("x")).await;
    pulls(&registry, "a", "v1").await;
}

/// Line 2: a push of a blob whose old copy is being removed waits for nothing and loses nothing:
/// the new copy has a place of its own.
#[tokio::test]
async fn pain_02_a_blob_pushed_again_while_its_bytes_are_removed_is_there() {
    let machine = Machine::default();
    let registry = on(&machine).await;
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

async fn push_pull_and_delete(
    registry: &TestRegistry,
    repository: &str,
    content: &str,
    rounds: usize,
) {
    for _ in 0..rounds {
        registry.push_blob(repository, "{}").await;
        let layer = registry.push_blob(repository, content.to_owned()).await;
        let digest = registry.push(repository, "v1", &image_of(content)).await;
        pulls(registry, repository, "v1").await;
        for path in [format!("manifests/{digest}"), format!("blobs/{layer}")] {
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
    let content = "x".repeat(70_000);
    let client = |number: usize| {
        let (registry, content) = (Arc::clone(&registry), content.clone());
        tokio::spawn(async move {
            let repository = format!("r{number}");
            push_pull_and_delete(&registry, &repository, &content, 15).await;
        })
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
    let large = |path: &Path| path.starts_with("/store/blobs");
    assert!(!registry.disk.files().iter().any(|path| large(path)));
    registry.audit().await;
}

/// Line 2: children of indexes, blobs in indexes, referrers and what fallback tags name have no tag
/// of their own; their edges keep their content.
#[tokio::test]
async fn pain_02_what_only_an_index_a_subject_or_a_fallback_tag_names_is_kept() {
    let machine = Machine::default();
    let registry = on(&machine).await;
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
    let registry = on(&machine).await;
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

/// Calls and bytes that deleting and collecting one image costs among `others` others, each with a
/// tag, and the same number of tags more.
async fn cost_of_a_delete(others: usize) -> (usize, u64) {
    let machine = Machine::default();
    let registry = on(&machine).await;
    for content in ["{}", "layer"] {
        registry.push_blob("a", content).await;
    }
    let annotated = |number: usize| {
        let mut body = image_of("layer");
        body["annotations"] = json!({"number": number.to_string()});
        body
    };
    let images: Vec<_> = (0..others).map(annotated).collect();
    let tags: Vec<_> = (0..others).map(|number| format!("tag-{number}")).collect();
    let pushes = images.iter().zip(&tags);
    join_all(pushes.map(|(image, tag)| registry.push("a", tag, image))).await;
    let more =
        (0..others).map(|number| registry.push("a", format!("more-{number}").leak(), &images[0]));
    join_all(more).await;
    registry.push_blob("a", "its layer").await;
    let deleted = registry.push("a", "deleted", &image_of("its layer")).await;
    machine.pass(HOUR);
    machine.watch();
    let registry = registry.restart().await;
    // The search for files without a record belongs to the start.
    eventually(|| machine.calls().count(Call::List, "/segments") > 0).await;
    registry.engine.collect().await.unwrap();

    machine.watch();
    let path = format!("/v2/a/manifests/{deleted}");
    registry.delete(&path).await.expect(202);
    machine.pass(2 * HOUR);
    assert_eq!(registry.engine.collect().await.unwrap().removed, 1);
    let calls = machine.calls();
    let metadata = "metadata.redb";
    let count = calls.count(Call::Read, metadata) + calls.count(Call::Write, metadata);
    let bytes = calls.bytes(Call::Read, metadata) + calls.bytes(Call::Write, metadata);
    assert_eq!(
        calls.count(Call::List, "/blobs") + calls.count(Call::List, "/segments"),
        0
    );
    (count, bytes)
}

/// Line 3: deleting a manifest costs what its own edges cost, however many tags and manifests
/// lie around it: no delete reads every tag, no collection walks the store.
#[tokio::test]
async fn pain_03_a_delete_costs_the_same_among_many_manifests_and_tags() {
    let few = cost_of_a_delete(10).await;
    let many = cost_of_a_delete(1500).await;
    // The trees of the metadata are a level or two higher.
    assert!(
        many.0 <= few.0 * 2 && many.1 <= few.1 * 2,
        "{few:?} then {many:?}"
    );
}

/// Line 4: deleting the last link gives the bytes back by itself, without another command.
#[tokio::test]
async fn pain_04_deleting_the_last_link_frees_the_bytes() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", vec![7; 3_000_000]).await;
    let used = registry.disk.used();
    let blob = format!("/v2/a/blobs/{digest}");
    registry.delete(&blob).await.expect(202);
    eventually(|| registry.disk.used() < used - 2_000_000).await;
}

/// Line 5: a session nobody goes on with is removed while the registry runs, without a command.
#[tokio::test]
async fn pain_05_a_session_nobody_ends_is_reaped_while_the_registry_runs() {
    let machine = Machine::default();
    let registry = TestRegistry::start_on(&machine.memory, |options| {
        machine.install(options);
        options.collect_interval = Duration::from_millis(1);
    })
    .await;
    let before = registry.disk.used();
    let abandoned = registry.start_upload("a").await;
    let chunk = vec![7; 2_000_000];
    let patch = format!("PATCH {abandoned}");
    registry.call(&patch, &[], chunk.clone()).await.expect(202);
    let lifetime = Options::new("").upload_lifetime;
    machine.pass(lifetime / 2);
    let young = registry.start_upload("a").await;
    registry
        .call(&format!("PATCH {young}"), &[], "x")
        .await
        .expect(202);
    assert!(registry.disk.used() > before + 2_000_000);
    registry.get(&abandoned).await.expect(204);

    machine.pass(lifetime / 2 + HOUR);
    eventually(|| registry.disk.used() < before + 1_000_000).await;
    registry
        .get(&abandoned)
        .await
        .refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.get(&young).await.expect(204).has("range", "0-0");
}

/// Line 5: a file that a crash left without a record is gone soon after the start, and an upload
/// that can go on keeps its own.
#[tokio::test]
async fn pain_05_files_without_a_record_vanish_after_the_start() {
    let registry = TestRegistry::start().await;
    let large = |registry: &TestRegistry| {
        let files = registry.disk.files().into_iter();
        files
            .filter(|path| path.starts_with("/store/blobs"))
            .count()
    };
    let lost = registry.start_upload("a").await;
    registry
        .call(&format!("PATCH {lost}"), &[], vec![1; 2_000_000])
        .await
        .expect(202);
    let record = (registry.disk.files().into_iter())
        .find(|path| path.starts_with("/store/uploads"))
        .unwrap();
    let kept = registry.start_upload("a").await;
    registry
        .call(&format!("PATCH {kept}"), &[], vec![2; 2_000_000])
        .await
        .expect(202);
    let blob = registry.push_blob("a", vec![3; 2_000_000]).await;
    assert_eq!(large(&registry), 3);
    // The record of the upload never reached the disk.
    registry.disk.remove(&record).unwrap();

    let registry = registry.restart().await;
    eventually(|| large(&registry) == 2).await;
    // The upload begins again, and says so.
    registry.get(&lost).await.expect(204).has("range", "0-0");
    let put = with_parameter(&kept, &format!("digest={}", sha256(&vec![2; 2_000_000])));
    registry
        .call(&format!("PUT {put}"), &[], "")
        .await
        .expect(201);
    registry
        .get(&format!("/v2/a/blobs/{blob}"))
        .await
        .expect(200);
    registry.audit().await;
}

/// Near miss: indexes in indexes make paths without number; each row is worked on once, whatever
/// number of ways lead to it.
#[tokio::test]
async fn near_miss_nested_indexes_are_not_walked_by_every_path() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "leaf", "x").await;
    // Every index names both of the level below: 2^60 paths.
    let mut below = [describe(&image("x")), describe(&image("x"))];
    for level in 0..60 {
        let mut next = Vec::new();
        for side in ["left", "right"] {
            let mut index = index_of(&below);
            index["annotations"] = json!({"side": side, "level": level.to_string()});
            registry.push("a", &format!("{side}-{level}"), &index).await;
            next.push(describe(&index));
        }
        below = next.try_into().unwrap();
    }
    soon(async {
        for side in &below {
            let digest = side["digest"].as_str().unwrap();
            registry
                .delete(&format!("/v2/a/manifests/{digest}"))
                .await
                .expect(202);
        }
        registry.engine.collect().await.unwrap();
        pulls(&registry, "a", "leaf").await;
    })
    .await;
    registry.get("/v2/a/manifests/left-0").await.expect(200);
    registry.audit().await;
}
