//! Who waits for whom: 6 (no lock stalls everything), 7 (no walk at start), and near misses about
//! a medium that fails and about health checks.

use super::super::registry::{OCI_MANIFEST, TestRegistry, image, sha256, with_parameter};
use super::super::support::soon;
use super::machine::{Call, Calls, Machine};
use floundr_engine::disk::Fault;
use futures_util::future::join_all;
use std::time::Duration;

/// Every kind of read there is.
async fn read_everything(registry: &TestRegistry) {
    let layer = sha256(b"layer x");
    for path in [
        "/v2/a/manifests/v1".to_owned(),
        format!("/v2/a/blobs/{layer}"),
        format!("/v2/a/referrers/{layer}"),
        "/v2/a/tags/list".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/".to_owned(),
        "/health".to_owned(),
        "/ready".to_owned(),
        "/metrics".to_owned(),
    ] {
        soon(registry.get(&path)).await.expect(200);
    }
    soon(registry.head("/v2/a/manifests/v1")).await.expect(200);
    soon(registry.head(&format!("/v2/a/blobs/{layer}")))
        .await
        .expect(200);
}

/// Line 6: readers never wait for the writer: while a commit hangs on a slow disk, everything can
/// be read as it was before.
#[tokio::test]
async fn pain_06_reads_do_not_wait_for_a_commit_on_a_slow_disk() {
    let machine = Machine::default();
    let registry = machine.registry().await;
    registry.push_image("a", "v1", "x").await;
    let held = machine.hold(Call::Sync, "/metadata.");
    let content = image("x").to_string();
    let headers = [("content-type", OCI_MANIFEST)];
    let put = registry.call("PUT /v2/a/manifests/v2", &headers, content);
    let meanwhile = async {
        held.reached().await;
        read_everything(&registry).await;
        // Not acknowledged, so not to be seen.
        registry.get("/v2/a/manifests/v2").await.expect(404);
        drop(held);
    };
    let (put, ()) = tokio::join!(put, meanwhile);
    put.expect(201);
    registry.get("/v2/a/manifests/v2").await.expect(200);
}

/// Line 6: no lock is held across the reading or writing of content: an upload that hangs on a slow
/// disk stops neither reads nor other pushes, of the same repository or of the same digest.
#[tokio::test]
async fn pain_06_an_upload_on_a_slow_disk_stops_no_other_request() {
    let machine = Machine::default();
    let registry = machine.registry().await;
    registry.push_image("a", "v1", "x").await;
    let slow = vec![7; 3_000_000];
    let digest = sha256(&slow);
    let location = registry.start_upload("a").await;
    let held = machine.hold(Call::Write, "/blobs/");
    let put = with_parameter(&location, &format!("digest={digest}"));
    let put = format!("PUT {put}");
    let put = registry.call(&put, &[], slow.clone());
    let meanwhile = async {
        held.reached().await;
        read_everything(&registry).await;
        soon(registry.get(&location)).await.expect(204);
        soon(registry.push_image("a", "v2", "small")).await;
        soon(registry.delete("/v2/a/manifests/v2"))
            .await
            .expect(202);
        drop(held);
    };
    let (put, ()) = tokio::join!(put, meanwhile);
    put.expect(201);
    registry.audit().await;
}

/// What opening a store with this many blobs, manifests and tags asks of the disk.
async fn calls_to_open(images: usize, cut_power: bool) -> Calls {
    let machine = Machine::default();
    let registry = machine.registry().await;
    let tags: Vec<_> = (0..images).map(|number| format!("v{number}")).collect();
    let pushes = tags.iter().map(|tag| async {
        registry.push_blob("a", tag.repeat(30_000)).await;
        registry.push_image("a", tag, tag).await
    });
    join_all(pushes).await;
    machine.pass(Duration::from_hours(2));
    registry.engine.collect().await.unwrap();
    if !cut_power {
        registry.engine.close().await.unwrap();
    }
    machine.watch();
    let registry = if cut_power {
        registry.cut_power().await
    } else {
        registry.restart().await
    };
    let calls = machine.calls();
    registry.get("/v2/a/manifests/v0").await.expect(200);
    calls
}

