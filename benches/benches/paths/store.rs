//! [`Store`]: an open store with a repository of many tags, and a registry over it.
//!
//! 1. What [`Store::fill`] makes is the same every time, to the byte; so is the content that paths push.
//! 2. Nothing but the path that is measured works meanwhile: the collector runs when it is told.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use floundr_engine::clock::SystemClock;
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{RepositoryName, Tag};
use floundr_engine::random::Random;
use floundr_engine::repository::PutManifest;
use floundr_engine::{Collection, Engine, Options, Repository};
use floundr_frontend::accounts::{
    Accounts, Grantee, MemoryAccountStore, NewGrant, NewUser, TokenSecrets, UserName,
};
use floundr_frontend::audit::AuditLog;
use floundr_frontend::{Access, AccessOptions, Config, Context, Registry, Services};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::{Builder, Runtime};

/// Runs a path so many times.
pub(crate) type Operation = Box<dyn FnMut(u64)>;

/// The repository everything is read from.
pub(crate) const REPOSITORY: &str = "library/image";
/// Its tags, all of one manifest.
pub(crate) const TAGS: u64 = 10_000;
/// The media type of that manifest.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A user who may read [`REPOSITORY`], with the password.
const USER: (&str, &str) = ("jo", "a long password");
/// The same as `Authorization` has them.
pub(crate) const CREDENTIALS: &str = "Basic am86YSBsb25nIHBhc3N3b3Jk";

/// An open store and a registry over it, on a runtime of one thread. The engine's own threads are as ever.
pub(crate) struct Store {
    runtime: Rc<Runtime>,
    /// The store.
    pub(crate) engine: Engine,
    /// The registry.
    pub(crate) registry: Registry,
}

/// Numbers instead of random bytes: ids and keys are the same in every run.
#[derive(Debug, Default)]
struct Numbers(AtomicU64);

// === impl Store ===

impl Store {
    /// Opens the store in `folder`, or makes one.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut options = Options::new(folder);
        options.collection = Collection::OnDemand;
        options.random = Arc::new(Numbers::default());
        let engine = runtime.block_on(Engine::open(options))?;
        let context = Context::new(engine.clone(), Config::default());
        Ok(Self {
            runtime: Rc::new(runtime),
            engine,
            registry: Registry::new(context),
        })
    }

    /// Pushes an image under all its tags.
    pub(crate) fn fill(&self) -> Result<()> {
        let manifest = manifest(0);
        let links = Links {
            config: Some(Digest::of(Algorithm::Sha256, &config())),
            layers: vec![layer_digest()],
            ..Links::default()
        };
        let mut put = PutManifest::new(manifest, MEDIA_TYPE.parse()?, links);
        put.tags = (0..TAGS).map(tag).collect();
        let repository = self.repository();
        self.runtime.block_on(async {
            for blob in [config(), layer()] {
                let put = repository.put_blob(Algorithm::Sha256, blob).await;
                put.context("a blob was not stored")?;
            }
            let put = repository.put_manifest(put).await;
            put.context("the manifest was not stored")?;
            Ok(())
        })
    }

    /// Ends it. What was pushed stays in the folder.
    pub(crate) fn close(self) -> Result<()> {
        self.runtime.block_on(self.engine.close())?;
        Ok(())
    }

    /// A handle on [`REPOSITORY`].
    pub(crate) fn repository(&self) -> Repository {
        let name: RepositoryName = REPOSITORY.parse().expect("it is a name");
        self.engine.repository(&name)
    }

    /// A registry over the same store that asks who may what.
    pub(crate) fn with_accounts(&self) -> Registry {
        let accounts = self.wait(accounts()).expect("accounts are kept in memory");
        let services = Services::new(&self.engine, Some(accounts.clone()), AuditLog::none());
        let access = Access::by(accounts, AccessOptions::default());
        let engine = self.engine.clone();
        Registry::new(Context::with_access(
            engine,
            Config::default(),
            access,
            services,
        ))
    }

    /// What comes of `future`, on this store's runtime.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The operation that does `work` once after another, on this store's runtime.
    pub(crate) fn operation(&self, work: impl AsyncFn() + 'static) -> Operation {
        let runtime = Rc::clone(&self.runtime);
        Box::new(move |times| runtime.block_on(repeat(times, &work)))
    }
}

// === impl Numbers ===

impl Random for Numbers {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            // Spread over all bits, so that keys made of them are as far apart as random ones.
            let spread = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&spread.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[expect(clippy::future_not_send, reason = "it stays on this thread")]
async fn repeat(times: u64, work: &impl AsyncFn()) {
    for _ in 0..times {
        work().await;
    }
}

/// Accounts with [`USER`] alone.
async fn accounts() -> Result<Accounts> {
    let clock = Arc::new(SystemClock::default());
    let store = MemoryAccountStore::default();
    let accounts = Accounts::open(store, clock, TokenSecrets::Kept).await?;
    let (name, password) = USER;
    let name: UserName = name.parse()?;
    let user = NewUser {
        name: name.clone(),
        password: Some(password.to_owned()),
        must_change: false,
        groups: BTreeSet::new(),
    };
    accounts.create_user(user).await?;
    let grant = NewGrant {
        to: Grantee::User(name),
        role: "reader".parse()?,
        on: REPOSITORY.parse()?,
    };
    accounts.create_grant(grant).await?;
    Ok(accounts)
}

/// A tag of [`REPOSITORY`], in their order.
pub(crate) fn tag(number: u64) -> Tag {
    let text = format!("v1.{number:05}");
    text.parse().expect("it is a tag")
}

/// The digest of the manifest that has the tags.
pub(crate) fn image_digest() -> Digest {
    Digest::of(Algorithm::Sha256, manifest(0).as_bytes())
}

/// The digest of its layer.
pub(crate) fn layer_digest() -> Digest {
    Digest::of(Algorithm::Sha256, &layer())
}

/// `len` bytes, unlike those of any other number.
pub(crate) fn content(number: u64, len: usize) -> Bytes {
    let mut content = vec![0x5a; len];
    content[..8].copy_from_slice(&number.to_le_bytes());
    content.into()
}

/// A manifest of the one configuration and layer there are; each number's is another.
pub(crate) fn manifest(number: u64) -> String {
    let (config, layer) = (config(), layer());
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MEDIA_TYPE}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{}","size":{}}}],"annotations":{{"org.opencontainers.image.version":"1.0.{number}"}}}}"#,
        Digest::of(Algorithm::Sha256, &config),
        config.len(),
        layer_digest(),
        layer.len(),
    )
}

fn config() -> Bytes {
    Bytes::from_static(br#"{"architecture":"amd64","os":"linux"}"#)
}

fn layer() -> Bytes {
    content(u64::MAX, 10 * 1024)
}
