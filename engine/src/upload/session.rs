//! [`UploadSession`]: the one open writer of an upload.
//!
//! The bytes are in the upload's slot, not in the session: a later request takes them over while
//! this one may hang in a dead connection. Invariants:
//! 1. A session touches the writer only under the slot's lock, and only after it saw under the
//!    lock that it was not fenced.
//! 2. Whatever must not stop half-way (rest, finish, cancel, opening) goes on in a task of its own
//!    when its caller goes away.
//! 3. The session with the slot's newest epoch brings the upload to rest when it is dropped.
//! 4. An upload whose record is behind what it has hashed stays in its slot for a while when its session is
//!    suspended. It is at rest all the same: nothing is lost when that is the last of it.

use super::hashing::Hashing;
use super::slots::{Seen, SlotRef};
use super::standing::Standing;
use super::uploads::Shared;
use super::writer::{Facts, Writer};
use super::{UploadError, UploadId};
use crate::digest::Digest;
use crate::disk::blocking;
use crate::name::RepositoryName;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::task::yield_now;
use tokio::time::timeout;

/// The one open writer of an upload (see the invariants of [`crate::upload`]).
///
/// The futures of its calls are to be polled to their end or dropped: one that is kept and not polled
/// holds the upload, and closing the store waits for it.
///
/// Dropping it keeps what was delivered: a task in the background brings the upload to rest, and
/// the next request for it waits for that.
#[derive(Debug)]
#[must_use = "dropping a session only brings the upload to rest; finish, suspend or cancel it"]
pub struct UploadSession {
    hold: Option<Hold>,
    id: UploadId,
    offset: u64,
    announced: Option<Announced>,
}

/// What is known of a request before it has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    /// Bytes that were not taken in yet.
    pub(super) left: u64,
    /// Whether the upload is to rest behind them.
    pub(super) is_chunk: bool,
}

/// A session's hold on its upload.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    slot: SlotRef,
    epoch: u64,
    id: UploadId,
}

/// How long [`Hold::await_next`] waits: far longer than a client takes that only has to read an answer. Behind
/// that the record is read, and what it does not have the hash of.
const AWAITED: Duration = Duration::from_millis(250);

/// The locked place of a slot's writer.
type Place = OwnedMutexGuard<Option<Box<Writer>>>;

// === impl UploadSession ===

impl UploadSession {
    pub(super) fn new(hold: Hold, offset: u64) -> Self {
        Self {
            id: hold.id,
            hold: Some(hold),
            offset,
            announced: None,
        }
    }

    /// The upload's id.
    pub fn id(&self) -> UploadId {
        self.id
    }

    /// Bytes received so far: where the next chunk begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Says how many bytes are about to be appended. Only a hint: the last writes are made smaller, so
    /// that little is left to be written once the last byte has come.
    pub fn announce(&mut self, bytes: u64) {
        self.announced = Some(Announced {
            left: bytes,
            is_chunk: false,
        });
    }

    /// As [`UploadSession::announce`], of bytes behind which the upload is suspended. The last of them, when
    /// they come faster than they are hashed, are hashed behind that (see `Options::upload_ahead`).
    pub fn announce_chunk(&mut self, bytes: u64) {
        self.announced = Some(Announced {
            left: bytes,
            is_chunk: true,
        });
    }

    /// Takes in the next bytes: hashes them, if another upload has some as well together with those, and
    /// hands them to a writing thread. Memory: a fixed small buffer per session and a share of
    /// `Options::upload_ahead`, whatever the size of the upload.
    ///
    /// Nothing is durable on return; see [`UploadSession::suspend`] and [`UploadSession::finish`].
    ///
    /// # Errors
    /// [`UploadError::Fenced`]; [`UploadError::Storage`], possibly of an earlier append.
    ///
    /// # Cancel safety
    /// A cancelled append may have taken in `content` or not; drop the session afterwards and ask
    /// for the upload's status.
    pub async fn append(&mut self, content: Bytes) -> Result<(), UploadError> {
        let hold = self.hold.as_ref().expect("only consuming calls take it");
        hold.expect_current()?;
        let mut place = hold.slot.writer.lock().await;
        hold.expect_current()?;
        let writer = place.as_mut().ok_or(UploadError::Unknown(self.id))?;
        let len = content.len() as u64;
        if let Some(announced) = &mut self.announced {
            announced.left = announced.left.saturating_sub(len);
        }
        let outcome = writer.append(content, self.announced).await;
        match &writer.failed {
            None => {
                self.offset = writer.offset();
                hold.slot.show(Seen::Offset(self.offset));
            }
            Some(failure) if failure.is_over => hold.slot.show(Seen::Over),
            Some(_) => hold.slot.show(Seen::Offset(writer.offset_at_rest())),
        }
        Ok(outcome?)
    }

