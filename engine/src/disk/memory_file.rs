//! What a file of a [`MemoryDisk`](super::MemoryDisk) holds, and the space it takes.
//!
//! Invariants:
//! 1. Every page in `holes` lies whole within `content` and reads as zeros.
//! 2. What a failed sync left undone no later one makes up for, unless it was written again: the
//!    system takes those pages for clean.

use std::collections::BTreeSet;
use std::ops::Range;

/// The unit in which space is left out.
const PAGE: usize = 4096;

/// One file (see the module's invariant).
#[derive(Debug, Default)]
pub(super) struct FileState {
    pub(super) content: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// Whole pages that take no space: never written, or punched out.
    holes: BTreeSet<usize>,
    /// After a failed sync: the pages that were written since.
    rewritten: Option<BTreeSet<usize>>,
}

// === impl FileState ===

impl FileState {
    /// What is found after a power cut.
    pub(super) fn after_power_cut(&self) -> Self {
        Self {
            content: self.durable.clone(),
            durable: self.durable.clone(),
            ..Self::default()
        }
    }

    /// A sync that succeeds.
    pub(super) fn sync(&mut self) {
        let Some(rewritten) = &mut self.rewritten else {
            self.durable.clone_from(&self.content);
            return;
        };
        resize(&mut self.durable, self.content.len());
        for page in std::mem::take(rewritten) {
            let range = page * PAGE..self.content.len().min((page + 1) * PAGE);
            self.durable[range.clone()].copy_from_slice(&self.content[range]);
        }
    }

    /// A sync that fails.
    pub(super) fn fail_sync(&mut self) {
        self.rewritten = Some(BTreeSet::new());
    }

    /// Bytes of space it takes.
    pub(super) fn used(&self) -> u64 {
        (self.content.len() - self.holes.len() * PAGE) as u64
    }

    /// Bytes of space that writing `range` takes beyond that.
    pub(super) fn needed(&self, range: &Range<usize>) -> u64 {
        let beyond = range
            .end
            .saturating_sub(self.content.len().max(range.start));
        let filled = self
            .holes
            .range(range.start / PAGE..range.end.div_ceil(PAGE));
        (beyond + filled.count() * PAGE) as u64
    }

    /// Makes room for `range` in it.
    pub(super) fn fill(&mut self, range: Range<usize>) {
        self.extend(range.end);
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        self.holes.retain(|page| !pages.contains(page));
        if let Some(rewritten) = &mut self.rewritten {
            rewritten.extend(pages);
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.extend(len);
        self.content.truncate(len);
        self.holes.retain(|page| (page + 1) * PAGE <= len);
        if let Some(rewritten) = &mut self.rewritten {
            rewritten.retain(|page| page * PAGE < len);
        }
    }

    /// Gives the whole pages of `range` back; all of it reads as zeros.
    pub(super) fn punch(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        self.holes
            .extend(range.start.div_ceil(PAGE)..range.end / PAGE);
        self.content[range].fill(0);
    }

    /// Forgets what memory has and the medium does not, but for what waits to be written.
    pub(super) fn drop_cached(&mut self) {
        let Some(rewritten) = self.rewritten.take() else {
            return;
        };
        let before = std::mem::take(&mut self.content);
        self.content.clone_from(&self.durable);
        resize(&mut self.content, before.len());
        for page in rewritten {
            let range = page * PAGE..before.len().min((page + 1) * PAGE);
            self.content[range.clone()].copy_from_slice(&before[range]);
        }
        self.holes.clear();
    }

    /// Makes it `len` bytes long if it is shorter; whole new pages take no space.
    fn extend(&mut self, len: usize) {
        let end = self.content.len();
        if len > end {
            resize(&mut self.content, len);
            self.holes.extend(end.div_ceil(PAGE)..len / PAGE);
        }
    }
}

/// As [`Vec::resize`] with zeros, which goes byte by byte where nothing is optimized.
fn resize(bytes: &mut Vec<u8>, len: usize) {
    bytes.truncate(len);
    bytes.append(&mut vec![0; len - bytes.len()]);
}
