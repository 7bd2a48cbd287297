//! [`Reserve`]: space that is kept so that a full disk can still take what gives space back.
//!
//! Removing rows needs new pages first, so a disk that is full to the last byte could not be emptied
//! through the store. Invariants:
//! 1. While it is *held* its file has all of its space. While it is *spent* the file is gone, the
//!    space is there for deletions and the collector, and nothing that adds may write.
//! 2. Once spent it is held again only when there is room for a quarter more, so that a disk around
//!    the limit does not change its mind with every request. When something was given back, half of it
//!    is enough: the metadata's file keeps pages for itself that were freed in it.
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
    /// Rows were removed since it was spent.
    gave_back: AtomicBool,
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
            gave_back: AtomicBool::new(false),
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
            self.gave_back.store(true, Ordering::SeqCst);
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
        *looked = None;
        self.gave_back.store(false, Ordering::SeqCst);
        self.give_back();
        tracing::error!("the disk is full: the store takes nothing until space was given back");
        true
    }

    fn take(&self) -> io::Result<()> {
        let may_be_half = !self.is_spent() || self.gave_back.load(Ordering::SeqCst);
        match self.take_bytes(self.size) {
            Err(_) if may_be_half => {
                // A try that failed may have taken a part.
                self.disk.remove(&self.path)?;
                self.take_bytes(self.size / 2)
            }
            taken => taken,
        }
    }

    fn take_bytes(&self, size: u64) -> io::Result<()> {
        let more = if self.is_spent() { size / 4 } else { 0 };
        let file = self.disk.open(&self.path, true)?;
        file.allocate(size.saturating_add(more))?;
        file.set_len(size)
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

#[cfg(test)]
mod tests {
    use super::super::{DiskFile, MemoryDisk};
    use super::*;
    use std::io::IoSlice;
    use std::path::Path;

    const SIZE: u64 = 1_000_000;

    fn at(second: u64) -> EngineTime {
        EngineTime(second * 1_000)
    }

    /// A disk of so many times the reserve's size, the reserve, and a file of somebody else.
    fn on_disk_of(quarters: u64) -> (MemoryDisk, Reserve, Arc<dyn DiskFile>) {
        let disk = MemoryDisk::new();
        disk.set_capacity(Some(SIZE / 4 * quarters));
        let other = disk.open(Path::new("/other"), true).unwrap();
        let reserve = Reserve::new(Arc::new(disk.clone()), "/RESERVE".into(), SIZE);
        reserve.hold();
        (disk, reserve, other)
    }

    fn write(file: &Arc<dyn DiskFile>, len: u64) {
        let bytes = vec![1; usize::try_from(len).unwrap()];
        file.write_all_at(&[IoSlice::new(&bytes)], 0).unwrap();
    }

    #[test]
    fn it_is_spent_once_and_held_again_when_there_is_a_quarter_more() {
        let (disk, reserve, other) = on_disk_of(8);
        write(&other, SIZE);
        assert_eq!(disk.used(), SIZE * 2);
        reserve.check_room().unwrap();
        assert!(reserve.spend());
        assert!(!reserve.spend());
        assert_eq!(disk.used(), SIZE);
        assert!(reserve.check_room().unwrap_err().is_full());
        reserve.look(at(1));
        assert!(reserve.is_spent(), "there is room for it and no more");
        assert_eq!(disk.used(), SIZE, "a look leaves nothing behind");
        other.set_len(SIZE / 4 * 3).unwrap();
        reserve.look(at(1));
        assert!(reserve.is_spent(), "it was looked a moment ago");
        reserve.look(at(2));
        reserve.check_room().unwrap();
        assert_eq!(disk.used(), SIZE / 4 * 7);
    }

    #[test]
    fn half_of_it_is_enough_after_something_was_given_back() {
        let (disk, reserve, other) = on_disk_of(8);
        write(&other, SIZE);
        assert!(reserve.spend());
        write(&other, SIZE / 4 * 5);
        reserve.look(at(1));
        assert!(reserve.is_spent());
        reserve.look_again();
        assert!(reserve.is_look_due(at(1)));
        reserve.look(at(1));
        reserve.check_room().unwrap();
        assert_eq!(disk.used(), SIZE / 4 * 7);
    }

    #[test]
    fn an_opening_takes_half_where_there_is_no_more_and_none_where_there_is_less() {
        let (disk, reserve, _other) = on_disk_of(3);
        reserve.check_room().unwrap();
        assert_eq!(disk.used(), SIZE / 2);
        let (disk, reserve, _other) = on_disk_of(1);
        assert!(reserve.is_spent());
        assert_eq!(disk.used(), 0);
    }

    #[test]
    fn without_one_nothing_is_refused_and_nothing_can_be_spent() {
        let disk = MemoryDisk::new();
        let reserve = Reserve::new(Arc::new(disk.clone()), "/RESERVE".into(), 0);
        reserve.hold();
        assert!(!reserve.spend());
        reserve.check_room().unwrap();
        assert!(disk.files().is_empty());
    }
}
