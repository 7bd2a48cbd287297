//! [`DiskBackend`]: a file of a [`Disk`](super::Disk) as the storage of a redb database.
//!
//! redb's byte-range locks tell processes apart that share a database. Here the engine holds an
//! exclusive lock on the whole store before redb is opened (`Layout::lock`), and redb opens one
//! writer: its lock calls are answered with "unsupported", the answer it documents for backends
//! that are locked otherwise.
//!
//! Records are read by async code on the threads that serve it, since most lie in memory: a page that
//! does not is waited for in place (`wait_in_place`).
//!
//! After a failed call redb refuses all work, reads included, until it is opened anew, and tells
//! later callers no reason: [`Latch`] keeps what failed first. A database that is dropped makes
//! durable what was not: [`Latch::freeze`] keeps it from that.

use super::{DiskFile, wait_in_place};
use redb::StorageBackend;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A disk's file as redb's storage.
#[derive(Debug)]
pub(crate) struct DiskBackend {
    file: Arc<dyn DiskFile>,
    latch: Arc<Latch>,
}

/// What failed since the database was opened, and whether it may change anything. Marks that are
/// only ever set.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    read: AtomicBool,
    change: AtomicBool,
    frozen: AtomicBool,
}

// === impl DiskBackend ===

impl DiskBackend {
    pub(crate) fn new(file: Arc<dyn DiskFile>) -> Self {
        let latch = Arc::default();
        Self { file, latch }
    }

    /// What will have failed of it, for who opens a database on it.
    pub(crate) fn latch(&self) -> Arc<Latch> {
        Arc::clone(&self.latch)
    }

    fn read<T>(&self, outcome: io::Result<T>) -> io::Result<T> {
        note(&self.latch.read, outcome)
    }

    /// Pages that the system has in memory are copied at once; for the others the thread waits, and
    /// whoever is served by it goes on elsewhere.
    fn fill(&self, out: &mut [u8], offset: u64) -> io::Result<()> {
        if self.file.read_in_memory(out, offset)? {
            return Ok(());
        }
        wait_in_place(|| self.file.read_exact_at(out, offset))
    }

    fn change<T>(&self, change: impl FnOnce(&dyn DiskFile) -> io::Result<T>) -> io::Result<T> {
        if self.latch.frozen.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        note(&self.latch.change, change(&*self.file))
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        self.read(self.file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read(self.fill(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(DiskFile::sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|file| file.write_all_at(&[IoSlice::new(data)], offset))
    }
}

// === impl Latch ===

impl Latch {
    /// A read failed: the database answers nothing until it is opened anew.
    pub(crate) fn read_failed(&self) -> bool {
        self.read.load(Ordering::SeqCst)
    }

    /// From now on every change is refused, and none of those counts as failed.
    pub(crate) fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    /// A write, a change of the length or a sync failed.
    pub(crate) fn change_failed(&self) -> bool {
        self.change.load(Ordering::SeqCst)
    }
}

fn note<T>(mark: &AtomicBool, outcome: io::Result<T>) -> io::Result<T> {
    if outcome.is_err() {
        mark.store(true, Ordering::SeqCst);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, DiskFile, Mapping, MemoryDisk};
    use super::DiskBackend;
    use parking_lot::Mutex;
    use redb::StorageBackend;
    use std::io::{self, IoSlice};
    use std::ops::Range;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    /// A file of which nothing is in memory, and whose reads wait until they are let go.
    #[derive(Debug)]
    struct ColdFile {
        file: Arc<dyn DiskFile>,
        released: Mutex<Receiver<()>>,
    }

    impl DiskFile for ColdFile {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }

        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            let released = self.released.lock().recv_timeout(Duration::from_secs(30));
            released.map_err(io::Error::other)?;
            self.file.read_exact_at(buffer, offset)
        }

        fn read_in_memory(&self, buffer: &mut [u8], _offset: u64) -> io::Result<bool> {
            buffer.fill(0xff);
            Ok(false)
        }

        fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
            self.file.write_all_at(buffers, offset)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.file.set_len(len)
        }

        fn sync(&self) -> io::Result<()> {
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_page_that_is_not_in_memory_holds_up_nobody_but_its_reader() {
        let file = MemoryDisk::new().open(Path::new("/pages"), true).unwrap();
        file.write_all_at(&[IoSlice::new(b"page")], 0).unwrap();
        let (release, released) = channel();
        let released = Mutex::new(released);
        let backend = DiskBackend::new(Arc::new(ColdFile { file, released }));
        let reading = tokio::spawn(async move {
            let mut page = [0; 4];
            let read = StorageBackend::read(&backend, 0, &mut page);
            (read.is_ok(), page, backend.latch().read_failed())
        });
        let releasing = tokio::spawn(async move { release.send(()) });
        assert_eq!(reading.await.unwrap(), (true, *b"page", false));
        releasing.await.unwrap().unwrap();
    }
}
