//! Bits of blob files and segment entries, missing files, files of nobody, disks that fail.

use super::{
    Dice, SIZES, check, content, digest, few_cases, flip, manifests, open, push_all, put_of,
    read_all, read_blob, repository,
};
use crate::check::Done;
use crate::digest::Algorithm;
use crate::disk::{Disk, MemoryDisk};
use crate::engine::Engine;
use crate::layout::{FileKind, Layout};
use crate::meta::Location;
use crate::repository::{BlobError, ManifestError};
use proptest::prelude::*;
use std::path::PathBuf;

/// Where the bytes of a blob begin.
pub(super) fn place(engine: &Engine, size: usize) -> (PathBuf, u64) {
    let blob = engine
        .metadata()
        .listed_blob(&digest(size))
        .unwrap()
        .unwrap();
    let layout = Layout::new("/store");
    match blob.stored.location {
        Location::File(number) => (layout.file(FileKind::Blob, number), 0),
        Location::Segment { number, offset } => (layout.file(FileKind::Segment, number), offset),
    }
}

/// Not found, not mountable, and missing to a manifest that links it.
async fn is_served_nowhere(engine: &Engine, size: usize) {
    let (first, second) = (
        repository(engine, "first"),
        repository(engine, "second/one"),
    );
    for repository in [&first, &second] {
        let unknown = |error| matches!(error, BlobError::Unknown { .. });
        assert!(read_blob(repository, size).await.is_err_and(unknown));
        assert!(
            repository
                .stat_blob(&digest(size))
                .await
                .is_err_and(unknown)
        );
    }
    let third = repository(engine, "third");
    assert!(
        third
            .mount(&digest(size), &"first".parse().unwrap())
            .await
            .is_err()
    );
    let [(image, links, _), _] = manifests();
    let put = put_of(image, links, &[]);
    match first.put_manifest(put).await {
        Err(ManifestError::MissingBlobs(missing)) => assert_eq!(missing, [digest(size)]),
        other => panic!("{other:?}"),
    }
}

/// Flips a bit, then: it is found, said where, served nowhere, and a push heals it everywhere.
async fn find_and_heal(size: usize, bit: u64) {
    let disk = MemoryDisk::new();
    let engine = open(&disk).await;
    push_all(&engine).await;
    let (path, offset) = place(&engine, size);
    flip(&disk, &path, offset * 8 + bit);

    let report = check(&engine, false).await;
    assert_eq!(report.found, 1, "{report}");
    let finding = &report.findings[0];
    assert_eq!(
        (finding.digest, finding.done),
        (Some(digest(size)), Done::Quarantined)
    );
    if size > 1024 * 1024 {
        let block = bit / 8 / (1024 * 1024) * 1024 * 1024;
        assert!(
            finding.what.contains(&format!("bytes {block} to ")),
            "{finding}"
        );
    }
    is_served_nowhere(&engine, size).await;
    let again = check(&engine, false).await;
    assert_eq!(again.findings[0].done, Done::Known, "{again}");

    // One push, to one repository, heals it in both; the damaged copy goes.
    let second = repository(&engine, "second/one");
    second
        .put_blob(Algorithm::Sha256, content(size))
        .await
        .unwrap();
    assert_eq!(read_all(&engine).await, Vec::<String>::new());
    engine.collect().await.unwrap();
    let healed = check(&engine, false).await;
    assert!(healed.is_clean(), "{healed}");
    assert_ne!(place(&engine, size), (path.clone(), offset));
    if size > 65_536 {
        assert!(!disk.files().contains(&path));
    }
}

proptest! {
    #![proptest_config(few_cases())]

    #[test]
    fn a_flipped_bit_of_any_content_is_found_never_served_and_healed_by_a_push(
        which in 1..SIZES.len(),
        at in any::<u64>(),
    ) {
        let size = SIZES[which];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(find_and_heal(size, at % (size as u64 * 8)));
    }
}

