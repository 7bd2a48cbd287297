//! A disk that fails, or a machine that loses power, at any point of a backup or a restore.

use super::support::{Inventory, Shop, open_error};
use crate::backup::{BackupError, RestoreError};
use crate::disk::{Disk as _, Fault};
use crate::engine::OpenError;
use std::io::IoSlice;

/// A kind of call, by how many of it come before the one that fails.
type Kind = fn(u64) -> Fault;

/// The `n`th call of each kind that can fail, and how many are left out between two: writes are
/// many, most of them redb's own.
const KINDS: [(Kind, usize); 3] = [
    (Fault::Write, 7),
    (Fault::Sync, 1),
    (Fault::SyncDirectory, 1),
];

/// A store with a backup of what it had before, and what it has now.
struct Changed {
    shop: Shop,
    before: Inventory,
    after: Inventory,
}

async fn changed() -> Changed {
    let shop = Shop::open().await;
    shop.stock(3).await;
    shop.backup().await.unwrap();
    let before = shop.inventory().await;
    shop.stock_more(3..6).await;
    shop.delete(1).await;
    shop.engine.collect().await.unwrap();
    let after = shop.inventory().await;
    Changed {
        shop,
        before,
        after,
    }
}

/// Lets a backup fail at every point. Whatever `happens` then, the one before or the new one is there,
/// and the next one is made.
async fn fail_everywhere(happens: impl AsyncFn(Shop) -> Shop) {
    let mut failed = 0;
    for (fault, step) in KINDS {
        for n in (0..).step_by(step) {
            let Changed {
                shop,
                before,
                after,
            } = changed().await;
            shop.disk.inject(fault(n));
            let outcome = shop.backup().await;
            if shop.disk.fault_count() > 0 {
                break;
            }
            failed += 1;
            let error = outcome.expect_err("no fault is swallowed");
            assert!(matches!(error, BackupError::Storage(_)), "{error}");
            let shop = happens(shop).await;
            shop.restores_to_one_of(&[&before, &after]).await;
            // What the failed one left counts only if it is durable at the end of this one.
            shop.backup().await.unwrap();
            let shop = shop.after_a_power_cut().await;
            shop.restores_to(&after).await;
        }
    }
    assert!(failed > 20, "only {failed} points");
}

#[tokio::test]
async fn a_backup_that_fails_anywhere_leaves_the_one_before_and_can_be_repeated() {
    fail_everywhere(async |shop| shop).await;
}

#[tokio::test]
async fn a_power_cut_after_a_failure_anywhere_leaves_the_backup_before() {
    fail_everywhere(Shop::after_a_power_cut).await;
}

#[tokio::test]
async fn a_medium_of_backups_that_fails_stops_nothing_in_the_store() {
    let Changed { shop, .. } = changed().await;
    for fault in [Fault::Sync(0), Fault::SyncDirectory(0)] {
        shop.disk.inject(fault);
        shop.backup().await.unwrap_err();
        assert_eq!(shop.disk.fault_count(), 0);
    }
    shop.stock_more(6..7).await;
    assert!(shop.engine.check_ready().await.is_ok());
    let files = shop.files("/store").others;
    assert!(
        !files.iter().any(|path| path.ends_with("FAILED")),
        "{files:?}"
    );
    shop.backup().await.unwrap();
    shop.restores_to(&shop.inventory().await).await;
}

#[tokio::test]
async fn what_an_interrupted_first_backup_copied_is_not_copied_again() {
    let shop = Shop::open().await;
    shop.stock(20).await;
    let expected = shop.inventory().await;
    // Late enough for most of the content to be there, and not the manifest.
    let calls = shop.calls_of_a_backup("/backup-2").await;
    shop.disk.inject(Fault::Sync(calls.syncs - 3));
    assert!(shop.backup().await.is_err());
    let error = shop.restore().await.unwrap_err();
    assert!(matches!(error, RestoreError::Incomplete(_)), "{error}");
    let again = shop.backup().await.unwrap();
    assert!(again.kept_bytes > again.copied_bytes * 4, "{again:?}");
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn a_restore_that_fails_anywhere_leaves_nothing() {
    let shop = Shop::open().await;
    shop.stock(3).await;
    shop.backup().await.unwrap();
    let expected = shop.inventory().await;
    let mut failed = 0;
    for (fault, step) in KINDS {
        for n in (0..).step_by(step) {
            shop.disk.inject(fault(n));
            let outcome = shop.restore_only().await;
            if shop.disk.fault_count() > 0 {
                shop.disk.forget_faults();
                break;
            }
            failed += 1;
            let error = outcome.expect_err("no fault is swallowed");
            assert!(matches!(error, RestoreError::Storage(_)), "{error}");
            shop.nothing_is_left_of_the_restore();
        }
    }
    assert!(failed > 10, "only {failed} points");
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn a_directory_in_which_a_restore_died_is_no_store_and_is_restored_into_again() {
    let shop = Shop::open().await;
    shop.stock(3).await;
    shop.backup().await.unwrap();
    let expected = shop.inventory().await;
    let root = shop.next_restored();
    for (folder, name) in [
        (".", "metadata.redb.restoring"),
        ("blobs/0", "77"),
        ("segments/0", "78"),
    ] {
        let folder = root.join(folder);
        shop.disk.create_directory(&folder).unwrap();
        let file = shop.disk.open(&root.join(folder).join(name), true).unwrap();
        file.write_all_at(&[IoSlice::new(b"half")], 0).unwrap();
    }
    let error = open_error(&shop.shared_disk(), root).await;
    assert!(matches!(error, OpenError::Restoring(_)), "{error}");
    shop.restores_to(&expected).await;
    let left = shop.files(root.to_str().unwrap());
    assert!(
        !left.blobs.iter().any(|path| path.ends_with("77")),
        "{left:?}"
    );
}
