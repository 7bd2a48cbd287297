//! [`MemoryDisk`]: a disk in memory that can be full, fail, and lose power.
//!
//! It keeps what is written and what is durable apart, as the contract of [`Disk`](super::Disk)
//! does: [`MemoryDisk::cut_power`] leaves exactly what was synced, the least a real medium may
//! leave. Invariants:
//! 1. `durable` changes only in `sync_directory`, `FileState::durable` only in `sync`.
//! 2. `used` is the sum of what the files that have a name take: holes take nothing.

use super::faults::{Fault, Faults};
use super::memory_file::FileState;
use super::{Disk, DiskFile, Mapping};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

/// What was asked of a [`MemoryDisk`] so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskCounts {
    /// Bytes that were read from files.
    pub bytes_read: u64,
    /// Calls of `write_all_at`.
    pub writes: u64,
    /// Calls of `sync`.
    pub syncs: u64,
    /// Calls of `sync_directory`.
    pub directory_syncs: u64,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    locks: BTreeSet<PathBuf>,
    capacity: Option<u64>,
    /// Calls that need space and still get it, before the disk is full at what it has then.
    fills_after: Option<u64>,
    /// How long a write takes at least.
    write_delay: Duration,
    boots: u64,
    counts: DiskCounts,
    faults: Faults,
}

#[derive(Debug, Clone)]
enum Node {
    Directory,
    File(Arc<Mutex<FileState>>),
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    file: Arc<Mutex<FileState>>,
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
}

// === impl MemoryDisk ===