/// Line 7: opening reads the inner pages of the metadata and nothing else: no walk over files or
/// records, after a clean stop and after a power cut alike. (In a debug build redb itself walks its
/// pages to check them; `.ci/limits` measures what the released program reads.)
#[tokio::test]
async fn pain_07_opening_a_store_takes_no_walk_over_it() {
    for cut_power in [false, true] {
        let few = calls_to_open(3, cut_power).await;
        let many = calls_to_open(600, cut_power).await;
        assert_eq!(few.count(Call::Open, ""), many.count(Call::Open, ""));
        // The search for files without a record has begun, or not yet: one directory of each kind.
        assert!(many.count(Call::List, "") <= 2, "directories were listed");
        let content = many.count(Call::Open, "/blobs/") + many.count(Call::Open, "/segments/");
        assert_eq!(content, 0, "content was opened");
        let read = |calls: &Calls| calls.bytes(Call::Read, "metadata.redb");
        let (few, many) = (read(&few), read(&many));
        assert!(
            cfg!(debug_assertions) || many <= few * 2,
            "{few} then {many} bytes"
        );
    }
}

/// Near miss: a fault of the medium is 500 at every read and write, never an absence, and names no
/// path.
#[tokio::test]
async fn near_miss_a_fault_of_the_disk_is_500_and_names_no_path() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    registry.disk.inject(Fault::Write(0));
    let put = with_parameter(
        &location,
        &format!("digest={}", sha256(&vec![7; 2_000_000])),
    );
    let answer = registry
        .call(&format!("PUT {put}"), &[], vec![7; 2_000_000])
        .await;
    let answer = answer.refused(500, "UNKNOWN");
    assert!(!String::from_utf8_lossy(&answer.body).contains("/store"));
}

/// Near miss: the HEAD of a blob is 500 on a fault of the storage, not the 404 after which a client
/// takes the blob for absent; the same for everything else that is read.
#[tokio::test]
async fn near_miss_what_cannot_be_read_is_not_said_to_be_absent() {
    let machine = Machine::default();
    let registry = TestRegistry::start_on(&machine.memory, |options| {
        machine.install(options);
        options.metadata_cache = 0;
    })
    .await;
    // Trees of more than the one page that a snapshot holds in memory.
    let others: Vec<_> = (0..200).map(|number| format!("other-{number}")).collect();
    let pushes = others.iter().map(|tag| registry.push_image("a", tag, tag));
    join_all(pushes).await;
    registry.push_image("a", "v1", "x").await;
    let large = format!(
        "/v2/a/blobs/{}",
        registry.push_blob("a", vec![7; 100_000]).await
    );
    machine.fail(Call::Open, "/blobs/");
    registry.get(&large).await.refused(500, "UNKNOWN");
    // The records themselves.
    machine.fail(Call::Read, "metadata.redb");
    registry.head(&large).await.expect(500);
    registry.head("/v2/a/manifests/v1").await.expect(500);
    for path in [large.as_str(), "/v2/a/manifests/v1", "/v2/a/tags/list"] {
        registry.get(path).await.refused(500, "UNKNOWN");
    }
}

/// Near miss: health checks neither walk the store nor write.
#[tokio::test]
async fn near_miss_health_does_not_walk_the_store() {
    let registry = TestRegistry::start().await;
    for number in 0..20 {
        registry.push_blob("a", format!("blob {number}")).await;
    }
    let before = registry.disk.counts();
    registry.get("/health").await.expect(200);
    registry.get("/ready").await.expect(200);
    let after = registry.disk.counts();
    assert!(after.bytes_read - before.bytes_read < 100_000);
    assert_eq!(after.writes, before.writes);
    let metrics = registry.get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(text.contains("route=\"upload_start\""), "{text}");
}
