//! What is listed and what is served: 8 (catalog), 9 (tags), 10 (deleted repositories), 20 (mirrors'
//! namespaces), 24 (media types).

use super::super::registry::{
    CONFIG, LAYER, OCI_INDEX, OCI_MANIFEST, TestRegistry, descriptor, image,
};
use serde_json::json;

/// Line 8: the pages of the catalog, whatever their size, joined are the sorted set of the names.
/// (The cost of a page is the engine's test; what one may see is in `access`.)
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

/// Line 9: no tag is dropped, and deleting a digest removes its tags with it.
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

/// Line 10: a repository whose last content is deleted is not listed any more.
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

/// Line 20, as far as it holds for a registry that caches no other: `ns` is accepted, says nothing
/// about what is here, and never makes content up.
#[tokio::test]
async fn pain_20_a_mirrors_namespace_selects_nothing_and_invents_nothing() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    let blob = descriptor(LAYER, "layer x")["digest"].clone();
    let blob = format!("blobs/{}", blob.as_str().unwrap());
    for path in ["manifests/v1", &blob] {
        let here = registry.get(&format!("/v2/a/{path}")).await.expect(200);
        let mirrored = registry.get(&format!("/v2/a/{path}?ns=docker.io")).await;
        assert_eq!(mirrored.expect(200).body, here.body);
        let head = registry.head(&format!("/v2/a/{path}?ns=docker.io")).await;
        head.expect(200);
        // Not here: the client goes on to its next mirror at once.
        let absent = registry.get(&format!("/v2/b/{path}?ns=docker.io")).await;
        absent.expect(404);
    }
}

/// Line 24: any manifest whose JSON is well formed is taken; children of an index may be blobs; a tag
/// may change its type; unknown types are stored byte for byte.
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

/// Content within a descriptor does not stand for the blob: pullers ask for it by its digest.
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
