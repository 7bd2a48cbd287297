//! Where lines go and where they are read: [`Medium`] is the writer's half, [`Shelf`] the readers';
//! [`Memory`] is both for a log without a directory.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// Lines that are kept without a directory.
const KEPT: usize = 4096;

/// Bytes of lines written at once, unless a medium wants less.
pub(super) const CHUNK: usize = 64 * 1024;

/// Lines one after another, without their line feeds.
pub(super) type Lines = Box<dyn Iterator<Item = io::Result<Vec<u8>>>>;

/// What the writer writes to.
pub(super) trait Medium: Debug + Send + 'static {
    /// Appends whole lines with their line feeds, the first of which has the sequence `first`: all of
    /// them or, after an error, none. Readers see them when it returns.
    fn append(&mut self, first: u64, lines: &[u8]) -> io::Result<()>;

    /// Bytes of lines after which they are appended rather than more of them collected.
    fn chunk(&self) -> usize {
        CHUNK
    }

    /// Makes durable what was appended. After an error nobody knows what is.
    fn sync(&mut self) -> io::Result<()>;
}

/// What readers read. It consists of parts, each with some lines.
pub(super) trait Shelf: Debug + Send + Sync + 'static {
    /// The first sequences of all parts, ascending.
    fn parts(&self) -> io::Result<Vec<u64>>;

    /// The lines of a part, which may have been removed since ("not found").
    fn forwards(&self, first: u64) -> io::Result<Lines>;

    /// The same, the last one first.
    fn backwards(&self, first: u64) -> io::Result<Lines>;
}

/// The newest lines in memory, as one part.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The sequence of the oldest line.
    first: u64,
    lines: VecDeque<Vec<u8>>,
}

// === impl Memory ===

impl Memory {
    fn copy(&self, first: u64) -> io::Result<Vec<io::Result<Vec<u8>>>> {
        let kept = self.0.lock();
        if kept.first != first {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(kept.lines.iter().cloned().map(Ok).collect())
    }
}

impl Medium for Memory {
    fn append(&mut self, first: u64, lines: &[u8]) -> io::Result<()> {
        let mut kept = self.0.lock();
        if kept.lines.is_empty() {
            kept.first = first;
        }
        let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
        let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        kept.lines.extend(lines);
        while kept.lines.len() > KEPT {
            kept.lines.pop_front();
            kept.first += 1;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shelf for Memory {
    fn parts(&self) -> io::Result<Vec<u64>> {
        let kept = self.0.lock();
        let first = (!kept.lines.is_empty()).then_some(kept.first);
        Ok(first.into_iter().collect())
    }

    fn forwards(&self, first: u64) -> io::Result<Lines> {
        Ok(Box::new(self.copy(first)?.into_iter()))
    }

    fn backwards(&self, first: u64) -> io::Result<Lines> {
        Ok(Box::new(self.copy(first)?.into_iter().rev()))
    }
}
