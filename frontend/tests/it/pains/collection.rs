//! Deleting and collecting: 1 (no downtime), 3 (cost in proportion to what is deleted), 4 (the disk
//! is given back), 5 (uploads nobody ends).

use super::super::registry::{OCI_MANIFEST, TestRegistry, describe, image, sha256, with_parameter};
use super::super::support::{eventually, soon};
use super::kept::{image_of, index_of, pulls};
use super::machine::{Call, Calls, Machine};
use floundr_engine::Options;
use floundr_engine::disk::Disk as _;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::json;
use std::pin::pin;
use std::time::Duration;

/// A second less than the grace and the lease of a store with defaults.
const NEARLY: Duration = Duration::from_secs(3599);
const HOUR: Duration = Duration::from_hours(1);

/// Line 1: collection needs no downtime and no read-only mode. It is held in the middle, at the
/// removal of bytes, and everything a client does goes on.
#[tokio::test]
async fn pain_01_pushes_pulls_and_deletes_go_on_while_a_collection_runs() {
    let machine = Machine::default();
    let registry = machine.registry().await;
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
    let registry = machine.registry().await;
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

    let held = machine.hold(Call::Sync, "/metadata.");
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
    let registry = machine.registry().await;
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

/// The calls until nothing was asked of the disk for a while: the turns of the collector that the
/// commits before have woken are among them.
async fn settled(machine: &Machine) -> Calls {
    let asked = |calls: &Calls| calls.count(Call::Read, "") + calls.count(Call::Write, "");
    let mut calls = machine.calls();
    let mut calm = 0;
    while calm < 1000 {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        let now = machine.calls();
        calm = if asked(&now) == asked(&calls) {
            calm + 1
        } else {
            0
        };
        calls = now;
    }
    calls
}

/// Calls and bytes that deleting and collecting one image costs among `others` others, each with a
/// tag, and the same number of tags more; and those of one commit.
async fn cost_of_a_delete(others: usize) -> ((usize, u64), (usize, u64)) {
    let machine = Machine::default();
    let registry = TestRegistry::start_on(&machine.memory, |options| {
        machine.install(options);
        options.metadata_cache = 0; // so that what is read is counted
        options.undo = Duration::ZERO;
    })
    .await;
    for content in ["{}", "layer"] {
        registry.push_blob("a", content).await;
    }
    let annotated = |number: usize| {
        let mut body = image_of("layer");
        body["annotations"] = json!({"number": number.to_string()});
        body
    };
    let images: Vec<_> = (0..others).map(annotated).collect();
    let tags: Vec<_> = (0..others)
        .map(|number| format!("tag-{number:0>120}"))
        .collect();
    let pushes = images.iter().zip(&tags);
    join_all(pushes.map(|(image, tag)| registry.push("a", tag, image))).await;
    let more: Vec<_> = (0..others)
        .map(|number| format!("more-{number:0>120}"))
        .collect();
    join_all(more.iter().map(|tag| registry.push("a", tag, &images[0]))).await;
    registry.push_blob("a", "its layer").await;
    let deleted = registry.push("a", "deleted", &image_of("its layer")).await;
    machine.pass(HOUR);
    machine.watch();
    let registry = registry.restart().await;
    // The search for files without a record belongs to the start.
    eventually(|| machine.calls().count(Call::List, "/segments") > 0).await;
    registry.engine.collect().await.unwrap();

    // Paused, so that the run by hand finds all of it.
    let collector = registry.engine.collector();
    collector.pause().await.unwrap();
    machine.watch();
    let path = format!("/v2/a/manifests/{deleted}");
    registry.delete(&path).await.expect(202);
    machine.pass(2 * HOUR);
    collector.resume().await.unwrap();
    assert_eq!(registry.engine.collect().await.unwrap().removed, 1);
    let calls = settled(&machine).await;
    assert_eq!(
        calls.count(Call::List, "/blobs") + calls.count(Call::List, "/segments"),
        0
    );
    machine.watch();
    collector.pause().await.unwrap();
    (of_metadata(&calls), of_metadata(&settled(&machine).await))
}

/// Calls to the metadata's file, and their bytes.
fn of_metadata(calls: &Calls) -> (usize, u64) {
    let of = "/metadata.";
    (
        calls.count(Call::Read, of) + calls.count(Call::Write, of),
        calls.bytes(Call::Read, of) + calls.bytes(Call::Write, of),
    )
}

/// Line 3: deleting a manifest costs what its own edges cost, however many tags and manifests
/// lie around it: no delete reads every tag, no collection walks the store.
#[tokio::test]
async fn pain_03_a_delete_costs_the_same_among_many_manifests_and_tags() {
    // Both so large that the trees of the metadata are of the same height, or one level apart.
    let (few, commit) = cost_of_a_delete(500).await;
    let (many, _) = cost_of_a_delete(2500).await;
    // Two requests may share a commit or not. One pass over the tags, each of which is long, takes
    // half as much again, one over the manifests a third.
    let bound = (few.0 + few.0 / 5 + commit.0, few.1 + few.1 / 5 + commit.1);
    assert!(
        many.0 <= bound.0 && many.1 <= bound.1,
        "{few:?} calls and bytes, then {many:?}; {commit:?} of a commit"
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
    // The first look may find it open still, for a next chunk; the next one is a minute later.
    let mut looks = 0;
    let is_gone = || {
        looks += 1;
        if looks % 100 == 0 {
            machine.pass(Duration::from_mins(1));
        }
        registry.disk.used() < before + 1_000_000
    };
    eventually(is_gone).await;
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
