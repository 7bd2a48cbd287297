//! [`Slots`]: the uploads that somebody works on now, by their key.
//!
//! Invariants:
//! 1. All who work on one upload share one [`Slot`]; its lock is held while the upload's file or
//!    record is touched.
//! 2. A slot is dropped with the last [`SlotRef`], so memory is in proportion to the open uploads.
//! 3. `epoch` only grows; who holds a smaller one than the slot's was fenced and touches nothing.

use super::UploadId;
use super::writer::Writer;
use crate::clock::EngineTime;
use crate::digest::Algorithm;
use crate::name::RepositoryName;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// The offset of an upload nobody has looked at yet.
const UNKNOWN: u64 = u64::MAX;
/// The offset of an upload that is over.
const OVER: u64 = u64::MAX - 1;
/// The file number of an upload without a file.
const NO_FILE: u64 = u64::MAX;

/// The uploads that somebody works on (see the module's invariants).
#[derive(Debug, Default)]
pub(super) struct Slots {
    by_upload: Mutex<HashMap<[u8; 16], Arc<Slot>>>,
}

/// One upload that somebody works on.
#[derive(Debug)]
pub(super) struct Slot {
    /// Set by whoever opens the upload, before the offset is shown.
    about: OnceLock<About>,
    epoch: AtomicU64,
    /// Told whenever `epoch` grows.
    fences: Notify,
    offset: AtomicU64,
    file: Arc<LiveFile>,
    /// The writer while the upload is open.
    pub(super) writer: Arc<tokio::sync::Mutex<Option<Box<Writer>>>>,
}

/// What an upload is, as its id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) repository: RepositoryName,
    pub(super) algorithm: Algorithm,
    pub(super) id_expiry: EngineTime,
}

/// Somebody's hold on a slot.
#[derive(Debug)]
pub(super) struct SlotRef {
    slots: Arc<Slots>,
    upload: [u8; 16],
    slot: Option<Arc<Slot>>,
}

/// The number of an open upload's data file, told before the file is made.
#[derive(Debug)]
pub(super) struct LiveFile(AtomicU64);

/// What a slot knows of its upload without waiting for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing yet: ask the record.
    Nothing,
    /// Its bytes so far.
    Offset(u64),
    /// It is over.
    Over,
}

// === impl Slots ===

impl Slots {
    /// A hold on the slot of an upload, which is made when nobody has one.
    pub(super) fn enter(self: &Arc<Self>, upload: [u8; 16]) -> SlotRef {
        let mut by_upload = self.by_upload.lock();
        let slot = by_upload.entry(upload).or_default();
        SlotRef {
            slots: Arc::clone(self),
            upload,
            slot: Some(Arc::clone(slot)),
        }
    }

    /// A hold on every slot there is.
    pub(super) fn all(self: &Arc<Self>) -> Vec<SlotRef> {
        let uploads: Vec<_> = self.by_upload.lock().keys().copied().collect();
        let hold = |upload| self.enter(upload);
        uploads.into_iter().map(hold).collect()
    }

    /// What the slot of an upload knows, if there is one.
    pub(super) fn look(&self, upload: [u8; 16]) -> Seen {
        let by_upload = self.by_upload.lock();
        by_upload
            .get(&upload)
            .map_or(Seen::Nothing, |slot| slot.seen())
    }

    /// What an upload is that somebody opened, and what its slot knows.
    pub(super) fn about(&self, upload: [u8; 16]) -> Option<(About, Seen)> {
        let by_upload = self.by_upload.lock();
        let slot = by_upload.get(&upload)?;
        slot.about.get().cloned().map(|about| (about, slot.seen()))
    }

    pub(super) fn keys(&self) -> Vec<[u8; 16]> {
        self.by_upload.lock().keys().copied().collect()
    }

    pub(super) fn contains(&self, upload: [u8; 16]) -> bool {
        self.by_upload.lock().contains_key(&upload)
    }

    pub(super) fn len(&self) -> usize {
        self.by_upload.lock().len()
    }

    /// The data files of open uploads.
    pub(super) fn files(&self) -> Vec<u64> {
        let by_upload = self.by_upload.lock();
        let files = by_upload.values().filter_map(|slot| slot.file.get());
        files.collect()
    }
}

// === impl Slot ===

impl Default for Slot {
    fn default() -> Self {
        Self {
            about: OnceLock::new(),
            epoch: AtomicU64::new(0),
            fences: Notify::new(),
            offset: AtomicU64::new(UNKNOWN),
            file: Arc::new(LiveFile(AtomicU64::new(NO_FILE))),
            writer: Arc::default(),
        }
    }
}

impl Slot {
    /// Notes what the upload is whose id was authenticated; it never changes.
    pub(super) fn tell(&self, id: &UploadId, repository: &RepositoryName) {
        self.about.get_or_init(|| About {
            repository: repository.clone(),
            algorithm: id.algorithm(),
            id_expiry: id.expiry(),
        });
    }

    /// Fences everybody before, and answers the epoch of the caller.
    pub(super) fn fence(&self) -> u64 {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        self.fences.notify_waiters();
        epoch
    }

    /// Waits until somebody fences the holder of `epoch`.
    pub(super) async fn fenced(&self, epoch: u64) {
        let mut fenced = pin!(self.fences.notified());
        fenced.as_mut().enable();
        if self.is_current(epoch) {
            fenced.await;
        }
    }

    /// Whether nobody fenced the holder of `epoch`.
    pub(super) fn is_current(&self, epoch: u64) -> bool {
        self.epoch.load(Ordering::SeqCst) == epoch
    }

    pub(super) fn show(&self, seen: Seen) {
        let offset = match seen {
            Seen::Nothing => UNKNOWN,
            Seen::Offset(offset) => offset,
            Seen::Over => OVER,
        };
        self.offset.store(offset, Ordering::SeqCst);
    }

    pub(super) fn file(&self) -> &Arc<LiveFile> {
        &self.file
    }

    fn seen(&self) -> Seen {
        match self.offset.load(Ordering::SeqCst) {
            UNKNOWN => Seen::Nothing,
            OVER => Seen::Over,
            offset => Seen::Offset(offset),
        }
    }
}

// === impl SlotRef ===

impl Deref for SlotRef {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        self.slot.as_ref().expect("it is there until the drop")
    }
}

impl Drop for SlotRef {
    fn drop(&mut self) {
        // Under the lock, so that of two that drop theirs the second sees that it is the last.
        let mut by_upload = self.slots.by_upload.lock();
        drop(self.slot.take());
        let is_last = |slot: &Arc<Slot>| Arc::strong_count(slot) == 1;
        if by_upload.get(&self.upload).is_some_and(is_last) {
            by_upload.remove(&self.upload);
        }
    }
}

// === impl LiveFile ===

impl LiveFile {
    pub(super) fn set(&self, number: Option<u64>) {
        self.0.store(number.unwrap_or(NO_FILE), Ordering::SeqCst);
    }

    fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::SeqCst)).filter(|&number| number != NO_FILE)
    }
}
