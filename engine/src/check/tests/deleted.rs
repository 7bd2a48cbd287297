//! What was deleted and can be restored: two manifests in the trash, one whose tags are hidden
//! already and one whose tags are not, and a repository. Whatever row of theirs is damaged, a repair
//! gives up nothing that restoring them needs.

use super::rows::{PRIMARY, damage, rows_of};
use super::{check, content, digest, open, put_of, read_blob, repository};
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::disk::MemoryDisk;
use crate::engine::Engine;
use crate::name::Reference;
use crate::repository::Repository;
use bytes::Bytes;

/// The repository that is deleted.
const GONE: &str = "gone";

/// The manifests that are deleted: repository, content, tags.
const DELETED: [(&str, &[u8], &[&str]); 2] = [
    ("first", b"hidden", &["old", "older"]),
    // More names than are hidden at once.
    (
        "first",
        b"deleted last",
        &["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "last"],
    ),
];

/// A blob that only what was deleted links, and one that other repositories hold too.
const LAYERS: [usize; 2] = [777, 3000];

fn links() -> Links {
    Links {
        layers: LAYERS.map(digest).to_vec(),
        subject: Some(Digest::of(Algorithm::Sha256, b"the image")),
        ..Links::default()
    }
}

async fn put_one(repository: &Repository, text: &'static [u8], tags: &[&str]) -> Digest {
    for size in LAYERS {
        let put = repository.put_blob(Algorithm::Sha256, content(size)).await;
        put.unwrap();
    }
    let put = put_of(Bytes::from_static(text), links(), tags);
    repository.put_manifest(put).await.unwrap().digest
}

/// A store with little more than what was deleted.
async fn store() -> Engine {
    let engine = open(&MemoryDisk::new()).await;
    let shared = repository(&engine, "second/one");
    let shared = shared.put_blob(Algorithm::Sha256, content(LAYERS[1])).await;
    shared.unwrap();
    push(&engine).await;
    delete(&engine).await;
    engine
}

/// Pushes what is deleted, as a client does that knows nothing of what is there or was.
pub(super) async fn push(engine: &Engine) {
    for (name, text, tags) in DELETED {
        let repository = repository(engine, name);
        let digest = put_one(&repository, text, tags).await;
        let pulled = engine.metadata().note_pull(repository.name(), &digest);
        pulled.unwrap();
    }
    put_one(&repository(engine, GONE), b"in it", &["tag"]).await;
}

/// Deletes it again; the tags of all manifests are hidden, but for one of the last.
pub(super) async fn delete(engine: &Engine) {
    for (name, text, _) in DELETED {
        engine.collect().await.unwrap();
        let digest = Digest::of(Algorithm::Sha256, text);
        let repository = repository(engine, name);
        repository.delete_manifest(&digest).await.unwrap();
    }
    repository(engine, GONE).delete().await.unwrap();
}

/// Restores the repository, if it can be; answers why not.
pub(super) async fn restore_repository(engine: &Engine) -> Result<(), String> {
    let restored = engine.restore_repository(&GONE.parse().unwrap()).await;
    restored.map_err(|error| format!("{GONE}: {error}"))
}

/// Restores everything and reads it; answers what cannot be restored or read.
pub(super) async fn restore(engine: &Engine) -> Vec<String> {
    let mut lost = Vec::new();
    for (name, text, tags) in DELETED {
        let repository = repository(engine, name);
        let digest = Digest::of(Algorithm::Sha256, text);
        match repository.restore_manifest(&digest).await {
            Ok(restored) if restored.tags.len() != tags.len() => lost.push(format!(
                "{name}, {digest} has {:?} of its tags",
                restored.tags
            )),
            Ok(_) => {}
            Err(error) => lost.push(format!("{name}, {digest}: {error}")),
        }
        lost.extend(unreadable(&repository, text, tags).await);
    }
    lost.extend(restore_repository(engine).await.err());
    lost.extend(unreadable(&repository(engine, GONE), b"in it", &["tag"]).await);
    lost
}

/// What cannot be read of a manifest and its layers.
async fn unreadable(repository: &Repository, text: &[u8], tags: &[&str]) -> Vec<String> {
    let mut lost = Vec::new();
    for tag in tags {
        let reference = Reference::Tag(tag.parse().unwrap());
        match repository.manifest(&reference).await {
            Ok(read) => assert!(read.content == text, "wrong manifest {tag}"),
            Err(error) => lost.push(format!("{tag}: {error}")),
        }
    }
    for size in LAYERS {
        match read_blob(repository, size).await {
            Ok(read) => assert!(read == content(size), "wrong bytes of {size}"),
            Err(error) => lost.push(format!("blob of {size}: {error}")),
        }
    }
    lost
}

/// Tables whose rows, when they are lost from under their key, follow from others.
const REVERSE: [&str; 9] = [
    "repositories",
    "holders",
    "edges",
    "counts",
    "manifest-holders",
    "files",
    "trash-queue",
    "deleted-repositories",
    "drains",
];

/// Tables whose rows say what no other row says of a manifest that was deleted.
const ONLY_HERE: [&str; 2] = ["trash", "manifest-links"];

/// Damages every row of a table in turn, in a store of its own; a repair, and restoring.
async fn is_restored_after_a_repair(table: &str, is_key: bool) {
    let count = rows_of(&store().await, table).len();
    assert!(count > 0, "nothing in {table}");
    for place in 0..count {
        let engine = store().await;
        let rows = rows_of(&engine, table);
        damage(&engine, &rows[place], 3, is_key);
        let report = check(&engine, true).await;
        assert!(!report.is_clean(), "{table}: {report}");
        let story = format!("{table}, {:02x?}\n{report}", rows[place].1);
        let after = check(&engine, false).await;
        assert!(after.is_clean(), "{story}\n{after}");
        // What is due is collected, and what the repair enqueued is done.
        engine.collect().await.unwrap();
        assert_eq!(restore(&engine).await, Vec::<String>::new(), "{story}");
        let after = check(&engine, false).await;
        assert!(after.is_clean(), "{story}\n{after}");
    }
}

#[tokio::test]
async fn what_was_deleted_is_restored_whole_after_a_repair_of_rows_under_wrong_keys() {
    for table in REVERSE {
        is_restored_after_a_repair(table, true).await;
    }
}

#[tokio::test]
async fn what_was_deleted_is_restored_whole_after_a_repair_of_damaged_rows() {
    let engine = store().await;
    let rows = engine.metadata().stored_rows();
    let tables: std::collections::BTreeSet<_> = rows.iter().map(|row| row.0).collect();
    for table in [
        "trash",
        "trash-queue",
        "tag-history",
        "deleted-repositories",
        "pulls",
    ] {
        assert!(tables.contains(table), "nothing in {table}");
    }
    let lost = |table: &&str| PRIMARY.contains(table) || ONLY_HERE.contains(table);
    for table in tables.into_iter().filter(|table| !lost(table)) {
        is_restored_after_a_repair(table, false).await;
    }
}

#[tokio::test]
async fn a_repair_keeps_all_that_a_deleted_manifest_holds_when_its_record_is_lost() {
    for is_key in [false, true] {
        let engine = store().await;
        let rows = rows_of(&engine, "trash");
        for row in &rows {
            damage(&engine, row, 3, is_key);
        }
        check(&engine, true).await;
        engine.collect().await.unwrap();
        // The bytes are there for whoever pushes the manifest alone.
        let first = repository(&engine, "first");
        for (_, text, tags) in DELETED {
            let put = put_of(Bytes::from_static(text), links(), tags);
            first.put_manifest(put).await.unwrap();
            assert_eq!(unreadable(&first, text, tags).await, Vec::<String>::new());
        }
        check(&engine, true).await;
        let after = check(&engine, false).await;
        assert!(after.is_clean(), "{after}");
    }
}

#[tokio::test]
async fn a_push_heals_a_deleted_manifest_whose_links_or_tags_are_damaged() {
    for table in [
        "trash",
        "manifest-links",
        "tags",
        "tag-history",
        "counts",
        "blob-links",
    ] {
        let engine = store().await;
        for row in &rows_of(&engine, table) {
            damage(&engine, row, 3, false);
        }
        push(&engine).await;
        let first = repository(&engine, "first");
        for (_, text, tags) in DELETED {
            assert_eq!(
                unreadable(&first, text, tags).await,
                Vec::<String>::new(),
                "{table}"
            );
        }
    }
}

/// Loses the deletions that a table knows of, and repairs once; answers what is found then.
async fn after_losing_all(table: &str, is_key: bool) -> Vec<String> {
    let engine = store().await;
    if table == "drains" {
        // Pushed again, a deleted manifest leaves its names to be removed.
        push(&engine).await;
    }
    for row in &rows_of(&engine, table) {
        damage(&engine, row, 3, is_key);
    }
    check(&engine, true).await;
    let after = check(&engine, false).await;
    after.findings.into_iter().map(|left| left.place).collect()
}

#[tokio::test]
async fn one_repair_removes_a_lost_deletion_with_the_names_it_had() {
    for (table, is_key) in [
        ("trash", false),
        ("trash", true),
        ("drains", false),
        ("drains", true),
    ] {
        let mut left = after_losing_all(table, is_key).await;
        left.retain(|place| place.contains("tags, ") || place.starts_with("table drains"));
        assert_eq!(left, Vec::<String>::new(), "{table}, {is_key}");
    }
}
