//! What signing clients demand, one test per line. More of referrers is in `referrers`.

use super::registry::{
    OCI_INDEX, OCI_MANIFEST, TestRegistry, artifact, describe, descriptor, image, sha256,
};
use serde_json::json;

/// Referrers: cosign 2 and before tag `sha256-<hex>.sig`, `.att` and `.sbom`.
#[tokio::test]
async fn cosign_2_tags_its_signatures_after_the_digest() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    for suffix in ["sig", "att", "sbom"] {
        let tag = format!("{}.{suffix}", digest.to_string().replace(':', "-"));
        registry
            .get(&format!("/v2/a/manifests/{tag}"))
            .await
            .refused(404, "MANIFEST_UNKNOWN");
        registry.push("a", &tag, &image("x")).await;
        registry
            .get(&format!("/v2/a/manifests/{tag}"))
            .await
            .expect(200);
    }
}

/// Referrers: 404 would send clients to the fallback tag; an unknown digest is 200 and an empty index.
#[tokio::test]
async fn an_unknown_digest_has_an_empty_index_and_never_404() {
    let registry = TestRegistry::start().await;
    for repository in ["none", "a"] {
        let path = format!("/v2/{repository}/referrers/{}", sha256(b"unknown"));
        let answer = registry
            .get(&path)
            .await
            .expect(200)
            .has("content-type", OCI_INDEX);
        assert_eq!(answer.json()["manifests"], json!([]));
        registry.push_image("a", "v1", "x").await;
    }
}

/// Referrers: notation and oras decide from OCI-Subject alone; the subject may not exist yet.
#[tokio::test]
async fn notation_decides_from_oci_subject_alone_and_the_subject_may_come_later() {
    let registry = TestRegistry::start().await;
    registry.push_blob("a", "{}").await;
    let subject = describe(&image("x"));
    let digest = subject["digest"].as_str().unwrap().to_owned();
    let signature = artifact("application/vnd.cncf.notary.signature", &subject, "1").to_string();
    let headers = [("content-type", OCI_MANIFEST)];
    let put = format!("PUT /v2/a/manifests/{}", sha256(signature.as_bytes()));
    let answer = registry.call(&put, &headers, signature).await.expect(201);
    answer.has("oci-subject", digest.as_str());
    let path = format!("/v2/a/referrers/{digest}");
    for _ in ["before", "after"] {
        let answer = registry.get(&path).await.expect(200);
        assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), 1);
        registry.push_image("a", "v1", "x").await;
    }
}

/// Referrers: OCI-Filters-Applied on a filter, Link paging.
#[tokio::test]
async fn a_filter_is_named_and_pages_are_linked() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    registry.push_blob("a", "{}").await;
    let subject = describe(&image("x"));
    for note in ["1", "2", "3"] {
        registry
            .push("a", note, &artifact("a/b", &subject, note))
            .await;
    }
    let path = format!(
        "/v2/a/referrers/{}?n=2",
        subject["digest"].as_str().unwrap()
    );
    let answer = registry
        .get(&format!("{path}&artifactType=a/b"))
        .await
        .expect(200);
    let next = answer
        .has("oci-filters-applied", "artifactType")
        .next()
        .unwrap();
    let answer = registry
        .get(&next)
        .await
        .expect(200)
        .has("oci-filters-applied", "artifactType");
    assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), 1);
}

/// Referrers: what is under the fallback tag already is folded in, and cosign's wrong entries are put
/// right.
#[tokio::test]
async fn entries_of_the_fallback_tag_that_cosign_wrote_wrong_are_put_right() {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    registry.push_blob("a", "{}").await;
    let subject = describe(&image("x"));
    let mut signature = artifact("application/vnd.dev.sigstore.bundle", &subject, "1");
    signature.as_object_mut().unwrap().remove("subject");
    registry.push("a", "signature", &signature).await;
    let mut entry = describe(&signature);
    entry["artifactType"] = json!("application/vnd.oci.image.config.v1+json");
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    let digest = subject["digest"].as_str().unwrap();
    registry.push("a", &digest.replace(':', "-"), &index).await;
    let answer = registry
        .get(&format!("/v2/a/referrers/{digest}"))
        .await
        .expect(200);
    let manifests = &answer.json()["manifests"];
    assert_eq!(
        manifests[0]["artifactType"],
        "application/vnd.dev.sigstore.bundle"
    );
    assert_eq!(manifests[0]["annotations"], json!({"note": "1"}));
}

/// Referrers: deleting an image keeps its referrers unless a policy says otherwise.
#[tokio::test]
async fn a_referrer_outlives_its_subject_unless_a_policy_says_otherwise() {
    let registry = TestRegistry::start().await;
    let digest = registry.push_image("a", "v1", "x").await;
    registry.push_blob("a", "{}").await;
    registry
        .push("a", "s", &artifact("a/b", &describe(&image("x")), "1"))
        .await;
    registry
        .delete(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect(202);
    registry.get("/v2/a/manifests/s").await.expect(200);
    let answer = registry
        .get(&format!("/v2/a/referrers/{digest}"))
        .await
        .expect(200);
    assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), 1);
    registry.audit().await;
}

/// Referrers: a subject may be of any type, and need not be here.
#[tokio::test]
async fn a_subject_of_another_kind_is_taken_too() {
    let registry = TestRegistry::start().await;
    registry.push_blob("a", "{}").await;
    let subject = descriptor("application/vnd.example.thing", "a blob");
    registry
        .push("a", "s", &artifact("a/b", &subject, "1"))
        .await;
    let path = format!("/v2/a/referrers/{}", subject["digest"].as_str().unwrap());
    let answer = registry.get(&path).await.expect(200);
    assert_eq!(answer.json()["manifests"][0]["artifactType"], "a/b");
}
