//! Referrers: filter, pages, the fallback tag.

use super::registry::{
    OCI_INDEX, OCI_MANIFEST, TestRegistry, artifact, describe, descriptor, image, sha256,
};
use serde_json::{Value, json};

const SBOM: &str = "application/vnd.example.sbom";
const SIGNATURE: &str = "application/vnd.example+signature";

/// A registry with an image and what its artifacts need.
async fn with_image() -> (TestRegistry, Value) {
    let registry = TestRegistry::start().await;
    registry.push_image("a", "v1", "x").await;
    registry.push_blob("a", "{}").await;
    (registry, describe(&image("x")))
}

async fn listed(registry: &TestRegistry, path: &str) -> Vec<Value> {
    let answer = registry
        .get(path)
        .await
        .expect(200)
        .has("content-type", OCI_INDEX);
    let index = answer.json();
    assert_eq!(
        (&index["schemaVersion"], &index["mediaType"]),
        (&json!(2), &json!(OCI_INDEX))
    );
    index["manifests"].as_array().unwrap().clone()
}

fn path_of(subject: &Value) -> String {
    format!("/v2/a/referrers/{}", subject["digest"].as_str().unwrap())
}

#[tokio::test]
async fn an_unknown_digest_or_repository_has_an_empty_list() {
    let (registry, subject) = with_image().await;
    let path = path_of(&subject);
    assert!(listed(&registry, &path).await.is_empty());
    assert!(
        listed(&registry, &format!("/v2/none/referrers/{}", sha256(b"x")))
            .await
            .is_empty()
    );
    registry
        .get("/v2/a/referrers/sha256:0")
        .await
        .refused(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn a_referrer_is_listed_with_type_size_and_annotations() {
    let (registry, subject) = with_image().await;
    let sbom = artifact(SBOM, &subject, "hello");
    let answer = registry
        .call("PUT /v2/a/manifests/sbom", &[], sbom.to_string())
        .await
        .expect(201);
    assert_eq!(
        answer.header("oci-subject"),
        subject["digest"].as_str().unwrap()
    );
    let mut expected = describe(&sbom);
    expected["artifactType"] = json!(SBOM);
    expected["annotations"] = json!({"note": "hello"});
    assert_eq!(listed(&registry, &path_of(&subject)).await, [expected]);
}

#[tokio::test]
async fn an_image_refers_with_its_configuration_type_and_an_index_with_none() {
    let (registry, subject) = with_image().await;
    let mut by_config = image("x");
    by_config["subject"] = subject.clone();
    registry.push("a", "by-config", &by_config).await;
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject,
    });
    registry.push("a", "index", &index).await;
    let listed = listed(&registry, &path_of(&subject)).await;
    let of = |body: &Value| {
        let digest = describe(body)["digest"].clone();
        listed
            .iter()
            .find(|entry| entry["digest"] == digest)
            .unwrap()
            .clone()
    };
    assert_eq!(
        of(&by_config)["artifactType"],
        "application/vnd.oci.image.config.v1+json"
    );
    assert_eq!(of(&index).get("artifactType"), None);
}

#[tokio::test]
async fn a_filter_is_applied_and_said_to_be() {
    let (registry, subject) = with_image().await;
    for (artifact_type, note) in [(SBOM, "1"), (SBOM, "2"), (SIGNATURE, "3")] {
        registry
            .push("a", note, &artifact(artifact_type, &subject, note))
            .await;
    }
    let path = path_of(&subject);
    registry
        .get(&path)
        .await
        .expect(200)
        .has("oci-filters-applied", None);
    // "+" as sent by a client that does not escape it, and by one that does.
    for (query, count) in [
        (SBOM, 2),
        ("application/vnd.example+signature", 1),
        ("application/vnd.example%2Bsignature", 1),
        ("application/none", 0),
    ] {
        let path = format!("{path}?artifactType={query}");
        let answer = registry.get(&path).await.expect(200);
        answer.has("oci-filters-applied", "artifactType");
        assert_eq!(listed(&registry, &path).await.len(), count, "{query}");
    }
}

