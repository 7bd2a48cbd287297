//! Bits of rows: every row of every table that a record reaches, its value or its key.

use super::{check, deleted, few_cases, open, push_all, read_all, repository};
use crate::check::Finding;
use crate::digest::{Algorithm, Digest};
use crate::disk::MemoryDisk;
use crate::engine::Engine;
use crate::fault::StorageError;
use crate::name::Reference;
use crate::repository::BlobError;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A store in which every table has a row.
pub(super) async fn store() -> Engine {
    let engine = open(&MemoryDisk::new()).await;
    push(&engine).await;
    deleted::delete(&engine).await;
    engine
}

/// The rows of a table.
pub(super) fn rows_of(engine: &Engine, table: &str) -> Vec<Row> {
    let mut rows = engine.metadata().stored_rows();
    rows.retain(|row| row.0 == table);
    rows
}

/// Pushes everything, what was deleted too, and a blob that nothing links.
async fn push(engine: &Engine) {
    push_all(engine).await;
    let loose = repository(engine, "loose");
    let loose = loose.put_blob(Algorithm::Sha256, super::content(LOOSE));
    loose.await.unwrap();
    deleted::push(engine).await;
}

const LOOSE: usize = 1234;

/// A row: its table's name, its key, its stored value.
pub(super) type Row = (&'static str, Vec<u8>, Vec<u8>);

/// Queues and the collector's own rows: no content follows from them, so no push writes them. A
/// repair does.
const NO_CONTENT: [&str; 9] = [
    "candidates",
    "unlinks",
    "drains",
    "ended-uploads",
    "file-ranges",
    "trash-queue",
    "tag-history",
    "deleted-repositories",
    "pulls",
];

/// Rows that follow from no others, and without which nothing is served: only a push writes them.
pub(super) const PRIMARY: [&str; 3] = ["blobs", "manifests", "contents"];

/// Flips one bit of a row's value, or moves it to a key with one bit flipped.
pub(super) fn damage(engine: &Engine, row: &Row, bit: usize, is_key: bool) {
    let (table, key, stored) = row;
    let (mut new_key, mut new_stored) = (key.clone(), stored.clone());
    let bytes = if is_key {
        &mut new_key
    } else {
        &mut new_stored
    };
    let bit = bit % (bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    engine
        .metadata()
        .plant_row(table, key, (&new_key, &new_stored));
}

/// Whether damage may keep a deleted repository from being restored before a repair.
fn may_lose_deleted(table: &str, is_key: bool) -> bool {
    ["deleted-repositories", "trash-queue"].contains(&table)
        || (is_key && ["repository-names", "repositories"].contains(&table))
}

/// One row of a table, and a bit of it: found, never served, healed by a push if content follows
/// from the row, and by a repair if not or if it lies under a wrong key.
async fn found_and_healed((table, row, bit): (usize, usize, usize), is_key: bool, repairs: bool) {
    let engine = store().await;
    // Ids are the same in every store, so the same row is at the same place.
    let rows = engine.metadata().stored_rows();
    let tables: BTreeSet<_> = rows.iter().map(|row| row.0).collect();
    let table = *tables.iter().nth(table % tables.len()).unwrap();
    let rows: Vec<&Row> = rows.iter().filter(|row| row.0 == table).collect();
    let row = rows[row % rows.len()];
    damage(&engine, row, bit, is_key);
    let story = format!("table {table}, key {:02x?}, {repairs}", row.1);

    let report = check(&engine, repairs).await;
    assert!(!report.is_clean(), "not found: {story}");
    let mut lost = read_all(&engine).await;
    let loose = repository(&engine, "loose");
    if let Err(error) = loose.stat_blob(&super::digest(LOOSE)).await {
        lost.push(error.to_string());
    }
    if repairs && !PRIMARY.contains(&table) {
        assert_eq!(lost, Vec::<String>::new(), "given up: {story}\n{report}");
    }
    // What can be restored is, so that a push reaches what is in it.
    if let Err(error) = deleted::restore_repository(&engine).await {
        assert!(may_lose_deleted(table, is_key), "{story}: {error}");
    }
    push(&engine).await;
    assert_eq!(
        read_all(&engine).await,
        Vec::<String>::new(),
        "{story}\n{report}"
    );
    let pushed = check(&engine, false).await;
    // Where a blob lay is lost with its record: that file is nobody's until a repair removes it.
    // So are the names of tags with the record of a manifest that was deleted.
    let is_place = |finding: &Finding| {
        finding.place.starts_with("table files")
            || (table == "trash" && finding.place.starts_with("table link-tags"))
    };
    let is_healed = pushed.findings.iter().all(is_place);
    assert!(
        is_healed || is_key || NO_CONTENT.contains(&table),
        "{story}\n{report}\n{pushed}"
    );
    let repaired = check(&engine, true).await;
    let after = check(&engine, false).await;
    assert!(after.is_clean(), "{story}\n{report}\n{repaired}\n{after}");
    assert_eq!(read_all(&engine).await, Vec::<String>::new(), "{story}");
    engine.collect().await.unwrap();
    assert_eq!(
        engine.audit().await.unwrap(),
        Vec::<String>::new(),
        "{story}"
    );
    assert_eq!(read_all(&engine).await, Vec::<String>::new(), "{story}");
}

/// The same for every row of a table in turn.
async fn every_row(table: &str, bit: usize, is_key: bool, repairs: bool) {
    let rows = store().await.metadata().stored_rows();
    let tables: BTreeSet<_> = rows.iter().map(|row| row.0).collect();
    let place = tables.iter().position(|name| *name == table).unwrap();
    let count = rows.iter().filter(|row| row.0 == table).count();
    for row in 0..count {
        found_and_healed((place, row, bit), is_key, repairs).await;
    }
}

#[tokio::test]
async fn a_repair_gives_up_nothing_for_a_lost_reverse_row() {
    every_row("holders", 3, true, true).await;
    every_row("manifest-holders", 3, true, true).await;
}

/// Tables that share a tree: the last byte under which a row lies there says which one has it.
const SHARING: [&str; 7] = [
    "blobs",
    "holders",
    "blob-links",
    "edges",
    "counts",
    "manifests",
    "manifest-links",
];

#[tokio::test]
async fn a_row_that_became_one_of_another_table_or_of_none_is_found_and_healed() {
    let rows = store().await.metadata().stored_rows();
    let tables: BTreeSet<_> = rows.iter().map(|row| row.0).collect();
    for table in SHARING {
        let place = tables.iter().position(|name| *name == table).unwrap();
        let first = rows.iter().find(|row| row.0 == table).unwrap();
        let last_byte = (first.1.len() - 1) * 8;
        for bit in last_byte..last_byte + 8 {
            found_and_healed((place, 0, bit), true, bit % 2 == 0).await;
        }
    }
}

/// Takes the first row of a table out of it.
async fn without_a_row(table: &str) -> Engine {
    let engine = store().await;
    let row = rows_of(&engine, table).swap_remove(0);
    damage(&engine, &row, (row.1.len() - 1) * 8, true);
    engine
}

#[tokio::test]
async fn what_is_deleted_beside_its_lost_row_is_not_brought_back_by_a_repair() {
    for table in SHARING {
        let engine = without_a_row(table).await;
        push(&engine).await;
        for name in super::REPOSITORIES {
            repository(&engine, name).delete().await.unwrap();
        }
        check(&engine, true).await;
        let after = check(&engine, false).await;
        assert!(after.is_clean(), "{table}: {after}");
        for name in super::REPOSITORIES {
            assert!(
                !repository(&engine, name).exists().await.unwrap(),
                "{table}"
            );
        }
        push(&engine).await;
        assert_eq!(read_all(&engine).await, Vec::<String>::new(), "{table}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_deleted_beside_its_lost_row_is_not_brought_back_by_a_repair() {
    let engine = without_a_row("manifests").await;
    push(&engine).await;
    let everywhere = |digest| super::REPOSITORIES.map(|name| (name, digest));
    let manifests = super::manifests().map(|(image, ..)| Digest::of(Algorithm::Sha256, &image));
    let manifests: Vec<_> = manifests.into_iter().flat_map(everywhere).collect();
    for (name, digest) in &manifests {
        let deleted = repository(&engine, name).delete_manifest(digest).await;
        deleted.unwrap();
    }
    check(&engine, true).await;
    let after = check(&engine, false).await;
    assert!(after.is_clean(), "{after}");
    for (name, digest) in &manifests {
        let (repository, reference) = (repository(&engine, name), Reference::Digest(*digest));
        assert!(repository.manifest(&reference).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_blob_is_not_deleted_beside_a_lost_row_and_nothing_else_fails() {
    let engine = without_a_row("holders").await;
    let (mut refused, mut deleted) = (0, 0);
    let everywhere = |size| super::REPOSITORIES.map(|name| (name, size));
    for (name, size) in super::SIZES.into_iter().flat_map(everywhere) {
        let repository = repository(&engine, name);
        match repository.delete_blob(&super::digest(size)).await {
            Ok(()) => deleted += 1,
            Err(BlobError::Storage(StorageError::Corrupt(_))) => refused += 1,
            Err(BlobError::Unknown { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && deleted > 0, "{refused} {deleted}");
    check(&engine, true).await;
    let after = check(&engine, false).await;
    assert!(after.is_clean(), "{after}");
}

#[tokio::test]
async fn every_damaged_name_of_a_tag_is_healed_by_a_push() {
    every_row("link-tags", 5, false, false).await;
}

fn block_on(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work);
}

/// Numbers that choose a table, a row of it and a bit of that.
fn places() -> impl Strategy<Value = (usize, usize, usize)> {
    (any::<usize>(), any::<usize>(), any::<usize>())
}

proptest! {
    #![proptest_config(few_cases())]

    #[test]
    fn a_flipped_bit_of_a_value_is_found_never_served_and_healed_by_a_push(
        place in places(),
        repairs in any::<bool>(),
    ) {
        block_on(found_and_healed(place, false, repairs));
    }

    #[test]
    fn a_flipped_bit_of_a_key_is_found_never_served_and_healed(
        place in places(),
        repairs in any::<bool>(),
    ) {
        block_on(found_and_healed(place, true, repairs));
    }
}
