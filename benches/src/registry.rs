//! The distribution specification's requests, as clients send them.
//!
//! 1. A `Location` is always followed as given; nothing about a registry's paths is assumed but `/v2/`.
//! 2. Every answer's status is checked, so a request that failed is never counted as work done.
//! 3. To a server of files nothing can be pushed: what is to be read from it is placed beneath its root, at the
//!    path a registry would serve it from.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION};
use http::{Method, Response, request};
use hyper::body::Incoming;

use crate::client::{Connection, Framing, Payload, expect_status};
use crate::content::{Blob, Content};
use crate::endpoint::with_digest;
use crate::load::Target;

const OCTETS: &str = "application/octet-stream";
/// The media type of image manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// One repository of a registry, over one connection.
#[derive(Debug)]
pub struct Repository {
    pub(crate) connection: Connection,
    pub(crate) name: String,
    static_root: Option<PathBuf>,
}

/// The requests by which a blob is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// POST, then PUT with the content.
    Monolithic,
    /// POST, then one PATCH of unannounced length, then PUT, as docker does.
    Streamed,
    /// POST, then a PATCH with `Content-Range` for each piece of this many bytes, then PUT.
    Chunked(u64),
}

// === impl Repository ===

impl Repository {
    /// Connects to the repository of `target`.
    ///
    /// # Errors
    /// When the registry does not accept the connection, or not over the target's transport.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    pub async fn connect(target: &Target) -> Result<Self> {
        let authorization = target.authorization.clone();
        Ok(Self {
            connection: Connection::open(&target.endpoint, &target.transport, authorization)
                .await?,
            name: target.repository.clone(),
            static_root: target.static_root.clone(),
        })
    }

    /// Pushes `blob`; it is acknowledged when this returns. To a server of files, it is placed.
    ///
    /// # Errors
    /// When any of the requests fails or is refused.
    ///
    /// # Cancel safety
    /// Dropping the future leaves an open upload behind and the connection unusable.
    pub async fn push(&mut self, blob: &Blob, mode: Mode) -> Result<()> {
        if let Some(root) = &self.static_root {
            return place(root, self.blob_target(&blob.digest), blob.content.clone()).await;
        }
        let upload = self.start_upload(&blob.digest).await?;
        let content = &blob.content;
        match mode {
            Mode::Monolithic => {
                let target = with_digest(&upload, &blob.digest);
                let payload = Payload::all(content, Framing::Length);
                let request = self.connection.request(Method::PUT, &target);
                let request = request.header(CONTENT_TYPE, OCTETS);
                self.exchange(request, payload, 201)
                    .await
                    .map(drop)
                    .context("monolithic upload")
            }
            Mode::Streamed => {
                let payload = Payload::all(content, Framing::Chunked);
                let request = self.connection.request(Method::PATCH, &upload);
                let upload = self.append(request, payload, &upload).await?;
                self.finish(&upload, &blob.digest).await
            }
            Mode::Chunked(chunk) => {
                let upload = self.append_chunks(upload, content, chunk).await?;
                self.finish(&upload, &blob.digest).await
            }
        }
    }

    /// Pulls the blob `digest`, shows each piece to `seen` and returns its length in bytes.
    ///
    /// # Errors
    /// When the request fails, is refused or redirected, or the body ends early.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn pull(&mut self, digest: &str, seen: impl FnMut(&Bytes) + Send) -> Result<u64> {
        let target = self.blob_target(digest);
        let request = self.connection.request(Method::GET, &target);
        let response = self
            .answer(request, Payload::none(), 200)
            .await
            .context("blob pull")?;
        self.connection.read(response.into_body(), seen).await
    }

    /// Stores `manifest` under `tag`. On a server of files, it is placed.
    ///
    /// # Errors
    /// When the request fails or is refused.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn put_manifest(&mut self, tag: &str, manifest: Bytes) -> Result<()> {
        let target = self.manifest_target(tag);
        let content = Content::of(manifest);
        if let Some(root) = &self.static_root {
            return place(root, target, content).await;
        }
        let payload = Payload::all(&content, Framing::Length);
        let request = self.connection.request(Method::PUT, &target);
        let request = request.header(CONTENT_TYPE, MANIFEST);
        self.exchange(request, payload, 201)
            .await
            .map(drop)
            .context("manifest push")
    }

    /// Reads the manifest `reference` names, shows it to `seen` and returns its length in bytes.
    ///
    /// # Errors
    /// When the request fails or is refused.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub async fn manifest(
        &mut self,
        reference: &str,
        seen: impl FnMut(&Bytes) + Send,
    ) -> Result<u64> {
        let target = self.manifest_target(reference);
        let request = self
            .connection
            .request(Method::GET, &target)
            .header(ACCEPT, MANIFEST);
        let response = self
            .answer(request, Payload::none(), 200)
            .await
            .context("manifest pull")?;
        self.connection.read(response.into_body(), seen).await
    }

    pub(crate) fn blob_target(&self, digest: &str) -> String {
        format!("/v2/{}/blobs/{digest}", self.name)
    }

    pub(crate) fn manifest_target(&self, reference: &str) -> String {
        format!("/v2/{}/manifests/{reference}", self.name)
    }

    /// Another algorithm than SHA-256 is announced, so that the registry can hash while it receives.
    async fn start_upload(&mut self, digest: &str) -> Result<String> {
        let mut target = format!("/v2/{}/blobs/uploads/", self.name);
        match digest.split_once(':') {
            None | Some(("sha256", _)) => (),
            Some((algorithm, _)) => target.extend(["?digest-algorithm=", algorithm]),
        }
        let request = self
            .connection
            .request(Method::POST, &target)
            .header(CONTENT_LENGTH, 0);
        let response = self
            .exchange(request, Payload::none(), 202)
            .await
            .context("upload start")?;
        self.location(&response, &target)
    }

    async fn append_chunks(
        &mut self,
        mut upload: String,
        content: &Content,
        chunk: u64,
    ) -> Result<String> {
        ensure!(chunk > 0, "chunk is 0 bytes, not at least 1");
        let mut from = 0;
        while from < content.len() {
            let to = content.len().min(from + chunk);
            let request = self.connection.request(Method::PATCH, &upload);
            let request = request.header(CONTENT_RANGE, format!("{from}-{}", to - 1));
            let payload = Payload::part(content, from, to, Framing::Length);
            upload = self.append(request, payload, &upload).await?;
            from = to;
        }
        Ok(upload)
    }

    async fn append(
        &mut self,
        request: request::Builder,
        payload: Payload,
        upload: &str,
    ) -> Result<String> {
        let request = request.header(CONTENT_TYPE, OCTETS);
        let response = self
            .exchange(request, payload, 202)
            .await
            .context("upload append")?;
        self.location(&response, upload)
    }

    async fn finish(&mut self, upload: &str, digest: &str) -> Result<()> {
        let target = with_digest(upload, digest);
        let request = self
            .connection
            .request(Method::PUT, &target)
            .header(CONTENT_LENGTH, 0);
        self.exchange(request, Payload::none(), 201)
            .await
            .map(drop)
            .context("upload finish")
    }

    fn location(&self, response: &Response<()>, target: &str) -> Result<String> {
        let location = response
            .headers()
            .get(LOCATION)
            .context("answer has no location")?;
        let location = location.to_str().context("location is not text")?;
        self.connection.endpoint().resolve(target, location)
    }

    /// Sends a request, expects `status` and reads the body to its end.
    pub(crate) async fn exchange(
        &mut self,
        request: request::Builder,
        payload: Payload,
        status: u16,
    ) -> Result<Response<()>> {
        let response = self.answer(request, payload, status).await?;
        let (head, body) = response.into_parts();
        self.connection.read(body, |_| ()).await?;
        Ok(Response::from_parts(head, ()))
    }

    /// Sends a request and expects `status`; the body is left to the caller.
    pub(crate) async fn answer(
        &mut self,
        request: request::Builder,
        payload: Payload,
        status: u16,
    ) -> Result<Response<Incoming>> {
        let request = request.body(payload).context("malformed request")?;
        let response = self.connection.send(request).await?;
        expect_status(&mut self.connection, response, status).await
    }
}

/// Writes `content` to the file beneath `root` that a server of files answers a GET of `target` with.
async fn place(root: &Path, target: String, content: Content) -> Result<()> {
    let path = root.join(target.trim_start_matches('/'));
    let shown = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        let mut at = 0;
        while at < content.len() {
            let piece = content.piece(at, content.len());
            file.write_all(&piece)?;
            at += piece.len() as u64;
        }
        Ok(())
    });
    written
        .await
        .context("a job panicked")?
        .with_context(|| format!("cannot place {shown}"))
}
