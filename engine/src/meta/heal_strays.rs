//! Mending rows whose mark was damaged, so that they are of no table of their tree (see `trees`).

use super::derive::{Derived, derive};
use super::heal::Mended;
use super::rows::{Found, Rows as _, failed};
use super::tables::Table;
use super::transaction::Transaction;
use super::trees::Arrangement;
use crate::fault::StorageError;

impl Transaction<'_> {
    /// Removes the stray under a key, and puts it back as the row it was if that is still wanted and was not
    /// written anew. `None` if there is none.
    pub(super) fn mend_stray(
        &mut self,
        first: Table,
        key: &[u8],
    ) -> Result<Option<Mended>, StorageError> {
        let stray = self.stored().stray(first, key);
        let Some(value) = stray.map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        self.remove(first, key)?;
        let Some((table, row)) = Arrangement::Shared.tree(first).owner(key, &value) else {
            return Ok(Some(Mended::Removed));
        };
        // It was counted when it was put.
        self.count(table, -1);
        let is_wanted = self.found(table, row)? == Found::Absent && self.is_wanted(table, row)?;
        if is_wanted {
            self.put_sealed(table, row, &value)?;
        }
        // Others may have changed while it was out of sight.
        self.mend(table, row)?;
        Ok(Some(if is_wanted {
            Mended::Rewritten
        } else {
            Mended::Removed
        }))
    }

    /// Whether a row that is not there follows from no other, and others need it.
    fn is_wanted(&self, table: Table, row: &[u8]) -> Result<bool, StorageError> {
        let is_primary = derive(self, table, row)? == Derived::Primary;
        Ok(match table {
            // A deleted manifest has the same holders.
            Table::Manifests => {
                is_primary
                    && self.found(Table::Trash, row)? == Found::Absent
                    && self.found(Table::ManifestLinks, row)? != Found::Absent
            }
            _ => is_primary,
        })
    }
}
