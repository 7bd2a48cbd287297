//! [`Disk`]: the only way to a file, for blobs, upload sessions and the metadata alike.
//!
//! One implementation behind all of them means that one simulated disk can lose any unsynced write
//! of any of them, together. All calls block; callers are on threads that may, or wait in place
//! (`blocking`).
//!
//! # Contract
//! 1. A write is visible to every later read of the same file at once, and survives the death of
//!    the process. It survives a power cut only when a later [`DiskFile::sync`] succeeded.
//! 2. The existence of a file (create, rename, remove) survives a power cut only when a later
//!    [`Disk::sync_directory`] of its directory succeeded.
//! 3. After a failed sync the written data may be gone even if a later sync succeeds: callers give
//!    the file up.
//! 4. Space that [`DiskFile::allocate`] took is there for whoever writes after the file is removed.
//! 5. Paths are absolute or relative to the working directory, as they are given; an
//!    implementation never interprets them.

mod blocking;
#[cfg(any(test, feature = "test-util"))]
mod faults;
mod health;
mod map;
#[cfg(any(test, feature = "test-util"))]
mod memory;
#[cfg(any(test, feature = "test-util"))]
mod memory_file;
mod redb_backend;
mod reserve;
#[cfg(any(test, feature = "test-util"))]
mod simulated;
#[cfg(test)]
mod suite;
mod syscalls;
mod system;
mod watched;

pub(crate) use blocking::{blocking, joined, wait_in_place};
#[cfg(any(test, feature = "test-util"))]
pub use faults::Fault;
pub(crate) use health::Health;
#[cfg(any(test, feature = "test-util"))]
pub use memory::{DiskCounts, MemoryDisk};
pub(crate) use redb_backend::{DiskBackend, Latch};
pub(crate) use reserve::Reserve;
#[cfg(any(test, feature = "test-util"))]
pub use simulated::{Crash, Dice, Held, Journal, ReadCounts, Replay, SeededRandom, SimulatedDisk};
pub use system::SystemDisk;
pub(crate) use watched::WatchedDisk;

use bytes::Bytes;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system, or something that behaves like one (see the module's contract).
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Opens a file for reading and writing; with `create` it is made when it does not exist. One
    /// that may only be read (by its permissions, or on a medium that cannot be written) is opened
    /// for reading when `create` is not asked for.
    ///
    /// # Errors
    /// What the system answers; [`io::ErrorKind::NotFound`] when it does not exist.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file that does not exist, and opens it. What is given looks before it makes one, so
    /// it is for disks that one process has to itself.
    ///
    /// # Errors
    /// What the system answers; [`io::ErrorKind::AlreadyExists`] when the name is taken.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        match self.open(path, false) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.open(path, true),
            Err(error) => Err(error),
        }
    }

    /// Gives a file another name in the same file system, replacing what has that name.
    ///
    /// # Errors
    /// What the system answers.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name in the same file system. Both are the same file from then on.
    ///
    /// # Errors
    /// What the system answers; [`io::ErrorKind::CrossesDevices`] between two file systems,
    /// [`io::ErrorKind::AlreadyExists`] when something has that name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Who has it open goes on reading it.
    ///
    /// # Errors
    /// What the system answers; [`io::ErrorKind::NotFound`] when it does not exist.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and its missing parents. An existing one is no error.
    ///
    /// # Errors
    /// What the system answers.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// What the system answers; then the entries count as lost.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// What the system answers; [`io::ErrorKind::NotFound`] when it does not exist.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;

    /// Takes an exclusive lock that lasts as long as the returned guard, or answers
    /// [`io::ErrorKind::WouldBlock`] at once when another process has it.
    ///
    /// # Errors
    /// What the system answers.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>>;

    /// Bytes that are free under `path` for this process; `None` when it does not tell.
    ///
    /// # Errors
    /// What the system answers.
    fn free_bytes(&self, _path: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// What tells one run of the machine from another: it differs after a power cut.
    ///
    /// # Errors
    /// What the system answers.
    fn boot_id(&self) -> io::Result<String>;
}

