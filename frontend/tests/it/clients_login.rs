//! What clients demand of the base endpoint and of refusals, one test per line that holds without
//! accounts.
//!
//! Elsewhere: an answer to a client that is still sending, and a TLS hello on a plain port, in
//! `connections`; challenges, the token endpoint's two methods, scopes, the life of a token, 401, 403 and
//! 429, in `access`.

use super::registry::{OCI_MANIFEST, TestRegistry, image, sha256};
use floundr_engine::disk::Fault;

/// Login: `docker login` and every other client begins with `GET /v2/`, some with HEAD; `/v2` without
/// the slash must not show a page.
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

/// Login: an error's body is always the specification's JSON, and none for HEAD; absent is 404.
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

/// Login: a method that is not supported is 405 UNSUPPORTED.
#[tokio::test]
async fn a_method_that_does_not_fit_is_told_the_ones_that_do() {
    let registry = TestRegistry::start().await;
    let answer = registry.call("POST /v2/a/manifests/x", &[], "").await;
    answer
        .refused(405, "UNSUPPORTED")
        .has("allow", "GET, HEAD, PUT, DELETE");
}

/// Login: clients take 405 on DELETE for "disabled"; here it is enabled.
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

/// Login: the body of an error is the specification's JSON also when the server is at fault: 413,
/// 500, 503 and 507.
#[tokio::test]
async fn what_the_server_cannot_do_is_told_in_the_json_of_the_specification_too() {
    let registry = TestRegistry::start_with(|config| config.limits.manifest_bytes = 1024).await;
    registry.push_image("a", "v1", "x").await;
    let put = "PUT /v2/a/manifests/v2";
    let headers = [("content-type", OCI_MANIFEST)];
    let too_large = registry.call(put, &headers, vec![b' '; 1025]).await;
    too_large.refused(413, "MANIFEST_INVALID");
    let large = vec![7; 2_000_000];
    let post = format!("POST /v2/a/blobs/uploads/?digest={}", sha256(&large));
    registry.disk.set_capacity(Some(registry.disk.used()));
    let full = registry.call(&post, &[], large).await;
    full.refused(507, "INSUFFICIENT_STORAGE");
    registry.disk.set_capacity(None);
    registry.disk.inject(Fault::Sync(0));
    for (status, code) in [(500, "UNKNOWN"), (503, "UNAVAILABLE")] {
        let answer = registry.call(put, &headers, image("x").to_string()).await;
        answer.refused(status, code);
    }
}
