//! [`Store`]: a store that is made once, and what is in it.

use crate::{Failure, say};
use bytes::Bytes;
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{Reference, RepositoryName};
use floundr_engine::repository::{ManifestError, PutManifest};
use floundr_engine::{Collection, Durability, Engine, Options, Repository, Statistics};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Blobs of each repository, and manifests: one for each blob.
pub(crate) const EACH: usize = 100;
/// Tags of each repository, for its first manifests. The rest of the tags is in [`MANY`].
pub(crate) const TAGGED: usize = 90;
/// The repository with a tenth of the tags.
pub(crate) const MANY: &str = "many/tags";
/// Of how long a client may rely on the answer that a blob exists: the shortest there is.
pub(crate) const LEASE: Duration = Options::SHORTEST_LEASE;

/// Repositories that are filled at once: as many as one commit takes requests.
const AT_ONCE: usize = 512;
/// Bytes of memory for the metadata while a store is made, so that pages are not written several
/// times between two durable commits.
const CACHE: usize = 1 << 30;
/// Tags of one request.
const TAGS: usize = 500;

/// A store and how much was put into it.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) root: PathBuf,
    pub(crate) what: &'static str,
    pub(crate) blobs: usize,
}

// === impl Store ===

impl Store {
    /// Takes the store that was made before, or makes it: durability is relaxed meanwhile. Its
    /// metadata are in the system's page cache afterwards.
    pub(crate) async fn make(
        folder: &Path,
        what: &'static str,
        blobs: usize,
    ) -> Result<Self, Failure> {
        let root = folder.join(format!("store-{blobs}"));
        let store = Self { root, what, blobs };
        let mut options = store.options();
        options.durability = Durability::Relaxed;
        options.metadata_cache = CACHE;
        let engine = Engine::open(options).await?;
        let began = Instant::now();
        let made = store.complete(&engine).await?;
        let statistics = engine.statistics().await?;
        say(&format!(
            "looked through the {what} store and made {made} manifests in {:.1} s",
            began.elapsed().as_secs_f64()
        ))?;
        engine.close().await?;
        if !store.is_whole(&statistics) {
            return Err(format!("the {what} store is not whole: {statistics:?}").into());
        }
        let metadata = std::fs::File::open(store.root.join("metadata.redb"))?;
        let bytes = std::io::copy(&mut &metadata, &mut std::io::sink())?;
        say(&format!(
            "the {what} store: {} blobs, {} manifests, {} repositories, {} tags, metadata of {} MiB",
            statistics.blobs,
            statistics.manifests,
            statistics.repositories,
            statistics.tags,
            bytes >> 20
        ))?;
        Ok(store)
    }

    /// How it is opened for measuring: writes are durable before they are answered, what is deleted
    /// is garbage as soon as may be, and the collector works on demand, without a budget.
    pub(crate) fn options(&self) -> Options {
        options(&self.root)
    }

    pub(crate) async fn open(&self) -> Result<Engine, Failure> {
        Ok(Engine::open(self.options()).await?)
    }

    /// How many repositories there are beside [`MANY`].
    pub(crate) fn repositories(&self) -> usize {
        self.blobs / EACH
    }

    /// How many tags [`MANY`] has.
    pub(crate) fn tags_of_many(&self) -> usize {
        self.blobs - self.repositories() * TAGGED
    }

    fn is_whole(&self, statistics: &Statistics) -> bool {
        let wanted = self.blobs as u64;
        statistics.blobs >= wanted
            && statistics.manifests >= wanted
            && statistics.tags >= wanted
            && statistics.repositories >= self.repositories() as u64
    }

    /// Puts into it what is not there; answers how many manifests that were.
    async fn complete(&self, engine: &Engine) -> Result<usize, Failure> {
        let (mut running, mut made) = (JoinSet::new(), 0);
        for index in 0..self.repositories() {
            if running.len() == AT_ONCE {
                made += running.join_next().await.ok_or("nothing runs")???;
            }
            let repository = engine.repository(&name(index)?);
            running.spawn(complete_one(repository, index));
        }
        while let Some(ended) = running.join_next().await {
            made += ended??;
        }
        let many = engine.repository(&MANY.parse()?);
        let tags: Vec<_> = (0..self.tags_of_many()).map(tag_of_many).collect();
        for tags in tags.chunks(TAGS) {
            let last = tags.last().ok_or("no tags")?;
            // All of a request are set or none.
            if !is_there(&many, Reference::Tag(last.parse()?)).await? {
                put(&many, "many tags", None, tags).await?;
            }
        }
        Ok(made)
    }
}

