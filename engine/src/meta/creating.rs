//! Making the redb file: under another name, so that a store whose making was cut short has none
//! rather than the beginnings of one, which redb refuses for ever.

use super::rows::failed;
use crate::blob::LocalStore;
use crate::disk::DiskBackend;
use crate::fault::StorageError;
use std::io;

/// Makes the file if there is none. It survives a power cut on return. Blocks.
pub(super) fn make_if_missing(store: &LocalStore) -> Result<(), StorageError> {
    let (disk, layout) = (store.disk(), store.layout());
    let (path, new) = (layout.metadata(), layout.new_metadata());
    match disk.open(&path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => {
            let opened = opened.map(drop);
            return opened.map_err(|error| StorageError::io("open", &path, error));
        }
    }
    let failed_to = |error| StorageError::io("make", &new, error);
    match disk.remove(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed_to(error)),
        _ => {}
    }
    let file = disk.create_new(&new).map_err(failed_to)?;
    let made = redb::Builder::new().create_with_backend(DiskBackend::new(file));
    drop(made.map_err(|error| failed(&error.into()))?);
    // redb has closed it, with everything in it.
    let file = disk.open(&new, false).map_err(failed_to)?;
    let synced = file.sync();
    synced.map_err(|error| StorageError::not_synced("sync", &new, error))?;
    disk.rename(&new, &path).map_err(failed_to)?;
    let named = disk.sync_directory(layout.root());
    named.map_err(|error| StorageError::not_synced("sync directory", layout.root(), error))
}
