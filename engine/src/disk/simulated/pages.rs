//! [`Pages`]: a file's bytes, of which a copy costs a reference per page.
//!
//! Invariant: bytes behind the length are zero, so that a longer length shows zeros.

use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a page.
const PAGE: usize = 4096;

/// The bytes of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages {
    /// `None`: zeros.
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    len: usize,
}

// === impl Pages ===

impl Pages {
    /// No bytes.
    pub(super) const EMPTY: Self = Self {
        pages: Vec::new(),
        len: 0,
    };

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.saturating_add(buffer.len());
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = buffer;
        for (index, within) in split(start..end) {
            let (part, behind) = rest.split_at_mut(within.len());
            match &self.pages[index] {
                Some(page) => part.copy_from_slice(&page[within]),
                None => part.fill(0),
            }
            rest = behind;
        }
        Ok(())
    }

    /// Writes, and makes the file as long as that needs.
    pub(super) fn write(&mut self, content: &[u8], start: usize) {
        let end = start + content.len();
        if end > self.len && !content.is_empty() {
            self.set_len(end);
        }
        let mut rest = content;
        for (index, within) in split(start..end) {
            let (part, behind) = rest.split_at(within.len());
            let page = self.pages[index].get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[within].copy_from_slice(part);
            rest = behind;
        }
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let before = std::mem::replace(&mut self.len, len);
        if len < before {
            self.zero(len..len.next_multiple_of(PAGE).min(before));
        }
        self.pages.resize(len.div_ceil(PAGE), None);
    }

    /// Makes a range read as zeros; the length stays.
    pub(super) fn zero(&mut self, range: Range<usize>) {
        for (index, within) in split(range) {
            match self.pages.get_mut(index) {
                Some(page) if within.len() == PAGE => *page = None,
                Some(Some(page)) => Arc::make_mut(page)[within].fill(0),
                Some(None) | None => {}
            }
        }
    }
}

/// The pages of a range, and which part of each.
fn split(range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let left = range.end.checked_sub(at).filter(|&left| left > 0)?;
        let begin = at % PAGE;
        let len = left.min(PAGE - begin);
        let part = (at / PAGE, begin..begin + len);
        at += len;
        Some(part)
    })
}
