//! [`Holds`]: what keeps the collector from freeing bytes while somebody copies them.
//!
//! Invariant: between the moment [`Holds::hold`] answered and the drop of what it answered, no bytes
//! of a place that a record named at that moment are removed or overwritten. Records may go; their
//! places wait in the queue, which is durable: a process that dies leaves no hold and no debt.
//!
//! Files that never were anybody's (uploads that are cancelled) are not concerned.
//!
//! The right to free is asked for batch by batch and never waited for: a backup may take hours, and
//! who waits for the right would keep everybody else from holding.

use std::sync::Arc;
use tokio::sync::{Notify, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Who may free bytes, and who keeps them. Many hold, or one frees.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds(Arc<RwLock<()>>);

/// Nothing is freed until this is dropped.
#[derive(Debug)]
#[must_use = "nothing is held once this is dropped"]
pub(crate) struct Hold {
    held: Option<OwnedRwLockReadGuard<()>>,
    /// Woken at the end: places may be waiting.
    collector: Arc<Notify>,
}

/// The right to free bytes; what would hold them waits until it is dropped.
#[derive(Debug)]
#[must_use = "the right ends when this is dropped"]
pub(super) struct Free {
    _free: OwnedRwLockWriteGuard<()>,
}

// === impl Holds ===

impl Holds {
    /// Waits for who frees bytes now, at most a batch of places, and holds them from then on.
    pub(super) async fn hold(&self, collector: Arc<Notify>) -> Hold {
        Hold {
            held: Some(Arc::clone(&self.0).read_owned().await),
            collector,
        }
    }

    /// The right to free bytes, unless they are held.
    pub(super) fn try_free(&self) -> Option<Free> {
        let free = Arc::clone(&self.0).try_write_owned().ok()?;
        Some(Free { _free: free })
    }
}

// === impl Hold ===

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.held.take());
        self.collector.notify_one();
    }
}
