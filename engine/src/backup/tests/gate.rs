//! [`Gate`]: a disk that stops at a file until it is let go on.

use super::support::{Shop, soon};
use crate::disk::{Disk, DiskFile, MemoryDisk};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// A disk that stops whoever opens a path that begins so.
#[derive(Debug)]
struct GatedDisk {
    disk: MemoryDisk,
    gate: Arc<Gate>,
}

#[derive(Debug)]
pub(super) struct Gate {
    prefix: String,
    reached: Semaphore,
    is_open: AtomicBool,
}

// === impl Gate ===

impl Gate {
    /// Waits until somebody stands at it.
    pub(super) async fn reached(&self) {
        soon(self.reached.acquire()).await.unwrap().forget();
    }

    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    fn pass(&self, path: &Path) {
        if !path.to_string_lossy().starts_with(&self.prefix) {
            return;
        }
        self.reached.add_permits(1);
        while !self.is_open.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
}

/// A shop on a disk that stops whoever opens a path that begins with `prefix`.
pub(super) async fn gated(prefix: &str) -> (Shop, Arc<Gate>) {
    let gate = Arc::new(Gate {
        prefix: prefix.to_owned(),
        reached: Semaphore::new(0),
        is_open: AtomicBool::new(false),
    });
    let disk = MemoryDisk::new();
    let gated = GatedDisk {
        disk: disk.clone(),
        gate: Arc::clone(&gate),
    };
    (Shop::on(disk, Arc::new(gated)).await, gate)
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        self.gate.pass(path);
        self.disk.open(path, create)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.list(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        self.disk.lock(path)
    }

    fn boot_id(&self) -> io::Result<String> {
        self.disk.boot_id()
    }
}
