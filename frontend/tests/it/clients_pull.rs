//! What clients demand of pulls, one test per line.

use super::registry::{OCI_INDEX, OCI_MANIFEST, TestRegistry, descriptor, image};
use serde_json::json;

/// Pull: containerd and kubelet HEAD a manifest, then GET it by the digest that HEAD named; a missing
/// header broke containerd, crane and diun.
#[tokio::test]
async fn head_of_a_manifest_carries_type_length_digest_and_etag() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await.to_string();
    let length = image("x").to_string().len().to_string();
    for reference in ["v1", &digest] {
        let answer = registry
            .head(&format!("/v2/a/manifests/{reference}"))
            .await
            .expect(200);
        let answer = answer
            .has("content-type", OCI_MANIFEST)
            .has("content-length", length.as_str())
            .has("docker-content-digest", digest.as_str())
            .has("etag", format!("\"{digest}\"").as_str());
        assert!(answer.body.is_empty());
    }
}

/// Pull: Accept comes in several headers, comma lists, with q values, as `*/*` or not at all; what is
/// stored is returned, never converted.
#[tokio::test]
async fn accept_is_ignored_whatever_it_says() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let content = image("x").to_string();
    for accept in [
        vec![],
        vec![("accept", "*/*")],
        vec![("accept", OCI_INDEX)],
        vec![("accept", OCI_INDEX), ("accept", OCI_MANIFEST)],
        vec![(
            "accept",
            "application/vnd.docker.distribution.manifest.v2+json;q=0.5, text/html",
        )],
        vec![(
            "accept",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
        )],
        vec![("accept", "nonsense")],
    ] {
        let answer = registry
            .call("GET /v2/a/manifests/v1", &accept, "")
            .await
            .expect(200);
        assert_eq!(
            answer.has("content-type", OCI_MANIFEST).body,
            content,
            "{accept:?}"
        );
    }
}

/// Pull: manifests without `mediaType` (kaniko) get the Content-Type they were pushed with, its
/// parameters stripped.
#[tokio::test]
async fn a_manifest_without_media_type_keeps_its_content_type_without_parameters() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let mut body = image("x");
    body.as_object_mut().unwrap().remove("mediaType");
    for (sent, kept) in [
        (
            Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
            OCI_MANIFEST,
        ),
        (
            Some("application/vnd.example.kaniko+json"),
            "application/vnd.example.kaniko+json",
        ),
        (None, OCI_MANIFEST),
    ] {
        let headers: Vec<_> = sent
            .map(|sent| ("content-type", sent))
            .into_iter()
            .collect();
        registry
            .call("PUT /v2/a/manifests/v2", &headers, body.to_string())
            .await
            .expect(201);
        registry
            .get("/v2/a/manifests/v2")
            .await
            .expect(200)
            .has("content-type", kept);
        registry
            .head("/v2/a/manifests/v2")
            .await
            .expect(200)
            .has("content-type", kept);
    }
}

