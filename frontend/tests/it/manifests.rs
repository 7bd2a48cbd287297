//! Manifests as a client sees them: push, pull, tags, conditions, delete.

use super::registry::{
    DOCKER_LIST, DOCKER_MANIFEST, LAYER, OCI_INDEX, OCI_MANIFEST, TestRegistry, descriptor, image,
    sha256, sha512,
};
use floundr_frontend::Missing;
use serde_json::json;

#[tokio::test]
async fn a_pushed_manifest_is_answered_byte_for_byte_with_its_headers() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a/b", "v1", "x").await.to_string();
    let content = image("x").to_string();
    for reference in ["v1", &digest] {
        let path = format!("/v2/a/b/manifests/{reference}");
        for (method, body) in [("GET", content.as_str()), ("HEAD", "")] {
            let answer = registry
                .call(&format!("{method} {path}"), &[], "")
                .await
                .expect(200);
            let answer = answer
                .has("content-type", OCI_MANIFEST)
                .has("content-length", content.len().to_string().as_str())
                .has("docker-content-digest", digest.as_str())
                .has("etag", format!("\"{digest}\"").as_str())
                .has("accept-ranges", "bytes");
            assert_eq!(answer.body, body);
        }
    }
}

#[tokio::test]
async fn a_push_is_answered_with_location_and_digest() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let content = image("x").to_string();
    let digest = sha256(content.as_bytes()).to_string();
    for reference in ["v2", &digest] {
        let request = format!("PUT /v2/a/manifests/{reference}");
        let answer = registry
            .call(&request, &[("content-type", OCI_MANIFEST)], content.clone())
            .await;
        answer
            .expect(201)
            .has("location", format!("/v2/a/manifests/{digest}").as_str())
            .has("docker-content-digest", digest.as_str())
            .has("content-length", "0")
            .has("oci-subject", None)
            .has("oci-tag", None);
    }
}

#[tokio::test]
async fn a_push_by_digest_may_set_many_tags() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let content = image("x").to_string();
    for digest in [sha256(content.as_bytes()), sha512(content.as_bytes())] {
        let tags: Vec<String> = (0..12)
            .map(|n| format!("{}-{n}", digest.algorithm()))
            .collect();
        let query: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
        let request = format!("PUT /v2/a/manifests/{digest}?{}", query.join("&"));
        let answer = registry
            .call(&request, &[], content.clone())
            .await
            .expect(201);
        let told: Vec<&str> = answer
            .headers
            .get_all("oci-tag")
            .iter()
            .map(|tag| tag.to_str().unwrap())
            .collect();
        assert_eq!(told, tags);
        for tag in &tags {
            let answer = registry
                .get(&format!("/v2/a/manifests/{tag}"))
                .await
                .expect(200);
            assert_eq!(answer.header("docker-content-digest"), digest.to_string());
            assert_eq!(answer.body, content);
        }
    }
    registry.audit().await;
}

#[tokio::test]
async fn a_claimed_digest_must_be_that_of_the_bytes() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let wrong = sha256(b"other");
    let request = format!("PUT /v2/a/manifests/{wrong}");
    registry
        .call(&request, &[], image("x").to_string())
        .await
        .refused(400, "DIGEST_INVALID");
    registry
        .get(&format!("/v2/a/manifests/{wrong}"))
        .await
        .refused(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn docker_manifests_lists_and_nested_indexes_are_taken() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let mut docker = image("x");
    docker["mediaType"] = json!(DOCKER_MANIFEST);
    registry.push("a", "docker", &docker).await;
    let child = descriptor(DOCKER_MANIFEST, &docker.to_string());
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child]});
    registry.push("a", "list", &list).await;
    let child = descriptor(DOCKER_LIST, &list.to_string());
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
    registry.push("a", "index", &index).await;
    for (tag, media_type) in [
        ("docker", DOCKER_MANIFEST),
        ("list", DOCKER_LIST),
        ("index", OCI_INDEX),
    ] {
        let answer = registry
            .get(&format!("/v2/a/manifests/{tag}"))
            .await
            .expect(200);
        answer.has("content-type", media_type);
    }
    registry.audit().await;
}

#[tokio::test]
async fn missing_blobs_are_refused_and_missing_children_accepted_unless_set_otherwise() {
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [descriptor(OCI_MANIFEST, "nowhere")],
    });
    for (setting, image_status, index_status) in [
        (None, 404, 201),
        (Some(Missing::Accept), 201, 201),
        (Some(Missing::Refuse), 404, 404),
    ] {
        let registry = TestRegistry::start_with(|config| {
            config.missing_blobs = setting.unwrap_or(config.missing_blobs);
            config.missing_children = setting.unwrap_or(config.missing_children);
        })
        .await;
        for (body, status) in [(image("x"), image_status), (index.clone(), index_status)] {
            let answer = registry
                .call("PUT /v2/a/manifests/v1", &[], body.to_string())
                .await;
            let answer = answer.expect(status);
            let is_refused = answer.body.starts_with(b"{\"errors\"");
            assert_eq!(is_refused, status == 404);
        }
    }
}

