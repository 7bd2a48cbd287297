//! A store on a simulated disk, and operations on it.

use super::plan::{Operation, Plan};
use super::things::{
    Blob, SHAPES, SMALL_LIMIT, content, manifest_content, manifest_digest, repository_name, tag,
};
use super::world::{GRACE, LEASE, LIFETIME, Outcome, World, seed_of_upload};
use bytes::Bytes;
use floundr_engine::clock::Hands;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::disk::{SeededRandom, SimulatedDisk};
use floundr_engine::repository::{
    BlobError, ManifestError, Missing, Naming, PutManifest, RepositoryError, RestoreError,
    TagCondition,
};
use floundr_engine::upload::{UploadError, UploadId, UploadSession};
use floundr_engine::{
    CheckOptions, CheckReport, Collection, Durability, Engine, Options, Repository,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

pub(crate) const ROOT: &str = "/store";

/// How a store behaves that a plan runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) sync_interval: u64,
    pub(crate) journal: u64,
    pub(crate) undo: u64,
}

/// The machine a store runs on: what it is given.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) disk: SimulatedDisk,
    pub(crate) hands: Arc<Hands>,
    random: Arc<SeededRandom>,
}

/// An open store and the uploads that were started in it: by the operation that did, the slot and
/// the id.
pub(crate) struct Store {
    pub(crate) engine: Engine,
    pub(crate) machine: Machine,
    pub(crate) uploads: BTreeMap<usize, (usize, UploadId)>,
    settings: Settings,
}

/// What went wrong, in words.
pub(crate) type Fault = String;

// === impl Settings ===

impl Settings {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            durability: plan.durability,
            sync_interval: plan.sync_interval,
            journal: plan.journal,
            undo: plan.undo,
        }
    }

    fn options(&self, machine: &Machine) -> Options {
        let mut options = Options::new(ROOT);
        options.durability = self.durability;
        options.small_blob_limit = SMALL_LIMIT;
        options.metadata_cache = 1024 * 1024;
        options.metadata_journal = self.journal;
        options.grace = Duration::from_millis(GRACE);
        options.lease = Duration::from_millis(LEASE);
        options.upload_lifetime = Duration::from_millis(LIFETIME);
        options.upload_sync_interval = self.sync_interval;
        options.upload_write = 256 * 1024; // so that an upload has many, and stops between them
        options.upload_ahead = 250_000; // two of the pieces that are appended
        options.undo = Duration::from_millis(self.undo);
        // It is looked for at every opening, so that it takes part in the crashes.
        options.reserve = 4096;
        options.collection = Collection::OnDemand;
        options.disk = Arc::new(machine.disk.clone());
        options.clock = Arc::<Hands>::clone(&machine.hands);
        options.random = Arc::<SeededRandom>::clone(&machine.random);
        options
    }
}

// === impl Machine ===

impl Machine {
    pub(crate) fn new(disk: SimulatedDisk, seed: u64) -> Self {
        Self {
            disk,
            hands: Arc::default(),
            random: Arc::new(SeededRandom::new(seed)),
        }
    }
}

// === impl Store ===

impl Store {
    pub(crate) async fn open(machine: Machine, settings: Settings) -> Result<Self, Fault> {
        let engine = Engine::open(settings.options(&machine)).await;
        Ok(Self {
            engine: engine.map_err(|error| format!("cannot open: {error}"))?,
            machine,
            uploads: BTreeMap::new(),
            settings,
        })
    }

    /// Runs one operation, the `index`th of its sequence; `before` is what the store holds.
    pub(crate) async fn run(
        &mut self,
        operation: &Operation,
        index: usize,
        before: &World,
    ) -> Result<Outcome, Fault> {
        match operation {
            Operation::Open => {
                let opened = Self::open(self.machine.clone(), self.settings).await?;
                self.engine = opened.engine;
                Ok(Outcome::Done)
            }
            Operation::Close => {
                let closed = self.engine.close().await;
                closed.map(|()| Outcome::Done).map_err(failed)
            }
            Operation::Pass { seconds } => {
                let until = before.now + seconds * 1000;
                let mut uploads = before.uploads.values();
                if uploads.any(|upload| upload.expiry <= until) {
                    self.rest().await?;
                }
                self.machine.hands.pass(Duration::from_secs(*seconds));
                let collected = self.engine.collect().await;
                collected.map(|_| Outcome::Done).map_err(failed)
            }
            Operation::Check { repair } => {
                check_whole(&self.engine, *repair).await?;
                Ok(Outcome::Done)
            }
            Operation::Append { slot, len } => self.append(*slot, *len, (index, before)).await,
            Operation::Finish { slot, .. }
            | Operation::FinishWrong { slot }
            | Operation::Cancel { slot } => self.end(operation, *slot, before).await,
            Operation::Together(all) => self.together(all).await,
            other => run_alone(self.engine.clone(), other.clone()).await,
        }
    }

