//! The requests that read less than a whole blob or manifest: HEADs, ranges, and the base path.
//!
//! 1. As in [`registry`](crate::registry), every answer's status is checked.
//! 2. A HEAD counts only when it announces a length: that is what clients ask it for.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_LENGTH, RANGE};

use crate::client::Payload;
use crate::registry::{MANIFEST, Repository};

// === impl Repository ===

impl Repository {
    /// Asks whether the registry is there: GET of `/v2/`.
    ///
    /// # Errors
    /// When the request fails or is refused.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn base(&mut self) -> Result<()> {
        let request = self.connection.request(Method::GET, "/v2/");
        let answer = self.exchange(request, Payload::none(), 200).await;
        answer.map(drop).context("base path")
    }

    /// Asks for the manifest `reference` names and returns its length in bytes.
    ///
    /// # Errors
    /// When the request fails or is refused, or the answer announces no length.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn head_manifest(&mut self, reference: &str) -> Result<u64> {
        let target = self.manifest_target(reference);
        self.head(&target).await.context("manifest HEAD")
    }

    /// Asks for the blob `digest` and returns its length in bytes.
    ///
    /// # Errors
    /// When the request fails or is refused, or the answer announces no length.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn head_blob(&mut self, digest: &str) -> Result<u64> {
        let target = self.blob_target(digest);
        self.head(&target).await.context("blob HEAD")
    }

    /// Pulls the bytes `from..to` of the blob `digest`, shows each piece to `seen`, and returns how many came.
    ///
    /// # Errors
    /// When the request fails, is not answered with 206, or the body has another length.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn pull_range(
        &mut self,
        digest: &str,
        (from, to): (u64, u64),
        seen: impl FnMut(&Bytes) + Send,
    ) -> Result<u64> {
        let target = self.blob_target(digest);
        let range = format!("bytes={from}-{}", to.saturating_sub(1));
        let request = self.connection.request(Method::GET, &target);
        let request = request.header(RANGE, range);
        let answer = self.answer(request, Payload::none(), 206).await;
        let body = answer.context("range pull")?.into_body();
        let length = self.connection.read(body, seen).await?;
        let asked = to.saturating_sub(from);
        ensure!(length == asked, "range has {length} bytes, not {asked}");
        Ok(length)
    }

    async fn head(&mut self, target: &str) -> Result<u64> {
        let request = self.connection.request(Method::HEAD, target);
        let request = request.header(ACCEPT, MANIFEST);
        let answer = self.exchange(request, Payload::none(), 200).await?;
        let length = answer.headers().get(CONTENT_LENGTH);
        let length = length.context("answer has no Content-Length")?;
        let length = length.to_str().context("length is not text")?;
        length
            .parse()
            .with_context(|| format!("length {length:?} is no number"))
    }
}