async fn complete_one(repository: Repository, index: usize) -> Result<usize, Failure> {
    let mut made = 0;
    for number in 0..EACH {
        // A manifest comes with its tag, and keeps its blob.
        let reference = if number < TAGGED {
            Reference::Tag(tag(number).parse()?)
        } else {
            Reference::Digest(manifest_of(index, number))
        };
        if !is_there(&repository, reference).await? {
            push_one(&repository, index, number).await?;
            made += 1;
        }
    }
    Ok(made)
}

async fn is_there(repository: &Repository, reference: Reference) -> Result<bool, Failure> {
    match repository.stat_manifest(&reference).await {
        Ok(_) => Ok(true),
        Err(ManifestError::Unknown { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Pushes a blob of a repository of the store, with its manifest and tag.
pub(crate) async fn push_one(
    repository: &Repository,
    index: usize,
    number: usize,
) -> Result<(), Failure> {
    let tags: &[String] = if number < TAGGED { &[tag(number)] } else { &[] };
    push(repository, &seed(index, number), tags).await?;
    Ok(())
}

/// The manifest that [`push_one`] pushes.
pub(crate) fn manifest_of(index: usize, number: usize) -> Digest {
    Digest::of(
        Algorithm::Sha256,
        content_of(&seed(index, number)).as_bytes(),
    )
}

/// Pushes a blob of a hundred bytes and a manifest that links it.
pub(crate) async fn push(
    repository: &Repository,
    seed: &str,
    tags: &[String],
) -> Result<Digest, Failure> {
    let content = Bytes::from(format!("{seed:100}"));
    let blob = repository.put_blob(Algorithm::Sha256, content).await?;
    put(repository, seed, Some(blob), tags).await
}

async fn put(
    repository: &Repository,
    seed: &str,
    layer: Option<Digest>,
    tags: &[String],
) -> Result<Digest, Failure> {
    let links = Links {
        layers: layer.into_iter().collect(),
        ..Links::default()
    };
    let media_type = "application/vnd.example+json".parse()?;
    let tags: Result<_, _> = tags.iter().map(|tag| tag.parse()).collect();
    let put = PutManifest {
        tags: tags?,
        ..PutManifest::new(content_of(seed), media_type, links)
    };
    Ok(repository.put_manifest(put).await?.digest)
}

fn content_of(seed: &str) -> String {
    format!("{{\"of\":\"{seed}\"}}")
}

fn seed(index: usize, number: usize) -> String {
    format!("blob {number} of repository {index}")
}

/// The name of a repository of a store.
pub(crate) fn name(index: usize) -> Result<RepositoryName, Failure> {
    Ok(format!("team-{}/project-{index}", index % 100).parse()?)
}

/// A tag of any other repository than [`MANY`].
pub(crate) fn tag(number: usize) -> String {
    format!("t{number}")
}

/// A tag of [`MANY`]; their order is that of the numbers.
pub(crate) fn tag_of_many(number: usize) -> String {
    format!("t{number:07}")
}

/// See [`Store::options`].
pub(crate) fn options(root: &Path) -> Options {
    let mut options = Options::new(root);
    options.grace = Duration::ZERO;
    options.lease = LEASE;
    options.undo = Duration::ZERO;
    options.collection = Collection::OnDemand;
    options
}

/// Collects until nothing is garbage any more; answers how long the runs took, without the waiting
/// for leases in between, and how many blobs they removed.
pub(crate) async fn collect_all(engine: &Engine) -> Result<(Duration, u64), Failure> {
    let (mut took, mut removed) = (Duration::ZERO, 0);
    loop {
        let began = Instant::now();
        let report = engine.collect().await?;
        took += began.elapsed();
        removed += report.removed;
        let queues = engine.collector().queues()?;
        let is_done = report.purged_manifests == 0 && queues.candidates == 0 && queues.waiting == 0;
        if is_done {
            return Ok((took, removed));
        }
        tokio::time::sleep(LEASE + LEASE / 5).await;
    }
}