#[tokio::test]
async fn layers_that_may_stay_elsewhere_need_not_be_here() {
    let registry = TestRegistry::start().await;
    registry.push_blob("a", "config x").await;
    let mut body = image("x");
    let mut urls = descriptor(LAYER, "far");
    urls["urls"] = json!(["https://example.com/far"]);
    let foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    body["layers"] = json!([urls, descriptor(foreign, "farther")]);
    registry.push("a", "v1", &body).await;
}

#[tokio::test]
async fn conditions_on_a_tag_are_kept() {
    let registry = TestRegistry::start().await;
    let first = registry.push_image("a", "v1", "one").await.to_string();
    registry.push_image("a", "other", "two").await;
    let put = async |tag: &str, header: &str, value: &str| {
        let request = format!("PUT /v2/a/manifests/{tag}");
        registry
            .call(&request, &[(header, value)], image("two").to_string())
            .await
    };
    let same = format!("\"{first}\"");
    put("v1", "if-none-match", "*")
        .await
        .refused(412, "MANIFEST_INVALID");
    put("v1", "if-match", "\"sha256:00\"")
        .await
        .refused(412, "MANIFEST_INVALID");
    put("v1", "if-none-match", &same)
        .await
        .refused(412, "MANIFEST_INVALID");
    put("new", "if-match", "*")
        .await
        .refused(412, "MANIFEST_INVALID");
    registry.get("/v2/a/manifests/new").await.expect(404);
    let answer = registry.get("/v2/a/manifests/v1").await;
    assert_eq!(answer.header("docker-content-digest"), first);
    put("new", "if-none-match", "*").await.expect(201);
    put("v1", "if-match", &same).await.expect(201);
    put("v1", "if-match", &same)
        .await
        .refused(412, "MANIFEST_INVALID");
    put("v1", "if-match", "*").await.expect(201);
}

#[tokio::test]
async fn reads_heed_conditions_and_ranges() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    let same = format!("\"{digest}\"");
    for request in ["GET /v2/a/manifests/v1", "HEAD /v2/a/manifests/v1"] {
        let answer = registry
            .call(request, &[("if-none-match", &same)], "")
            .await
            .expect(304);
        assert_eq!(answer.header("etag"), same);
    }
    let content = image("x").to_string();
    let ranged = [("range", "bytes=1-3")];
    let answer = registry
        .call("GET /v2/a/manifests/v1", &ranged, "")
        .await
        .expect(206);
    let expected = format!("bytes 1-3/{}", content.len());
    assert_eq!(
        answer.has("content-range", expected.as_str()).body,
        content.as_bytes()[1..4]
    );
}

#[tokio::test]
async fn deleting_a_tag_keeps_the_manifest_and_deleting_the_manifest_takes_its_tags() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    registry.push("a", "v2", &image("x")).await;
    let by_digest = format!("/v2/a/manifests/{digest}");
    registry.delete("/v2/a/manifests/v1").await.expect(202);
    registry
        .get("/v2/a/manifests/v1")
        .await
        .refused(404, "MANIFEST_UNKNOWN");
    registry
        .delete("/v2/a/manifests/v1")
        .await
        .refused(404, "MANIFEST_UNKNOWN");
    registry.get(&by_digest).await.expect(200);
    registry.get("/v2/a/manifests/v2").await.expect(200);
    registry.delete(&by_digest).await.expect(202);
    registry
        .get(&by_digest)
        .await
        .refused(404, "MANIFEST_UNKNOWN");
    registry
        .get("/v2/a/manifests/v2")
        .await
        .refused(404, "MANIFEST_UNKNOWN");
    registry
        .delete(&by_digest)
        .await
        .refused(404, "MANIFEST_UNKNOWN");
    registry.audit().await;
}

#[tokio::test]
async fn a_manifest_of_three_point_nine_megabytes_is_taken_and_one_over_the_limit_is_not() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let mut body = image("x");
    for number in 0..390 {
        body["annotations"][format!("large-{number}")] = json!("A".repeat(10_000));
    }
    registry.push("a", "large", &body).await;
    body["annotations"]["more"] = json!("A".repeat(400_000));
    let content = body.to_string();
    let answer = registry
        .call("PUT /v2/a/manifests/huge", &[], content.clone())
        .await;
    answer.refused(413, "MANIFEST_INVALID");
    let pieces = vec![Ok(content.into())];
    let answer = registry
        .stream("PUT /v2/a/manifests/huge", &[], pieces)
        .await;
    answer.refused(413, "MANIFEST_INVALID");
}
