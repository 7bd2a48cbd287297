//! Manifest reads: many clients GET one image manifest by its tag.
//!
//! The manifest, its config and layer are pushed, and read back and compared once, before the clock starts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::content::{Content, Source};
use crate::load::{Outcome, Tally, Target, measure};
use crate::registry::{MANIFEST, Mode, Repository};
use crate::units::KIB;

const TAG: &str = "bench";
const LAYER_BYTES: u64 = KIB;

/// How to read a manifest.
#[derive(Debug, Clone, Copy)]
pub struct ManifestGet {
    /// How many connections read at once.
    pub clients: u64,
    /// For how long.
    pub time: Duration,
}

// === impl ManifestGet ===

impl ManifestGet {
    /// Pushes an image of one small layer and proves that its manifest comes back as it was.
    ///
    /// # Errors
    /// When a request fails or other bytes come back.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a part of the image behind.
    pub async fn prepare(&self, target: &Target, source: &mut Source) -> Result<Bytes> {
        let mut repository = target.connect_one().await?;
        target
            .within("preparing an image", push_image(&mut repository, source))
            .await
    }

    /// Measures one round of reading `manifest`.
    ///
    /// # Errors
    /// When a read fails or has another length.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections.
    pub async fn run(&self, target: &Target, manifest: &Bytes) -> Result<Outcome> {
        let connections = target.connect(self.clients).await?;
        let length = manifest.len() as u64;
        let jobs = connections
            .into_iter()
            .map(|repository| read(repository, length, self.time));
        measure(target, jobs.collect()).await
    }
}

async fn read(mut repository: Repository, length: u64, time: Duration) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut begin = Instant::now();
    let end = begin + time;
    while begin < end {
        let read = repository.manifest(TAG, |_| ()).await?;
        ensure!(read == length, "manifest has {read} bytes, not {length}");
        tally.count(read, begin);
        begin = Instant::now();
    }
    Ok(tally)
}

async fn push_image(repository: &mut Repository, source: &mut Source) -> Result<Bytes> {
    let config = Content::of(Bytes::from_static(b"{}")).hashed();
    let layer = source.content(LAYER_BYTES).hashed();
    for blob in [&config, &layer] {
        repository.push(blob, Mode::Monolithic).await?;
    }
    let manifest = Bytes::from(format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\
         \"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\
         \"digest\":\"{}\",\"size\":{}}},\
         \"layers\":[{{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\
         \"digest\":\"{}\",\"size\":{}}}]}}",
        config.digest,
        config.content.len(),
        layer.digest,
        layer.content.len(),
    ));
    repository.put_manifest(TAG, manifest.clone()).await?;
    let mut read = Vec::new();
    repository
        .manifest(TAG, |piece| read.extend_from_slice(piece))
        .await?;
    ensure!(
        read == manifest,
        "manifest comes back with {} other bytes",
        read.len()
    );
    Ok(manifest)
}
