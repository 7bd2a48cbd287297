//! A registry over a store in memory, called without a socket, and what a client sees of it.
//!
//! [`TestRegistry::call`] sends one request through the whole pipeline; the [`Answer`] is checked
//! where it is. Requests carry a `Content-Length` as clients send it; [`TestRegistry::stream`]
//! sends none, as chunked transfer encoding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use floundr_engine::clock::SystemClock;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::disk::MemoryDisk;
use floundr_engine::{Engine, Options};
use floundr_frontend::accounts::{Accounts, MemoryAccountStore, TokenSecrets};
use floundr_frontend::audit::AuditLog;
use floundr_frontend::manage::Management;
use floundr_frontend::{Access, AccessOptions, BoxError, Config, Context, Registry, Services};
use futures_util::stream;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub(crate) struct TestRegistry {
    pub(crate) registry: Registry,
    /// What the operator asks on the unix socket.
    pub(crate) management: Management,
    /// What both share.
    pub(crate) services: Services,
    /// Who may what; everybody everything without.
    pub(crate) accounts: Option<Accounts>,
    /// The same, with what access is configured with.
    by: Option<(Accounts, AccessOptions)>,
    pub(crate) engine: Engine,
    pub(crate) disk: MemoryDisk,
    config: Config,
    /// How the store is opened, again and again.
    options: Options,
}

/// One answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

// === impl TestRegistry ===

