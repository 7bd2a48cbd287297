//! [`SystemDisk`]: the operating system's files. The only caller of `std::fs`.
//!
//! The contract is [`super::Disk`]'s. Linux is what it is written for: `fdatasync`, `flock`,
//! `fallocate` and `sync_file_range` behave as that system documents them.

use super::map::SystemMapping;
use super::{Disk, DiskFile, Mapping, syscalls};
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::{Errno, ReadWriteFlags};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

/// An open file of the operating system.
#[derive(Debug)]
struct SystemFile {
    file: Arc<File>,
}

// === impl SystemDisk ===

impl Disk for SystemDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(path);
        let file = match opened {
            Err(error) if !create && is_read_only(&error) => File::open(path)?,
            opened => opened?,
        };
        Ok(Arc::new(SystemFile {
            file: Arc::new(file),
        }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(Arc::new(SystemFile {
            file: Arc::new(file),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?
            .map(|entry| Ok(PathBuf::from(entry?.file_name())))
            .collect()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn fmt::Debug + Send + Sync>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        // The lock belongs to this opening of the file: closing it, or dying, gives it back.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<Option<u64>> {
        let system = rustix::fs::statvfs(path)?;
        Ok(Some(system.f_bavail.saturating_mul(system.f_frsize)))
    }

    fn boot_id(&self) -> io::Result<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(id.trim().to_owned())
    }
}

// === impl SystemFile ===

impl DiskFile for SystemFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn read_in_memory(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        if i64::try_from(offset).is_err() {
            return Ok(false); // one of these stands for where the file was read last
        }
        let len = buffer.len();
        let flags = ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(&*self.file, &mut [IoSliceMut::new(buffer)], offset, flags) {
            Ok(read) => Ok(read == len),
            // A file system, or a system, that cannot tell.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.read_exact_at(buffer, offset)?;
                Ok(true)
            }
            // Whoever reads as always hears what it is.
            Err(_) => Ok(false),
        }
    }

    fn read_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(len);
        while content.len() < len {
            let at = offset + content.len() as u64;
            match rustix::io::pread(&*self.file, spare_capacity(&mut content), at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        content.truncate(len); // there may have been more room than was asked for
        Ok(content)
    }

    fn write_all_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        if let [buffer] = buffers {
            return self.file.write_all_at(buffer, offset);
        }
        let mut buffers = buffers.to_vec();
        let (mut rest, mut offset) = (buffers.as_mut_slice(), offset);
        IoSlice::advance_slices(&mut rest, 0); // drops empty buffers in front
        while !rest.is_empty() {
            // It takes as many buffers as the system allows at once.
            match rustix::io::pwritev(&*self.file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        // Where the file system has no such call, the library's fallback would not tell of a disk
        // that is too full; nothing is promised then.
        match rustix::fs::fallocate(&*self.file, FallocateFlags::empty(), 0, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.set_len(len),
            outcome => Ok(outcome?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn start_writeback(&self, range: Range<u64>) -> io::Result<()> {
        match syscalls::start_writeback(&self.file, &range) {
            // File systems that have no early write-back: nothing was promised.
            Err(error) if is_not_offered(&error) => Ok(()),
            outcome => outcome,
        }
    }

    fn punch_hole(&self, range: Range<u64>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let len = range.end - range.start;
        match rustix::fs::fallocate(&*self.file, flags, range.start, len) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn drop_cached(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&*self.file, 0, None, Advice::DontNeed)?)
    }

    fn map(&self) -> io::Result<Option<Arc<dyn Mapping>>> {
        if self.is_empty()? {
            return Ok(None);
        }
        let mapping = SystemMapping::new(&self.file)?;
        Ok(Some(Arc::new(mapping)))
    }
}

/// Whether the system says that a file may not be written.
fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

/// Whether the system says that it does not have an operation for this file.
fn is_not_offered(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        code,
        Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::SPIPE | Errno::INVAL)
    )
}
