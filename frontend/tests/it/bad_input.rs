//! Everything a client can get wrong: each is refused with the specification's code and a message,
//! and afterwards the store holds exactly what it held before.
//!
//! What is wrong with the bytes on the wire (heads, lengths, floods, slow and silent clients) is in
//! `bad_input_wire`, `connections` and `pipeline`; a full disk is in `pains`.

use super::registry::{
    DOCKER_LIST, DOCKER_MANIFEST, LAYER, OCI_INDEX, OCI_MANIFEST, TestRegistry, descriptor, image,
    sha256, with_parameter,
};
use floundr_engine::Statistics;
use serde_json::{Value, json};

/// What must not change.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    statistics: Statistics,
    files: usize,
    tags: Vec<String>,
}

pub(crate) async fn trace(registry: &TestRegistry) -> Trace {
    registry.audit().await;
    Trace {
        statistics: registry.engine.statistics().await.unwrap(),
        files: registry.disk.files().len(),
        tags: registry
            .get("/v2/a/tags/list")
            .await
            .expect(200)
            .strings("tags"),
    }
}

async fn with_image() -> (TestRegistry, Trace) {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let before = trace(&registry).await;
    (registry, before)
}

#[tokio::test]
async fn names_tags_digests_and_path_tricks_leave_no_trace() {
    let (registry, before) = with_image().await;
    let long = "a".repeat(10_240);
    let good = sha256(b"x").to_string();
    let upper = good.to_uppercase().replace("SHA256", "sha256");
    for (path, status, code) in [
        ("/v2/UPPER/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/a/../b/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/%2e%2e%2fetc/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/%2e%2e/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/a%00b/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/a%2fb/manifests/v1", 400, "NAME_INVALID"),
        ("/v2/a//b/manifests/v1", 400, "NAME_INVALID"),
        (&format!("/v2/{long}/manifests/v1"), 400, "NAME_INVALID"),
        ("/v2/a/manifests/-tag", 400, "TAG_INVALID"),
        ("/v2/a/manifests/t%20g", 400, "TAG_INVALID"),
        (
            &format!("/v2/a/manifests/{}", "t".repeat(129)),
            400,
            "TAG_INVALID",
        ),
        ("/v2/a/manifests/sha256:00", 400, "DIGEST_INVALID"),
        (
            "/v2/a/manifests/md5:d41d8cd98f00b204e9800998ecf8427e",
            400,
            "DIGEST_INVALID",
        ),
        (&format!("/v2/a/manifests/{upper}"), 400, "DIGEST_INVALID"),
        (&format!("/v2/a/manifests/{good}0"), 400, "DIGEST_INVALID"),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = format!("{method} {path}");
            let answer = registry.call(&request, &[], image("x").to_string()).await;
            answer.refused(status, code);
        }
    }
    for path in [
        format!("/v2/a/blobs/{upper}"),
        "/v2/a/blobs/sha256:0".to_owned(),
        "/v2/a/blobs/x".to_owned(),
    ] {
        registry.get(&path).await.refused(400, "DIGEST_INVALID");
        registry.delete(&path).await.refused(400, "DIGEST_INVALID");
    }
    assert_eq!(trace(&registry).await, before);
}

#[tokio::test]
async fn upload_requests_that_make_no_sense_leave_no_trace() {
    let (registry, before) = with_image().await;
    let wrong = sha256(b"wrong");
    let post = "POST /v2/a/blobs/uploads/";
    let right = format!("digest={}", sha256(b"right"));
    for (query, length, code) in [
        ("digest=sha256:0", "5", "DIGEST_INVALID"),
        ("digest=sha1:0", "5", "DIGEST_INVALID"),
        ("digest-algorithm=md5", "5", "DIGEST_INVALID"),
        (&format!("digest={wrong}"), "5", "DIGEST_INVALID"),
        (&right, "9", "SIZE_INVALID"),
        (&right, "2", "SIZE_INVALID"),
    ] {
        let headers = [("content-length", length)];
        let request = format!("{post}?{query}");
        let answer = registry.call(&request, &headers, "right").await;
        answer.refused(400, code);
    }
    registry.engine.collect().await.unwrap();
    assert_eq!(trace(&registry).await, before);
}

