//! [`parse`]: from the bytes and `Content-Type` of a pushed manifest to its media type and links.
//!
//! 1. The media type is the `Content-Type` without parameters; a `mediaType` in the body must equal
//!    it. Without either, the structure decides.
//! 2. A manifest of a known type that could also be read as the other kind is refused, as clients do.
//! 3. `artifact_type` of the links is resolved as the specification's "Listing Referrers" says.
//!
//! Whether the links' targets exist is the engine's question, not this file's.

use super::descriptor::{Annotations, Descriptor, DescriptorList};
use super::json;
use super::limits::Limits;
use super::media_type::{Kind, OCI_INDEX, OCI_MANIFEST, is_foreign_layer, without_parameters};
use crate::error::{ApiError, ErrorCode};
use floundr_engine::descriptor::{Links, MediaType};
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer};
use serde_json::value::RawValue;

/// What a manifest turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What it is to be answered with.
    pub media_type: MediaType,
    /// What that means for its form.
    pub kind: Kind,
    /// What it points at.
    pub links: Links,
}

/// The fields that matter, unread. `null` counts as absent, except that a list which must be there
/// may be `null`, since Go writes that for empty lists.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow)]
    media_type: Option<&'a RawValue>,
    #[serde(borrow)]
    artifact_type: Option<&'a RawValue>,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    layers: Option<&'a RawValue>,
    #[serde(borrow)]
    blobs: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    manifests: Option<&'a RawValue>,
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    fs_layers: Option<&'a RawValue>,
}

/// Reads the fields of one document and counts what it points at.
struct Reader {
    lenient: bool,
    links_left: usize,
    links_total: usize,
}

/// Parses a manifest as pushed with `content_type`. Pure.
///
/// # Errors
/// `MANIFEST_INVALID`, or 413 when `body` has more bytes than `limits` allow.
pub fn parse(body: &[u8], content_type: Option<&str>, limits: &Limits) -> Result<Parsed, ApiError> {
    if u64::try_from(body.len()).unwrap_or(u64::MAX) > limits.bytes {
        return Err(too_large(limits.bytes));
    }
    let declared = content_type.map(without_parameters).transpose();
    let declared = declared.map_err(|error| invalid(error.to_string()))?;
    if let Some(media_type) = &declared {
        refuse_schema_1(media_type)?;
    }
    json::check_object(body).map_err(|error| invalid(format!("not a manifest: {error}")))?;
    let document: Document<'_> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("not a manifest: {error}")))?;
    let media_type = document.media_type(declared)?;
    refuse_schema_1(&media_type)?;
    let kind = Kind::of(media_type.as_str());
    document.check_form(kind)?;
    let mut reader = Reader {
        lenient: kind == Kind::Unknown,
        links_left: limits.links,
        links_total: limits.links,
    };
    let links = reader.links(&document)?;
    Ok(Parsed {
        media_type,
        kind,
        links,
    })
}

/// 413: a manifest with more than `limit` bytes.
pub fn too_large(limit: u64) -> ApiError {
    ApiError::new(
        ErrorCode::ManifestTooLarge,
        format!("manifest has more than {limit} bytes"),
    )
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::ManifestInvalid, message)
}

fn refuse_schema_1(media_type: &MediaType) -> Result<(), ApiError> {
    if Kind::of(media_type.as_str()) == Kind::DockerSchema1 {
        return Err(invalid(format!(
            "docker schema 1 manifests ({media_type}) are not supported; push schema 2 or OCI"
        )));
    }
    Ok(())
}

/// Whether a field holds more than an empty list.
fn holds_something(field: Option<&RawValue>) -> bool {
    field.is_some_and(|value| !matches!(value.get(), "[]" | "null"))
}

/// A field that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

// === impl Document ===

