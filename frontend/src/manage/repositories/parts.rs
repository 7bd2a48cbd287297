//! [`Parts`]: what the bytes of a manifest say, for people to look at.
//!
//! Invariant: what is there was accepted when it was pushed, and some of it is of types that this
//! registry does not know: what cannot be read is left out, and nothing is refused.

use crate::oci::limits::Limits;
use floundr_engine::digest::Digest;
use serde_json::Value;
use std::collections::BTreeMap;

/// Media types of an image's configuration.
const IMAGE_CONFIGS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// What a manifest says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Vec<Descriptor>,
    pub(super) manifests: Vec<Descriptor>,
    pub(super) subject: Option<Descriptor>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) digest: Digest,
    pub(super) media_type: Option<String>,
    pub(super) size: Option<u64>,
    /// `os/architecture/variant`.
    pub(super) platform: Option<String>,
}

// === impl Parts ===

impl Parts {
    pub(super) fn of(content: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice::<Value>(content) else {
            return Self::default();
        };
        let annotations = document["annotations"].as_object().into_iter().flatten();
        let annotations = annotations.filter_map(|(name, value)| {
            let value = value.as_str()?.to_owned();
            Some((name.clone(), value))
        });
        let mut layers = descriptors(&document["layers"]);
        layers.extend(descriptors(&document["blobs"]));
        Self {
            config: Descriptor::of(&document["config"]),
            layers,
            manifests: descriptors(&document["manifests"]),
            subject: Descriptor::of(&document["subject"]),
            annotations: annotations.collect(),
        }
    }
}

fn descriptors(list: &Value) -> Vec<Descriptor> {
    let list = list.as_array().into_iter().flatten();
    let most = Limits::default().links;
    list.filter_map(Descriptor::of).take(most).collect()
}

// === impl Descriptor ===

impl Descriptor {
    fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Self {
            digest: value["digest"].as_str()?.parse().ok()?,
            media_type: text("mediaType"),
            size: value["size"].as_u64(),
            platform: platform(&value["platform"]),
        })
    }

    pub(super) fn is_image_config(&self) -> bool {
        let media_type = self.media_type.as_deref();
        media_type.is_some_and(|media_type| IMAGE_CONFIGS.contains(&media_type))
    }
}

/// What is an artifact's type among what counts as one of a manifest, where a configuration's type stands in
/// for one that is not named: an image's says that it is none.
pub(super) fn of_an_artifact(artifact_type: Option<String>) -> Option<String> {
    artifact_type.filter(|artifact_type| !IMAGE_CONFIGS.contains(&artifact_type.as_str()))
}

fn platform(value: &Value) -> Option<String> {
    // Tools write what they do not know as an empty text.
    let part = |name: &str| value[name].as_str().filter(|part| !part.is_empty());
    let mut platform = format!("{}/{}", part("os")?, part("architecture")?);
    if let Some(variant) = part("variant") {
        platform.push('/');
        platform.push_str(variant);
    }
    Some(platform)
}

#[cfg(test)]
mod tests {
    use super::*;
    use floundr_engine::digest::Algorithm;
    use serde_json::json;

    #[test]
    fn an_image_is_no_artifact_by_the_type_of_its_configuration() {
        for image in IMAGE_CONFIGS {
            assert_eq!(of_an_artifact(Some(image.to_owned())), None);
        }
        let chart = Some("application/vnd.cncf.helm.config.v1+json".to_owned());
        assert_eq!(of_an_artifact(chart.clone()), chart);
        assert_eq!(of_an_artifact(None), None);
    }

    #[test]
    fn what_is_no_descriptor_is_left_out_and_the_rest_is_read() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let text = digest.to_string();
        let document = json!({
            "config": {"mediaType": IMAGE_CONFIGS[0], "digest": text, "size": 2},
            "layers": [{"digest": text}, {"digest": "x"}, 7],
            "manifests": [
                {"digest": text, "size": -1, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
                {"digest": text, "platform": {"os": "linux"}},
                {"digest": text, "platform": {"os": "", "architecture": ""}},
                {"digest": text, "platform": {"os": "linux", "architecture": "arm", "variant": ""}},
            ],
            "subject": null,
            "annotations": {"a": "b", "c": 1},
        });
        let parts = Parts::of(document.to_string().as_bytes());
        assert!(parts.config.is_some_and(|config| config.is_image_config()));
        assert_eq!(parts.layers.len(), 1);
        let platforms = parts.manifests.iter().map(|one| one.platform.as_deref());
        assert_eq!(
            platforms.collect::<Vec<_>>(),
            [Some("linux/arm64/v8"), None, None, Some("linux/arm")]
        );
        assert_eq!(parts.manifests[0].size, None);
        assert_eq!(parts.subject, None);
        assert_eq!(parts.annotations, [("a".to_owned(), "b".to_owned())].into());
        assert_eq!(Parts::of(b"nonsense"), Parts::default());
        assert_eq!(Parts::of(b"[]"), Parts::default());
    }
}