#[tokio::test]
async fn finishing_an_upload_wrongly_leaves_no_trace() {
    let (registry, before) = with_image().await;
    let wrong = sha256(b"wrong");
    let location = registry.start_upload("a").await;
    let put = format!("PUT {location}");
    registry
        .call(&put, &[], "x")
        .await
        .refused(400, "DIGEST_INVALID");
    registry
        .call(&with_parameter(&put, "digest=sha256:0"), &[], "x")
        .await
        .refused(400, "DIGEST_INVALID");
    registry
        .get(&location)
        .await
        .expect(204)
        .has("range", "0-0");
    let put = with_parameter(&put, &format!("digest={wrong}"));
    registry
        .call(&put, &[], "x")
        .await
        .refused(400, "DIGEST_INVALID");
    registry
        .get(&location)
        .await
        .refused(404, "BLOB_UPLOAD_UNKNOWN");
    for path in [
        "/v2/a/blobs/uploads/nonsense",
        "/v2/a/blobs/uploads/..%2f..%2fetc",
    ] {
        let answer = registry.call(&format!("PATCH {path}"), &[], "x").await;
        assert!([400, 404].contains(&answer.status), "{answer:?}");
    }
    registry.engine.collect().await.unwrap();
    assert_eq!(trace(&registry).await, before);
}

#[tokio::test]
async fn chunks_that_overlap_or_leave_a_gap_leave_the_session_as_it_was() {
    let (registry, before) = with_image().await;
    let location = registry.start_upload("a").await;
    let patch = format!("PATCH {location}");
    registry
        .call(&patch, &[("content-range", "0-9")], "0123456789")
        .await
        .expect(202);
    for (range, body, status, code) in [
        ("5-14", "5678901234", 416, "BLOB_UPLOAD_INVALID"),
        ("0-9", "0123456789", 416, "BLOB_UPLOAD_INVALID"),
        ("11-12", "ab", 416, "BLOB_UPLOAD_INVALID"),
        (
            "99999999999999999999-99999999999999999999",
            "a",
            400,
            "BLOB_UPLOAD_INVALID",
        ),
        ("12-10", "ab", 400, "BLOB_UPLOAD_INVALID"),
        ("ten-eleven", "ab", 400, "BLOB_UPLOAD_INVALID"),
        ("10-19", "short", 400, "SIZE_INVALID"),
    ] {
        let answer = registry
            .call(&patch, &[("content-range", range)], body)
            .await;
        let answer = answer.refused(status, code);
        if status == 416 {
            answer
                .has("range", "0-9")
                .has("location", location.as_str());
        }
        registry
            .get(&location)
            .await
            .expect(204)
            .has("range", "0-9");
    }
    registry.delete(&location).await.expect(204);
    assert_eq!(trace(&registry).await, before);
}

/// Bodies that are no manifest of their type, with that type.
fn bad_manifests() -> Vec<(&'static str, String)> {
    let mut bad: Vec<(&str, String)> = Vec::new();
    for media_type in [
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        OCI_INDEX,
        DOCKER_LIST,
        "application/vnd.x+json",
    ] {
        for body in [
            "",
            "nonsense",
            "[]",
            "null",
            "\"{}\"",
            "{\"a\":1",
            "{\"a\":1,\"a\":2}",
            "\u{1f}\u{8b}",
        ] {
            bad.push((media_type, body.to_owned()));
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        bad.push((media_type, deep));
    }
    let without = |name: &str| {
        let mut body = image("x");
        body.as_object_mut().unwrap().remove(name);
        body.to_string()
    };
    bad.extend(["config", "layers", "schemaVersion"].map(|name| (OCI_MANIFEST, without(name))));
    for size in [
        "-1",
        "1.5",
        "1e400",
        "9223372036854775808",
        "99999999999999999999999",
        "\"7\"",
    ] {
        let body = image("x")
            .to_string()
            .replace("\"size\":8", &format!("\"size\":{size}"));
        bad.push((OCI_MANIFEST, body));
    }
    let typed = |media_type: &str| {
        let mut body = image("x");
        body["mediaType"] = json!(media_type);
        body.to_string()
    };
    bad.extend([
        (OCI_MANIFEST, "{}".to_owned()),
        (OCI_INDEX, "{\"schemaVersion\":2}".to_owned()),
        (OCI_MANIFEST, typed(DOCKER_MANIFEST)),
        (OCI_INDEX, image("x").to_string()),
        ("not a type", image("x").to_string()),
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            typed(""),
        ),
    ]);
    bad
}