    /// Brings the upload to rest and returns its offset.
    ///
    /// On return the offset survives the death of the process, and a power cut at the latest once
    /// as many bytes as `Options::upload_sync_interval` followed. The last bytes may not be hashed then:
    /// that goes on in the background, or with the upload's next session.
    ///
    /// # Errors
    /// As [`UploadSession::append`].
    ///
    /// # Cancel safety
    /// A cancelled call goes on in the background.
    pub async fn suspend(mut self) -> Result<u64, UploadError> {
        let hold = self.take_hold();
        let shared = Arc::clone(&hold.shared);
        let work = async move {
            let (place, mut writer) = hold.take_writer().await?;
            if let Ok(offset) = writer.rest().await
                && writer.is_record_behind()
            {
                hold.await_next(place, writer);
                return Ok(offset);
            }
            let outcome = writer.settle().await;
            hold.leave(place, Seen::Nothing);
            Ok(outcome?)
        };
        shared.run(work).await
    }

    /// Makes the content a blob of the repository and ends the upload. Returns the blob's size.
    ///
    /// On return the content, its record and its link are durable (see `Durability`). A digest of
    /// another algorithm than was announced costs one more read of the content.
    ///
    /// # Errors
    /// [`UploadError::DigestMismatch`]: the upload is over, nothing was stored. Others as
    /// [`UploadSession::append`].
    ///
    /// # Cancel safety
    /// A cancelled call goes on in the background.
    pub async fn finish(mut self, digest: &Digest) -> Result<u64, UploadError> {
        let hold = self.take_hold();
        let shared = Arc::clone(&hold.shared);
        let digest = *digest;
        let work = async move {
            let (place, writer) = hold.take_writer().await?;
            let outcome = writer.finish(&digest).await;
            let seen = match &outcome {
                Err(UploadError::Storage(_)) => Seen::Nothing,
                _ => Seen::Over,
            };
            hold.leave(place, seen);
            outcome
        };
        shared.run(work).await
    }

    /// Ends the upload and gives its space back at once.
    ///
    /// # Errors
    /// [`UploadError::Storage`].
    ///
    /// # Cancel safety
    /// A cancelled call goes on in the background.
    pub async fn cancel(mut self) -> Result<(), UploadError> {
        let hold = self.take_hold();
        let shared = Arc::clone(&hold.shared);
        let work = async move {
            let (place, writer) = hold.take_writer().await?;
            let outcome = writer.discard().await;
            let seen = outcome.as_ref().map_or(Seen::Nothing, |()| Seen::Over);
            hold.leave(place, seen);
            Ok(outcome?)
        };
        shared.run(work).await
    }

    /// Opens the upload for this session, which has fenced the others.
    pub(super) async fn take_over(
        mut self,
        repository: RepositoryName,
    ) -> Result<Self, UploadError> {
        let hold = self.hold.as_ref().expect("only consuming calls take it");
        let mut place = Arc::clone(&hold.slot.writer).lock_owned().await;
        hold.expect_current()?;
        if let Some(failed) = place.take_if(|writer| writer.failed.is_some())
            && let Err(error) = failed.settle().await
        {
            tracing::debug!(%error, "a failed upload was opened again");
        }
        let writer = match place.take() {
            Some(writer) => writer,
            None => Box::new(hold.load(&repository).await?),
        };
        self.offset = writer.offset();
        hold.slot.show(Seen::Offset(self.offset));
        *place = Some(writer);
        drop(place);
        Ok(self)
    }

