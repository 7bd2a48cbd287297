//! [`Reserve`]: space that is kept so that a full disk can still take what gives space back.
//!
//! Removing rows needs new pages first, so a disk that is full to the last byte could not be emptied
//! through the store. Invariants:
//! 1. While it is *held* its file has all of its space. While it is *spent* the file is gone, the
//!    space is there for deletions and the collector, and nothing that adds may write.
//! 2. Once spent it is held again only when there is room for a quarter more, so that a disk around
//!    the limit does not change its mind with every request.
//! 3. Nothing about it is durable: every opening of the store looks anew.

use super::Disk;
use crate::clock::EngineTime;
use crate::fault::StorageError;
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether a full disk has space again.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Space that is kept (see the module's invariants).
#[derive(Debug)]
pub(crate) struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Bytes; zero: none is kept, and a full disk refuses everything.
    size: u64,
    is_spent: AtomicBool,
    /// When it was looked for space last, since something may have changed. Locked during a change
    /// of the file.
    looked: Mutex<Option<EngineTime>>,
}

// === impl Reserve ===

impl Reserve {
    /// Of `size` bytes in the file `path`. Touches nothing; see [`Reserve::hold`].
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, size: u64) -> Self {
        Self {
            disk,
            path,
            size,
            is_spent: AtomicBool::new(false),
            looked: Mutex::default(),
        }
    }

    /// Refuses what adds while the space is needed for what gives some back.
    pub(crate) fn check_room(&self) -> Result<(), StorageError> {
        if self.is_spent() {
            let (action, path) = ("add to", self.path.with_file_name(""));
            return Err(StorageError::Full { action, path });
        }
        Ok(())
    }

    /// Whether it is time to look whether there is space again.
    pub(crate) fn is_look_due(&self, now: EngineTime) -> bool {
        let is_due = |looked: EngineTime| looked.until(now) >= BETWEEN_LOOKS;
        self.is_spent() && self.looked.lock().is_none_or(is_due)
    }

    /// Holds the space again if it is time to look and there is enough. Blocks; called by the
    /// metadata's writer alone: to look takes for a moment what a commit may need.
    pub(crate) fn look(&self, now: EngineTime) {
        if self.is_look_due(now) {
            let mut looked = self.looked.lock();
            *looked = Some(now);
            self.hold_locked();
        }
    }

    /// Space may have come back: the next look is due.
    pub(crate) fn look_again(&self) {
        if self.is_spent() {
            *self.looked.lock() = None;
        }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::SeqCst)
    }

    /// Takes the space if there is enough; then nothing is refused any more. Blocks.
    pub(crate) fn hold(&self) {
        let _one = self.looked.lock();
        self.hold_locked();
    }

    fn hold_locked(&self) {
        if self.size == 0 {
            return;
        }
        match self.take() {
            Ok(()) => {
                if self.is_spent.swap(false, Ordering::SeqCst) {
                    tracing::info!("there is space again: the store takes content");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the reserve of space cannot be held");
                self.give_back();
            }
        }
    }

    /// Gives the space back for what needs it now; answers whether there was any. Blocks.
    pub(crate) fn spend(&self) -> bool {
        if self.size == 0 {
            return false;
        }
        let mut looked = self.looked.lock();
        if self.is_spent() {
            return false;
        }
        // Nothing comes back before something was given back, or time has passed.
        *looked = None;
        self.give_back();
        tracing::error!("the disk is full: the store takes nothing until space was given back");
        true
    }

    fn take(&self) -> io::Result<()> {
        let file = self.disk.open(&self.path, true)?;
        if self.is_spent() {
            file.allocate(self.size.saturating_add(self.size / 4))?;
        } else {
            // Also of a file that another process made: it may have been cut off half-way.
            file.allocate(self.size)?;
        }
        file.set_len(self.size)
    }

    fn give_back(&self) {
        self.is_spent.store(true, Ordering::SeqCst);
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(%error, "the reserve of space cannot be given back");
            }
            _ => {}
        }
    }
}
