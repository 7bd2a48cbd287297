//! The order of the rows in a tree, on which it rests that looking finds them.
//!
//! One flipped bit of a key, a row's or one of redb's own, puts rows out of it: these, and rows beside
//! them, are found by walking and not by looking. Then every "there is none" is in doubt, and so is
//! what a repair concludes from it. So a check looks up all rows it walks over before it compares any,
//! and a repair first writes a tree anew in which one was not found, unless the walk itself is in doubt.

use super::Metadata;
use super::commit::Request;
use super::rows::{Snapshot, failed};
use super::transaction::Transaction;
use super::trees::{Arrangement, Tree};
use crate::fault::StorageError;
use redb::{ReadableTable as _, ReadableTableMetadata as _};
use std::fmt;

/// What looking up all rows of a tree showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Order {
    /// Rows that were walked over.
    rows: u64,
    /// Those of them that looking does not find, or finds another of the same key for.
    misplaced: u64,
    /// Rows that the tree says it has.
    counted: u64,
    is_fixed: bool,
}

/// Puts all rows of a tree into the order of their keys.
#[derive(Debug, Clone)]
struct WriteAnew(Tree);

// === impl Metadata ===

impl Metadata {
    /// All trees of rows.
    pub(crate) fn trees() -> impl Iterator<Item = Tree> {
        Arrangement::Shared.trees()
    }

    /// Looks up all rows of a tree in one snapshot; `None` when that was wanted back before the end.
    /// Blocks for as long as a walk over them takes.
    pub(crate) fn order_of(&self, tree: Tree) -> Result<Option<Order>, StorageError> {
        let is_wanted = || self.database.is_snapshot_wanted();
        self.database
            .read(|snapshot| order_of(snapshot, tree, &is_wanted))
    }

    /// Writes a tree anew. Durable on return, and all or nothing. Takes seconds for millions of rows,
    /// in which nothing else is written, and as much space as they have.
    pub(crate) async fn write_anew(&self, tree: Tree) -> Result<(), StorageError> {
        self.ask(WriteAnew(tree)).await
    }
}

pub(super) fn order_of(
    snapshot: &Snapshot,
    tree: Tree,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Order>, StorageError> {
    let open = snapshot.tree(tree)?;
    let counted = open.len().map_err(|error| failed(&error.into()))?;
    let mut order = Order {
        counted,
        is_fixed: tree.is_fixed(),
        ..Order::default()
    };
    let mut last: Option<Vec<u8>> = None;
    for row in open.iter().map_err(|error| failed(&error.into()))? {
        if is_wanted() {
            return Ok(None);
        }
        let (key, value) = row.map_err(|error| failed(&error.into()))?;
        let (key, value) = (key.value(), value.value());
        let found = open.get(key).map_err(|error| failed(&error.into()))?;
        let is_found = found.is_some_and(|found| found.value() == value);
        let is_behind = last.as_deref().is_none_or(|last| last < key);
        order.rows += 1;
        order.misplaced += u64::from(!is_found || !is_behind);
        let kept = last.get_or_insert_default();
        kept.clear();
        kept.extend_from_slice(key);
    }
    Ok(Some(order))
}

// === impl Order ===

impl Order {
    /// Whether all rows are found where they are, as many as there should be.
    pub(crate) fn is_kept(self) -> bool {
        self.misplaced == 0 && self.rows == self.counted
    }

    /// Whether the rows that were walked over are those that were put: a page that another tree has, or
    /// one that lost rows, must not be taken for the tree's. What the settings say was in use already.
    pub(crate) fn can_be_restored(self) -> bool {
        self.rows == self.counted && !self.is_fixed
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            misplaced,
            counted,
            ..
        } = self;
        if rows == counted {
            return write!(
                f,
                "{misplaced} of {rows} rows are not found under their keys"
            );
        }
        write!(f, "{rows} rows are found where {counted} should be")
    }
}

// === impl WriteAnew ===

impl Request for WriteAnew {
    type Answer = ();
    type Refusal = StorageError;

    fn is_barrier(&self) -> bool {
        true
    }

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), StorageError> {
        transaction.write_anew(self.0)
    }
}
