//! [`SimulatedDisk`]: a disk in memory that keeps a [`Journal`], from which the disk is made anew
//! as a crash at any change may leave it.
//!
//! A run is recorded once, and then crashes at every change of it cost no second run. Invariants:
//! 1. Every call that changes bytes, lengths, names or what is durable is one change of the
//!    journal (making a directory is one per missing directory), in the order in which they took
//!    effect. Reads are counted and not recorded.
//! 2. `image` is what the journal makes of its beginning.
//! 3. While the disk is held, changes wait; reads do not.

mod dice;
mod image;
mod journal;
mod pages;
#[cfg(test)]
mod tests;

pub use dice::{Dice, SeededRandom};
pub use journal::{Crash, Journal, Replay};

use super::{Disk, DiskFile, Mapping};
use image::{Image, Node};
use journal::Change;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A disk in memory with a journal. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    shared: Arc<Shared>,
}

/// What was read from a [`SimulatedDisk`] so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadCounts {
    /// Calls of `list`.
    pub lists: u64,
    /// Bytes that were read from files.
    pub bytes: u64,
}

/// Makes every change wait for as long as it lives.
#[derive(Debug)]
#[must_use = "dropping it lets the changes go on"]
pub struct Held(SimulatedDisk);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Told when a change begins to wait, and when it may go on.
    turn: Condvar,
}

