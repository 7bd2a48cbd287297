//! Copying all rows beside what else happens to the database.

use super::Store;
use crate::disk::{Disk as _, SystemDisk};
use crate::fault::StorageError;
use crate::meta::opening::FORMAT;
use crate::meta::outcomes::Reach;
use crate::meta::tables::Table;
use crate::meta::tests::batches::MOMENT;
use crate::meta::{FORMAT_VERSION, MetadataCopy};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

#[tokio::test]
async fn a_copy_ends_when_the_database_is_closed_and_keeps_nobody_waiting() {
    let store = Arc::new(Store::new());
    store.push("a", b"one").await;
    let path = store.folder.path().join("copy.redb");
    let (tell, told) = channel();
    let copying = Arc::clone(&store);
    std::thread::spawn(move || {
        let file = SystemDisk.open(&path, true).unwrap();
        let mut closing = None;
        let outcome = copying.meta.copy_to(&file, &path, &mut || {
            if closing.is_none() {
                let store = Arc::clone(&copying);
                closing = Some(std::thread::spawn(move || store.meta.close()));
                while copying.meta.database.check_current().is_ok() {
                    std::thread::yield_now();
                }
            }
            Ok(())
        });
        closing.unwrap().join().unwrap().unwrap();
        tell.send(outcome).unwrap();
    });
    let outcome = told.recv_timeout(Duration::from_mins(1)).unwrap();
    assert!(matches!(outcome, Err(StorageError::Closed)), "{outcome:?}");
}

#[tokio::test]
async fn a_copy_of_this_format_can_be_read_and_of_none_to_come() {
    let newest = u64::from(FORMAT_VERSION);
    for (format, is_readable) in [(newest, true), (newest + 1, false), (0, false)] {
        let store = Store::new();
        store.push("a", b"one").await;
        let committed = store
            .meta
            .database
            .commit(MOMENT, Reach::File, |transaction| {
                transaction.put(Table::Settings, FORMAT, &format)
            });
        committed.unwrap();
        let path = store.folder.path().join("copy.redb");
        let file = SystemDisk.open(&path, true).unwrap();
        store.meta.copy_to(&file, &path, &mut || Ok(())).unwrap();
        let copy = MetadataCopy::open(file, &path).unwrap();
        assert_eq!(copy.is_readable().unwrap(), is_readable, "{format}");
    }
}
