//! [`Health`]: whether the medium failed in a way after which nothing may be written any more.
//!
//! Invariants:
//! 1. It only turns bad, and keeps the first reason: after a failed sync what the system has in
//!    memory and what the medium has may differ, so every later success would promise too much.
//! 2. Want of space is not that: the system said beforehand that it took nothing.

use crate::fault::StorageError;
use tokio::sync::watch;

/// Whether the medium failed (see the module's invariants).
#[derive(Debug)]
pub(crate) struct Health {
    failure: watch::Sender<Option<StorageError>>,
}

// === impl Health ===

impl Default for Health {
    fn default() -> Self {
        Self {
            failure: watch::Sender::new(None),
        }
    }
}

impl Health {
    /// Notes a failure of the medium; answers whether it is the first.
    pub(crate) fn fail(&self, error: &StorageError) -> bool {
        let reason = StorageError::Stopped(error.to_string());
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert(reason);
            is_first
        })
    }

    /// Refuses when nothing may be written any more.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits for the failure, and answers it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn failed(&self) -> StorageError {
        let mut failure = self.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        let failed = failed.map(|failure| failure.clone());
        failed.ok().flatten().unwrap_or(StorageError::Closed)
    }
}
