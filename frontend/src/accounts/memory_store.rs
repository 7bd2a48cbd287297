//! [`MemoryAccountStore`]: accounts that end with the process, for tests and for programs that make
//! them anew at every start.

use super::store::{AccountStore, AccountStoreError, Change, Rows};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// Accounts in memory.
#[derive(Debug, Default)]
pub struct MemoryAccountStore(Mutex<Rows>);

// === impl MemoryAccountStore ===

impl AccountStore for MemoryAccountStore {
    fn revision(&self) -> BoxFuture<'_, Result<u64, AccountStoreError>> {
        async { Ok(self.0.lock().revision) }.boxed()
    }

    fn load(&self) -> BoxFuture<'_, Result<Rows, AccountStoreError>> {
        async { Ok(self.0.lock().clone()) }.boxed()
    }

    fn commit(
        &self,
        base: u64,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<(), AccountStoreError>> {
        async move {
            let mut rows = self.0.lock();
            if rows.revision != base {
                return Err(AccountStoreError::Outdated {
                    expected: base,
                    found: rows.revision,
                });
            }
            *rows = std::mem::take(&mut *rows).with(&changes);
            Ok(())
        }
        .boxed()
    }
}
