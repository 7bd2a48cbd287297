//! Blobs as a client sees them: pull, ranges, conditions, delete.

use super::registry::{TestRegistry, sha256, sha512};
use floundr_engine::disk::{Fault, MemoryDisk};
use floundr_engine::{Engine, Options};
use floundr_frontend::{Config, Context, Registry};
use serde_json::json;
use std::sync::Arc;

const CONTENT: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

async fn with_blob() -> (TestRegistry, String, String) {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a/b", CONTENT).await.to_string();
    (registry, format!("/v2/a/b/blobs/{digest}"), digest)
}

#[tokio::test]
async fn a_blob_is_answered_whole_with_everything_head_tells() {
    let (registry, path, digest) = with_blob().await;
    for request in ["GET", "HEAD"] {
        let answer = registry
            .call(&format!("{request} {path}"), &[], "")
            .await
            .expect(200);
        let answer = answer
            .has("content-length", "36")
            .has("content-type", "application/octet-stream")
            .has("docker-content-digest", digest.as_str())
            .has("etag", format!("\"{digest}\"").as_str())
            .has("accept-ranges", "bytes")
            .has("docker-distribution-api-version", "registry/2.0");
        let expected = if request == "GET" { CONTENT } else { "" };
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn ranges_are_answered_with_206_416_or_the_whole() {
    let (registry, path, _) = with_blob().await;
    for (range, status, body, content_range) in [
        ("bytes=10-12", 206, "abc", Some("bytes 10-12/36")),
        ("bytes=33-", 206, "xyz", Some("bytes 33-35/36")),
        ("bytes=-2", 206, "yz", Some("bytes 34-35/36")),
        ("bytes=0-", 206, CONTENT, Some("bytes 0-35/36")),
        ("bytes=30-99", 206, "uvwxyz", Some("bytes 30-35/36")),
        ("bytes=0-1,3-4", 200, CONTENT, None),
        ("nonsense", 200, CONTENT, None),
    ] {
        let answer = registry
            .call(&format!("GET {path}"), &[("range", range)], "")
            .await;
        let answer = answer.expect(status).has("content-range", content_range);
        assert_eq!(
            answer.header("content-length"),
            body.len().to_string(),
            "{range}"
        );
        assert_eq!(answer.body, body, "{range}");
    }
    for range in ["bytes=36-", "bytes=40-50", "bytes=5-0", "bytes=-0"] {
        let answer = registry
            .call(&format!("GET {path}"), &[("range", range)], "")
            .await;
        answer
            .refused(416, "SIZE_INVALID")
            .has("content-range", "bytes */36");
    }
}

#[tokio::test]
async fn if_range_lets_a_range_count_only_for_the_same_content() {
    let (registry, path, digest) = with_blob().await;
    let same = format!("\"{digest}\"");
    for (if_range, status) in [
        (same.as_str(), 206),
        ("\"other\"", 200),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 200),
    ] {
        let headers = [("range", "bytes=0-1"), ("if-range", if_range)];
        registry
            .call(&format!("GET {path}"), &headers, "")
            .await
            .expect(status);
    }
}

#[tokio::test]
async fn a_client_that_has_the_content_is_told_so() {
    let (registry, path, digest) = with_blob().await;
    let same = format!("\"x\", \"{digest}\"");
    for request in ["GET", "HEAD"] {
        let request = format!("{request} {path}");
        let answer = registry
            .call(&request, &[("if-none-match", &same)], "")
            .await
            .expect(304);
        assert!(
            answer
                .has("docker-content-digest", digest.as_str())
                .body
                .is_empty()
        );
        registry
            .call(&request, &[("if-none-match", "*")], "")
            .await
            .expect(304);
        registry
            .call(&request, &[("if-none-match", "\"x\"")], "")
            .await
            .expect(200);
        registry
            .call(&request, &[("if-match", "\"x\"")], "")
            .await
            .expect(412);
        registry
            .call(&request, &[("if-match", &same)], "")
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_deleted_blob_is_gone_here_at_once_and_stays_elsewhere() {
    let (registry, path, digest) = with_blob().await;
    registry.push_blob("c", CONTENT).await;
    let other = format!("/v2/c/blobs/{digest}");
    registry
        .delete(&path)
        .await
        .expect(202)
        .has("content-length", "0");
    registry.get(&path).await.refused(404, "BLOB_UNKNOWN");
    assert!(registry.head(&path).await.expect(404).body.is_empty());
    registry.delete(&path).await.refused(404, "BLOB_UNKNOWN");
    assert_eq!(registry.get(&other).await.expect(200).body, CONTENT);
    registry.push_blob("a/b", CONTENT).await;
    registry.get(&path).await.expect(200);
    registry.audit().await;
}

#[tokio::test]
async fn a_blob_is_visible_only_where_it_is_held() {
    let (registry, _, digest) = with_blob().await;
    registry
        .get(&format!("/v2/other/blobs/{digest}"))
        .await
        .refused(404, "BLOB_UNKNOWN");
    let absent = sha256(b"absent");
    registry
        .get(&format!("/v2/a/b/blobs/{absent}"))
        .await
        .refused(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn sha512_works_throughout() {
    let registry = TestRegistry::start().await;
    let digest = sha512(CONTENT.as_bytes());
    let request = format!("POST /v2/a/blobs/uploads/?digest={digest}");
    let answer = registry.call(&request, &[], CONTENT).await.expect(201);
    let location = answer.header("location").to_owned();
    assert_eq!(location, format!("/v2/a/blobs/{digest}"));
    let answer = registry.get(&location).await.expect(200);
    let text = digest.to_string();
    assert_eq!(
        answer.has("docker-content-digest", text.as_str()).body,
        CONTENT
    );
    registry.delete(&location).await.expect(202);
    registry.get(&location).await.expect(404);
}

#[tokio::test]
async fn large_blobs_are_ranged_like_small_ones() {
    let registry = TestRegistry::start().await;
    let content: Vec<u8> = (0..3_000_000_u32)
        .map(|n| n.to_le_bytes()[n as usize % 4])
        .collect();
    let digest = registry.push_blob("a", content.clone()).await;
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(registry.get(&path).await.expect(200).body, content);
    for (first, last) in [
        (0, 0),
        (1_048_575, 1_048_577),
        (999_999, 2_500_000),
        (2_999_999, 9_000_000),
    ] {
        let range = format!("bytes={first}-{last}");
        let answer = registry
            .call(&format!("GET {path}"), &[("range", &range)], "")
            .await;
        let end = content.len().min(last + 1);
        assert_eq!(answer.expect(206).body, content[first..end], "{range}");
    }
}

#[tokio::test]
async fn content_that_cannot_be_read_is_500_and_not_absent() {
    let (registry, path, _) = with_blob().await;
    // A place that cannot be opened is looked up once more: it may have moved.
    registry.disk.inject(Fault::Read(0));
    registry.disk.inject(Fault::Read(1));
    let answer = registry.get(&path).await.refused(500, "UNKNOWN");
    assert!(!String::from_utf8_lossy(&answer.body).contains("/store"));
    assert_eq!(registry.get(&path).await.expect(200).body, CONTENT);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_500_and_not_absent() {
    let (mut registry, path, digest) = with_blob().await;
    let elsewhere = format!("/v2/a/b/manifests/{digest}");
    for request in [
        format!("HEAD {path}"),
        format!("GET {path}"),
        format!("DELETE {path}"),
        format!("HEAD {elsewhere}"),
        format!("GET {elsewhere}"),
    ] {
        reopen_without_cache(&mut registry).await;
        // A read that failed is made again, a few times: all of them fail.
        (0..500).for_each(|point| registry.disk.inject(Fault::Read(point)));
        let answer = registry.call(&request, &[], "").await;
        registry.disk.forget_faults();
        // A write may hear first that it is to be tried again: the file is being opened anew.
        let may_be_busy = request.starts_with("DELETE") && answer.status == 503;
        assert!(answer.status == 500 || may_be_busy, "{request}: {answer:?}");
    }
    reopen_without_cache(&mut registry).await;
    assert_eq!(registry.get(&path).await.expect(200).body, CONTENT);
}

/// The same store again, with every look at a record being a read of the disk.
async fn reopen_without_cache(registry: &mut TestRegistry) {
    // After a fault in writing it names the fault once more.
    registry.engine.close().await.ok();
    let mut options = Options::new("/store");
    options.disk = Arc::new(registry.disk.clone());
    options.metadata_cache = 0;
    registry.engine = Engine::open(options).await.unwrap();
    let context = Context::new(registry.engine.clone(), Config::default());
    registry.registry = Registry::new(context);
}

#[tokio::test]
async fn deleting_a_linked_blob_is_refused_with_405_where_the_store_says_so() {
    let disk = MemoryDisk::new();
    let registry = TestRegistry::start_on(&disk, |options| options.refuse_referenced = true).await;
    let config = registry.push_blob("a/b", "{}").await;
    let media_type = "application/vnd.oci.image.config.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": media_type, "digest": config.to_string(), "size": 2 },
        "layers": [],
    });
    let manifest = registry.push("a/b", "latest", &manifest).await;
    let delete = format!("DELETE /v2/a/b/blobs/{config}");
    let answer = registry.call(&delete, &[], "").await.expect(405);
    let answer = answer.has("allow", "GET, HEAD");
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(body.contains("UNSUPPORTED"), "{body}");
    assert!(body.contains(&manifest.to_string()), "{body}");
    let delete_manifest = format!("DELETE /v2/a/b/manifests/{manifest}");
    registry.call(&delete_manifest, &[], "").await.expect(202);
    registry.call(&delete, &[], "").await.expect(202);
}