impl TestRegistry {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let disk = MemoryDisk::new();
        let options = options(&disk);
        Self::open(disk, config, options, None).await
    }

    /// Open to whoever reaches it, as with `--no-auth`.
    pub(crate) async fn start_open() -> Self {
        let mut open = Self::start().await;
        let access = Access::open();
        let services = open.services.clone();
        let context =
            Context::with_access(open.engine.clone(), open.config.clone(), access, services);
        let context = context.with_management(open.management.clone());
        open.registry = Registry::new(context);
        open
    }

    /// Access by accounts, of which there is one: `admin`, who administers everything.
    pub(crate) async fn start_with_accounts() -> Self {
        let disk = MemoryDisk::new();
        let options = options(&disk);
        let access = (accounts().await, AccessOptions::default());
        Self::open(disk, Config::default(), options, Some(access)).await
    }

    /// Access by these accounts.
    pub(crate) async fn start_by(accounts: Accounts, access: AccessOptions) -> Self {
        let disk = MemoryDisk::new();
        let options = options(&disk);
        Self::open(disk, Config::default(), options, Some((accounts, access))).await
    }

    /// With other options of the store, over a disk that ends in `disk`.
    pub(crate) async fn start_on(disk: &MemoryDisk, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(disk);
        change(&mut options);
        Self::open(disk.clone(), Config::default(), options, None).await
    }

    async fn open(
        disk: MemoryDisk,
        config: Config,
        options: Options,
        by: Option<(Accounts, AccessOptions)>,
    ) -> Self {
        let accounts = by.as_ref().map(|(accounts, _)| accounts.clone());
        let engine = Engine::open(options.clone()).await.unwrap();
        let audit = AuditLog::in_memory(Arc::new(SystemClock::default())).unwrap();
        let services = Services::new(&engine, accounts.clone(), audit);
        let management = Management::new(engine.clone(), Path::new("/store"), services.clone());
        let access = match by.clone() {
            Some((accounts, options)) => Access::by(accounts, options),
            None => Access::of_operator(),
        };
        let shared = services.clone();
        let context = Context::with_access(engine.clone(), config.clone(), access, shared);
        let registry = Registry::new(context.with_management(management.clone()));
        Self {
            registry,
            management,
            services,
            accounts,
            by,
            engine,
            disk,
            config,
            options,
        }
    }

    /// The process ends and another one starts on the same disk.
    pub(crate) async fn restart(self) -> Self {
        self.engine.close().await.unwrap();
        drop((self.registry, self.management, self.services));
        drop(self.engine);
        Self::open(self.disk, self.config, self.options, self.by).await
    }

    /// The machine loses its power, without a word to the process, and starts again.
    pub(crate) async fn cut_power(self) -> Self {
        drop((self.registry, self.management, self.services));
        drop(self.engine);
        self.disk.cut_power();
        Self::open(self.disk, self.config, self.options, self.by).await
    }

    /// Sends `METHOD target` with these headers and this body.
    pub(crate) async fn call(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = body.into();
        let mut builder = builder(request, headers);
        let has_length = headers.iter().any(|(name, _)| *name == "content-length");
        let sends = ["POST", "PUT", "PATCH"]
            .iter()
            .any(|method| request.starts_with(method));
        if !has_length && (sends || !body.is_empty()) {
            builder = builder.header("content-length", body.len());
        }
        self.send(builder.body(Full::new(body)).unwrap()).await
    }

    /// Sends a body in pieces without a `Content-Length`. A piece that is an error breaks it.
    pub(crate) async fn stream(
        &self,
        request: &str,
        headers: &[(&str, &str)],
        pieces: Vec<Result<Bytes, &'static str>>,
    ) -> Answer {
        let frames = pieces.into_iter().map(|piece| match piece {
            Ok(bytes) => Ok(Frame::data(bytes)),
            Err(error) => Err(BoxError::from(error)),
        });
        let body = StreamBody::new(stream::iter(frames));
        self.send(builder(request, headers).body(body).unwrap())
            .await
    }

    /// Sends a body as its pieces come.
    pub(crate) async fn dribble(
        &self,
        request: &str,
        authorization: &str,
        pieces: tokio::sync::mpsc::UnboundedReceiver<String>,
    ) -> Answer {
        let frames = stream::unfold(pieces, async |mut pieces| {
            let piece = pieces.recv().await?;
            Some((Ok::<_, BoxError>(Frame::data(Bytes::from(piece))), pieces))
        });
        let headers = [
            ("authorization", authorization),
            ("content-type", OCI_MANIFEST),
        ];
        let body = StreamBody::new(Box::pin(frames));
        self.send(builder(request, &headers).body(body).unwrap())
            .await
    }

    async fn send<B>(&self, request: Request<B>) -> Answer
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        // Boxed, so that a test may hold many of them in one future.
        let response = Box::pin(self.registry.handle(request)).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// `GET` without headers.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&format!("GET {path}"), &[], "").await
    }

    /// `HEAD` without headers.
    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.call(&format!("HEAD {path}"), &[], "").await
    }

    /// `DELETE` without headers.
    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(&format!("DELETE {path}"), &[], "").await
    }

    /// Opens a session; its Location.
    pub(crate) async fn start_upload(&self, repository: &str) -> String {
        let request = format!("POST /v2/{repository}/blobs/uploads/");
        self.call(&request, &[], "")
            .await
            .expect(202)
            .header("location")
            .to_owned()
    }

    /// Pushes a blob with one `POST`.
    pub(crate) async fn push_blob(&self, repository: &str, content: impl Into<Bytes>) -> Digest {
        let content = content.into();
        let digest = sha256(&content);
        let request = format!("POST /v2/{repository}/blobs/uploads/?digest={digest}");
        self.call(&request, &[], content).await.expect(201);
        digest
    }

    /// Pushes a manifest under a tag or digest, its type being in its `mediaType`.
    pub(crate) async fn push(&self, repository: &str, reference: &str, body: &Value) -> Digest {
        let content = body.to_string();
        let request = format!("PUT /v2/{repository}/manifests/{reference}");
        let media_type = body["mediaType"].as_str().unwrap();
        self.call(&request, &[("content-type", media_type)], content.clone())
            .await
            .expect(201);
        sha256(content.as_bytes())
    }

    /// Pushes an image with a configuration and one layer, all made from `seed`.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, seed: &str) -> Digest {
        self.push_blob(repository, format!("config {seed}")).await;
        self.push_blob(repository, format!("layer {seed}")).await;
        self.push(repository, tag, &image(seed)).await
    }

    /// The store's own audit finds every count and reverse row right.
    pub(crate) async fn audit(&self) {
        assert_eq!(self.engine.audit().await.unwrap(), Vec::<String>::new());
    }
}

