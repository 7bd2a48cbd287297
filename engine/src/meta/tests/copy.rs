//! Copying all rows beside what else happens to the database.

use super::Store;
use crate::disk::{Disk as _, SystemDisk};
use crate::fault::StorageError;
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
