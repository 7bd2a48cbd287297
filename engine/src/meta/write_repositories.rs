//! Transactions on whole repositories: create, delete.

use super::commit::Request;
use super::lookup;
use super::records::NameRecord;
use super::rows::Rows;
use super::tables::Table;
use super::transaction::Transaction;
use super::write_trash;
use crate::fault::StorageError;
use crate::name::RepositoryName;
use crate::repository::RepositoryError;

/// Makes a repository exist while it is empty. Answers whether it did not exist.
#[derive(Debug, Clone)]
pub(super) struct CreateRepository(pub(super) RepositoryName);

/// Deletes a repository with everything in it; it can be restored for the undo period.
#[derive(Debug, Clone)]
pub(super) struct DeleteRepository(pub(super) RepositoryName);

// === requests ===

impl Request for CreateRepository {
    type Answer = bool;
    type Refusal = StorageError;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<bool, StorageError> {
        let key = self.0.as_str().as_bytes();
        let existed = match transaction.record::<NameRecord>(Table::RepositoryNames, key)? {
            Some(record) => lookup::exists(transaction, &record)?,
            None => false,
        };
        let id = transaction.repository(&self.0)?;
        transaction.put(
            Table::RepositoryNames,
            key,
            &NameRecord { id, declared: true },
        )?;
        Ok(!existed)
    }
}

impl Request for DeleteRepository {
    type Answer = ();
    type Refusal = RepositoryError;
    const GIVES_BACK: bool = true;

    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), RepositoryError> {
        let key = self.0.as_str().as_bytes();
        let record = transaction.record::<NameRecord>(Table::RepositoryNames, key)?;
        let exists = match &record {
            Some(record) => lookup::exists(transaction, record)?,
            None => false,
        };
        let Some(record) = record.filter(|_| exists) else {
            return Err(RepositoryError::Unknown(self.0));
        };
        write_trash::delete_repository(transaction, self.0, &record)?;
        Ok(())
    }
}
