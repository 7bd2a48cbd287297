//! A small image to read: what the loads of manifests, and of mixed requests, have pushed before their clock starts.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use crate::content::{Blob, Content, Source};
use crate::registry::{MANIFEST, Mode, Repository};
use crate::units::KIB;

const LAYER_BYTES: u64 = KIB;

/// Pushes an image of one small layer under `tag` and proves that its manifest comes back as it was.
///
/// # Errors
/// When a request fails or other bytes come back.
///
/// # Cancel safety
/// Dropping the future leaves a part of the image behind.
pub async fn push_image(
    repository: &mut Repository,
    source: &mut Source,
    tag: &str,
) -> Result<Bytes> {
    let config = Content::of(Bytes::from_static(b"{}")).hashed();
    let layer = source.content(LAYER_BYTES).hashed();
    for blob in [&config, &layer] {
        repository.push(blob, Mode::Monolithic).await?;
    }
    let manifest = manifest(&config, &layer);
    repository.put_manifest(tag, manifest.clone()).await?;
    let mut read = Vec::new();
    repository
        .manifest(tag, |piece| read.extend_from_slice(piece))
        .await?;
    ensure!(
        read == manifest,
        "manifest comes back with {} other bytes",
        read.len()
    );
    Ok(manifest)
}

/// `manifest` with an annotation, so that its digest is another one.
///
/// # Errors
/// When `manifest` is not an object.
pub fn annotated(manifest: &Bytes, value: &str) -> Result<Bytes> {
    let body = manifest
        .strip_suffix(b"}")
        .context("manifest is no object")?;
    let annotation = format!(",\"annotations\":{{\"bench\":\"{value}\"}}}}");
    Ok([body, annotation.as_bytes()].concat().into())
}

fn manifest(config: &Blob, layer: &Blob) -> Bytes {
    Bytes::from(format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\
         \"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\
         \"digest\":\"{}\",\"size\":{}}},\
         \"layers\":[{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\
         \"digest\":\"{}\",\"size\":{}}}]}}",
        config.digest,
        config.content.len(),
        layer.digest,
        layer.content.len(),
    ))
}
