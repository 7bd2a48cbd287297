//! Which tree of the redb file a table's rows lie in, and under which key.
//!
//! Most tables have a tree of their own. Tables whose rows are read and changed together share one:
//! there a mark of the table follows the row's key, so all rows about one blob, or one manifest, lie
//! side by side. A change of them takes one page and not one of every table, which is what a commit in
//! a large store costs. Only tables that have about as many rows share a tree, since who goes through
//! one passes the rows of the others; and none with long values, since a change beside one writes it anew.
//!
//! Invariants:
//! 1. In a table that shares its tree no key begins another one. So the rows of a table lie in the
//!    order of their keys, and what stands between them are rows about the same things.
//! 2. A key that ends with no mark of its tree's tables was never put there: a stray. Who walks over the
//!    whole tree finds it as a row of the first table, under all of its bytes; who asks about one thing
//!    as a damaged row of the table whose checksum it has. One flipped bit of a mark makes it none.

use super::tables::Table;
use crate::digest::Digest;
use crate::fault::Corruption;
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};
use smallvec::SmallVec;
use std::ops::Deref;

/// How the tables are put into trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrangement {
    /// Each in its own: formats 1 and 2.
    Apart,
    /// Some share one.
    Shared,
}

/// A tree, by the first of its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tree {
    arrangement: Arrangement,
    first: Table,
}

/// Keys and sealed values of a tree, to be changed.
pub(super) type RawTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// The key of a row in its tree.
#[derive(Debug)]
pub(super) enum StoredKey<'k> {
    Same(&'k [u8]),
    /// Room for an edge of two SHA-256 digests.
    Marked(SmallVec<[u8; 96]>),
}

/// All trees of a file, to be changed.
pub(super) struct Trees<'t> {
    writer: &'t WriteTransaction,
    arrangement: Arrangement,
    open: Vec<RawTable<'t>>,
    /// The place in `open` of every table's tree.
    places: [usize; Table::ALL.len()],
}

/// What is wrong with a row that was never put there.
pub(super) const STRAY: &str = "its key is of no table";

/// Whether that is what is wrong with a row of a scan.
pub(super) fn is_stray(payload: &Result<&[u8], Corruption>) -> bool {
    matches!(payload, Err(Corruption::Record { why, .. }) if *why == STRAY)
}

/// The bit of a mark that makes the number of its set bits even.
const PARITY: u8 = 1 << 7;

/// What a tree is called while it is written anew.
const IN_ORDER: TableDefinition<'static, &'static [u8], &'static [u8]> =
    TableDefinition::new("in-order");

/// What was under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    Row,
    /// What was never put there.
    Stray,
    Nothing,
}

// === impl Arrangement ===

impl Arrangement {
    /// The first format whose tables share trees.
    const SHARED_FORMAT: u64 = 3;

    pub(super) const fn of_format(format: u64) -> Self {
        if format < Self::SHARED_FORMAT {
            Self::Apart
        } else {
            Self::Shared
        }
    }

    /// The tree of a table.
    pub(super) const fn tree(self, table: Table) -> Tree {
        let first = match (self, table) {
            (Self::Shared, Table::Holders) => Table::Blobs,
            (Self::Shared, Table::Edges | Table::Counts) => Table::BlobLinks,
            (Self::Shared, Table::ManifestLinks) => Table::Manifests,
            (_, alone) => alone,
        };
        Tree {
            arrangement: self,
            first,
        }
    }

    /// Every tree, once.
    pub(super) fn trees(self) -> impl Iterator<Item = Tree> {
        let tables = Table::ALL.into_iter();
        tables.filter_map(move |table| {
            let tree = self.tree(table);
            (tree.first == table).then_some(tree)
        })
    }
}

// === impl Tree ===

impl Tree {
    /// Its position among as many places as there are tables.
    pub(super) const fn index(self) -> usize {
        self.first.index()
    }

