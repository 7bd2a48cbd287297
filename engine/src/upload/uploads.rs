//! [`Uploads`]: all uploads of a store: starting one, opening one again, asking how far one is.

use super::hashing::Hashing;
use super::pairs::Pairs;
use super::queue;
use super::records::Records;
use super::session::{Hold, UploadSession};
use super::slots::{Seen, SlotRef, Slots};
use super::standing::Standing;
use super::store::{SessionFiles, SessionStore};
use super::to_end::ToEnd;
use super::writer::{Facts, Writer};
use super::{UploadError, UploadId, UploadStatus};
use crate::blob::LocalStore;
use crate::digest::Algorithm;
use crate::disk::blocking;
use crate::fault::StorageError;
use crate::layout::FileKind;
use crate::name::RepositoryName;
use crate::options::{Durability, Options};
use crate::random::Random;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// How long closing waits for uploads.
const CLOSING: Duration = Duration::from_secs(30);

/// How uploads behave; see [`Options`] for each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) small_blob_limit: u64,
    pub(super) lifetime: Duration,
    pub(super) sync_interval: u64,
    pub(super) largest_write: usize,
    pub(super) ahead: usize,
    /// Relaxed: the metadata's writer syncs a finished file, later.
    pub(super) durability: Durability,
}

/// The uploads of one store. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    pub(super) shared: Arc<Shared>,
}

/// What every upload needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) records: Arc<dyn Records>,
    pub(super) store: Arc<LocalStore>,
    pub(super) sessions: Box<dyn SessionStore>,
    pub(super) settings: Settings,
    pub(super) boot_id: String,
    random: Arc<dyn Random>,
    pub(super) slots: Arc<Slots>,
    pub(super) write_leaves: Arc<Semaphore>,
    pub(super) pairs: Pairs,
    /// The store was closed: nobody writes any more.
    is_closed: AtomicBool,
    runtime: Handle,
    /// How many tasks work for uploads whose caller may be gone.
    background: watch::Sender<usize>,
}

/// Counts one of those tasks for as long as it lives.
struct Counted(Arc<Shared>);

// === impl Uploads ===

impl Uploads {
    /// The uploads of the store whose files are in `store`. Called within a tokio runtime, which
    /// then runs what uploads do in the background.
    ///
    /// # Errors
    /// [`StorageError`] when the machine does not tell its boot id.
    pub(crate) fn new(
        records: Arc<impl Records>,
        store: Arc<LocalStore>,
        options: &Options,
    ) -> Result<Self, StorageError> {
        let boot_id = store.disk().boot_id();
        let boot_id = boot_id.map_err(|error| {
            StorageError::io("read the boot id for", store.layout().root(), error)
        })?;
        let sessions = SessionFiles::new(Arc::clone(store.disk()), store.layout().clone());
        Ok(Self {
            shared: Arc::new(Shared {
                records,
                store,
                sessions: Box::new(sessions),
                settings: Settings {
                    small_blob_limit: options.small_blob_limit,
                    lifetime: options.upload_lifetime,
                    sync_interval: options.upload_sync_interval,
                    largest_write: options.upload_write,
                    ahead: options.upload_ahead,
                    durability: options.durability,
                },
                boot_id,
                random: Arc::clone(&options.random),
                slots: Arc::default(),
                write_leaves: Arc::new(Semaphore::new(queue::LEAVES)),
                pairs: Pairs::default(),
                is_closed: AtomicBool::new(false),
                runtime: Handle::current(),
                background: watch::Sender::new(0),
            }),
        })
    }