#[tokio::test]
async fn a_missing_or_cut_file_is_quarantined_and_healed() {
    for cut in [false, true] {
        let disk = MemoryDisk::new();
        let engine = open(&disk).await;
        push_all(&engine).await;
        let (path, _) = place(&engine, 70_000);
        if cut {
            disk.open(&path, false).unwrap().set_len(69_999).unwrap();
        } else {
            disk.remove(&path).unwrap();
        }
        let report = check(&engine, false).await;
        assert_eq!(
            (report.found, report.findings[0].done),
            (1, Done::Quarantined),
            "{report}"
        );
        push_all(&engine).await;
        assert_eq!(read_all(&engine).await, Vec::<String>::new());
        engine.collect().await.unwrap();
        assert!(check(&engine, false).await.is_clean());
    }
}

#[tokio::test]
async fn what_the_disk_does_not_answer_is_an_error_and_never_a_mark() {
    let disk = MemoryDisk::new();
    let engine = open(&disk).await;
    push_all(&engine).await;
    let (path, _) = place(&engine, 70_000);
    // A disk in memory refuses to open a directory: it does not say that there is no file.
    disk.remove(&path).unwrap();
    disk.create_directory(&path).unwrap();
    let report = check(&engine, true).await;
    assert_eq!(
        (report.found, report.findings[0].done),
        (1, Done::Reported),
        "{report}"
    );
    let read = read_blob(&repository(&engine, "first"), 70_000).await;
    assert!(matches!(read, Err(BlobError::Storage(_))), "{read:?}");
    let blob = engine.metadata().listed_blob(&digest(70_000));
    assert!(!blob.unwrap().unwrap().is_damaged);
}

#[tokio::test]
async fn a_file_of_nobody_is_reported_and_removed_only_by_a_repair() {
    let disk = MemoryDisk::new();
    let engine = open(&disk).await;
    push_all(&engine).await;
    // Numbers that this process may still hand out are not touched, even without a record.
    let layout = Layout::new("/store");
    let open_number = engine.metadata().new_file_number().await.unwrap() + 100;
    let nobodys = layout.file(FileKind::Blob, 1 << 20);
    disk.create_directory(nobodys.parent().unwrap()).unwrap();
    for path in [&nobodys, &layout.file(FileKind::Blob, open_number)] {
        disk.open(path, true).unwrap();
    }
    let mut session = repository(&engine, "first")
        .start_upload(Algorithm::Sha256)
        .unwrap();
    session.append(content(400_000)).await.unwrap();
    session.suspend().await.unwrap();

    let report = check(&engine, false).await;
    assert_eq!(
        (report.found, report.findings[0].done),
        (1, Done::Reported),
        "{report}"
    );
    assert!(disk.files().contains(&nobodys));
    let report = check(&engine, true).await;
    assert_eq!(
        (report.found, report.findings[0].done),
        (1, Done::Removed),
        "{report}"
    );
    assert!(!disk.files().contains(&nobodys));
    assert!(check(&engine, false).await.is_clean());
    assert_eq!(read_all(&engine).await, Vec::<String>::new());
}

#[tokio::test]
async fn damage_is_found_while_others_push_and_delete() {
    let disk = MemoryDisk::new();
    let engine = open(&disk).await;
    push_all(&engine).await;
    let busy = repository(&engine, "busy");
    let work = async {
        let mut dice = Dice(7);
        for _ in 0..60 {
            let size = 1 + dice.below(90_000);
            let digest = busy
                .put_blob(Algorithm::Sha256, content(size))
                .await
                .unwrap();
            busy.delete_blob(&digest).await.unwrap();
            engine.collect().await.unwrap();
        }
    };
    let checks = async {
        for _ in 0..6 {
            let report = check(&engine, true).await;
            assert!(report.is_clean(), "{report}");
        }
    };
    tokio::join!(work, checks);
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}