    /// Waits until no upload is open. The engine keeps one open for a moment behind a chunk, and the collector
    /// leaves open ones alone. The clock of the simulation jumps past its end within that moment, which a
    /// [`World`] does not know of. All are waited for, due or not.
    async fn rest(&self) -> Result<(), Fault> {
        let resting = async {
            while self.engine.statistics().await.map_err(failed)?.open_uploads > 0 {
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        let rested = timeout(Duration::from_secs(20), resting).await;
        rested.map_err(|_elapsed| "an upload stays open".to_owned())?
    }

    async fn append(
        &mut self,
        slot: usize,
        len: usize,
        (index, before): (usize, &World),
    ) -> Result<Outcome, Fault> {
        let repository = self.engine.repository(&repository_name(slot));
        let (started, offset) = match before.uploads.get(&slot) {
            Some(upload) => (upload.started, upload.offset),
            None => (index, 0),
        };
        let mut session = if started == index {
            let session = repository.start_upload(Algorithm::Sha256).map_err(failed)?;
            self.uploads.insert(index, (slot, session.id()));
            session
        } else {
            self.resume(&repository, started).await?
        };
        if session.offset() != offset as u64 {
            let found = session.offset();
            return Err(format!("upload {started} resumes at {found}, not {offset}"));
        }
        let all = content(seed_of_upload(started), offset + len);
        // Every other request says how long it is, so that its end may be hashed behind its writes.
        if len.is_multiple_of(2) {
            session.announce_chunk(len as u64);
        }
        for piece in all.slice(offset..).chunks(100_000) {
            let piece = Bytes::copy_from_slice(piece);
            session.append(piece).await.map_err(failed)?;
        }
        let offset = session.suspend().await.map_err(failed)?;
        Ok(Outcome::Offset(offset_of(offset)))
    }

    async fn end(
        &mut self,
        operation: &Operation,
        slot: usize,
        before: &World,
    ) -> Result<Outcome, Fault> {
        let repository = self.engine.repository(&repository_name(slot));
        let Some(upload) = before.uploads.get(&slot) else {
            return Ok(Outcome::Unknown);
        };
        let session = self.resume(&repository, upload.started).await?;
        let ended = match operation {
            Operation::Finish { otherwise, .. } => {
                let digest = upload.blob(*otherwise).digest();
                let finished = session.finish(&digest).await;
                finished.map(|size| Outcome::Offset(offset_of(size)))
            }
            Operation::FinishWrong { .. } => {
                let wrong = Digest::of(Algorithm::Sha256, b"other content");
                session.finish(&wrong).await.map(|_| Outcome::Done)
            }
            _ => session.cancel().await.map(|()| Outcome::Done),
        };
        match ended {
            Err(UploadError::DigestMismatch { .. }) => Ok(Outcome::Mismatch),
            other => other.map_err(failed),
        }
    }

    pub(crate) async fn resume(
        &self,
        repository: &Repository,
        started: usize,
    ) -> Result<UploadSession, Fault> {
        let (_, id) = self.uploads.get(&started).ok_or("an upload has no id")?;
        let resumed = repository.resume_upload(id).await;
        resumed.map_err(|error| format!("cannot resume upload {started}: {error}"))
    }

    /// Runs the first alone and lets the others wait meanwhile, so that they become one commit.
    async fn together(&self, all: &[Operation]) -> Result<Outcome, Fault> {
        let held = self.machine.disk.hold();
        let mut running = Vec::new();
        for (index, operation) in all.iter().enumerate() {
            let work = run_alone(self.engine.clone(), operation.clone());
            running.push(tokio::spawn(work));
            // Long enough for it to reach the writer; nothing else is ready.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if index == 0 && !held.wait_for_a_change(Duration::from_secs(20)) {
                return Err("an operation that was begun changes nothing".to_owned());
            }
        }
        drop(held);
        let mut outcomes = Vec::new();
        for work in running {
            outcomes.push(work.await.map_err(failed)??);
        }
        Ok(Outcome::Each(outcomes))
    }
}

/// Reads everything and compares it.
pub(crate) async fn read_all(engine: &Engine, repair: bool) -> Result<CheckReport, Fault> {
    let options = CheckOptions {
        repair,
        bytes_per_second: 0,
    };
    engine.check(options).await.map_err(failed)
}

/// Reads everything and compares it; nothing may be wrong.
pub(crate) async fn check_whole(engine: &Engine, repair: bool) -> Result<(), Fault> {
    let report = read_all(engine, repair).await?;
    if report.is_clean() {
        Ok(())
    } else {
        Err(format!("the check: {report}"))
    }
}

/// Runs an operation that needs no upload at rest.
async fn run_alone(engine: Engine, operation: Operation) -> Result<Outcome, Fault> {
    match operation {
        Operation::Push { repository, .. }
        | Operation::Mount { repository, .. }
        | Operation::DeleteBlob { repository, .. }
        | Operation::Head { repository, .. } => {
            let repository = engine.repository(&repository_name(repository));
            on_blob(&repository, operation).await
        }
        Operation::Put { repository, .. }
        | Operation::DeleteManifest { repository, .. }
        | Operation::RestoreManifest { repository, .. }
        | Operation::DeleteTag { repository, .. } => {
            let repository = engine.repository(&repository_name(repository));
            on_manifest(&repository, operation).await
        }
        Operation::Create { repository } => {
            let repository = engine.repository(&repository_name(repository));
            let created = repository.create().await;
            created.map(|_| Outcome::Done).map_err(failed)
        }
        Operation::DeleteRepository { repository } => {
            let repository = engine.repository(&repository_name(repository));
            match repository.delete().await {
                Ok(()) => Ok(Outcome::Done),
                Err(RepositoryError::Unknown(_)) => Ok(Outcome::Unknown),
                Err(error) => Err(failed(error)),
            }
        }
        Operation::RestoreRepository { repository } => {
            let name = repository_name(repository);
            of_restoring(engine.restore_repository(&name).await)
        }
        other => Err(format!("{other:?} does not run alone")),
    }
}

async fn on_blob(repository: &Repository, operation: Operation) -> Result<Outcome, Fault> {
    let digest = |blob: usize| Blob::fixed(blob).digest();
    match operation {
        Operation::Push { blob, .. } => {
            let blob = Blob::fixed(blob);
            let pushed = repository.put_blob(blob.algorithm, blob.content()).await;
            pushed.map(|_| Outcome::Done).map_err(failed)
        }
        Operation::Mount { source, blob, .. } => {
            let source = repository_name(source);
            of_blob(repository.mount(&digest(blob), &source).await)
        }
        Operation::DeleteBlob { blob, .. } => of_blob(repository.delete_blob(&digest(blob)).await),
        Operation::Head { blob, .. } => of_blob(repository.stat_blob(&digest(blob)).await),
        other => Err(format!("{other:?} is not about a blob")),
    }
}

async fn on_manifest(repository: &Repository, operation: Operation) -> Result<Outcome, Fault> {
    match operation {
        Operation::Put {
            manifest,
            tags,
            strict,
            ..
        } => {
            let put = put(manifest, &tags, strict);
            of_manifest(repository.put_manifest(put).await)
        }
        Operation::DeleteManifest { manifest, .. } => {
            let digest = manifest_digest(manifest);
            of_manifest(repository.delete_manifest(&digest).await)
        }
        Operation::RestoreManifest { manifest, .. } => {
            let digest = manifest_digest(manifest);
            of_restoring(repository.restore_manifest(&digest).await)
        }
        Operation::DeleteTag { tag: it, .. } => of_manifest(repository.delete_tag(&tag(it)).await),
        other => Err(format!("{other:?} is not about a manifest")),
    }
}

fn put(manifest: usize, tags: &[usize], strict: bool) -> PutManifest {
    let missing = if strict {
        Missing::Refuse
    } else {
        Missing::Accept
    };
    PutManifest {
        content: manifest_content(manifest),
        media_type: media_type(),
        links: SHAPES[manifest].links(),
        naming: Naming::Claimed(manifest_digest(manifest)),
        tags: tags.iter().copied().map(tag).collect(),
        condition: TagCondition::Always,
        missing_blobs: missing,
        missing_children: missing,
    }
}

/// The media type of every manifest.
pub(crate) fn media_type() -> floundr_engine::descriptor::MediaType {
    let media_type = "application/vnd.example+json".parse();
    media_type.expect("the media type of the test is valid")
}

fn of_blob<T>(result: Result<T, BlobError>) -> Result<Outcome, Fault> {
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(BlobError::Unknown { .. }) => Ok(Outcome::Unknown),
        Err(error) => Err(failed(error)),
    }
}

fn of_manifest<T>(result: Result<T, ManifestError>) -> Result<Outcome, Fault> {
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(ManifestError::Unknown { .. }) => Ok(Outcome::Unknown),
        Err(ManifestError::MissingBlobs(_) | ManifestError::MissingChildren(_)) => {
            Ok(Outcome::Missing)
        }
        Err(error) => Err(failed(error)),
    }
}

fn of_restoring<T>(result: Result<T, RestoreError>) -> Result<Outcome, Fault> {
    match result {
        Ok(_) => Ok(Outcome::Done),
        Err(RestoreError::Manifest { .. } | RestoreError::Repository(_)) => Ok(Outcome::Unknown),
        Err(RestoreError::Exists(_)) => Ok(Outcome::Taken),
        Err(error) => Err(failed(error)),
    }
}

pub(crate) fn failed(error: impl Display) -> Fault {
    error.to_string()
}

/// An offset or size as the model has it.
pub(crate) fn offset_of(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