/// An open file (see the module's contract).
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system answers.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// What the system answers.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before the buffer is full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Fills `buffer` from `offset` if that needs nothing from the medium; answers whether it did, and
    /// leaves any bytes in `buffer` where it did not. A disk that never waits, and one that cannot tell,
    /// reads as by [`DiskFile::read_exact_at`] and answers that it did.
    ///
    /// # Errors
    /// As [`DiskFile::read_exact_at`], or none, which that call then tells.
    fn read_in_memory(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool>;

    /// The `len` bytes from `offset`. What is given fills a buffer of zeros, which costs a pass over
    /// it; a disk that can do without does.
    ///
    /// # Errors
    /// As [`DiskFile::read_exact_at`].
    fn read_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut content = vec![0; len];
        self.read_exact_at(&mut content, offset)?;
        Ok(content)
    }

    /// Writes all of `buffers`, one after another, at `offset`.
    ///
    /// # Errors
    /// What the system answers; then any part may have been written.
    fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Cuts or extends it with zeros. Never used on a file that may be mapped.
    ///
    /// # Errors
    /// What the system answers.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes it at least `len` bytes long, with space on the medium for all of them. What is given
    /// writes zeros; it is called for files whose bytes do not matter.
    ///
    /// # Errors
    /// What the system answers; then any part of the space may have been taken.
    fn allocate(&self, len: u64) -> io::Result<()> {
        let zeros = [0; 16 * 1024];
        let mut at = self.len()?;
        while at < len {
            let step = usize::try_from(len - at).map_or(zeros.len(), |left| left.min(zeros.len()));
            self.write_all_at(&[IoSlice::new(&zeros[..step])], at)?;
            at += step as u64;
        }
        Ok(())
    }

    /// Makes everything written, and the length, durable (`fdatasync`).
    ///
    /// # Errors
    /// What the system answers; then see contract 3.
    fn sync(&self) -> io::Result<()>;

    /// Asks the system to begin writing `range` to the medium, without waiting. It promises
    /// nothing; it shortens a later [`DiskFile::sync`].
    ///
    /// # Errors
    /// What the system answers; then see contract 3.
    fn start_writeback(&self, range: Range<u64>) -> io::Result<()>;

    /// Gives the space of `range` back; it reads as zeros afterwards. Where the file system cannot,
    /// nothing happens.
    ///
    /// # Errors
    /// What the system answers.
    fn punch_hole(&self, range: Range<u64>) -> io::Result<()>;

    /// Forgets what the system keeps of it in memory, so that the next read asks the medium. After
    /// a failed sync the two may differ. Optional: what is given does nothing.
    ///
    /// # Errors
    /// What the system answers.
    fn drop_cached(&self) -> io::Result<()> {
        Ok(())
    }

    /// The whole file as mapped memory, where the disk can do that. Optional: `None` is always a
    /// right answer, and callers then read.
    ///
    /// # Errors
    /// What the system answers.
    fn map(&self) -> io::Result<Option<Arc<dyn Mapping>>>;
}

/// A file in memory, of which only parts that were made resident are handed out.
pub trait Mapping: fmt::Debug + Send + Sync + 'static {
    /// Whether reading `range` would wait for the medium. Does not block.
    fn is_resident(&self, range: Range<u64>) -> bool;

    /// Brings `range` into memory. Blocks for as long as the medium takes.
    ///
    /// # Errors
    /// What the medium answers.
    fn make_resident(&self, range: Range<u64>) -> io::Result<()>;

    /// The bytes of `range`, without a copy; they keep the mapping alive.
    ///
    /// They are for handing to the kernel (a socket write), where a page that cannot be read is
    /// an error code. User code that touches one dies of it, so user code does not touch them.
    fn slice(self: Arc<Self>, range: Range<u64>) -> Bytes;
}