    /// Starts an upload. Writes nothing: its id alone proves that it was started.
    pub(crate) fn start(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<UploadSession, UploadError> {
        self.shared.expect_open()?;
        let records = &self.shared.records;
        let expiry = records.now().after(self.shared.settings.lifetime);
        let source = (records.upload_key(), &*self.shared.random);
        let id = UploadId::new(source, repository, algorithm, expiry).map_err(|error| {
            let root = self.shared.store.layout().root();
            StorageError::io("make an upload id for", root, error)
        })?;
        let slot = self.shared.slots.enter(id.key());
        let facts = Facts::of(&id, repository);
        let writer = Writer::new(
            Arc::clone(&self.shared),
            facts,
            Hashing::new(algorithm),
            Arc::clone(slot.file()),
        );
        let epoch = slot.fence();
        slot.tell(&id, repository);
        slot.show(Seen::Offset(0));
        let mut place = slot
            .writer
            .try_lock()
            .expect("nobody else knows the id yet");
        *place = Some(Box::new(writer));
        drop(place);
        let hold = Hold::new(Arc::clone(&self.shared), slot, epoch, id);
        Ok(UploadSession::new(hold, 0))
    }

    /// Opens an upload to go on with it, and fences who has it open.
    pub(crate) async fn resume(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<UploadSession, UploadError> {
        self.authenticate(repository, id)?;
        let slot = self.shared.slots.enter(id.key());
        let epoch = slot.fence();
        slot.tell(id, repository);
        let hold = Hold::new(Arc::clone(&self.shared), slot, epoch, *id);
        // To its end: if the caller goes away, the session it makes is dropped when it is ready.
        let session = UploadSession::new(hold, 0);
        let opening = session.take_over(repository.clone());
        self.shared.run(opening).await
    }

    /// How far an upload is. Waits for no request: at most for a record that is being written.
    pub(crate) async fn status(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
    ) -> Result<UploadStatus, UploadError> {
        self.authenticate(repository, id)?;
        let offset = match self.shared.slots.look(id.key()) {
            Seen::Offset(offset) => Some(offset),
            Seen::Over => None,
            Seen::Nothing => {
                let (shared, id) = (Arc::clone(&self.shared), *id);
                match blocking(move || shared.standing(&id)).await? {
                    Standing::Unknown => None,
                    Standing::Fresh => Some(0),
                    Standing::AtRest(record) => Some(record.written.offset),
                }
            }
        };
        let offset = offset.ok_or(UploadError::Unknown(*id))?;
        let algorithm = id.algorithm();
        Ok(UploadStatus { offset, algorithm })
    }

    /// How many uploads somebody works on now, or is awaited to.
    pub(crate) fn open_count(&self) -> usize {
        self.shared.slots.len()
    }

    /// Lets what is done in the background come to its end, refuses whoever still holds a session
    /// from then on, and brings their uploads to rest. For closing the store. Takes [`CLOSING`]
    /// twice at most: a disk that hangs must not hold up the end.
    pub(crate) async fn close(&self) {
        let is_idle = timeout(CLOSING, self.idle()).await.is_ok();
        self.shared.is_closed.store(true, Ordering::SeqCst);
        let resting = async {
            self.idle().await;
            for slot in self.shared.slots.all() {
                rest_held(&slot).await;
            }
        };
        let is_at_rest = timeout(CLOSING, resting).await.is_ok();
        if !is_idle || !is_at_rest {
            tracing::error!("uploads were still written when the store was closed");
        }
    }

    /// Waits until nothing is done in the background for uploads whose caller is gone.
    pub(super) async fn idle(&self) {
        let mut background = self.shared.background.subscribe();
        let idle = background.wait_for(|&tasks| tasks == 0).await;
        idle.map(drop).expect("the sender is in `shared`");
    }

    fn authenticate(&self, repository: &RepositoryName, id: &UploadId) -> Result<(), UploadError> {
        if id.is_authentic(self.shared.records.upload_key(), repository) {
            return Ok(());
        }
        Err(UploadError::Unknown(*id))
    }
}

/// Brings an upload to rest whose session is still held. An append in flight ends first.
async fn rest_held(slot: &SlotRef) {
    let mut place = slot.writer.lock().await;
    let Some(writer) = place.take() else {
        return;
    };
    if let Err(error) = writer.settle().await {
        tracing::warn!(%error, "an upload was not brought to rest at the end");
    }
    slot.file().set(None);
    slot.show(Seen::Nothing);
}

// === impl Shared ===

impl Shared {
    /// Refuses whoever would write after the store was closed.
    pub(super) fn expect_open(&self) -> Result<(), StorageError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StorageError::Closed);
        }
        Ok(())
    }

    /// Runs work to its end even if the caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, UploadError>> + Send + 'static,
    ) -> Result<T, UploadError> {
        let counted = self.counted();
        let work = async move {
            let outcome = work.await;
            drop(counted);
            outcome
        };
        ToEnd::new(self.runtime.clone(), work).await
    }

    /// Lets work run for which nobody waits.
    pub(super) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let counted = self.counted();
        drop(self.runtime.spawn(async move {
            work.await;
            drop(counted);
        }));
    }

    /// Lets a task run that does no work for an upload: closing the store does not wait for it.
    pub(super) fn spawn_idle(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// The path of an upload's data file, for errors.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.store.layout().file(FileKind::Blob, number)
    }

    fn counted(self: &Arc<Self>) -> Counted {
        self.background.send_modify(|tasks| *tasks += 1);
        Counted(Arc::clone(self))
    }
}

// === impl Counted ===

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.background.send_modify(|tasks| *tasks -= 1);
    }
}

// === impl Facts ===

impl Facts {
    pub(super) fn of(id: &UploadId, repository: &RepositoryName) -> Self {
        Self {
            upload: id.key(),
            repository: repository.clone(),
            id_expiry: id.expiry(),
            expiry: id.expiry(),
            epoch: 1,
        }
    }
}
