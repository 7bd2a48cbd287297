//! Uploads as a client sees them: sessions, chunks, status, cancel, mount, algorithms.

use super::registry::{TestRegistry, sha256, sha512, with_parameter};
use bytes::Bytes;
use floundr_engine::digest::{Algorithm, Digest};

async fn finish(registry: &TestRegistry, location: &str, content: &[u8]) {
    let target = with_parameter(location, &format!("digest={}", sha256(content)));
    let answer = registry
        .call(&format!("PUT {target}"), &[], "")
        .await
        .expect(201);
    let blob = answer.header("location").to_owned();
    assert_eq!(registry.get(&blob).await.expect(200).body, content);
}

#[tokio::test]
async fn a_session_starts_with_a_relative_location_and_no_bytes() {
    let registry = TestRegistry::start().await;
    let answer = registry
        .call("POST /v2/a/b/blobs/uploads/", &[], "")
        .await
        .expect(202);
    let location = answer.header("location").to_owned();
    assert!(location.starts_with("/v2/a/b/blobs/uploads/"), "{location}");
    assert!(location.contains(answer.header("docker-upload-uuid")));
    answer
        .has("range", "0-0")
        .has("content-length", "0")
        .has("oci-chunk-min-length", None);
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-0")
        .has("location", location.as_str());
}

#[tokio::test]
async fn chunks_in_order_are_taken_and_the_session_tells_its_offset() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    for (range, chunk, told) in [
        ("0-3", "0123", "0-3"),
        ("4-5", "45", "0-5"),
        ("6-9", "6789", "0-9"),
    ] {
        let request = format!("PATCH {location}");
        let answer = registry
            .call(&request, &[("content-range", range)], chunk)
            .await
            .expect(202);
        let answer = answer.has("range", told).has("location", location.as_str());
        answer.header("docker-upload-uuid");
        registry.get(&location).await.expect(204).has("range", told);
    }
    finish(&registry, &location, b"0123456789").await;
    registry
        .get(&location)
        .await
        .refused(404, "BLOB_UPLOAD_UNKNOWN");
    registry.audit().await;
}

#[tokio::test]
async fn the_last_chunk_may_come_with_the_finish() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let patch = format!("PATCH {location}");
    registry
        .call(&patch, &[("content-range", "bytes 0-4/*")], "01234")
        .await
        .expect(202);
    let digest = sha256(b"0123456789");
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={digest}"))
    );
    registry
        .call(&put, &[("content-range", "3-7")], "34567")
        .await
        .refused(416, "BLOB_UPLOAD_INVALID");
    registry
        .call(&put, &[("content-range", "5-9")], "56789")
        .await
        .expect(201);
    registry
        .get(&format!("/v2/a/blobs/{digest}"))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_with_the_way_back() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let patch = format!("PATCH {location}");
    registry
        .call(&patch, &[("content-range", "5-9")], "56789")
        .await
        .expect(416)
        .has("range", "0-0");
    registry
        .call(&patch, &[("content-range", "0-4")], "01234")
        .await
        .expect(202);
    for range in ["0-4", "4-8", "6-10"] {
        let answer = registry
            .call(&patch, &[("content-range", range)], "xxxxx")
            .await;
        answer
            .refused(416, "BLOB_UPLOAD_INVALID")
            .has("range", "0-4")
            .has("location", location.as_str());
    }
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-4");
    registry
        .call(&patch, &[("content-range", "5-9")], "56789")
        .await
        .expect(202);
    finish(&registry, &location, b"0123456789").await;
}

#[tokio::test]
async fn a_chunk_of_another_length_than_announced_is_refused() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let patch = format!("PATCH {location}");
    let length = [("content-range", "0-4"), ("content-length", "4")];
    registry
        .call(&patch, &length, "0123")
        .await
        .refused(400, "SIZE_INVALID");
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-0");
    registry
        .call(&patch, &[("content-length", "9")], "0123")
        .await
        .refused(400, "SIZE_INVALID");
    registry
        .call(&patch, &[("content-length", "2")], "4567")
        .await
        .refused(400, "SIZE_INVALID");
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-3");
    registry
        .call(&patch, &[("content-range", "x")], "0")
        .await
        .refused(400, "BLOB_UPLOAD_INVALID");
    finish(&registry, &location, b"0123").await;
}

#[tokio::test]
async fn what_came_before_a_body_broke_stays() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let pieces = vec![
        Ok(Bytes::from("0123")),
        Ok(Bytes::from("45")),
        Err("reset by peer"),
    ];
    let answer = registry
        .stream(&format!("PATCH {location}"), &[], pieces)
        .await;
    answer.refused(400, "SIZE_INVALID");
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-5");
    let patch = format!("PATCH {location}");
    registry
        .call(&patch, &[("content-range", "6-9")], "6789")
        .await
        .expect(202);
    finish(&registry, &location, b"0123456789").await;
}

