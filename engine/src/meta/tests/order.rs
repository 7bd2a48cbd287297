//! Rows whose keys were damaged in the file, so that they are out of order.

use super::batches::{MOMENT, options, store_on};
use crate::blob::LocalStore;
use crate::disk::{Disk as _, MemoryDisk};
use crate::fault::StorageError;
use crate::meta::database::Database;
use crate::meta::order::order_of;
use crate::meta::outcomes::{Pending, Reach};
use crate::meta::rows::{Rows as _, Scan};
use crate::meta::tables::Table;
use crate::meta::transaction::Transaction;
use crate::meta::trees::{Arrangement, Tree};
use std::io::IoSlice;
use std::sync::Arc;

/// Rows of a table whose keys nothing reads at opening.
const TABLE: Table = Table::Pulls;
const ROWS: u64 = 20;

fn key(row: u64) -> Vec<u8> {
    format!("row number {row:02}").into_bytes()
}

fn tree() -> Tree {
    Arrangement::Shared.tree(TABLE)
}

fn open(store: &Arc<LocalStore>) -> Database {
    Database::open(Arc::clone(store), &options()).unwrap()
}

fn commit(
    database: &Database,
    reach: Reach,
    apply: impl FnOnce(&mut Transaction<'_>) -> Result<(), StorageError>,
) -> Reach {
    database.commit(MOMENT, reach, apply).unwrap().reach
}

fn put(database: &Database, rows: std::ops::Range<u64>, value: u64) -> Reach {
    commit(database, Reach::File, |transaction| {
        let mut rows = rows;
        rows.try_for_each(|row| transaction.put(TABLE, &key(row), &value))
    })
}

/// All rows by walking: key and value, or nothing where that is damaged.
fn walk(database: &Database) -> Vec<(Vec<u8>, Option<u64>)> {
    let mut rows = Vec::new();
    let snapshot = database.snapshot().unwrap();
    let scanned = snapshot.scan_any(TABLE, &[], None, &mut |key, payload| {
        let value = payload.ok().map(|payload| payload.try_into().unwrap());
        rows.push((key.to_vec(), value.map(u64::from_le_bytes)));
        Ok(Scan::Next)
    });
    scanned.unwrap();
    rows
}

fn is_kept(database: &Database) -> bool {
    let snapshot = database.snapshot().unwrap();
    let order = order_of(&snapshot, tree(), &|| false).unwrap().unwrap();
    assert!(order.is_kept() || order.can_be_restored(), "{order}");
    order.is_kept()
}

/// A store with all rows, of which one got another key in the file.
fn damaged(row: u64, byte: usize, bit: u8) -> Arc<LocalStore> {
    let disk = MemoryDisk::new();
    let store = store_on(&disk);
    let database = open(&store);
    put(&database, 0..ROWS, 1);
    assert!(is_kept(&database));
    database.close(Pending::Keep);
    let path = store.layout().metadata();
    let file = disk.open(&path, false).unwrap();
    let mut content = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    let key = key(row);
    let places: Vec<_> = (0..content.len())
        .filter(|&at| content[at..].starts_with(&key))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        content[at + byte] ^= 1 << bit;
    }
    file.write_all_at(&[IoSlice::new(&content)], 0).unwrap();
    store
}

#[test]
fn a_tree_that_is_written_anew_brings_hidden_rows_back_and_changes_none_that_was_found() {
    let mut brought_back = 0;
    for (row, bit) in (0..ROWS).flat_map(|row| (0..7).map(move |bit| (row, bit))) {
        let database = open(&damaged(row, 0, bit));
        put(&database, row / 2..row, 2);
        let found = |row| {
            let snapshot = database.snapshot().unwrap();
            snapshot.undamaged::<u64>(TABLE, &key(row)).unwrap()
        };
        let before: Vec<_> = (0..ROWS).map(found).collect();
        if is_kept(&database) {
            continue;
        }
        commit(&database, Reach::File, |transaction| {
            transaction.write_anew(tree())
        });
        assert!(is_kept(&database));
        for (at, before) in (0..ROWS).zip(before).filter(|(at, _)| *at != row) {
            let after = found(at);
            let is_same = before.is_none() || after == before;
            assert!(after.is_some() && is_same, "row {row}, bit {bit}, at {at}");
            brought_back += u32::from(before.is_none());
        }
        assert!(walk(&database).len() as u64 <= ROWS + 1);
    }
    assert!(brought_back > 0);
}

#[test]
fn a_tree_that_is_written_anew_has_the_same_rows_and_goes_into_the_file_with_its_commit() {
    let store = store_on(&MemoryDisk::new());
    let database = open(&store);
    assert_eq!(put(&database, 0..500, 7), Reach::File);
    let before = walk(&database);
    let anew = |transaction: &mut Transaction<'_>| transaction.write_anew(tree());
    assert_eq!(commit(&database, Reach::Journal, anew), Reach::File);
    assert_eq!(walk(&database), before);
    let reach = commit(&database, Reach::Journal, |transaction| {
        transaction.remove(TABLE, &key(7))
    });
    assert_eq!(reach, Reach::Journal);
    assert_eq!(walk(&database).len(), before.len() - 1);
}