#[derive(Debug)]
struct State {
    image: Image,
    journal: Journal,
    locks: BTreeSet<PathBuf>,
    reads: ReadCounts,
    is_held: bool,
    waiting: usize,
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

// === impl SimulatedDisk ===

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::of(Image::default(), 0)
    }
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk that has this image, all of it durable.
    fn of(image: Image, boots: u64) -> Self {
        let journal = Journal {
            start: image.clone(),
            boots,
            changes: Vec::new(),
        };
        let state = State {
            image,
            journal,
            locks: BTreeSet::new(),
            reads: ReadCounts::default(),
            is_held: false,
            waiting: 0,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                turn: Condvar::new(),
            }),
        }
    }

    /// How many changes there were so far.
    pub fn position(&self) -> usize {
        self.shared.state.lock().journal.len()
    }

    /// How often the file was synced that has this name now.
    pub fn syncs_of(&self, path: &Path) -> usize {
        let state = self.shared.state.lock();
        let Some(Node::File(file)) = state.image.node(path) else {
            return 0;
        };
        let is_its = |change: &&Change| **change == Change::Sync { file };
        state.journal.changes.iter().filter(is_its).count()
    }

    /// All changes so far.
    pub fn journal(&self) -> Journal {
        self.shared.state.lock().journal.clone()
    }

    /// What was read so far.
    pub fn reads(&self) -> ReadCounts {
        self.shared.state.lock().reads
    }

    /// The files that have a name, in order.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.shared.state.lock();
        let names = state.image.names().iter();
        names
            .filter(|(_, node)| matches!(node, Node::File(_)))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Makes every change wait until the answer is dropped.
    pub fn hold(&self) -> Held {
        self.shared.state.lock().is_held = true;
        Held(self.clone())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        if state.is_held {
            state.waiting += 1;
            self.shared.turn.notify_all();
            while state.is_held {
                self.shared.turn.wait(&mut state);
            }
            state.waiting -= 1;
        }
        change(&mut state)
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let found = self.shared.state.lock().image.node(path);
        let file = match found {
            Some(Node::File(file)) => file,
            Some(Node::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
            None if !create => return Err(io::ErrorKind::NotFound.into()),
            None => self.change(|state| state.create(path))?,
        };
        let disk = self.clone();
        Ok(Arc::new(SimulatedFile { disk, file }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.change(|state| {
            if state.image.node(path).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.create(path)
        })?;
        let disk = self.clone();
        Ok(Arc::new(SimulatedFile { disk, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            state.expect_parent(to)?;
            let file = state.expect_file(from)?;
            let (from, to) = (from.to_owned(), to.to_owned());
            state.record(Change::Rename { from, to, file });
            Ok(())
        })
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            state.expect_parent(to)?;
            let file = state.expect_file(from)?;
            if state.image.node(to).is_some() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let path = to.to_owned();
            state.record(Change::Create { path, file });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            let file = state.expect_file(path)?;
            let path = path.to_owned();
            state.record(Change::Remove { path, file });
            Ok(())
        })
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            let above = path.ancestors().filter(|path| !is_top(path));
            let is_there = |path: &&Path| state.image.node(path).is_some();
            let missing: Vec<&Path> = above.clone().take_while(|path| !is_there(path)).collect();
            let mut existing = above.skip(missing.len());
            if let Some(Node::File(_)) = existing.next().and_then(|path| state.image.node(path)) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            for directory in missing.into_iter().rev() {
                state.record(Change::CreateDirectory(directory.to_owned()));
            }
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.expect_directory(path)?;
            state.record(Change::SyncDirectory(path.to_owned()));
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.shared.state.lock();
        state.reads.lists += 1;
        state.expect_directory(path)?;
        let names = state.image.names().keys();
        let within = names.filter(|name| name.parent() == Some(path));
        Ok(within
            .filter_map(|name| name.file_name().map(PathBuf::from))
            .collect())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        drop(self.open(path, true)?);
        if !self.shared.state.lock().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (disk, path) = (self.clone(), path.to_owned());
        Ok(Box::new(SimulatedLock { disk, path }))
    }

    fn boot_id(&self) -> io::Result<String> {
        Ok(format!("boot-{}", self.shared.state.lock().journal.boots))
    }
}

// === impl Held ===

impl Held {
    /// Waits until a change waits, for so long; answers whether one does. Blocks.
    pub fn wait_for_a_change(&self, patience: Duration) -> bool {
        let shared = &self.0.shared;
        let mut state = shared.state.lock();
        let is_none = |state: &mut State| state.waiting == 0;
        let waited = shared.turn.wait_while_for(&mut state, is_none, patience);
        !waited.timed_out()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.shared.state.lock().is_held = false;
        self.0.shared.turn.notify_all();
    }
}

// === impl State ===

impl State {
    fn record(&mut self, change: Change) {
        change.apply(&mut self.image);
        self.journal.changes.push(change);
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        if let Some(Node::File(file)) = self.image.node(path) {
            return Ok(file); // somebody made it meanwhile
        }
        self.expect_parent(path)?;
        let file = self.image.next_file();
        let path = path.to_owned();
        self.record(Change::Create { path, file });
        Ok(file)
    }

    fn expect_parent(&self, path: &Path) -> io::Result<()> {
        path.parent()
            .map_or(Ok(()), |path| self.expect_directory(path))
    }

    fn expect_directory(&self, path: &Path) -> io::Result<()> {
        if is_top(path) || self.image.node(path) == Some(Node::Directory) {
            return Ok(());
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn expect_file(&self, path: &Path) -> io::Result<usize> {
        match self.image.node(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

// === impl SimulatedFile ===

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.shared.state.lock();
        Ok(state.image.content(self.file).len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.shared.state.lock();
        state.reads.bytes += buffer.len() as u64;
        state.image.content(self.file).read(buffer, offset)
    }

    fn read_in_memory(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_exact_at(buffer, offset)?;
        Ok(true)
    }

    fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let mut content = Vec::new();
        for buffer in buffers {
            content.extend_from_slice(buffer);
        }
        if content.is_empty() {
            return Ok(());
        }
        let (file, content) = (self.file, content.into());
        self.disk.change(|state| {
            state.record(Change::Write {
                file,
                start,
                content,
            });
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let file = self.file;
        self.disk.change(|state| {
            state.record(Change::SetLen { file, len });
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        // Space is never short here, so its length is all there is to see of it.
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let file = self.file;
        self.disk.change(|state| {
            if state.image.content(file).len() < len {
                state.record(Change::SetLen { file, len });
            }
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let file = self.file;
        self.disk.change(|state| {
            state.record(Change::Sync { file });
            Ok(())
        })
    }

    fn start_writeback(&self, _range: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn punch_hole(&self, range: Range<u64>) -> io::Result<()> {
        let file = self.file;
        self.disk.change(|state| {
            let len = state.image.content(file).len();
            let clamp = |at: u64| usize::try_from(at).map_or(len, |at| at.min(len));
            let range = clamp(range.start)..clamp(range.end);
            if !range.is_empty() {
                state.record(Change::Punch { file, range });
            }
            Ok(())
        })
    }

    fn map(&self) -> io::Result<Option<Arc<dyn Mapping>>> {
        Ok(None)
    }
}

// === impl SimulatedLock ===

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.shared.state.lock().locks.remove(&self.path);
    }
}

/// The root, or the working directory: they exist without being made.
fn is_top(path: &Path) -> bool {
    path.parent().is_none() || path.as_os_str().is_empty()
}