#[tokio::test]
async fn a_wrong_digest_ends_the_session_and_stores_nothing() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    registry
        .call(&format!("PATCH {location}"), &[], "content")
        .await
        .expect(202);
    let wrong = sha256(b"something else");
    let put = format!(
        "PUT {}",
        with_parameter(&location, &format!("digest={wrong}"))
    );
    registry
        .call(&put, &[], "")
        .await
        .refused(400, "DIGEST_INVALID");
    registry
        .get(&location)
        .await
        .refused(404, "BLOB_UPLOAD_UNKNOWN");
    for digest in [wrong, sha256(b"content")] {
        registry
            .get(&format!("/v2/a/blobs/{digest}"))
            .await
            .expect(404);
    }
    let post = format!("POST /v2/a/blobs/uploads/?digest={wrong}");
    registry
        .call(&post, &[], "content")
        .await
        .refused(400, "DIGEST_INVALID");
    assert_eq!(registry.engine.statistics().await.unwrap().blobs, 0);
}

#[tokio::test]
async fn a_session_of_another_repository_or_nobody_is_unknown() {
    let registry = TestRegistry::start().await;
    let location = registry.start_upload("a").await;
    let id = location.rsplit('/').next().unwrap();
    let digest = sha256(b"");
    let mut forged = id.to_owned();
    forged.replace_range(0..1, if id.starts_with('0') { "1" } else { "0" });
    for target in [
        format!("/v2/b/blobs/uploads/{id}"),
        format!("/v2/a/blobs/uploads/{forged}"),
    ] {
        for request in ["GET", "PATCH", "DELETE"] {
            let answer = registry.call(&format!("{request} {target}"), &[], "").await;
            answer.refused(404, "BLOB_UPLOAD_UNKNOWN");
        }
        let answer = registry
            .call(&format!("PUT {target}?digest={digest}"), &[], "x")
            .await;
        answer.refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
}

#[tokio::test]
async fn a_blob_may_be_mounted_from_a_repository_or_from_any() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("source", "content").await;
    for (target, query) in [("one", "&from=source"), ("two", "")] {
        let request = format!("POST /v2/{target}/blobs/uploads/?mount={digest}{query}");
        let answer = registry.call(&request, &[], "").await.expect(201);
        let location = format!("/v2/{target}/blobs/{digest}");
        let text = digest.to_string();
        answer
            .has("location", location.as_str())
            .has("docker-content-digest", text.as_str());
        assert_eq!(registry.get(&location).await.expect(200).body, "content");
    }
    assert_eq!(registry.engine.statistics().await.unwrap().blobs, 1);
    registry.audit().await;
}

#[tokio::test]
async fn a_session_hashes_with_the_algorithm_it_was_started_with_or_any_other() {
    let registry = TestRegistry::start().await;
    for (query, digest) in [
        ("?digest-algorithm=sha512", sha512(b"content")),
        ("", sha512(b"content")),
        ("?digest-algorithm=sha512", sha256(b"content")),
        (
            "?digest-algorithm=blake3",
            Digest::of(Algorithm::Blake3, b"content"),
        ),
    ] {
        let request = format!("POST /v2/a/blobs/uploads/{query}");
        let location = registry
            .call(&request, &[], "")
            .await
            .expect(202)
            .header("location")
            .to_owned();
        registry
            .call(&format!("PATCH {location}"), &[], "cont")
            .await
            .expect(202);
        let put = format!(
            "PUT {}",
            with_parameter(&location, &format!("digest={digest}"))
        );
        registry.call(&put, &[], "ent").await.expect(201);
        registry
            .get(&format!("/v2/a/blobs/{digest}"))
            .await
            .expect(200);
    }
}

#[tokio::test]
async fn a_least_chunk_length_is_announced_when_configured() {
    let registry = TestRegistry::start_with(|config| config.chunk_min_length = Some(1024)).await;
    let answer = registry.call("POST /v2/a/blobs/uploads/", &[], "").await;
    answer.expect(202).has("oci-chunk-min-length", "1024");
}

#[tokio::test]
async fn two_sessions_of_the_same_blob_both_succeed() {
    let registry = TestRegistry::start().await;
    let (one, two) = (
        registry.start_upload("a").await,
        registry.start_upload("a").await,
    );
    assert_ne!(one, two);
    for location in [&one, &two] {
        registry
            .call(&format!("PATCH {location}"), &[], "content")
            .await
            .expect(202);
    }
    finish(&registry, &one, b"content").await;
    finish(&registry, &two, b"content").await;
    assert_eq!(registry.engine.statistics().await.unwrap().blobs, 1);
}