    /// How redb knows it.
    pub(super) const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }

    /// Its name in the file. What is arranged in two ways has two names.
    const fn name(self) -> &'static str {
        match (self.arrangement, self.first) {
            (Arrangement::Shared, Table::Blobs) => "stored-blobs",
            (Arrangement::Shared, Table::BlobLinks) => "repository-blobs",
            (Arrangement::Shared, Table::Manifests) => "repository-manifests",
            (_, table) => table.name(),
        }
    }

    /// Whether several tables have their rows in it.
    pub(super) const fn is_shared(self) -> bool {
        use Table::{BlobLinks, Blobs, Manifests};
        matches!(self.arrangement, Arrangement::Shared)
            && matches!(self.first, Blobs | BlobLinks | Manifests)
    }

    /// Under which key a row of one of its tables lies.
    pub(super) fn key(self, table: Table, key: &[u8]) -> StoredKey<'_> {
        if !self.is_shared() {
            return StoredKey::Same(key);
        }
        let mut marked = SmallVec::from_slice(key);
        marked.push(self.mark(table));
        StoredKey::Marked(marked)
    }

    /// The table of the row under a key of it, and the row's key there; without a table, it was never
    /// put there.
    pub(super) fn row(self, key: &[u8]) -> (Option<Table>, &[u8]) {
        match key.split_last() {
            Some((&mark, row)) if self.is_shared() => match self.marked(mark) {
                Some(table) => (Some(table), row),
                None => (None, key),
            },
            _ if self.is_shared() => (None, key),
            _ => (Some(self.first), key),
        }
    }

    /// The first of its tables: what was never put there counts as a row of it.
    pub(super) const fn first(self) -> Table {
        self.first
    }

    /// Whether a stray may lie under a key of its first table.
    fn may_be_stray(self, table: Table, key: &[u8]) -> bool {
        self.is_shared() && table == self.first && !self.is_key(key) && self.row(key).0.is_none()
    }

    /// Whether a row of its first table has such a key.
    fn is_key(self, key: &[u8]) -> bool {
        let digest = match self.first {
            Table::Blobs => Some(key),
            _ => key.get(8..),
        };
        matches!(digest.map(Digest::split_key), Some(Some((_, []))))
    }

    /// The table that a stray is of by its checksum, and its key there.
    pub(super) fn owner<'k>(self, key: &'k [u8], value: &[u8]) -> Option<(Table, &'k [u8])> {
        let (_, row) = key.split_last()?;
        let owner = |table: &Table| table.unseal(row, value).is_ok();
        self.tables().find(owner).map(|table| (table, row))
    }

    /// Whether it has what is read before anything can be repaired.
    pub(super) fn is_fixed(self) -> bool {
        self.first == Table::Settings
    }

    /// Its tables in words.
    pub(crate) fn place(self) -> String {
        let names: Vec<_> = self.tables().map(Table::name).collect();
        match &names[..] {
            [name] => format!("table {name}"),
            names => format!("tables {}", names.join(", ")),
        }
    }

    /// Its tables.
    pub(super) fn tables(self) -> impl Iterator<Item = Table> {
        let tables = Table::ALL.into_iter().skip(self.first.index());
        tables.filter(move |&table| self.arrangement.tree(table) == self)
    }

    /// The one of its tables that has this mark.
    fn marked(self, mark: u8) -> Option<Table> {
        let table = match mark & !PARITY {
            0 => self.first,
            number => *Table::ALL.get(usize::from(number) - 1)?,
        };
        let is_it = self.arrangement.tree(table) == self && self.mark(table) == mark;
        is_it.then_some(table)
    }

    /// What follows the keys of one of its tables. Zero for the first, whose row so lies before all others
    /// about the same; else the number of the table, with its parity.
    const fn mark(self, table: Table) -> u8 {
        let number = table as u8;
        if number == self.first as u8 {
            return 0;
        }
        let is_odd = number.count_ones() & 1 == 1;
        if is_odd { number | PARITY } else { number }
    }
}

// === impl StoredKey ===

impl Deref for StoredKey<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Same(key) => key,
            Self::Marked(key) => key,
        }
    }
}

// === impl Trees ===

impl<'t> Trees<'t> {
    /// Opens all, and makes those that are not there.
    pub(super) fn open(
        writer: &'t WriteTransaction,
        arrangement: Arrangement,
    ) -> Result<Self, redb::Error> {
        let mut trees = Self {
            writer,
            arrangement,
            open: Vec::new(),
            places: [0; Table::ALL.len()],
        };
        for tree in arrangement.trees() {
            trees.places[tree.index()] = trees.open.len();
            trees.open.push(writer.open_table(tree.definition())?);
        }
        for table in Table::ALL {
            trees.places[table.index()] = trees.places[arrangement.tree(table).index()];
        }
        Ok(trees)
    }

    /// The tree of a table, and what is in it.
    pub(super) fn of(&self, table: Table) -> (Tree, &RawTable<'t>) {
        let tree = self.arrangement.tree(table);
        (tree, &self.open[self.places[table.index()]])
    }

