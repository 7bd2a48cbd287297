//! Sequences that were written down: each once came to a violation, or is what a mutation of the
//! engine needs to come to one, and is too rare in the short form to be left to chance.

use super::campaign::{collect_everywhere, crash_everywhere};
use super::plan::{Operation, Plan};
use super::things::{Blob, TAGS};
use floundr_engine::Durability;
use floundr_engine::disk::{Disk as _, SimulatedDisk};
use std::path::Path;

/// A blob that is a file of its own.
const LARGE: usize = 5;
/// One that lies in a segment.
const SMALL: usize = 1;
/// Another, which is deleted.
const GONE: usize = 2;

/// No crash from the operation `from` on comes to a violation.
fn expect(from: usize, operations: Vec<Operation>) {
    expect_of(Durability::Durable, from, operations);
}

fn expect_of(durability: Durability, from: usize, operations: Vec<Operation>) {
    expect_of_plan(&Plan::fixed(durability, operations), from, 8);
}

/// The same of a plan, with so many power cuts at each change.
fn expect_of_plan(plan: &Plan, from: usize, cuts: u64) {
    let points = crash_everywhere(plan, from, cuts).unwrap_or_else(|fault| panic!("{fault}"));
    assert!(points > 9, "there were no changes to crash at");
}

fn push(repository: usize, blob: usize) -> Operation {
    Operation::Push { repository, blob }
}

fn pass(seconds: u64) -> Operation {
    Operation::Pass { seconds }
}

/// The upload's end leaves the sync of the removal to the search for orphans, which does not see the
/// file any more.
#[test]
fn the_file_of_an_upload_that_ended_before_the_last_start_does_not_come_back() {
    let upload = Operation::Append {
        slot: 0,
        len: 6_000,
    };
    expect(
        6,
        vec![
            Operation::Open,
            upload,
            push(1, LARGE),
            Operation::Cancel { slot: 0 },
            Operation::Close,
            Operation::Open,
            pass(0),
            push(1, SMALL),
        ],
    );
}

/// Of two requests only the first has enough bytes to be synced.
#[test]
fn what_was_synced_of_an_upload_counts_after_a_power_cut_whatever_was_written_behind_it() {
    let append = |len| Operation::Append { slot: 0, len };
    for synced in [600, 300_000, 300_001] {
        let operations = vec![Operation::Open, append(synced), append(7), push(1, SMALL)];
        let plan = Plan {
            sync_interval: 500,
            ..Plan::fixed(Durability::Durable, operations)
        };
        expect_of_plan(&plan, 1, 8);
    }
}

/// None of these is synced; a process that dies may leave half of the record it writes.
#[test]
fn what_was_at_rest_counts_after_a_death_amid_the_next_record() {
    let append = |len| Operation::Append { slot: 0, len };
    // Each by another process.
    let lengths = [70_000, 7].map(append);
    let operations = lengths
        .map(|append| [Operation::Open, append, Operation::Close])
        .concat();
    let plan = Plan {
        sync_interval: u64::MAX,
        ..Plan::fixed(Durability::Durable, operations)
    };
    expect_of_plan(&plan, 4, 0);
}

/// The clock that says so must not be behind after the crash.
#[test]
fn an_upload_that_expired_does_not_come_back() {
    expect(
        2,
        vec![
            Operation::Open,
            Operation::Append {
                slot: 0,
                len: 6_000,
            },
            pass(600),
            push(1, SMALL),
        ],
    );
}

/// Its last bytes are hashed behind the answer, so that the next request is awaited for a while.
#[test]
fn an_upload_whose_next_request_was_awaited_expires_and_does_not_come_back() {
    let append = Operation::Append {
        slot: 0,
        len: 283_292,
    };
    let operations = vec![Operation::Open, append, pass(600), Operation::Close];
    let plan = Plan {
        sync_interval: 500,
        ..Plan::fixed(Durability::Durable, operations)
    };
    expect_of_plan(&plan, 2, 8);
}

#[test]
fn the_file_of_a_deleted_blob_does_not_come_back_when_nothing_waits_for_its_removal() {
    expect(
        5,
        vec![
            Operation::Open,
            push(0, LARGE),
            Operation::Close,
            Operation::Open,
            pass(0),
            Operation::DeleteBlob {
                repository: 0,
                blob: LARGE,
            },
            pass(0),
        ],
    );
}

#[test]
fn a_segment_in_which_nothing_lies_does_not_come_back_when_nothing_waits_for_its_removal() {
    expect(
        5,
        vec![
            Operation::Open,
            push(0, SMALL),
            Operation::Close,
            Operation::Open,
            pass(0),
            Operation::DeleteBlob {
                repository: 0,
                blob: SMALL,
            },
            pass(0),
        ],
    );
}

/// More tags than are settled with their manifest: the rest waits in a drain.
#[test]
fn the_tags_of_a_deleted_manifest_go_however_many_they_are() {
    let put = Operation::Put {
        repository: 0,
        manifest: 0,
        tags: (0..TAGS.len()).collect(),
        strict: false,
    };
    let delete = Operation::DeleteManifest {
        repository: 0,
        manifest: 0,
    };
    expect(2, vec![Operation::Open, put, delete, pass(0)]);
}

/// Whoever removes bytes because no record has them: the deletion of the record is durable before.
#[test]
fn the_bytes_of_a_blob_stay_until_a_relaxed_deletion_is_durable() {
    for blob in [LARGE, SMALL] {
        let operations = vec![
            Operation::Open,
            push(0, blob),
            Operation::Close,
            Operation::Open,
            Operation::DeleteBlob {
                repository: 0,
                blob,
            },
            pass(0),
        ];
        expect_of(Durability::Relaxed, 4, operations);
    }
}

/// The grace would end in between.
#[test]
fn a_blob_that_a_client_was_told_of_stays_for_its_lease() {
    let head = Operation::Head {
        repository: 0,
        blob: LARGE,
    };
    expect(
        3,
        vec![
            Operation::Open,
            push(0, LARGE),
            pass(90),
            head,
            pass(20),
            push(1, SMALL),
        ],
    );
}

/// Its neighbour keeps the segment, so nothing gives the space back later.
#[test]
fn the_space_of_a_deleted_small_blob_is_given_back_when_nothing_waits_for_it() {
    let operations = vec![
        Operation::Open,
        push(0, GONE),
        push(0, SMALL),
        Operation::DeleteBlob {
            repository: 0,
            blob: GONE,
        },
        pass(0),
        push(1, LARGE),
    ];
    let plan = Plan::fixed(Durability::Durable, operations);
    let content = Blob::fixed(GONE).content();
    let points = collect_everywhere(&plan, 4, |disk| {
        let segments = disk.files().into_iter();
        let segments = segments.filter(|path| path.starts_with("/store/segments"));
        for path in segments {
            let bytes = read_file(disk, &path);
            let is_there = bytes.windows(content.len()).any(|window| window == content);
            assert!(!is_there, "{}", path.display());
        }
    });
    assert!(points > 9, "there were no changes to crash at");
}

fn read_file(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, false).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}
