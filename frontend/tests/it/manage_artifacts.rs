//! Which manifests the management API calls artifacts: those that name their type, or have a configuration
//! that is no image's.

use crate::manage_content::Cast;
use crate::registry::{CONFIG, DOCKER_MANIFEST, OCI_MANIFEST, artifact, describe, descriptor};
use serde_json::{Value, json};

const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const CHART: &str = "application/vnd.cncf.helm.config.v1+json";
const SIGNATURE: &str = "application/vnd.signature";

#[tokio::test]
async fn an_image_has_no_artifact_type_and_what_is_none_has_its_own() {
    let cast = Cast::start().await;
    cast.push_blob("team/app", "{}").await;
    let manifest = |media_type: &str, config: &str, subject: &Value| {
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": media_type, "config": descriptor(config, "{}"), "layers": [],
        });
        if !subject.is_null() {
            manifest["subject"] = subject.clone();
        }
        manifest
    };
    let image = manifest(OCI_MANIFEST, CONFIG, &Value::Null);
    let subject = describe(&image);
    let all = [
        (image, None),
        (manifest(DOCKER_MANIFEST, DOCKER_CONFIG, &Value::Null), None),
        (manifest(OCI_MANIFEST, CONFIG, &subject), None),
        (manifest(OCI_MANIFEST, CHART, &subject), Some(CHART)),
        (artifact(SIGNATURE, &subject, "x"), Some(SIGNATURE)),
    ];
    let mut expected = Vec::new();
    for (place, (manifest, artifact)) in all.iter().enumerate() {
        let digest = cast.push("team/app", &format!("v{place}"), manifest).await;
        expected.push((digest, *artifact));
    }
    let artifact_of = |items: &Value, digest: &str| {
        let mut items = items.as_array().unwrap().iter();
        let item = items.find(|item| item["digest"] == digest).unwrap();
        item["artifact_type"].as_str().map(str::to_owned)
    };
    let path = "/repositories/team%2Fapp/manifests";
    let listed = cast.get("guest", path).await.expect(200).json();
    let subject = cast.get("guest", &format!("{path}/v0")).await;
    let referrers = &subject.expect(200).json()["referrers"];
    for (place, (digest, artifact)) in expected.iter().enumerate() {
        let shown = cast.get("guest", &format!("{path}/{digest}")).await;
        let shown = shown.expect(200).json();
        assert_eq!(shown["artifact_type"].as_str(), *artifact, "{shown}");
        let found = artifact_of(&listed["items"], digest);
        assert_eq!(found.as_deref(), *artifact, "{digest}");
        if place > 1 {
            let found = artifact_of(referrers, digest);
            assert_eq!(found.as_deref(), *artifact, "{digest}");
        }
    }
}
