//! [`SystemMapping`]: a published blob file as memory.
//!
//! Why handing out its bytes is sound is written in [`super::syscalls`].

use super::{Mapping, syscalls};
use bytes::Bytes;
use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes read at once where the kernel cannot fill page tables by itself.
const READ_AHEAD: usize = 64 * 1024;

/// A mapped file, and the file itself for kernels that must be made to read it.
#[derive(Debug)]
pub(super) struct SystemMapping {
    map: Arc<Mmap>,
    file: Arc<File>,
    /// The same memory; every slice shares its reference count.
    content: Bytes,
}

/// Makes the mapping the owner of [`Bytes`].
struct Owner(Arc<Mmap>);

// === impl Owner ===

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

// === impl SystemMapping ===

impl SystemMapping {
    pub(super) fn new(file: &Arc<File>) -> io::Result<Self> {
        let map = Arc::new(syscalls::map(file)?);
        let content = Bytes::from_owner(Owner(Arc::clone(&map)));
        Ok(Self {
            map,
            file: Arc::clone(file),
            content,
        })
    }

    /// `range` as addresses, cut to what is mapped.
    fn clamp(&self, range: &Range<u64>) -> Range<usize> {
        let clamp = |at| usize::try_from(at).map_or(self.map.len(), |at| at.min(self.map.len()));
        clamp(range.start)..clamp(range.end)
    }

    /// Has the kernel read `range` into the page cache, by reading it.
    fn read_through(&self, range: Range<usize>) -> io::Result<()> {
        let mut buffer = vec![0; READ_AHEAD];
        let (mut at, end) = (range.start as u64, range.end as u64);
        while at < end {
            match self.file.read_at(&mut buffer, at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => at += count as u64,
            }
        }
        Ok(())
    }
}

impl Mapping for SystemMapping {
    fn is_resident(&self, range: Range<u64>) -> bool {
        let range = self.clamp(&range);
        // Not being able to tell is answered like absence: the caller then makes it resident.
        range.is_empty() || syscalls::is_resident(&self.map, &range).unwrap_or(false)
    }

    fn make_resident(&self, range: Range<u64>) -> io::Result<()> {
        let range = self.clamp(&range);
        if range.is_empty() {
            return Ok(());
        }
        match self
            .map
            .advise_range(Advice::PopulateRead, range.start, range.len())
        {
            // Kernels before 5.14 do not know the advice.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.read_through(range),
            outcome => outcome,
        }
    }

    fn slice(self: Arc<Self>, range: Range<u64>) -> Bytes {
        self.content.slice(self.clamp(&range))
    }
}