impl Document<'_> {
    fn media_type(&self, declared: Option<MediaType>) -> Result<MediaType, ApiError> {
        let inside = match self.media_type {
            None => None,
            Some(raw) => Some(read::<String>(raw, "mediaType")?),
        };
        let inside = inside.filter(|text| !text.is_empty());
        let inside = inside.as_deref().map(without_parameters).transpose();
        let inside = inside.map_err(|error| invalid(format!("mediaType: {error}")))?;
        match (declared, inside) {
            (Some(declared), Some(inside)) => {
                if declared.as_str().eq_ignore_ascii_case(inside.as_str()) {
                    Ok(declared)
                } else {
                    Err(invalid(format!(
                        "content-type is {declared}, mediaType in the manifest is {inside}"
                    )))
                }
            }
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => self.type_by_structure(),
        }
    }

    fn type_by_structure(&self) -> Result<MediaType, ApiError> {
        let name = if self.fs_layers.is_some() {
            "application/vnd.docker.distribution.manifest.v1+json"
        } else if self.config.is_some() && self.layers.is_some() {
            OCI_MANIFEST
        } else if self.manifests.is_some() {
            OCI_INDEX
        } else {
            return Err(invalid(
                "the manifest's media type is in neither content-type nor mediaType",
            ));
        };
        Ok(name
            .parse()
            .expect("the names of known types are media types"))
    }

    /// That a manifest of a known type has the members of its kind, and none of the other's.
    fn check_form(&self, kind: Kind) -> Result<(), ApiError> {
        let alien = match kind {
            Kind::Image => [
                ("manifests", holds_something(self.manifests)),
                ("fsLayers", holds_something(self.fs_layers)),
                ("", false),
            ],
            Kind::Index => [
                ("config", self.config.is_some()),
                ("layers", holds_something(self.layers)),
                ("fsLayers", holds_something(self.fs_layers)),
            ],
            Kind::Unknown | Kind::DockerSchema1 => return Ok(()),
        };
        if let Some((name, _)) = alien.iter().find(|(_, present)| *present) {
            return Err(invalid(format!(
                "{name} has no place in this type of manifest"
            )));
        }
        match self.schema_version.map(RawValue::get) {
            Some("2") => self.check_members(kind),
            other => Err(invalid(format!(
                "schemaVersion is {}, not 2",
                other.map_or("missing".to_owned(), |text| text.chars().take(20).collect())
            ))),
        }
    }

    fn check_members(&self, kind: Kind) -> Result<(), ApiError> {
        let members = match kind {
            Kind::Image => [("config", self.config), ("layers", self.layers)],
            Kind::Index => [("manifests", self.manifests); 2],
            Kind::Unknown | Kind::DockerSchema1 => return Ok(()),
        };
        match members.iter().find(|(_, member)| member.is_none()) {
            Some((name, _)) => Err(invalid(format!("{name} is missing"))),
            None => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(raw: &RawValue, name: &str) -> Result<T, ApiError> {
    serde_json::from_str(raw.get()).map_err(|error| invalid(format!("{name}: {error}")))
}

// === impl Reader ===

impl Reader {
    fn links(&mut self, document: &Document<'_>) -> Result<Links, ApiError> {
        let config = self.one(document.config, "config")?;
        let mut links = Links {
            config: config.as_ref().map(|config| config.digest),
            subject: self
                .one(document.subject, "subject")?
                .map(|subject| subject.digest),
            ..Links::default()
        };
        let layers = self.list(document.layers, "layers")?;
        let blobs = self.list(document.blobs.filter(|_| self.lenient), "blobs")?;
        for layer in layers.into_iter().chain(blobs) {
            if layer.has_urls() || is_foreign_layer(&layer.media_type) {
                links.foreign_layers.push(layer.digest);
            } else {
                links.layers.push(layer.digest);
            }
        }
        let manifests = self.list(document.manifests, "manifests")?;
        links.manifests = manifests.iter().map(|child| child.digest).collect();
        let artifact_type: Option<String> = self.other(document.artifact_type, "artifactType")?;
        links.artifact_type = artifact_type
            .filter(|artifact_type| !artifact_type.is_empty())
            .or_else(|| config.map(|config| config.media_type));
        let annotations: Option<Annotations> = self.other(document.annotations, "annotations")?;
        links.annotations = annotations.unwrap_or_default().0;
        Ok(links)
    }

    fn one(
        &mut self,
        field: Option<&RawValue>,
        name: &str,
    ) -> Result<Option<Descriptor>, ApiError> {
        let descriptor = self.other::<Descriptor>(field, name)?;
        if descriptor.is_some() {
            self.links_left = self.links_left.saturating_sub(1);
        }
        Ok(descriptor)
    }

    fn list(&mut self, field: Option<&RawValue>, name: &str) -> Result<Vec<Descriptor>, ApiError> {
        let Some(raw) = field.filter(|raw| raw.get() != "null") else {
            return Ok(Vec::new());
        };
        if self.lenient && !raw.get().starts_with('[') {
            return Ok(Vec::new());
        }
        let seed = DescriptorList {
            left: self.links_left,
            total: self.links_total,
            lenient: self.lenient,
        };
        let list = seed
            .deserialize(&mut serde_json::Deserializer::from_str(raw.get()))
            .map_err(|error| invalid(format!("{name}: {error}")))?;
        self.links_left -= list.len();
        Ok(list)
    }

    fn other<T: DeserializeOwned>(
        &self,
        field: Option<&RawValue>,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        match field.map(|raw| read(raw, name)) {
            Some(Err(_)) if self.lenient => Ok(None),
            other => other.transpose(),
        }
    }
}
