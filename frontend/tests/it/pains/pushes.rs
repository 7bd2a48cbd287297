//! What is pushed: 11 (relative Location), 12 (bodies cut by proxies), 15 (mount), 16 (several
//! processes), 17 (durable when acknowledged), 18 (storage that refuses), 19 (memory), 25 (ranges),
//! and the near miss about a full disk.

use super::super::registry::{TestRegistry, image, sha256, with_parameter};
use super::machine::{Call, Machine};
use bytes::Bytes;
use floundr_engine::Options;
use floundr_engine::disk::Fault;

/// Line 11: every Location is relative, whatever a proxy or a stranger says of scheme and host.
#[tokio::test]
async fn pain_11_every_location_is_relative_also_of_mounts_and_416() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", "x").await;
    registry.push_image("a", "v1", "x").await;
    let location = registry.start_upload("a").await;
    let forwarded = [
        ("host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
    ];
    let range = [("content-range", "5-5")];
    let mount = format!("POST /v2/b/blobs/uploads/?mount={digest}&from=a");
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    for answer in [
        registry
            .call("POST /v2/a/blobs/uploads/", &forwarded, "")
            .await
            .expect(202),
        registry.call(&mount, &forwarded, "").await.expect(201),
        registry
            .call(&format!("PATCH {location}"), &range, "x")
            .await
            .expect(416),
        registry
            .call(&format!("GET {location}"), &forwarded, "")
            .await
            .expect(204),
        registry.call(&put, &forwarded, "x").await.expect(201),
        registry
            .call("PUT /v2/a/manifests/v2", &forwarded, image("x").to_string())
            .await
            .expect(201),
    ] {
        assert!(answer.header("location").starts_with("/v2/"), "{answer:?}");
    }
}

/// Line 12: what is too large is told so, with the limit, in the specification's form. (Limits on
/// inactivity rather than in total are in `connections` and `pipeline`; proxies in docs/proxies.md.)
#[tokio::test]
async fn pain_12_a_manifest_above_the_limit_is_told_so_in_json() {
    let registry = TestRegistry::start_with(|config| config.limits.manifest_bytes = 1024).await;
    let answer = registry
        .call("PUT /v2/a/manifests/v1", &[], vec![b' '; 2000])
        .await;
    let answer = answer.refused(413, "MANIFEST_INVALID");
    assert!(
        answer.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("1024")
    );
}

/// Line 15: a mount that cannot be done is never refused: it answers 202 with a session. (A source
/// that may not be read is in `access`.)
#[tokio::test]
async fn pain_15_a_mount_that_cannot_be_done_opens_a_session() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("source", "content").await;
    let absent = sha256(b"absent");
    for query in [
        format!("mount={digest}&from=no/such"),
        format!("mount={absent}&from=source"),
        format!("mount={absent}"),
        format!("mount={digest}&from=NOT-A-NAME"),
        "mount=nonsense&from=source".to_owned(),
    ] {
        let request = format!("POST /v2/target/blobs/uploads/?{query}");
        let answer = registry.call(&request, &[], "").await.expect(202);
        registry.get(answer.header("location")).await.expect(204);
    }
    registry
        .get(&format!("/v2/target/blobs/{digest}"))
        .await
        .expect(404);
}

/// Line 16: no state of an upload is hidden in the process that began it.
#[tokio::test]
async fn pain_16_an_upload_goes_on_in_another_process() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    registry
        .call(&format!("PATCH {location}"), &[], "before ")
        .await
        .expect(202);
    let fresh = registry.start_upload("a").await;
    let registry = registry.restart().await;
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-6");
    registry.get(&fresh).await.expect(204).has("range", "0-0");
    let digest = sha256(b"before after");
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry
        .call(&put, &[("content-range", "7-11")], "after")
        .await
        .expect(201);
}

/// Line 17: what was acknowledged is durable, and durable as a whole.
#[tokio::test]
async fn pain_17_what_was_acknowledged_survives_a_power_cut_as_a_whole() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    let registry = registry.cut_power().await;
    let answer = registry.get("/v2/a/manifests/v1").await.expect(200);
    assert_eq!(answer.header("docker-content-digest"), digest.to_string());
    let layer = sha256(b"layer x");
    assert_eq!(
        registry
            .get(&format!("/v2/a/blobs/{layer}"))
            .await
            .expect(200)
            .body,
        "layer x"
    );
    registry.audit().await;
}

/// Line 18, as far as it holds for local storage: storage that cannot take a write at the moment is
/// 503 with Retry-After and storage that is full 507, never 500, and reads go on.
#[tokio::test]
async fn pain_18_storage_that_takes_no_writes_is_503_or_507_and_reads_go_on() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let requests = [
        "PUT /v2/a/manifests/v2".to_owned(),
        format!("POST /v2/a/blobs/uploads/?digest={}", sha256(b"new")),
    ];
    let bodies = [image("x").to_string(), "new".to_owned()];
    registry.disk.set_capacity(Some(registry.disk.used()));
    let large = vec![7; 4_000_000];
    let put = format!("POST /v2/a/blobs/uploads/?digest={}", sha256(&large));
    let answer = registry.call(&put, &[], large).await;
    answer.refused(507, "INSUFFICIENT_STORAGE");
    registry.get("/v2/a/manifests/v1").await.expect(200);
    registry.get("/ready").await.expect(200);
    registry.disk.set_capacity(None);
    for (request, body) in requests.iter().zip(&bodies) {
        registry.call(request, &[], body.clone()).await.expect(201);
    }

    // A medium that failed a sync takes nothing more until the next start. The write it failed has
    // failed; those after it are to be tried again.
    registry.disk.inject(Fault::Sync(0));
    let put = registry.call(&requests[0], &[], bodies[0].clone()).await;
    put.refused(500, "UNKNOWN");
    for (request, body) in requests.iter().zip(&bodies) {
        let answer = registry.call(request, &[], body.clone()).await;
        let answer = answer.refused(503, "UNAVAILABLE");
        answer.header("retry-after").parse::<u32>().unwrap();
    }
    registry.get("/ready").await.expect(503);
    registry.get("/v2/a/manifests/v1").await.expect(200);
    let registry = registry.cut_power().await;
    for (request, body) in requests.iter().zip(&bodies) {
        registry.call(request, &[], body.clone()).await.expect(201);
    }
    registry.audit().await;
}

