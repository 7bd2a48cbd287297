//! The walk over all rows, whatever a step of it may read.

use super::{Links, Store, layers, name, unguarded};
use crate::meta::{AuditStep, Cursor};

/// The format, the state, the key of upload ids.
const SETTINGS: u64 = 3;

/// What the steps of a walk saw, when each may read `limit` rows.
fn walk(store: &Store, limit: u64) -> Vec<AuditStep> {
    let mut steps = Vec::new();
    let mut next = Some(Cursor::START);
    while let Some(cursor) = next {
        let step = store.meta.audit_step(&cursor, limit).unwrap();
        next = step.next.clone();
        steps.push(step);
    }
    steps
}

#[tokio::test]
async fn a_walk_sees_every_row_once_and_its_steps_end_soon_after_what_they_may_read() {
    let store = Store::new();
    let blobs = [b"first".as_slice(), b"second", b"third"];
    for (blob, tag) in blobs.into_iter().zip(["t", "u", "v"]) {
        let blob = store.push("a", blob).await;
        store.put("a", &[tag], layers(&[blob])).await;
        store.put("b", &[tag], Links::default()).await;
    }
    let most = walk(&store, u64::MAX);
    let all: u64 = most.iter().map(|step| step.rows).sum();
    let beside_settings = store.meta.stored_rows().len() as u64;
    assert_eq!(all, beside_settings + SETTINGS);
    let reads: u64 = most.iter().map(|step| step.reads).sum();
    assert!(reads > all * 2, "rows are compared with others");
    // What one row is compared with is read to the end, and so is the row at which a step stops.
    let longest = 20;
    for limit in [0, 1, 7] {
        let steps = walk(&store, limit);
        assert_eq!(steps.iter().map(|step| step.rows).sum::<u64>(), all);
        let reads = steps.iter().map(|step| step.reads).max();
        assert!(reads <= Some(limit + longest), "{limit}: {reads:?}");
        assert!(steps.iter().all(|step| step.faults.is_empty()));
        assert!(steps.len() > most.len());
        let ends: Vec<_> = steps.iter().map(|step| &step.next).collect();
        assert!(
            ends.iter()
                .all(|end| ends.iter().filter(|other| *other == end).count() == 1)
        );
    }
}

/// Which names deleted manifests have is read of the whole trash of a repository: not for each of them.
#[tokio::test]
async fn the_names_of_many_deleted_manifests_cost_a_step_in_proportion() {
    let store = Store::new();
    let reads = async |from: u32, to: u32| {
        for number in from..to {
            let tag = format!("t{number}");
            let blob = store.push("a", tag.clone().leak().as_bytes()).await;
            let digest = store.put("a", &[&tag], layers(&[blob])).await;
            let (name, digest) = (&name("a"), &digest);
            let deleted = store.meta.delete_manifest(unguarded(name), digest).await;
            deleted.unwrap();
        }
        let steps = walk(&store, 16);
        assert!(steps.iter().all(|step| step.faults.is_empty()));
        steps.iter().map(|step| step.reads).sum::<u64>()
    };
    let few = reads(0, 40).await;
    let many = reads(40, 160).await;
    assert!(many < few * 6, "four times as many: {few} and {many}");
}
