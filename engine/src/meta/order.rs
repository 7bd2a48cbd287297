//! The order of the rows in a tree, on which it rests that looking finds them.
//!
//! One flipped bit of a key, a row's or one of redb's own, puts rows out of it: these, and rows beside
//! them, are found by walking and not by looking. Then every "there is none" is in doubt, and so is
//! what a repair concludes from it. So a check looks up all rows it walks over before it compares any,
//! and a repair first writes a tree anew in which one was not found.

use super::Metadata;
use super::commit::Request;
use super::rows::{Snapshot, failed};
use super::transaction::Transaction;
use super::trees::{Arrangement, Tree};
use crate::fault::StorageError;
use redb::ReadableTable as _;

/// What looking up all rows of a tree showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) rows: u64,
    /// Rows that were not found.
    pub(crate) unreachable: u64,
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

fn order_of(
    snapshot: &Snapshot,
    tree: Tree,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Order>, StorageError> {
    let (mut rows, mut unreachable) = (0, 0);
    let open = snapshot.tree(tree)?;
    for row in open.iter().map_err(|error| failed(&error.into()))? {
        if is_wanted() {
            return Ok(None);
        }
        let (key, _) = row.map_err(|error| failed(&error.into()))?;
        let found = open.get(key.value());
        let is_found = found.map_err(|error| failed(&error.into()))?.is_some();
        rows += 1;
        unreachable += u64::from(!is_found);
    }
    Ok(Some(Order { rows, unreachable }))
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
