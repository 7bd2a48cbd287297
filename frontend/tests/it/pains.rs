//! Where users of other registries hurt: one test per line that the endpoints can show. The number
//! in a name is the line's. Lines about collection, locks and start are the engine's tests; those
//! about proxies' and clients' connections are in `connections`.

use super::registry::{
    CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, TestRegistry, descriptor, image, sha256, with_parameter,
};
use floundr_engine::disk::Fault;
use serde_json::json;

#[tokio::test]
async fn pain_04_deleting_the_last_link_frees_the_bytes() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", vec![7; 3_000_000]).await;
    let used = registry.disk.used();
    registry
        .delete(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(202);
    registry.engine.collect().await.unwrap();
    assert!(registry.disk.used() < used - 2_000_000);
}

#[tokio::test]
async fn pain_08_the_catalog_drops_no_name_that_another_begins_with() {
    let registry = TestRegistry::start().await;
    let mut names = [
        "a", "a/a", "a/a/a", "a-a", "a.a", "a0", "aa", "aa/a", "a__a",
    ];
    for name in names {
        registry.push_blob(name, "x").await;
    }
    names.sort_unstable();
    for n in 1..=names.len() {
        let (mut seen, mut next) = (Vec::new(), Some(format!("/v2/_catalog?n={n}")));
        while let Some(path) = next {
            let answer = registry.get(&path).await.expect(200);
            seen.extend(answer.strings("repositories"));
            next = answer.next();
        }
        assert_eq!(seen, names, "n={n}");
    }
}

#[tokio::test]
async fn pain_09_tags_that_begin_another_are_listed_and_deleting_a_digest_takes_its_tags() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "1", "x").await;
    for tag in ["1.0", "1.0.0", "10"] {
        registry.push("a", tag, &image("x")).await;
    }
    registry.push_image("a", "other", "y").await;
    let answer = registry.get("/v2/a/tags/list").await.expect(200);
    assert_eq!(answer.strings("tags"), ["1", "1.0", "1.0.0", "10", "other"]);
    registry
        .delete(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect(202);
    assert_eq!(
        registry.get("/v2/a/tags/list").await.strings("tags"),
        ["other"]
    );
}

#[tokio::test]
async fn pain_10_a_repository_is_there_as_long_as_it_holds_something() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", "x").await;
    assert_eq!(
        registry.get("/v2/_catalog").await.strings("repositories"),
        ["a"]
    );
    registry
        .delete(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(202);
    assert!(
        registry
            .get("/v2/_catalog")
            .await
            .strings("repositories")
            .is_empty()
    );
    registry
        .get("/v2/a/tags/list")
        .await
        .refused(404, "NAME_UNKNOWN");
}

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

#[tokio::test]
async fn pain_24_strict_media_types_break_real_tools() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    // A build cache: an index whose children are layers, without platforms.
    let cache = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        descriptor(LAYER, "layer x"),
        descriptor("application/vnd.buildkit.cacheconfig.v0", "config x"),
    ]});
    registry.push("a", "cache", &cache).await;
    // A tag may go from one type to another, as `docker buildx --push` does.
    registry.push("a", "v1", &cache).await;
    registry
        .get("/v2/a/manifests/v1")
        .await
        .expect(200)
        .has("content-type", OCI_INDEX);
    registry.push("a", "v1", &image("x")).await;
    registry
        .get("/v2/a/manifests/v1")
        .await
        .expect(200)
        .has("content-type", OCI_MANIFEST);
    // An unknown type, spaces and all.
    let odd = "{ \"mediaType\" : \"application/vnd.example.odd+json\",\n\"x\":[1,2]}\n";
    registry
        .call("PUT /v2/a/manifests/odd", &[], odd)
        .await
        .expect(201);
    let answer = registry.get("/v2/a/manifests/odd").await.expect(200);
    assert_eq!(
        answer
            .has("content-type", "application/vnd.example.odd+json")
            .body,
        odd
    );
}

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

#[tokio::test]
async fn an_artifact_with_an_inline_configuration_needs_its_blob_all_the_same() {
    let registry = TestRegistry::start().await;
    let mut config = descriptor(CONFIG, "{}");
    config["data"] = json!("e30=");
    let body =
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []});
    let answer = registry
        .call("PUT /v2/a/manifests/v1", &[], body.to_string())
        .await;
    answer.refused(404, "MANIFEST_BLOB_UNKNOWN");
    registry.push_blob("a", "{}").await;
    registry.push("a", "v1", &body).await;
}
