//! What is refused: directories that are something else, and backups that are not what was written.

use super::support::{Shop, flip, read};
use crate::backup::{BackupError, BackupOptions, RestoreError};
use crate::disk::{Disk, MemoryDisk};
use std::io::IoSlice;
use std::path::Path;

/// Puts a file into a directory.
fn put(disk: &MemoryDisk, path: &str, content: &[u8]) {
    let path = Path::new(path);
    disk.create_directory(path.parent().unwrap()).unwrap();
    let file = disk.open(path, true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(&[IoSlice::new(content)], 0).unwrap();
}

async fn backup_error(shop: &Shop, path: &str) -> BackupError {
    let options = BackupOptions::default();
    shop.engine
        .backup(path.as_ref(), options)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_directory_with_other_things_is_left_alone() {
    let shop = Shop::open().await;
    shop.stock(2).await;
    put(&shop.disk, "/mine/notes", b"mine");
    let files = shop.disk.files();
    let error = backup_error(&shop, "/mine").await;
    assert!(matches!(error, BackupError::NotABackup(_)), "{error}");
    // The store itself, and a backup that goes on at the moment.
    let error = backup_error(&shop, "/store").await;
    assert!(matches!(error, BackupError::NotABackup(_)), "{error}");
    assert_eq!(shop.disk.files(), files);
    shop.backup().await.unwrap();
    let _lock = shop.disk.lock(Path::new("/backup/LOCK")).unwrap();
    let error = backup_error(&shop, "/backup").await;
    assert!(matches!(error, BackupError::InUse(_)), "{error}");
    let error = shop.restore().await.unwrap_err();
    assert!(matches!(error, RestoreError::InUse(_)), "{error}");
}

#[tokio::test]
async fn the_backup_of_another_store_is_not_overwritten() {
    let shop = Shop::open().await;
    shop.stock(4).await;
    shop.backup().await.unwrap();
    let expected = shop.inventory().await;
    // A store that was restored is another one: both go on with the same numbers.
    let (_, restored) = shop.restore().await.unwrap();
    let options = BackupOptions::default();
    let error = restored
        .backup("/backup".as_ref(), options)
        .await
        .unwrap_err();
    assert!(matches!(error, BackupError::OtherStore(_)), "{error}");
    restored
        .backup("/backup-2".as_ref(), options)
        .await
        .unwrap();
    restored.close().await.unwrap();
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn a_store_that_was_set_back_does_not_overwrite_its_later_backup() {
    for small in [false, true] {
        let shop = Shop::open().await;
        shop.stock(4).await;
        shop.engine.close().await.unwrap();
        let saved = shop.copy_of("/store");
        let shop = shop.reopened_unclosed().await;
        shop.stock_one(90, small).await;
        shop.backup().await.unwrap();
        let expected = shop.inventory().await;
        shop.engine.close().await.unwrap();
        // Someone puts yesterday's disk back, and the store goes another way from there.
        shop.put_back("/store", &saved);
        let shop = shop.reopened_unclosed().await;
        shop.stock_one(91, small).await;
        let error = shop.backup().await.unwrap_err();
        assert!(matches!(error, BackupError::OtherStore(_)), "{error}");
        shop.restores_to(&expected).await;
    }
}

#[tokio::test]
async fn a_newer_backup_is_left_alone() {
    use crate::digest::{Algorithm, Digest};
    let shop = Shop::open().await;
    let head = "floundr backup manifest 9\nnew: thing\n";
    let check = Digest::of(Algorithm::Sha256, head.as_bytes());
    shop.backup().await.unwrap();
    let text = format!("{head}check: {check}\n");
    put(&shop.disk, "/backup/MANIFEST", text.as_bytes());
    let error = backup_error(&shop, "/backup").await;
    assert!(
        matches!(error, BackupError::NewerFormat { found: 9, .. }),
        "{error}"
    );
    let error = shop.restore().await.unwrap_err();
    assert!(matches!(error, RestoreError::NewerFormat { .. }), "{error}");
    assert_eq!(
        read(&shop.disk, Path::new("/backup/MANIFEST")),
        text.as_bytes()
    );
}

#[tokio::test]
async fn a_store_is_restored_into_nothing_but_an_empty_directory() {
    let shop = Shop::open().await;
    shop.stock(2).await;
    let error = shop.restore().await.unwrap_err();
    assert!(matches!(error, RestoreError::NotABackup(_)), "{error}");
    shop.backup().await.unwrap();
    let root = shop.next_restored().to_str().unwrap();
    put(&shop.disk, &format!("{root}/blobs/0/1"), b"somebody's");
    let error = shop.restore().await.unwrap_err();
    assert!(matches!(error, RestoreError::NotEmpty(_)), "{error}");
    let root = shop.next_restored().to_str().unwrap();
    put(&shop.disk, &format!("{root}/notes"), b"somebody's");
    let error = shop.restore().await.unwrap_err();
    assert!(matches!(error, RestoreError::NotEmpty(_)), "{error}");
    assert_eq!(shop.files(root).others.len(), 1);
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_refused_by_name_and_nothing_is_made() {
    let shop = Shop::open().await;
    shop.stock(3).await;
    shop.backup().await.unwrap();
    let expected = shop.inventory().await;
    let files = shop.backup_files();
    let is_content = |path: &Path| !["LOCK", "BACKUP"].iter().any(|name| path.ends_with(name));
    let others = files.others.iter().filter(|path| is_content(path));
    let all: Vec<_> = files
        .blobs
        .iter()
        .chain(&files.segments)
        .chain(others)
        .collect();
    assert_eq!(all.len(), 6, "{all:?}");
    for path in all {
        let bits = read(&shop.disk, path).len() * 8;
        for bit in [0, bits / 3, bits / 2, bits - 1] {
            flip(&shop.disk, path, bit);
            let error = shop.restore().await.unwrap_err();
            let RestoreError::Damaged { names, count, .. } = &error else {
                panic!("{path:?} bit {bit}: {error}");
            };
            let name = path.strip_prefix("/backup").unwrap().to_str().unwrap();
            assert!(
                *count == 1 && names[0].ends_with(name),
                "{names:?}, not {name}"
            );
            shop.nothing_is_left_of_the_restore();
            flip(&shop.disk, path, bit);
        }
    }
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn a_backup_whose_manifest_or_metadata_is_damaged_is_made_anew_without_copying() {
    let shop = Shop::open().await;
    shop.stock(6).await;
    let copied = shop.backup().await.unwrap().copied_bytes;
    for _ in 0..2 {
        for name in ["MANIFEST", "metadata"] {
            let others = shop.backup_files().others;
            let is_it = |path: &&std::path::PathBuf| path.to_string_lossy().contains(name);
            let path = others.iter().find(is_it).unwrap();
            flip(&shop.disk, path, 99);
            let report = shop.backup().await.unwrap();
            assert_eq!(
                (report.copied_bytes, report.kept_bytes),
                (0, copied),
                "{name}"
            );
            shop.restores_to(&shop.inventory().await).await;
        }
    }
}