#[tokio::test]
async fn pages_hold_every_referrer_once_and_keep_the_filter() {
    let (registry, subject) = with_image().await;
    for number in 0..7 {
        let note = number.to_string();
        let artifact_type = if number < 5 { SIGNATURE } else { SBOM };
        registry
            .push("a", &note, &artifact(artifact_type, &subject, &note))
            .await;
    }
    let filter = "&artifactType=application/vnd.example%2Bsignature";
    for (query, count) in [("", 7_usize), (filter, 5)] {
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("{}?n=2{query}", path_of(&subject)));
        while let Some(path) = next {
            let entries = listed(&registry, &path).await;
            assert!(entries.len() <= 2);
            seen.extend(
                entries
                    .iter()
                    .map(|entry| entry["digest"].as_str().unwrap().to_owned()),
            );
            next = registry.get(&path).await.next();
            pages += 1;
        }
        assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
        assert_eq!((seen.len(), pages), (count, count.div_ceil(2)));
    }
}

#[tokio::test]
async fn a_deleted_referrer_leaves_the_list() {
    let (registry, subject) = with_image().await;
    let digest = registry
        .push("a", "s", &artifact(SBOM, &subject, "1"))
        .await;
    registry
        .delete(&format!("/v2/a/manifests/{digest}"))
        .await
        .expect(202);
    assert!(listed(&registry, &path_of(&subject)).await.is_empty());
}

/// Pushes signatures without a subject and the fallback tag that names them and others.
async fn push_fallback(registry: &TestRegistry, subject: &Value, notes: &[&str]) -> Vec<String> {
    let mut children = vec![descriptor(OCI_MANIFEST, "not here")];
    let mut digests = Vec::new();
    for note in notes {
        let mut signature = artifact(SIGNATURE, subject, note);
        signature.as_object_mut().unwrap().remove("subject");
        registry
            .push("a", &format!("fallback-{note}"), &signature)
            .await;
        let mut child = describe(&signature);
        child["artifactType"] = json!("wrong/type");
        digests.push(child["digest"].as_str().unwrap().to_owned());
        children.push(child);
    }
    // One that says itself what it is about: it is no referrer of this subject.
    let other = artifact(SBOM, &descriptor(OCI_MANIFEST, "other"), "other");
    registry.push("a", "other", &other).await;
    children.push(describe(&other));
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
    let tag = subject["digest"].as_str().unwrap().replace(':', "-");
    registry.push("a", &tag, &index).await;
    digests
}

#[tokio::test]
async fn children_of_the_fallback_tag_are_listed_as_they_describe_themselves() {
    let (registry, subject) = with_image().await;
    let real = registry
        .push("a", "real", &artifact(SBOM, &subject, "real"))
        .await
        .to_string();
    let mut expected = push_fallback(&registry, &subject, &["1", "2", "3"]).await;
    expected.push(real);
    expected.sort();
    for n in [1, 2, 3, 100] {
        let mut seen = Vec::new();
        let mut next = Some(format!("{}?n={n}", path_of(&subject)));
        while let Some(path) = next {
            seen.extend(listed(&registry, &path).await);
            next = registry.get(&path).await.next();
        }
        let digests: Vec<&str> = seen
            .iter()
            .map(|entry| entry["digest"].as_str().unwrap())
            .collect();
        assert_eq!(digests, expected, "n={n}");
    }
    let path = format!(
        "{}?artifactType=application/vnd.example%2Bsignature",
        path_of(&subject)
    );
    assert_eq!(listed(&registry, &path).await.len(), 3);
    let path = format!("{}?artifactType=wrong/type", path_of(&subject));
    assert!(listed(&registry, &path).await.is_empty());
}

#[tokio::test]
async fn an_ordinary_manifest_under_the_fallback_tag_counts_for_nothing() {
    let (registry, subject) = with_image().await;
    let tag = subject["digest"].as_str().unwrap().replace(':', "-");
    registry.push("a", &tag, &image("x")).await;
    assert!(listed(&registry, &path_of(&subject)).await.is_empty());
}

#[tokio::test]
async fn a_fallback_tag_with_hundreds_of_children_that_are_gone_is_walked_page_by_page() {
    let (registry, subject) = with_image().await;
    let mut signature = artifact(SIGNATURE, &subject, "there");
    signature.as_object_mut().unwrap().remove("subject");
    registry.push("a", "there", &signature).await;
    let gone = (0..350).map(|number| descriptor(OCI_MANIFEST, &format!("gone {number}")));
    let children: Vec<Value> = gone.chain([describe(&signature)]).collect();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
    let tag = subject["digest"].as_str().unwrap().replace(':', "-");
    registry.push("a", &tag, &index).await;
    let (mut seen, mut pages) = (0, 0);
    let mut next = Some(path_of(&subject));
    while let Some(path) = next {
        seen += listed(&registry, &path).await.len();
        next = registry.get(&path).await.next();
        pages += 1;
    }
    assert_eq!((seen, pages), (1, 4));
}