impl MemoryDisk {
    /// An empty disk without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes all files together may have from now on; `None`: any number.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.state.lock().capacity = capacity;
    }

    /// Lets the disk be full after so many further calls that need space: its capacity is then what
    /// it has used, until [`MemoryDisk::set_capacity`].
    pub fn fill_after(&self, calls: u64) {
        self.state.lock().fills_after = Some(calls);
    }

    /// Lets every further write of a file take at least this long.
    pub fn delay_writes(&self, delay: Duration) {
        self.state.lock().write_delay = delay;
    }

    /// Whether a disk that should be full after some calls is.
    pub fn is_filled(&self) -> bool {
        self.state.lock().fills_after.is_none()
    }

    /// Bytes all files have together.
    pub fn used(&self) -> u64 {
        self.state.lock().used()
    }

    /// The files there are.
    pub fn files(&self) -> Vec<PathBuf> {
        let state = self.state.lock();
        let is_file = |(_, node): &(&PathBuf, &Node)| matches!(node, Node::File(_));
        let files = state.names.iter().filter(is_file);
        files.map(|(path, _)| path.clone()).collect()
    }

    /// What was asked of it so far.
    pub fn counts(&self) -> DiskCounts {
        self.state.lock().counts
    }

    /// Makes one later call fail.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().faults.inject(fault);
    }

    /// How many injected faults have not come up yet.
    pub fn fault_count(&self) -> usize {
        self.state.lock().faults.len()
    }

    /// Lets nothing fail any more that did not yet.
    pub fn forget_faults(&self) {
        self.state.lock().faults.clear();
    }

    /// Switches the machine off and on after everything happened to have reached the medium: only
    /// the boot id is another.
    pub fn restart_machine(&self) {
        self.state.lock().boots += 1;
    }

    /// Switches the machine off and on: what was not synced is gone, and the boot id is another.
    /// Files that are open still refer to what was; drop them first.
    pub fn cut_power(&self) {
        let mut state = self.state.lock();
        state.boots += 1;
        state.locks.clear();
        let durable = state.durable.clone();
        let reachable = |path: &Path| {
            let mut above = path.ancestors().skip(1).filter(|path| !is_top(path));
            above.all(|path| matches!(durable.get(path), Some(Node::Directory)))
        };
        state.names = BTreeMap::new();
        for (path, node) in durable.iter().filter(|(path, _)| reachable(path)) {
            let node = match node {
                Node::Directory => Node::Directory,
                Node::File(file) => {
                    let found = file.lock().after_power_cut();
                    Node::File(Arc::new(Mutex::new(found)))
                }
            };
            state.names.insert(path.clone(), node);
        }
        let names = state.names.clone();
        state.durable = names;
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let file = match state.names.get(path) {
            Some(Node::File(file)) => Arc::clone(file),
            Some(Node::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
            None if !create => return Err(io::ErrorKind::NotFound.into()),
            None => {
                state.expect_parent(path)?;
                let file = Arc::<Mutex<FileState>>::default();
                let node = Node::File(Arc::clone(&file));
                state.names.insert(path.to_owned(), node);
                file
            }
        };
        Ok(Arc::new(MemoryFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.expect_parent(to)?;
        let node = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), node);
        Ok(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.expect_parent(to)?;
        let file = match state.names.get(from) {
            Some(Node::File(file)) => Arc::clone(file),
            Some(Node::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.names.insert(to.to_owned(), Node::File(file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.faults.fail_if(Fault::RemoveFull)?;
        match state.names.get(path) {
            Some(Node::File(_)) => state.names.remove(path),
            Some(Node::Directory) => return Err(io::ErrorKind::IsADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        for directory in path.ancestors().filter(|path| !is_top(path)) {
            let entry = state.names.entry(directory.to_owned());
            if let Node::File(_) = entry.or_insert(Node::Directory) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.counts.directory_syncs += 1;
        state.faults.fail_if(Fault::SyncDirectory)?;
        state.faults.fail_if(Fault::SyncDirectoryFull)?;
        if !is_top(path) && !matches!(state.names.get(path), Some(Node::Directory)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let is_within = |name: &Path| name.parent() == Some(path);
        let now: Vec<_> = (state.names.iter())
            .filter(|(name, _)| is_within(name))
            .map(|(name, node)| (name.clone(), node.clone()))
            .collect();
        state.durable.retain(|name, _| !is_within(name));
        state.durable.extend(now);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state.lock();
        if !matches!(state.names.get(path), Some(Node::Directory)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let within = |name: &&PathBuf| name.parent() == Some(path);
        let names = state.names.keys().filter(within);
        Ok(names
            .filter_map(|name| name.file_name().map(PathBuf::from))
            .collect())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        drop(self.open(path, true)?);
        if !self.state.lock().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(MemoryLock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn boot_id(&self) -> io::Result<String> {
        Ok(format!("boot-{}", self.state.lock().boots))
    }
}

// === impl State ===

impl State {
    fn used(&self) -> u64 {
        let len = |node: &Node| match node {
            Node::Directory => 0,
            Node::File(file) => file.lock().used(),
        };
        self.names.values().map(len).sum()
    }

    /// Bytes that may still be written.
    fn room(&self) -> u64 {
        let left = |capacity: u64| capacity.saturating_sub(self.used());
        self.capacity.map_or(u64::MAX, left)
    }

    /// Refuses when there is no room for so many bytes more.
    fn take_room(&mut self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        match &mut self.fills_after {
            Some(0) => {
                self.fills_after = None;
                self.capacity = Some(self.used());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if bytes > self.room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn expect_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !is_top(parent));
        match parent.map(|parent| self.names.get(parent)) {
            None | Some(Some(Node::Directory)) => Ok(()),
            Some(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

// === impl MemoryFile ===

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.lock().content.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.counts.bytes_read += buffer.len() as u64;
        state.faults.fail_if(Fault::Read)?;
        drop(state);
        let file = self.file.lock();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let stored = start
            .checked_add(buffer.len())
            .and_then(|end| file.content.get(start..end))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(stored);
        Ok(())
    }

    fn read_in_memory(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_exact_at(buffer, offset)?;
        Ok(true)
    }

    fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let delay = self.disk.state.lock().write_delay;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut state = self.disk.state.lock();
        state.counts.writes += 1;
        state.faults.fail_if(Fault::Write)?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let len: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if len == 0 {
            return Ok(());
        }
        let range = start..start + len;
        let needed = self.file.lock().needed(&range);
        state.take_room(needed)?;
        let mut file = self.file.lock();
        file.fill(range);
        let mut at = start;
        for buffer in buffers {
            file.content[at..at + buffer.len()].copy_from_slice(buffer);
            at += buffer.len();
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let _state = self.disk.state.lock();
        let mut file = self.file.lock();
        let len = usize::try_from(len).map_err(io::Error::other)?;
        file.set_len(len);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let needed = self.file.lock().needed(&(0..len));
        state.take_room(needed)?;
        self.file.lock().fill(0..len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.counts.syncs += 1;
        let failed = state.faults.fail_if(Fault::Sync);
        let full = state.faults.fail_if(Fault::SyncFull);
        let mut file = self.file.lock();
        if failed.is_err() || full.is_err() {
            file.fail_sync();
        }
        failed?;
        full?;
        file.sync();
        Ok(())
    }

    fn start_writeback(&self, _range: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn punch_hole(&self, range: Range<u64>) -> io::Result<()> {
        let mut file = self.file.lock();
        let clamp = |at: u64, len: usize| usize::try_from(at).map_or(len, |at| at.min(len));
        let len = file.content.len();
        file.punch(clamp(range.start, len)..clamp(range.end, len));
        Ok(())
    }

    fn drop_cached(&self) -> io::Result<()> {
        self.file.lock().drop_cached();
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Arc<dyn Mapping>>> {
        Ok(None)
    }
}

// === impl MemoryLock ===

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state.lock().locks.remove(&self.path);
    }
}

/// The root, or the working directory: they exist without being made.
fn is_top(path: &Path) -> bool {
    path.parent().is_none() || path.as_os_str().is_empty()
}
