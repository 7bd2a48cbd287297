//! Names of which not all are wanted: repositories and tags, read in a bounded number of rows.
//!
//! Invariant: a search that stopped says behind which name it goes on, and no name is passed over or
//! comes twice, whatever was deleted meanwhile.

use super::records::NameRecord;
use super::rows::{Rows, Scan};
use super::tables::Table;
use super::{Metadata, keys, lookup, usage};
use crate::fault::StorageError;
use crate::name::RepositoryName;
use crate::page::{Page, Part};
use crate::policy::Pattern;

/// How many rows one search reads at most.
pub(super) const READ: usize = 10_000;

/// Which names are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'w> {
    /// All of them.
    All,
    /// Those in which this stands.
    Containing(&'w str),
    /// Those that a pattern matches.
    Matching(&'w Pattern),
}

/// A part of a listing in the making.
#[derive(Debug)]
pub(super) struct Search<T> {
    items: Vec<T>,
    limit: usize,
    read: usize,
    last: String,
    is_cut: bool,
}

// === impl Wanted ===

impl Wanted<'_> {
    pub(super) fn has(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Containing(text) => name.contains(text),
            Self::Matching(pattern) => pattern.matches(name),
        }
    }

    /// What every wanted name begins with.
    fn beginning(&self) -> &str {
        match self {
            Self::All | Self::Containing(_) => "",
            Self::Matching(pattern) => pattern.beginning(),
        }
    }
}

// === impl Search ===

impl<T> Search<T> {
    pub(super) fn new(page: &Page<String>) -> Self {
        Self {
            items: Vec::new(),
            limit: page.limit,
            read: 0,
            last: page.after.clone().unwrap_or_default(),
            is_cut: false,
        }
    }

    /// Whether the next row is looked at, which has this name.
    pub(super) fn goes_on(&mut self, name: &str) -> bool {
        self.is_cut = self.items.len() == self.limit || self.read == READ;
        if !self.is_cut {
            self.read += 1;
            name.clone_into(&mut self.last);
        }
        !self.is_cut
    }

    pub(super) fn push(&mut self, item: T) {
        self.items.push(item);
    }
}

impl<T> From<Search<T>> for Part<T> {
    fn from(search: Search<T>) -> Self {
        Self {
            items: search.items,
            next: search.is_cut.then_some(search.last),
        }
    }
}

// === impl Metadata ===

impl Metadata {
    /// A page of those repositories that are wanted.
    pub(crate) fn repositories_wanted(
        &self,
        wanted: Wanted<'_>,
        page: &Page<String>,
    ) -> Result<Part<RepositoryName>, StorageError> {
        self.database.read(|rows| repositories(rows, wanted, page))
    }

    /// How many bytes the repositories of a pattern hold: see `Engine::held_bytes`. Blocks in
    /// proportion to that.
    pub(crate) fn held_bytes(&self, pattern: &Pattern) -> Result<u64, StorageError> {
        let (mut bytes, mut after) = (0_u64, None);
        loop {
            let page = Page { after, limit: 1000 };
            let part = self.repositories_wanted(Wanted::Matching(pattern), &page)?;
            for name in part.items {
                // A read of its own: no view of the store is held for longer than one repository
                // takes.
                let held = self.database.read(|rows| usage::held_bytes(rows, &name))?;
                bytes = bytes.saturating_add(held);
            }
            after = part.next;
            if after.is_none() {
                return Ok(bytes);
            }
        }
    }
}

fn repositories(
    rows: &impl Rows,
    wanted: Wanted<'_>,
    page: &Page<String>,
) -> Result<Part<RepositoryName>, StorageError> {
    const TABLE: Table = Table::RepositoryNames;
    let after = page.after.as_deref().map(str::as_bytes);
    let beginning = wanted.beginning().as_bytes();
    let mut search = Search::new(page);
    rows.scan(TABLE, beginning, after, &mut |key, payload| {
        use super::codec::Record as _;
        let name: RepositoryName = keys::last_text(TABLE, key)?;
        if !search.goes_on(name.as_str()) {
            return Ok(Scan::Stop);
        }
        let record = NameRecord::from_payload(TABLE, payload)?;
        if wanted.has(name.as_str()) && lookup::exists(rows, &record)? {
            search.push(name);
        }
        Ok(Scan::Next)
    })?;
    Ok(search.into())
}