#[tokio::test]
async fn manifests_that_are_none_leave_no_trace() {
    let (registry, before) = with_image().await;
    for (media_type, body) in bad_manifests() {
        let headers = [("content-type", media_type)];
        let answer = registry
            .call("PUT /v2/a/manifests/bad", &headers, body.clone())
            .await;
        answer.refused(400, "MANIFEST_INVALID");
        let request = format!("PUT /v2/a/manifests/{}", sha256(body.as_bytes()));
        registry
            .call(&request, &headers, body)
            .await
            .refused(400, "MANIFEST_INVALID");
    }
    assert_eq!(trace(&registry).await, before);
}

#[tokio::test]
async fn manifests_with_too_much_in_them_leave_no_trace() {
    let (registry, before) = with_image().await;
    let layers = |count: usize| {
        let mut body = image("x");
        body["layers"] = Value::Array(vec![descriptor(LAYER, "layer x"); count]);
        body.to_string()
    };
    let put = "PUT /v2/a/manifests/bad";
    registry
        .call(put, &[], layers(15_000))
        .await
        .refused(400, "MANIFEST_INVALID");
    registry
        .call(put, &[], layers(100_000))
        .await
        .refused(413, "MANIFEST_INVALID");
    let announced = [("content-length", "5000000")];
    registry
        .call(put, &announced, "{}")
        .await
        .refused(413, "MANIFEST_INVALID");
    registry
        .call(put, &[("content-length", "9999")], "{}")
        .await
        .refused(400, "SIZE_INVALID");
    assert_eq!(trace(&registry).await, before);
}

#[tokio::test]
async fn manifests_of_content_that_is_not_here_leave_no_trace() {
    let (registry, before) = with_image().await;
    let answer = registry
        .call("PUT /v2/a/manifests/bad", &[], image("absent").to_string())
        .await;
    let answer = answer.refused(404, "MANIFEST_BLOB_UNKNOWN");
    assert_eq!(answer.json()["errors"][0]["detail"]["count"], 2);
    let wrong = sha256(b"wrong");
    let request = format!("PUT /v2/a/manifests/{wrong}?tag=bad");
    registry
        .call(&request, &[], image("x").to_string())
        .await
        .refused(400, "DIGEST_INVALID");
    let request = format!("PUT /v2/a/manifests/{wrong}?tag=-bad");
    registry
        .call(&request, &[], image("x").to_string())
        .await
        .refused(400, "TAG_INVALID");
    assert_eq!(trace(&registry).await, before);
}

#[tokio::test]
async fn listings_and_reads_with_nonsense_are_refused_or_whole() {
    let (registry, before) = with_image().await;
    for path in [
        "/v2/a/tags/list?n=-1",
        "/v2/a/tags/list?n=x",
        "/v2/_catalog?n=1.5",
    ] {
        registry.get(path).await.refused(400, "UNSUPPORTED");
    }
    registry
        .get("/v2/a/referrers/latest")
        .await
        .refused(400, "DIGEST_INVALID");
    registry
        .get("/v2/a/tags/list?n=99999999999999999999999")
        .await
        .expect(200);
    let path = format!("GET /v2/a/blobs/{}", sha256(b"layer x"));
    for range in ["bytes=x-y", "bytes=", "lines=1-2", "bytes=1-2-3"] {
        let answer = registry
            .call(&path, &[("range", range)], "")
            .await
            .expect(200);
        assert_eq!(answer.body, "layer x");
    }
    assert_eq!(trace(&registry).await, before);
}
