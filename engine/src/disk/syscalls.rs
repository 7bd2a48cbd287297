//! The system calls that need `unsafe`: mapping a file, asking which of its pages are in memory,
//! and starting write-back. Beside `digest/lanes`, the only module of the engine that may use it.
//!
//! Why it is sound:
//! 1. A mapping is shared memory: it is sound to hand it out as `&[u8]` only while nobody changes
//!    the bytes or shortens the file. Only blob files are mapped, and only after they were
//!    published: from then on they are never written, cut or extended, by any code of this crate
//!    (`LocalStore` opens a published file for reading ranges and for nothing else); removing one
//!    unlinks the name and leaves the inode to the mapping.
//! 2. Somebody outside the process could still shorten the file, or the medium could fail: then a
//!    touched page is a SIGBUS. The bytes are therefore handed to the kernel only (a socket write
//!    answers EFAULT instead); user code reads with `pread`.
//! 3. `mincore` and `sync_file_range` take addresses and descriptors that the borrowed arguments
//!    keep alive for the length of the call, and write to memory this module owns.

#![expect(
    unsafe_code,
    reason = "system calls without a safe wrapper; the proof is in the module's head"
)]

use memmap2::Mmap;
use rustix::param::page_size;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Maps the whole of a file that is published and not empty (proof: 1 and 2).
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the file is published, so its bytes and its length do not change any more (1).
    unsafe { Mmap::map(file) }
}

/// Whether every page that holds a byte of `range` is in memory. `range` lies within `map`.
pub(super) fn is_resident(map: &Mmap, range: &Range<usize>) -> io::Result<bool> {
    let page = page_size();
    let start = range.start / page * page;
    let len = range.end.saturating_sub(start).min(map.len() - start);
    let mut pages = vec![0_u8; len.div_ceil(page)];
    let address = map.as_ptr().wrapping_add(start).cast_mut().cast();
    // SAFETY: `address` is page-aligned and `len` bytes from it lie within `map`, which is
    // borrowed; `pages` has one byte per page, which is what the call writes (3).
    let answer = unsafe { libc::mincore(address, len, pages.as_mut_ptr()) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(pages.iter().all(|page| page & 1 == 1))
}

/// Starts writing the dirty pages of `range` to the medium and does not wait for them.
pub(super) fn start_writeback(file: &File, range: &Range<u64>) -> io::Result<()> {
    let to_signed = |value| i64::try_from(value).map_err(io::Error::other);
    let (start, len) = (
        to_signed(range.start)?,
        to_signed(range.end.saturating_sub(range.start))?,
    );
    // SAFETY: the descriptor is open for the length of the call because `file` is borrowed (3).
    let answer =
        unsafe { libc::sync_file_range(file.as_raw_fd(), start, len, libc::SYNC_FILE_RANGE_WRITE) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
