//! Bringing the file of a store to this version's format.

use super::FORMAT_VERSION;
use super::codec::Record as _;
use super::opening::FORMAT;
use super::records::Totals;
use super::rows::{Snapshot, failed};
use super::tables::Table;
use super::transaction::STATE;
use super::trees::{Arrangement, Trees};
use crate::fault::StorageError;
use redb::ReadableTable as _;

/// Formats 1 and 2 had a tree for each table, and counted no rows: moves all rows to where they lie
/// now. Durable on return, and all or nothing. Takes minutes for millions of blobs, and as much space
/// as the rows have. Blocks.
pub(super) fn share_trees(redb: &redb::Database) -> Result<(), StorageError> {
    tracing::info!("the metadata is brought to format {FORMAT_VERSION}: this may take minutes");
    let old = Snapshot::of(redb, Arrangement::Apart)?;
    let mut state = old.state()?;
    state.totals = Totals {
        blobs: old.len(Table::Blobs)?,
        manifests: old.len(Table::Manifests)?,
        ..state.totals
    };
    drop(old);
    let mut writer = redb.begin_write().map_err(|error| failed(&error.into()))?;
    writer.set_quick_repair(true);
    let mut trees = Trees::open(&writer, Arrangement::Shared).map_err(|error| failed(&error))?;
    for table in Table::ALL {
        if Arrangement::Shared.tree(table).is_shared() {
            move_rows(&writer, table, &mut trees).map_err(|error| failed(&error))?;
        }
    }
    let format = u64::from(FORMAT_VERSION);
    for (key, payload) in [(STATE, state.to_payload()), (FORMAT, format.to_payload())] {
        let sealed = Table::Settings.seal(key, &payload);
        let put = trees.put(Table::Settings, key, &sealed);
        put.map_err(|error| failed(&error))?;
    }
    drop(trees);
    writer.commit().map_err(|error| failed(&error.into()))
}

/// Moves the rows of a table as they are, the damaged ones too, and removes its old tree.
fn move_rows(
    writer: &redb::WriteTransaction,
    table: Table,
    trees: &mut Trees<'_>,
) -> Result<(), redb::Error> {
    let old = Arrangement::Apart.tree(table).definition();
    {
        let rows = writer.open_table(old)?;
        for row in rows.iter()? {
            let (key, value) = row?;
            trees.put(table, key.value(), value.value())?;
        }
    }
    writer.delete_table(old)?;
    Ok(())
}
