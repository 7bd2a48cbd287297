//! The machine under a registry: a disk of which a test can hold, fail and count any call, and
//! clocks that a test moves.
//!
//! A call is held before it does anything, on the thread that makes it; what it would change has
//! not happened. Nothing waits for ever: [`Held`] lets go when it is dropped.

use super::super::registry::TestRegistry;
use super::super::support::eventually;
use floundr_engine::Options;
use floundr_engine::clock::{Clock, Hands};
use floundr_engine::disk::{Disk, DiskFile, Mapping, MemoryDisk};
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What a disk is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Open,
    List,
    Read,
    Write,
    Sync,
    Remove,
}

/// A [`MemoryDisk`] that a test watches. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    pub(crate) memory: MemoryDisk,
    hands: Arc<Hands>,
    state: Arc<(Mutex<State>, Condvar)>,
}

/// The calls that were made since [`Machine::watch`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Vec<(Call, PathBuf, u64)>);

/// Calls that wait until this is dropped.
#[derive(Debug)]
pub(crate) struct Held(Machine);

#[derive(Debug, Default)]
struct State {
    calls: Calls,
    held: Option<(Call, &'static str)>,
    failing: Option<(Call, &'static str)>,
    waiting: usize,
}

#[derive(Debug)]
struct WatchedFile {
    machine: Machine,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

// === impl Machine ===

impl Machine {
    /// Puts a store on this machine.
    pub(crate) fn install(&self, options: &mut Options) {
        options.disk = Arc::new(self.clone());
        options.clock = Arc::clone(&self.hands) as Arc<dyn Clock>;
    }

    /// A registry on this machine.
    pub(crate) async fn registry(&self) -> TestRegistry {
        TestRegistry::start_on(&self.memory, |options| self.install(options)).await
    }

    /// Moves the clocks.
    pub(crate) fn pass(&self, time: Duration) {
        self.hands.pass(time);
    }

    /// Every such `call` on a path with `part` in it waits from now on.
    pub(crate) fn hold(&self, call: Call, part: &'static str) -> Held {
        self.state().held = Some((call, part));
        Held(self.clone())
    }

    /// Every such `call` on a path with `part` in it fails from now on, as a broken medium does.
    pub(crate) fn fail(&self, call: Call, part: &'static str) {
        self.state().failing = Some((call, part));
    }

    /// Begins to count anew.
    pub(crate) fn watch(&self) {
        self.state().calls = Calls::default();
    }

    /// What was called since.
    pub(crate) fn calls(&self) -> Calls {
        self.state().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// Notes a call, makes it wait while it is held, and says whether it may go on.
    fn enter(&self, call: Call, path: &Path, bytes: u64) -> io::Result<()> {
        let (lock, changed) = &*self.state;
        let fits = |rule: Option<(Call, &str)>| {
            rule.is_some_and(|(which, part)| which == call && path.to_string_lossy().contains(part))
        };
        let mut state = lock.lock().unwrap();
        state.calls.0.push((call, path.to_owned(), bytes));
        if fits(state.failing) {
            return Err(io::Error::other("injected fault"));
        }
        if fits(state.held) {
            state.waiting += 1;
            while fits(state.held) {
                state = changed.wait(state).unwrap();
            }
            state.waiting -= 1;
        }
        Ok(())
    }
}

// === impl Held ===

impl Held {
    /// Returns when a call waits.
    pub(crate) async fn reached(&self) {
        eventually(|| self.0.state().waiting > 0).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Also when a test fails: a thread that waits for ever would keep it from ending.
        let (lock, changed) = &*self.0.state;
        if let Ok(mut state) = lock.lock() {
            state.held = None;
        }
        changed.notify_all();
    }
}

// === impl Calls ===

impl Calls {
    /// How often this was called on a path with `part` in it.
    pub(crate) fn count(&self, call: Call, part: &str) -> usize {
        self.of(call, part).count()
    }

    /// Bytes read or written at paths with `part` in them.
    pub(crate) fn bytes(&self, call: Call, part: &str) -> u64 {
        self.of(call, part).sum()
    }

    /// The most bytes of one call.
    pub(crate) fn largest(&self, call: Call, part: &str) -> u64 {
        self.of(call, part).max().unwrap_or_default()
    }

    fn of<'c>(&'c self, call: Call, part: &'c str) -> impl Iterator<Item = u64> + 'c {
        (self.0.iter())
            .filter(move |(made, path, _)| *made == call && path.to_string_lossy().contains(part))
            .map(|(_, _, bytes)| *bytes)
    }
}

// === the disk and its files ===

impl Disk for Machine {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        self.enter(Call::Open, path, 0)?;
        Ok(Arc::new(WatchedFile {
            machine: self.clone(),
            path: path.to_owned(),
            file: self.memory.open(path, create)?,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.memory.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.memory.hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Remove, path, 0)?;
        self.memory.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.memory.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.memory.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.enter(Call::List, path, 0)?;
        self.memory.list(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        self.memory.lock(path)
    }

    fn boot_id(&self) -> io::Result<String> {
        self.memory.boot_id()
    }
}

impl DiskFile for WatchedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = buffer.len() as u64;
        self.machine.enter(Call::Read, &self.path, bytes)?;
        self.file.read_exact_at(buffer, offset)
    }

    fn read_in_memory(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_exact_at(buffer, offset)?;
        Ok(true)
    }

    fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes = buffers.iter().map(|buffer| buffer.len() as u64).sum();
        self.machine.enter(Call::Write, &self.path, bytes)?;
        self.file.write_all_at(buffers, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.machine.enter(Call::Sync, &self.path, 0)?;
        self.file.sync()
    }

    fn start_writeback(&self, range: Range<u64>) -> io::Result<()> {
        self.file.start_writeback(range)
    }

    fn punch_hole(&self, range: Range<u64>) -> io::Result<()> {
        self.file.punch_hole(range)
    }

    fn map(&self) -> io::Result<Option<Arc<dyn Mapping>>> {
        self.file.map()
    }
}
