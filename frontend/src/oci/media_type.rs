//! The media types of manifests: which this registry knows, and what is left of a `Content-Type`.

use floundr_engine::descriptor::{MediaType, ParseMediaTypeError};

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list, version 2, schema 2.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

const DOCKER_SCHEMA_1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// Layers that may stay where their `urls` say.
const FOREIGN_LAYERS: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// What a media type means for a manifest's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An image manifest: a configuration and layers (OCI, Docker schema 2).
    Image,
    /// An index of manifests (OCI index, Docker manifest list).
    Index,
    /// Docker schema 1, which is not taken: its digest is not that of its bytes.
    DockerSchema1,
    /// Anything else: kept verbatim.
    Unknown,
}

// === impl Kind ===

impl Kind {
    /// What `media_type` means. Media types are compared without regard to case (RFC 6838).
    pub fn of(media_type: &str) -> Self {
        let is = |known: &&str| known.eq_ignore_ascii_case(media_type);
        if [OCI_MANIFEST, DOCKER_MANIFEST].iter().any(is) {
            Self::Image
        } else if [OCI_INDEX, DOCKER_LIST].iter().any(is) {
            Self::Index
        } else if DOCKER_SCHEMA_1.iter().any(is) {
            Self::DockerSchema1
        } else {
            Self::Unknown
        }
    }
}

/// Whether a layer of this type may stay elsewhere for ever.
pub fn is_foreign_layer(media_type: &str) -> bool {
    FOREIGN_LAYERS
        .iter()
        .any(|foreign| foreign.eq_ignore_ascii_case(media_type))
}

/// The media type of a `Content-Type` header without its parameters.
///
/// # Errors
/// [`ParseMediaTypeError`] when nothing of the form type/subtype is left.
pub fn without_parameters(content_type: &str) -> Result<MediaType, ParseMediaTypeError> {
    let (media_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    media_type.trim().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        for (media_type, kind) in [
            (OCI_MANIFEST, Kind::Image),
            (DOCKER_MANIFEST, Kind::Image),
            (OCI_INDEX, Kind::Index),
            (DOCKER_LIST, Kind::Index),
            ("Application/VND.OCI.image.index.v1+JSON", Kind::Index),
            (DOCKER_SCHEMA_1[1], Kind::DockerSchema1),
            (
                "application/vnd.oci.artifact.manifest.v1+json",
                Kind::Unknown,
            ),
        ] {
            assert_eq!(Kind::of(media_type), kind, "{media_type}");
        }
    }

    #[test]
    fn parameters_are_stripped() {
        for (sent, kept) in [
            ("a/b", Some("a/b")),
            (" a/b ; charset=utf-8", Some("a/b")),
            ("a/b;", Some("a/b")),
            ("", None),
            (";a/b", None),
            ("json", None),
        ] {
            let media_type = without_parameters(sent).ok();
            assert_eq!(media_type.as_ref().map(MediaType::as_str), kept, "{sent:?}");
        }
    }
}
