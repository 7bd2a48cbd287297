//! [`check_offline`]: the check of a store that nobody has open, its metadata file page by page.

use super::CheckOptions;
use super::report::{CheckReport, Done, Finding};
use crate::blob::LocalStore;
use crate::engine::{Engine, OpenError};
use crate::fault::StorageError;
use crate::layout::Layout;
use crate::meta::{FileState, check_file};
use crate::options::Options;
use std::io;
use std::sync::Arc;

/// Checks a store that is not open: every page of the metadata file first, which needs the file for
/// itself, then, if that is whole, everything that [`Engine::check`] does. The store is opened for
/// that and closed again, so what is due to be collected may be.
///
/// A report whose only finding is the metadata file means that the store cannot be trusted as it
/// is: restore it from a backup. An error on opening means the same. All else that is found heals
/// by a repair or by pushing again, as the finding says.
///
/// # Errors
/// [`OpenError`]: the store is in use, or its metadata cannot be opened.
///
/// # Cancel safety
/// A cancelled check leaves the store closed; what it had repaired is repaired.
pub async fn check_offline(
    options: Options,
    check: CheckOptions,
) -> Result<CheckReport, OpenError> {
    let pages = options.clone();
    let state = tokio::task::spawn_blocking(move || check_pages(&pages)).await;
    let state = state.map_err(|error| {
        StorageError::Metadata(format!("the check of the pages panicked: {error}"))
    })??;
    let mut report = CheckReport::default();
    match state {
        FileState::Whole => {}
        FileState::Repaired => report.add(page_finding(
            "what it says of its free pages was wrong".to_owned(),
            Done::Repaired,
        )),
        FileState::Damaged(why) => {
            report.add(page_finding(
                format!("a page is damaged ({why}): restore the store from a backup"),
                Done::Reported,
            ));
            return Ok(report);
        }
    }
    let options = Options {
        check_bytes_per_second: 0,
        ..options
    };
    let engine = Engine::open(options).await?;
    let checked = engine.check(check).await;
    engine.close().await?;
    report.join(checked?);
    Ok(report)
}

fn check_pages(options: &Options) -> Result<FileState, OpenError> {
    let layout = Layout::new(&options.root);
    let path = layout.lock();
    let lock = options
        .disk
        .lock(&path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(layout.root().to_owned()),
            _ => StorageError::io("lock", &path, error).into(),
        })?;
    let metadata = layout.metadata();
    let store = LocalStore::new(Arc::clone(&options.disk), layout);
    // After a failed sync the system's memory is not what the medium has.
    (store.medium().forget_suspects(&metadata))
        .map_err(|error| StorageError::io("read anew", &metadata, error))?;
    let state = check_file(&store, options.metadata_cache);
    drop(lock);
    state
}

fn page_finding(what: String, done: Done) -> Finding {
    Finding {
        digest: None,
        place: "the metadata file".to_owned(),
        what,
        done,
    }
}
