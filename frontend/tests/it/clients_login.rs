//! What clients demand of the base endpoint and of refusals, one test per line that holds without
//! accounts.

use super::registry::{TestRegistry, sha256};

#[tokio::test]
async fn the_base_endpoint_answers_get_and_head_with_and_without_the_slash() {
    let registry = TestRegistry::start().await;
    for request in ["GET /v2/", "HEAD /v2/", "GET /v2"] {
        let answer = registry.call(request, &[], "").await.expect(200);
        answer
            .has("docker-distribution-api-version", "registry/2.0")
            .has("content-type", "application/json");
    }
}

#[tokio::test]
async fn refusals_are_the_json_of_the_specification_and_head_has_no_body() {
    let registry = TestRegistry::start().await;
    let blob = format!("/v2/a/blobs/{}", sha256(b"x"));
    for (request, status, code) in [
        (format!("GET {blob}"), 404, "BLOB_UNKNOWN"),
        ("GET /v2/a/manifests/x".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("GET /v2/A/manifests/x".to_owned(), 400, "NAME_INVALID"),
        ("GET /v2/a/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("GET /v2/unknown".to_owned(), 404, "UNSUPPORTED"),
        ("PUT /v2/a/tags/list".to_owned(), 405, "UNSUPPORTED"),
    ] {
        registry.call(&request, &[], "").await.refused(status, code);
    }
    for path in [blob.as_str(), "/v2/a/manifests/x"] {
        assert!(registry.head(path).await.expect(404).body.is_empty());
    }
}

#[tokio::test]
async fn a_method_that_does_not_fit_is_told_the_ones_that_do() {
    let registry = TestRegistry::start().await;
    let answer = registry.call("POST /v2/a/manifests/x", &[], "").await;
    answer
        .refused(405, "UNSUPPORTED")
        .has("allow", "GET, HEAD, PUT, DELETE");
}

#[tokio::test]
async fn deletes_are_enabled_and_answered_with_202() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    registry.delete("/v2/a/manifests/v1").await.expect(202);
    registry
        .delete(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect(202);
    let blob = sha256(b"layer x");
    registry
        .delete(&format!("/v2/a/blobs/{blob}"))
        .await
        .expect(202);
}