/// Pull: a digest is served by a repository that has the manifest, not because it exists somewhere.
#[tokio::test]
async fn a_digest_is_served_by_the_repositories_that_have_it_only() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    registry.push_image("b", "v1", "x").await;
    for (repository, status) in [("a", 200), ("b", 200), ("c", 404)] {
        registry
            .get(&format!("/v2/{repository}/manifests/{digest}"))
            .await
            .expect(status);
    }
    registry
        .delete(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect(202);
    registry
        .get(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect(404);
    registry
        .get(&format!("/v2/b/manifests/{digest}"))
        .await
        .expect(200);
}

/// Pull: containerd and podman resume with `bytes=N-`, on the first try `bytes=0-`; podman fails on
/// 200.
#[tokio::test]
async fn a_broken_pull_is_resumed_with_an_open_range() {
    let registry = TestRegistry::start().await;
    let content = b"0123456789".repeat(50_000);
    let path = format!(
        "/v2/a/blobs/{}",
        registry.push_blob("a", content.clone()).await
    );
    for offset in [0, 1, 123_456, 499_999] {
        let range = format!("bytes={offset}-");
        let answer = registry
            .call(&format!("GET {path}"), &[("range", &range)], "")
            .await;
        let told = format!("bytes {offset}-499999/500000");
        let answer = answer.expect(206).has("content-range", told.as_str());
        assert_eq!(answer.body, content[offset..]);
    }
}

/// Pull: stargz, soci, nydus and parallel fetchers read many small closed ranges; none is redirected,
/// so no client loses its Authorization on the way. (Many requests of one connection: `over_a_socket`
/// and `connections`.)
#[tokio::test]
async fn parallel_fetchers_read_closed_ranges_without_a_redirect() {
    let registry = TestRegistry::start().await;
    let content = b"0123456789".repeat(50_000);
    let path = format!(
        "/v2/a/blobs/{}",
        registry.push_blob("a", content.clone()).await
    );
    let mut joined = Vec::new();
    for first in (0..content.len()).step_by(70_000) {
        let range = format!("bytes={first}-{}", first + 69_999);
        let answer = registry
            .call(&format!("GET {path}"), &[("range", &range)], "")
            .await;
        joined.extend_from_slice(&answer.expect(206).has("location", None).body);
    }
    assert_eq!(joined, content);
}

/// Pull: containerd's mirrors send `?ns=docker.io`; OCI-Namespace echoes it. (Anonymous reads are
/// in `access`.)
#[tokio::test]
async fn the_namespace_of_a_mirror_is_echoed() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("library/alpine", "config x").await;
    registry.push_image("library/alpine", "v1", "x").await;
    for path in [
        "/v2/library/alpine/manifests/v1".to_owned(),
        format!("/v2/library/alpine/blobs/{digest}"),
        "/v2/library/alpine/tags/list".to_owned(),
    ] {
        let answer = registry
            .get(&format!("{path}?ns=docker.io"))
            .await
            .expect(200);
        answer.has("oci-namespace", "docker.io");
        registry
            .get(&path)
            .await
            .expect(200)
            .has("oci-namespace", None);
        registry
            .get(&format!("{path}?ns=a%0Ab"))
            .await
            .expect(200)
            .has("oci-namespace", None);
    }
}

/// Pull: containerd 2 sends `Accept-Encoding: zstd, gzip` on blobs; nothing stored is encoded.
#[tokio::test]
async fn nothing_is_content_encoded() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_blob("a", b"a".repeat(100_000)).await;
    registry.push_image("a", "v1", "x").await;
    let headers = [("accept-encoding", "zstd, gzip;q=0.9, *")];
    for path in [
        format!("/v2/a/blobs/{digest}"),
        "/v2/a/manifests/v1".to_owned(),
    ] {
        let answer = registry
            .call(&format!("GET {path}"), &headers, "")
            .await
            .expect(200);
        answer
            .has("content-encoding", None)
            .has("transfer-encoding", None);
    }
}

/// Pull: zstd layers, in-toto, cosign bundles, Helm, Wasm: all opaque.
#[tokio::test]
async fn layers_and_configurations_of_every_kind_are_opaque() {
    let registry = TestRegistry::start().await;
    for (config, layer) in [
        (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+zstd",
        ),
        (
            "application/vnd.oci.empty.v1+json",
            "application/vnd.in-toto+json",
        ),
        (
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.dev.sigstore.bundle.v0.3+json",
        ),
        (
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        ("application/vnd.wasm.config.v0+json", "application/wasm"),
    ] {
        let (one, two) = (format!("{config} content"), format!("{layer} content"));
        registry.push_blob("a", one.clone()).await;
        registry.push_blob("a", two.clone()).await;
        let body = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": descriptor(config, &one), "layers": [descriptor(layer, &two)],
        });
        let digest = registry.push("a", "v1", &body).await;
        let answer = registry
            .get(&format!("/v2/a/manifests/{digest}"))
            .await
            .expect(200);
        assert_eq!(answer.body, body.to_string());
    }
}
