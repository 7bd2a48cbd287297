//! [`destroy`]: what is left of a store when nobody wants it any more: an empty directory.
//!
//! Invariants:
//! 1. Only what a store consists of is removed, and only while no process has it open.
//! 2. The metadata goes first, durably: whatever interrupts it, there is no store that lacks content.
//!    Files that stay have no record, and the store that is made there next removes them.

use crate::backup::{list, remove, remove_all, sync_directory};
use crate::disk::Disk;
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::layout::{Layout, entry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Removes the store in `root` and leaves its directory, and in it the file of the lock. `first` removes
/// what others keep beside it, under its lock; when that fails the store stays. Durable when it
/// returns.
///
/// # Errors
/// [`OpenError::InUse`] when a process has it open: nothing was changed. What `first` or the machine
/// said: a part may be gone, and it can be called again.
///
/// # Cancel safety
/// A cancelled call goes on to its end.
pub async fn destroy(
    root: &Path,
    disk: Arc<dyn Disk>,
    first: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), OpenError> {
    let layout = Layout::new(root);
    let destroyed = tokio::task::spawn_blocking(move || {
        let path = layout.lock();
        let _lock = disk.lock(&path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(layout.root().to_owned()),
            _ => StorageError::io("lock", &path, error).into(),
        })?;
        first().map_err(|error| StorageError::io("remove what is beside", layout.root(), error))?;
        remove_files(&*disk, &layout).map_err(OpenError::from)
    });
    let destroyed = destroyed.await;
    destroyed.map_err(|error| StorageError::Metadata(format!("removing panicked: {error}")))?
}

fn remove_files(disk: &dyn Disk, layout: &Layout) -> Result<(), StorageError> {
    let metadata: [PathBuf; 3] = [layout.metadata(), layout.new_metadata(), layout.restoring()];
    for path in &metadata {
        remove(disk, path)?;
    }
    sync_directory(disk, layout.root())?;
    remove_all(disk, layout)?;
    let uploads = layout.uploads();
    for name in list(disk, &uploads)? {
        remove(disk, &entry(&uploads, &name))?;
    }
    for path in [layout.journal(), layout.failure(), layout.reserve()] {
        remove(disk, &path)?;
    }
    sync_directory(disk, layout.root())
}