    fn take_hold(&mut self) -> Hold {
        self.hold.take().expect("only consuming calls take it")
    }
}

impl Drop for UploadSession {
    fn drop(&mut self) {
        if let Some(hold) = self.hold.take() {
            hold.let_go();
        }
    }
}

// === impl Hold ===

impl Hold {
    pub(super) fn new(shared: Arc<Shared>, slot: SlotRef, epoch: u64, id: UploadId) -> Self {
        Self {
            shared,
            slot,
            epoch,
            id,
        }
    }

    fn expect_current(&self) -> Result<(), UploadError> {
        self.shared.expect_open()?;
        if self.slot.is_current(self.epoch) {
            return Ok(());
        }
        Err(UploadError::Fenced(self.id))
    }

    /// The writer, to be ended, and the locked place it came from.
    async fn take_writer(&self) -> Result<(Place, Box<Writer>), UploadError> {
        let mut place = Arc::clone(&self.slot.writer).lock_owned().await;
        self.expect_current()?;
        let writer = place.take().ok_or(UploadError::Unknown(self.id))?;
        Ok((place, writer))
    }

    /// Gives the empty place back and says what is known of the upload from now on.
    fn leave(self, place: Place, seen: Seen) {
        self.slot.file().set(None);
        self.slot.show(seen);
        drop(place);
    }

    /// Opens an upload that nobody has open.
    async fn load(&self, repository: &RepositoryName) -> Result<Writer, UploadError> {
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let opened = blocking(move || match shared.standing(&id)? {
            Standing::Unknown => Ok(None),
            Standing::Fresh => Ok(Some(None)),
            Standing::AtRest(record) => shared.reopen(*record).map(Some),
        });
        let opened = opened.await?.ok_or(UploadError::Unknown(self.id))?;
        let mut facts = Facts::of(&self.id, repository);
        let new = |facts, hashing| {
            let live = Arc::clone(self.slot.file());
            Writer::new(Arc::clone(&self.shared), facts, hashing, live)
        };
        let Some(opened) = opened else {
            return Ok(new(facts, Hashing::new(self.id.algorithm())));
        };
        facts.expiry = facts.expiry.max(opened.record.expiry);
        facts.epoch = opened.record.epoch + 1;
        Ok(new(facts, opened.hashing).continued(opened.record, opened.file))
    }

    /// Keeps an upload at rest open for a while, for the next request of a client that is ahead of the
    /// hash: in the background it catches up, until that request comes.
    fn await_next(self, mut place: Place, mut writer: Box<Writer>) {
        let shared = Arc::clone(&self.shared);
        shared.spawn(async move {
            while self.slot.is_current(self.epoch) && writer.hash_next().await {
                yield_now().await; // the next request may wait for this thread
            }
            *place = Some(writer);
            drop(place);
            let shared = Arc::clone(&self.shared);
            shared.spawn_idle(self.let_go_unless_fenced());
        });
    }

    async fn let_go_unless_fenced(self) {
        if timeout(AWAITED, self.slot.fenced(self.epoch))
            .await
            .is_err()
        {
            self.let_go();
        }
    }

    /// Brings the upload to rest in the background, unless it is or a later request has it.
    fn let_go(self) {
        let place = Arc::clone(&self.slot.writer).try_lock_owned();
        // Looked at under the lock: a later request may have taken the writer over just now.
        if self.expect_current().is_err() {
            return;
        }
        if let Ok(mut place) = place
            && place.as_ref().is_none_or(|writer| writer.is_at_rest())
        {
            *place = None;
            self.leave(place, Seen::Nothing);
            return;
        }
        let shared = Arc::clone(&self.shared);
        shared.spawn(async move {
            let Ok((place, writer)) = self.take_writer().await else {
                return;
            };
            if let Err(error) = writer.settle().await {
                tracing::warn!(upload = ?self.id, %error, "an upload was not brought to rest");
            }
            self.leave(place, Seen::Nothing);
        });
    }
}