/// Lines 18 and 19: a blob is written once, straight to its place, through a buffer of fixed size:
/// never copied, never read again, however many requests bring it.
#[tokio::test]
async fn pain_18_and_19_a_blob_is_written_once_through_a_fixed_buffer_and_not_read_again() {
    const CHUNK: usize = 8 << 20;
    const CHUNKS: usize = 4;
    let machine = Machine::default();
    let registry = machine.registry().await;
    let content = Bytes::from(vec![7; CHUNK * CHUNKS]);
    machine.watch();
    let location = registry.start_upload("a").await;
    for at in (0..content.len()).step_by(CHUNK) {
        let range = format!("{at}-{}", at + CHUNK - 1);
        let pieces = content.slice(at..at + CHUNK);
        let pieces = pieces
            .chunks(60_000)
            .map(|piece| Ok(content.slice_ref(piece)));
        // Frames as a connection yields them.
        let pieces = pieces.collect();
        let headers = [("content-range", range.as_str())];
        let patch = format!("PATCH {location}");
        registry.stream(&patch, &headers, pieces).await.expect(202);
    }
    let put = with_parameter(&location, &format!("digest={}", sha256(&content)));
    registry
        .call(&format!("PUT {put}"), &[], "")
        .await
        .expect(201);

    let calls = machine.calls();
    let blobs = "/store/blobs/";
    assert_eq!(calls.bytes(Call::Write, blobs), content.len() as u64);
    assert_eq!(calls.bytes(Call::Read, blobs), 0);
    assert!(calls.bytes(Call::Write, "") < content.len() as u64 + 2_000_000);
    let buffer = Options::new("/").upload_write as u64;
    assert!(
        calls.largest(Call::Write, blobs) <= buffer,
        "more than a buffer at once"
    );
}

/// Line 19: asking for a manifest by a layer's digest does not load the layer. (Anonymous memory under
/// large uploads is measured by `.ci/limits`.)
#[tokio::test]
async fn pain_19_a_manifest_is_not_asked_for_by_a_layers_digest() {
    let registry = TestRegistry::start().await;
    let layer = registry.push_blob("a", vec![7; 2_000_000]).await;
    let read = registry.disk.counts().bytes_read;
    registry
        .get(&format!("/v2/a/manifests/{layer}"))
        .await
        .refused(404, "MANIFEST_UNKNOWN");
    assert!(
        registry.disk.counts().bytes_read < read + 1_000_000,
        "the layer was read"
    );
}

/// Line 25: Range on 202, 204 and 416 comes from the offset that holds, and a final PUT out of order is
/// refused. (Ranges of pulls are in `blobs`, resumed pulls in `clients_pull`.)
#[tokio::test]
async fn pain_25_ranges_are_reported_from_the_offset_that_holds() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let patch = format!("PATCH {location}");
    registry
        .call(&patch, &[], "0123456789")
        .await
        .expect(202)
        .has("range", "0-9");
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-9");
    registry
        .call(&patch, &[("content-range", "0-9")], "0123456789")
        .await
        .expect(416)
        .has("range", "0-9");
    // The last PUT out of order is refused as well, and the session goes on.
    let digest = sha256(b"0123456789ab");
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry
        .call(&put, &[("content-range", "9-10")], "ab")
        .await
        .expect(416)
        .has("range", "0-9");
    registry
        .call(&put, &[("content-range", "10-11")], "ab")
        .await
        .expect(201);
    let blob = format!("/v2/a/blobs/{digest}");
    registry
        .head(&blob)
        .await
        .expect(200)
        .has("accept-ranges", "bytes");
}

/// Near miss: a full disk is 507, and the session is kept.
#[tokio::test]
async fn near_miss_a_full_disk_is_said_to_be_full_and_keeps_the_session() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let content = vec![7; 1_000_000];
    registry
        .call(&format!("PATCH {location}"), &[], content.clone())
        .await
        .expect(202);
    registry
        .disk
        .set_capacity(Some(registry.disk.used() + 100_000));
    let patch = format!("PATCH {location}");
    registry
        .call(&patch, &[], vec![7; 4_000_000])
        .await
        .refused(507, "INSUFFICIENT_STORAGE");
    registry.disk.set_capacity(None);
    let status = registry.get(&location).await.expect(204);
    let last: usize = status
        .header("range")
        .strip_prefix("0-")
        .unwrap()
        .parse()
        .unwrap();
    assert!(last + 1 >= content.len());
    let digest = sha256(&vec![7; last + 1]);
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry.call(&put, &[], "").await.expect(201);
    registry.audit().await;
}