    fn of_mut(&mut self, table: Table) -> (Tree, &mut RawTable<'t>) {
        let tree = self.arrangement.tree(table);
        (tree, &mut self.open[self.places[table.index()]])
    }

    /// Puts a row; answers whether there was none under its key.
    pub(super) fn put(
        &mut self,
        table: Table,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<bool, redb::Error> {
        let (tree, rows) = self.of_mut(table);
        let replaced = rows.insert(&*tree.key(table, key), sealed)?;
        Ok(replaced.is_none())
    }

    /// The value of the stray under a key that its tree's first table has for it.
    pub(super) fn stray(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, redb::Error> {
        let (tree, rows) = self.of(table);
        if !tree.may_be_stray(table, key) {
            return Ok(None);
        }
        Ok(rows.get(key)?.map(|value| value.value().to_vec()))
    }

    /// Puts all rows of a tree into the order of their keys. Of several under the same key the one stays
    /// that looking finds: what was answered so far is answered on.
    pub(super) fn write_anew(&mut self, tree: Tree) -> Result<(), redb::Error> {
        let place = self.places[tree.index()];
        let mut in_order = self.writer.open_table(IN_ORDER)?;
        let rows = &self.open[place];
        for row in rows.iter()? {
            let (key, value) = row?;
            let found = rows.get(key.value())?;
            let value = found.as_ref().unwrap_or(&value);
            in_order.insert(key.value(), value.value())?;
        }
        drop(in_order);
        // No tree can be removed or named while it is open.
        drop(self.open.swap_remove(place));
        self.writer.delete_table(tree.definition())?;
        self.writer.rename_table(IN_ORDER, tree.definition())?;
        self.open.push(self.writer.open_table(tree.definition())?);
        let last = self.open.len() - 1;
        self.open.swap(place, last);
        Ok(())
    }

    /// Removes a row, or what was never put there; answers what was.
    pub(super) fn remove(&mut self, table: Table, key: &[u8]) -> Result<Removed, redb::Error> {
        let (tree, rows) = self.of_mut(table);
        if rows.remove(&*tree.key(table, key))?.is_some() {
            return Ok(Removed::Row);
        }
        if tree.may_be_stray(table, key) && rows.remove(key)?.is_some() {
            return Ok(Removed::Stray);
        }
        Ok(Removed::Nothing)
    }
}

impl Drop for Trees<'_> {
    /// redb holds a lock while it looks for a tree. A panic there, on a damaged page, poisons that, and each
    /// tree that is closed then would panic within the panic, which ends the process: they stay open.
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(std::mem::take(&mut self.open));
        }
    }
}

#[cfg(test)]
impl<'t> Trees<'t> {
    /// What is stored where a table's rows are, for tests that damage it.
    pub(super) fn tree_of(&mut self, table: Table) -> &mut RawTable<'t> {
        self.of_mut(table).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_where_its_table_puts_it_and_in_no_other_table() {
        let both = [Arrangement::Apart, Arrangement::Shared];
        for (arrangement, table) in both.into_iter().flat_map(|it| Table::ALL.map(|t| (it, t))) {
            let tree = arrangement.tree(table);
            for key in [&b""[..], b"a", &[tree.mark(table)], &[0xff; 80]] {
                let stored = tree.key(table, key);
                assert_eq!(tree.row(&stored), (Some(table), key));
                assert!(!tree.may_be_stray(table, &stored));
            }
        }
    }

    #[test]
    fn every_tree_has_a_name_of_its_own_and_the_settings_have_theirs_in_all() {
        let trees: Vec<_> = [Arrangement::Apart, Arrangement::Shared]
            .into_iter()
            .flat_map(Arrangement::trees)
            .collect();
        for tree in &trees {
            let same = |other: &&Tree| other.name() == tree.name();
            let others = trees.iter().filter(same);
            assert!(others.into_iter().all(|other| other.first == tree.first));
            assert_eq!(tree.is_shared(), tree.name() != tree.first.name());
        }
    }

    #[test]
    fn one_flipped_bit_makes_a_row_one_of_no_other_table() {
        for table in Table::ALL {
            let tree = Arrangement::Shared.tree(table);
            if !tree.is_shared() {
                continue;
            }
            for bit in 0..8 {
                let key = [7, tree.mark(table) ^ 1 << bit];
                assert_eq!(tree.row(&key), (None, &key[..]), "{table:?}, bit {bit}");
            }
        }
    }
}
