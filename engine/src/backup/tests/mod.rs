//! Backups and restores on a disk in memory: what they hold, what a fault leaves, what is refused.

mod faults;
mod gate;
mod links;
mod refusals;
mod support;

use super::{BackupOptions, RestoreOptions};
use gate::gated;
use support::{Shop, flip};

#[tokio::test]
async fn a_restored_store_has_everything_that_was_acknowledged() {
    let shop = Shop::open().await;
    shop.stock(40).await;
    let report = shop.backup().await.unwrap();
    assert_eq!(
        (report.blobs, report.tags, report.repositories),
        (80, 40, 4)
    );
    assert_eq!(report.damaged, []);
    let expected = shop.inventory().await;
    // What comes later is not in it, and what goes later is.
    shop.stock_more(40..50).await;
    shop.delete(0).await;
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn an_upload_is_no_part_of_a_backup_and_ids_are_drawn_anew() {
    let shop = Shop::open().await;
    let id = shop.start_upload().await;
    shop.stock(1).await;
    shop.backup().await.unwrap();
    let restored = shop.restore().await.unwrap().1;
    let repository = restored.repository(&"r0".parse().unwrap());
    assert!(repository.upload_status(&id).await.is_err());
    assert!(shop.upload_status(&id).await.is_ok());
    restored.close().await.unwrap();
}

#[tokio::test]
async fn the_second_backup_of_an_unchanged_store_copies_no_content() {
    let shop = Shop::open().await;
    shop.stock(60).await;
    let first = shop.backup().await.unwrap();
    assert_eq!(first.kept_bytes, 0);
    let all = first.copied_bytes;
    let expected = shop.inventory().await;
    // A restarted store goes on with the same numbers.
    let shop = shop.reopened().await;
    let before = shop.disk.counts().bytes_read;
    let second = shop.backup().await.unwrap();
    assert_eq!((second.copied_bytes, second.kept_bytes), (0, all));
    let read = shop.disk.counts().bytes_read - before;
    assert!(read < all / 2, "{read} bytes were read of {all}");
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn a_backup_copies_what_is_new_and_removes_what_has_gone() {
    let shop = Shop::open().await;
    shop.stock(20).await;
    let first = shop.backup().await.unwrap();
    for index in 0..10 {
        shop.delete(index).await;
    }
    shop.engine.collect().await.unwrap();
    shop.stock_more(20..25).await;
    let second = shop.backup().await.unwrap();
    assert_eq!(second.blobs, 30);
    let each = first.copied_bytes / 20;
    assert!(second.copied_bytes < 6 * each, "{second:?}");
    // Ten blob files, and the metadata of the first.
    assert_eq!(second.removed_files, 11, "{second:?}");
    let expected = shop.inventory().await;
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn what_is_deleted_and_collected_meanwhile_is_in_it() {
    let (shop, gate) = gated("/backup/blobs/").await;
    shop.stock(8).await;
    let expected = shop.inventory().await;
    let backup = shop.backup_in_background();
    gate.reached().await;
    for index in 0..8 {
        shop.delete(index).await;
    }
    shop.engine.collect().await.unwrap();
    shop.stock_more(8..12).await;
    gate.open();
    let report = backup.await.unwrap().unwrap();
    assert_eq!(report.damaged, []);
    shop.restores_to(&expected).await;
    // And then it goes, without being asked again.
    shop.until_gone(0).await;
}

#[tokio::test]
async fn a_dropped_backup_ends_and_holds_nothing_back() {
    let (shop, gate) = gated("/backup/blobs/").await;
    shop.stock(8).await;
    let backup = shop.backup_in_background();
    gate.reached().await;
    backup.abort();
    assert!(backup.await.unwrap_err().is_cancelled());
    let running = shop.backup().await.unwrap_err();
    assert_eq!(
        running.to_string(),
        "a backup is running already, into /backup"
    );
    gate.open();
    shop.delete(0).await;
    shop.until_gone(0).await;
    let expected = shop.inventory().await;
    shop.backup_when_free().await;
    shop.restores_to(&expected).await;
}

#[tokio::test]
async fn progress_is_told_and_ends_idle() {
    let (shop, gate) = gated("/backup/blobs/").await;
    shop.stock(3).await;
    let progress = shop.engine.backup_progress();
    let backup = shop.backup_in_background();
    gate.reached().await;
    let during = progress.borrow().clone();
    assert_eq!(during.phase.as_str(), "content");
    assert_eq!(during.all_blobs, 6);
    assert_eq!(during.directory, std::path::Path::new("/backup"));
    gate.open();
    backup.await.unwrap().unwrap();
    assert_eq!(*progress.borrow(), super::TransferProgress::default());
}

#[tokio::test]
async fn damage_in_the_store_is_reported_and_the_rest_is_backed_up() {
    let shop = Shop::open().await;
    shop.stock(4).await;
    let (large, small) = (shop.file_of_large(2), shop.segment());
    flip(&shop.disk, &large, 77);
    flip(&shop.disk, &small, 5);
    let report = shop.backup().await.unwrap();
    assert_eq!(report.damaged.len(), 2, "{report:?}");
    // Known by now: served no more, and pushing heals.
    let (restored_report, restored) = shop.restore().await.unwrap();
    assert_eq!(restored_report.damaged.len(), 2);
    for engine in [&shop.engine, &restored] {
        for digest in &report.damaged {
            assert!(shop.holds_nowhere(engine, digest).await);
        }
    }
    restored.close().await.unwrap();
    shop.stock(4).await;
    let healed = shop.backup().await.unwrap();
    assert_eq!(healed.damaged, []);
    shop.restores_to(&shop.inventory().await).await;
}

#[tokio::test]
async fn asked_to_verify_it_copies_again_what_is_damaged_in_the_backup() {
    let shop = Shop::open().await;
    shop.stock(6).await;
    shop.backup().await.unwrap();
    let files = shop.backup_files();
    let (blob, segment) = (&files.blobs[0], &files.segments[0]);
    flip(&shop.disk, blob, 9);
    flip(&shop.disk, segment, 3);
    // Vouched for by its manifest, so not looked at.
    let trusting = shop.backup().await.unwrap();
    assert_eq!(trusting.copied_bytes, 0);
    assert!(shop.restore().await.is_err());
    let options = BackupOptions {
        verify: true,
        ..BackupOptions::default()
    };
    let verified = shop.backup_with(options).await.unwrap();
    assert!(verified.copied_bytes > 0, "{verified:?}");
    assert!(verified.copied_bytes < verified.kept_bytes, "{verified:?}");
    shop.restores_to(&shop.inventory().await).await;
}

#[tokio::test]
async fn a_backup_is_durable_when_it_is_reported() {
    let shop = Shop::open().await;
    shop.stock(12).await;
    shop.backup().await.unwrap();
    let expected = shop.inventory().await;
    shop.engine.close().await.unwrap();
    shop.disk.cut_power();
    shop.restores_to(&expected).await;
    // So is a store that was restored.
    let (_, restored) = shop.restore().await.unwrap();
    restored.close().await.unwrap();
    shop.disk.cut_power();
    let options = RestoreOptions {
        disk: shop.shared_disk(),
        ..RestoreOptions::default()
    };
    let again = super::restore("/backup".as_ref(), shop.last_restored(), options);
    let again = again.await.unwrap_err().to_string();
    assert!(again.ends_with("is not empty"), "{again}");
    assert_eq!(
        shop.inventory_of(&shop.open_restored().await).await,
        expected
    );
}