/// What `admin` logs in with.
pub(crate) const ADMIN_PASSWORD: &str = "the admin's password";

async fn accounts() -> Accounts {
    let store = MemoryAccountStore::default();
    let clock = Arc::new(SystemClock::default());
    let accounts = Accounts::open(store, clock, TokenSecrets::Kept)
        .await
        .unwrap();
    let admin = "admin".parse().unwrap();
    let made = accounts
        .create_first_administrator(&admin, ADMIN_PASSWORD)
        .await;
    made.unwrap().unwrap();
    accounts
}

/// What somebody with this password sends.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn options(disk: &MemoryDisk) -> Options {
    let mut options = Options::new("/store");
    options.disk = Arc::new(disk.clone());
    options
}

fn builder(request: &str, headers: &[(&str, &str)]) -> http::request::Builder {
    let (method, target) = request.split_once(' ').unwrap();
    let builder = Request::builder().method(method).uri(target);
    headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    })
}

pub(crate) fn sha256(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

pub(crate) fn sha512(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha512, content)
}

/// A descriptor of `content`.
pub(crate) fn descriptor(media_type: &str, content: &str) -> Value {
    let digest = sha256(content.as_bytes()).to_string();
    json!({"mediaType": media_type, "digest": digest, "size": content.len()})
}

/// The manifest that [`TestRegistry::push_image`] pushes.
pub(crate) fn image(seed: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, &format!("config {seed}")),
        "layers": [descriptor(LAYER, &format!("layer {seed}"))],
    })
}

/// An artifact about `subject`, without content of its own but the empty JSON.
pub(crate) fn artifact(artifact_type: &str, subject: &Value, note: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor("application/vnd.oci.empty.v1+json", "{}"),
        "layers": [],
        "subject": subject,
        "annotations": {"note": note},
    })
}

/// The descriptor of a manifest.
pub(crate) fn describe(manifest: &Value) -> Value {
    descriptor(
        manifest["mediaType"].as_str().unwrap(),
        &manifest.to_string(),
    )
}

/// `location` with a parameter added, as go-containerregistry and docker add it.
pub(crate) fn with_parameter(location: &str, parameter: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}{parameter}")
}

// === impl Answer ===

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The value of a header that must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        match self.headers.get(name) {
            Some(value) => value.to_str().unwrap(),
            None => panic!("no {name} in {self:?}"),
        }
    }

    /// That a header has this value, or, for `None`, is not there.
    #[track_caller]
    pub(crate) fn has<'a>(self, name: &str, value: impl Into<Option<&'a str>>) -> Self {
        let found = self.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(found, value.into(), "{name} of {self:?}");
        self
    }

    /// That it is a refusal of the specification's form, with this status and code.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status).has("content-type", "application/json");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["code"], code, "{answer:?}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        answer
    }

    /// That it is a problem with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Self {
        let answer = self
            .expect(status)
            .has("content-type", "application/problem+json");
        let problem = answer.json();
        assert_eq!(
            problem["type"],
            format!("urn:floundr:problem:{code}"),
            "{answer:?}"
        );
        assert_eq!(problem["status"], status, "{answer:?}");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        answer
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The strings of a list in a JSON body.
    #[track_caller]
    pub(crate) fn strings(&self, member: &str) -> Vec<String> {
        serde_json::from_value(self.json()[member].clone()).unwrap()
    }

    /// The target of `Link: <..>; rel="next"`, if it is there.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        let (target, relation) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert_eq!(relation, "; rel=\"next\"");
        assert!(target.starts_with("/v2/"), "not relative: {target}");
        Some(target.to_owned())
    }
}
