//! Rows that damage left behind, where the collector meets them.

use super::{GRACE, Store};
use crate::meta::Cut;
use std::time::Duration;

#[tokio::test]
async fn a_candidate_that_its_link_does_not_know_collects_nothing_and_is_named() {
    let store = Store::new();
    let digest = store.push("a", b"pushed again").await;
    let rows = store.meta.stored_rows();
    let (table, key, stored) = (rows.iter().find(|row| row.0 == "blob-links")).unwrap();
    let mut elsewhere = key.clone();
    elsewhere[0] ^= 1;
    store.meta.plant_row(table, key, (&elsewhere, stored));
    assert!(!store.sees("a", &digest));

    // The new link has a grace of its own; the row of the lost one is due earlier.
    store.pass(GRACE / 2);
    store.push("a", b"pushed again").await;
    store.pass(GRACE / 2 + Duration::from_secs(1));
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 0);
    assert!(store.sees("a", &digest));
    let cut = Cut {
        as_of: store.meta.now(),
        grace: None,
    };
    let due = store.meta.due(&cut, None, 256).unwrap();
    assert_eq!(due.damaged.len(), 1);
    store.pass(GRACE / 2);
    assert_eq!(store.meta.collect_due().await.unwrap().unlinked, 1);
    assert!(!store.sees("a", &digest));
}

#[tokio::test]
async fn a_holder_whose_row_is_of_no_table_any_more_keeps_its_blob() {
    let store = Store::new();
    let digest = store.push("a", b"shared").await;
    store.push("b", b"shared").await;
    let rows = store.meta.stored_rows();
    let (table, key, stored) = (rows.iter().rfind(|row| row.0 == "holders")).unwrap();
    let mut unmarked = key.clone();
    *unmarked.last_mut().unwrap() ^= 1;
    store.meta.plant_row(table, key, (&unmarked, stored));

    store.pass(GRACE * 2);
    let collected = store.meta.collect_due().await.unwrap();
    assert_eq!((collected.unlinked, collected.removed), (1, 0));
    assert!(store.sees("a", &digest));
    assert_eq!(store.meta.statistics().unwrap().blobs, 1);
    let cut = Cut {
        as_of: store.meta.now(),
        grace: None,
    };
    assert_eq!(store.meta.due(&cut, None, 256).unwrap().damaged.len(), 1);
}
