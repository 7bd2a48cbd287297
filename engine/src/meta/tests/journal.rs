//! The journal: what of it is read after anything that may have become of it, and what the database
//! puts there.

use super::*;
use crate::disk::{Disk as _, DiskFile, Fault, MemoryDisk};
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::layout::Layout;
use crate::meta::commit::{Job, RELAXED_DELAY, Writer};
use crate::meta::database::Database;
use crate::meta::journal::{Change, Changes, Journal, Record};
use crate::meta::offline::{FileState, check_file};
use crate::meta::outcomes::{Landing, Pending};
use crate::meta::tables::Table;
use crate::meta::tests::batches::{options, step, store_on, writer_on};
use crate::meta::write_manifests::StoreManifest;
use std::io::IoSlice;
use std::path::Path;
use std::sync::mpsc;

pub(super) const JOURNAL: &str = "/store/metadata.journal";
const SECRET: &[u8] = b"secret of a store";

/// A row of so many bytes.
fn rows(number: u64, len: usize) -> Changes {
    let mut changes = Changes::default();
    changes.put(Table::Tags, &number.to_be_bytes(), &vec![number as u8; len]);
    changes.remove(Table::Tags, b"removed");
    changes
}

fn journal_on(disk: &MemoryDisk) -> Journal {
    disk.create_directory(Path::new("/store")).unwrap();
    let mut journal = Journal::open(disk, &Layout::new("/store"), 4 << 20).unwrap();
    journal.declare(SECRET);
    journal
}

/// Puts records with rows of these lengths behind one another, from a sequence number on.
fn fill(journal: &mut Journal, first: u64, lengths: &[usize]) {
    for (number, &len) in (first..).zip(lengths) {
        let changes = rows(number, len);
        assert!(journal.has_room(&changes));
        journal.append(changes, number + 1).unwrap();
    }
}

/// The numbers of the records that lead on from a sequence number.
fn beyond(journal: &Journal, sequence: u64) -> Result<Vec<u64>, String> {
    let records = journal
        .beyond(sequence)
        .map_err(|error| error.to_string())?;
    let number = |record: &Record| {
        let changes = Change::parse(&record.rows).unwrap();
        let [put, removed] = changes[..] else {
            panic!("{changes:?}");
        };
        assert_eq!((removed.key, removed.sealed), (&b"removed"[..], None));
        let number = u64::from_be_bytes(put.key.try_into().unwrap());
        let sealed = put.sealed.unwrap();
        assert!(sealed.iter().all(|&byte| byte == number as u8));
        number
    };
    Ok(records.iter().map(number).collect())
}

fn file_of(disk: &MemoryDisk) -> Arc<dyn DiskFile> {
    disk.open(Path::new(JOURNAL), false).unwrap()
}

fn content_of(disk: &MemoryDisk) -> Vec<u8> {
    let file = file_of(disk);
    file.read_at(usize::try_from(file.len().unwrap()).unwrap(), 0)
        .unwrap()
}

/// The same bytes in a journal of their own.
fn journal_of(content: &[u8]) -> Journal {
    let disk = MemoryDisk::new();
    drop(journal_on(&disk));
    let file = file_of(&disk);
    file.write_all_at(&[IoSlice::new(content)], 0).unwrap();
    journal_on(&disk)
}

#[test]
fn records_are_read_from_any_sequence_number_on() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[1, 5_000, 100, 20_000, 0]);
    for reader in [&journal, &journal_on(&disk)] {
        for first in 10..=15 {
            let left: Vec<u64> = (first..15).collect();
            assert_eq!(beyond(reader, first), Ok(left));
        }
        let gap = beyond(reader, 9).unwrap_err();
        assert!(gap.contains("commits 9 to 10 are missing"), "{gap}");
    }
}

#[test]
fn one_bit_that_flips_anywhere_changes_nothing() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[40, 4_500, 7]);
    let content = content_of(&disk);
    let used = content.len() - content.iter().rev().take_while(|&&byte| byte == 0).count();
    for at in (0..used).filter(|at| at % 4096 < 100 || at % 61 == 0) {
        for bit in 0..8 {
            let mut flipped = content.clone();
            flipped[at] ^= 1 << bit;
            let found = beyond(&journal_of(&flipped), 10);
            assert_eq!(found, Ok(vec![10, 11, 12]), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_record_that_was_torn_ends_the_journal_and_one_that_is_missing_within_it_is_told() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[40, 9_000]);
    let before = content_of(&disk);
    fill(&mut journal, 12, &[9_000]);
    let after = content_of(&disk);
    let changed: Vec<usize> = (0..after.len())
        .filter(|&at| before[at] != after[at])
        .collect();
    let mut dice = crate::disk::Dice::new(7);
    for _try in 0..300 {
        let mut torn = before.clone();
        let share = dice.below(100);
        for blocks in changed.chunk_by(|a, b| a / 512 == b / 512) {
            if dice.below(100) < share {
                let range = blocks[0]..=blocks[blocks.len() - 1];
                torn[range.clone()].copy_from_slice(&after[range]);
            }
        }
        let found = beyond(&journal_of(&torn), 10).unwrap();
        assert!(found == [10, 11] || found == [10, 11, 12], "{found:?}");
    }
    // Both copies of the second of three.
    let mut damaged = after.clone();
    let second = damaged
        .windows(8)
        .enumerate()
        .filter(|(at, window)| at % 4096 == 8 && **window == 11_u64.to_le_bytes());
    let second: Vec<usize> = second.map(|(at, _)| at).collect();
    assert_eq!(second.len(), 2);
    for at in second {
        damaged[at + 30] ^= 1;
    }
    let told = beyond(&journal_of(&damaged), 10).unwrap_err();
    assert!(told.contains("commits 11 to 12 are missing"), "{told}");
}

#[test]
fn what_is_left_of_an_earlier_round_is_passed_over() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[30_000, 10, 10, 5_000, 10, 10, 10]);
    journal.restart(18, false);
    assert_eq!(beyond(&journal, 18), Ok(Vec::new()));
    fill(&mut journal, 18, &[10, 5_000, 1]);
    assert_eq!(beyond(&journal_on(&disk), 18), Ok(vec![18, 19, 20]));
    // Redb's file is never behind the round before; were it, that is told.
    beyond(&journal, 17).unwrap_err();
}

#[test]
fn no_content_can_pass_for_a_record() {
    let forge = |secret: &[u8]| {
        let disk = MemoryDisk::new();
        let mut forger = journal_on(&disk);
        forger.declare(secret);
        forger.restart(10, false);
        fill(&mut forger, 10, &[100, 100]);
        // The second, as it lies behind both copies of the first.
        content_of(&disk)[8192..12288].to_vec()
    };
    for (secret, passes) in [(&b"a guess"[..], 0), (SECRET, 1)] {
        let disk = MemoryDisk::new();
        let mut journal = journal_on(&disk);
        journal.restart(10, false);
        // Its third block is the forged one: behind the heads of record and row, and the key.
        let mut content = vec![0; 8192 - 40 - 10 - 6];
        content.extend(forge(secret));
        let mut changes = Changes::default();
        changes.put(Table::Contents, b"digest", &content);
        journal.append(changes, 11).unwrap();
        assert_eq!(journal.beyond(10).unwrap().len(), 1);
        assert_eq!(journal.beyond(11).unwrap().len(), passes);
    }
}

#[test]
fn many_rows_and_long_ones_have_no_room_and_room_comes_back() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    assert!(!journal.has_room(&rows(1, 1)), "nothing is durable yet");
    journal.restart(10, false);
    assert!(!journal.has_room(&rows(1, 3 << 20)));
    let mut many = Changes::default();
    for number in 0..5_000_u64 {
        many.put(Table::Tags, &number.to_be_bytes(), b"");
    }
    assert!(!journal.has_room(&many));
    let mut count = 10;
    while journal.has_room(&rows(count, 100_000)) {
        fill(&mut journal, count, &[100_000]);
        count += 1;
    }
    assert!((20..60).contains(&count), "{count}");
    assert_eq!(file_of(&disk).len().unwrap(), 4 << 20);
    journal.restart(count, false);
    fill(&mut journal, count, &[100_000]);
    assert_eq!(beyond(&journal_on(&disk), count), Ok(vec![count]));
    journal.restart(count + 1, true);
    assert_eq!(file_of(&disk).len().unwrap(), 0);
    fill(&mut journal, count + 1, &[10]);
    assert_eq!(beyond(&journal_on(&disk), count + 1), Ok(vec![count + 1]));
}

#[test]
fn nothing_goes_there_before_the_store_says_that_it_has_one() {
    let disk = MemoryDisk::new();
    disk.create_directory(Path::new("/store")).unwrap();
    let mut journal = Journal::open(&disk, &Layout::new("/store"), 4 << 20).unwrap();
    journal.set_secret(SECRET);
    journal.restart(10, false);
    assert!(!journal.has_room(&rows(10, 1)));
    journal.declare(SECRET);
    assert!(journal.has_room(&rows(10, 1)));
}

#[test]
fn a_block_that_cannot_be_read_loses_no_record_in_silence() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[40, 9_000, 7]);
    let mut refused = 0;
    for point in 0..20 {
        disk.inject(Fault::Read(point));
        assert_eq!(beyond(&journal, 10), Ok(vec![10, 11, 12]), "read {point}");
        // With another one, it may be both copies of a record.
        disk.forget_faults();
        disk.inject(Fault::Read(point));
        disk.inject(Fault::Read(point + 1));
        match beyond(&journal, 10) {
            Ok(found) => assert_eq!(found, [10, 11, 12], "read {point}"),
            Err(error) => {
                assert!(error.contains("cannot read") || error.contains("missing"));
                refused += 1;
            }
        }
        disk.forget_faults();
    }
    assert!((5..20).contains(&refused), "{refused}");
}

#[test]
fn what_is_found_is_made_durable_before_it_is_used() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[40]);
    disk.inject(Fault::SyncFull(0));
    journal.append(rows(11, 40), 12).unwrap_err();
    // It was written and is found, but a power cut would take it.
    let found = journal.beyond(10).unwrap();
    assert_eq!(found.len(), 2);
    journal.renew(&found).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    disk.cut_power();
    assert_eq!(beyond(&journal_on(&disk), 10), Ok(vec![10, 11]));
}

#[test]
fn what_was_put_off_becomes_durable_with_the_next_and_not_before() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    journal.defer(rows(10, 100));
    journal.defer(rows(11, 100));
    assert_eq!(journal.beyond(10).unwrap().len(), 0);
    journal.append(rows(12, 100), 13).unwrap();
    let records = journal.beyond(10).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(Change::parse(&records[0].rows).unwrap().len(), 6);
    journal.defer(rows(13, 100));
    journal.interrupt();
    assert!(!journal.has_room(&rows(14, 100)), "a commit is missing");
}

#[test]
fn rows_that_are_none_are_not_taken() {
    let disk = MemoryDisk::new();
    let mut journal = journal_on(&disk);
    journal.restart(10, false);
    fill(&mut journal, 10, &[3]);
    let rows = journal.beyond(10).unwrap().remove(0).rows;
    assert!(Change::parse(&rows).is_some());
    for len in 1..rows.len() {
        let parsed = Change::parse(&rows[..len]);
        assert!(parsed.is_none_or(|changes| changes.len() == 1), "{len}");
    }
    for (at, byte) in [(0, 0), (0, 255), (1, 2)] {
        let mut other = rows.clone();
        other[at] = byte;
        assert!(Change::parse(&other).is_none());
    }
}

// --- the database ---

fn put(content: &str) -> StoreManifest {
    StoreManifest {
        repository: name("a"),
        digest: Digest::of(Algorithm::Sha256, content.as_bytes()),
        immutable: ImmutableTags::default(),
        put: put_of(content.to_owned(), layers(&[]), &[]),
    }
}

pub(super) fn store(writer: &mut Writer, contents: &[&str]) {
    for content in contents {
        let answers = step(writer, vec![put(content)]);
        assert!(answers.iter().all(Result::is_ok), "{content}");
    }
}

pub(super) fn manifests(writer: &Writer) -> u64 {
    let snapshot = writer.database.snapshot().unwrap();
    snapshot.counts().unwrap().manifests
}

/// The disk as a process leaves it that is killed now.
pub(super) fn killed(disk: &MemoryDisk) -> MemoryDisk {
    let copy = MemoryDisk::new();
    for path in disk.files() {
        copy.create_directory(path.parent().unwrap()).unwrap();
        let file = disk.open(&path, false).unwrap();
        let len = usize::try_from(file.len().unwrap()).unwrap();
        let content = file.read_at(len, 0).unwrap();
        let file = copy.open(&path, true).unwrap();
        file.write_all_at(&[IoSlice::new(&content)], 0).unwrap();
    }
    copy
}

#[test]
fn a_commit_takes_one_sync_and_survives_a_kill_and_a_power_cut() {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first"]);
    let before = disk.counts().syncs;
    store(&mut writer, &["second"]);
    assert_eq!(disk.counts().syncs - before, 1);
    assert_eq!(manifests(&writer_on(&store_on(&killed(&disk)))), 2);
    // Closing would bring it into the file.
    writer.database.close(Pending::Forget);
    disk.cut_power();
    assert_eq!(manifests(&writer_on(&store_on(&disk))), 2);
}

#[test]
fn what_rests_in_the_journal_comes_into_the_file_when_nothing_is_written() {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first"]);
    let since = writer.journaled_since.expect("it is in the journal alone");
    let hands = Arc::new(Hands::default());
    hands.pass(since + RELAXED_DELAY);
    writer.clock = hands;
    let (_sender, jobs) = mpsc::channel::<Box<dyn Job>>();
    let batch = writer.next_batch(&jobs).unwrap();
    assert!(batch.is_empty());
    writer.step(batch);
    assert_eq!(writer.journaled_since, None);
    writer.database.close(Pending::Forget);
    disk.open(Path::new(JOURNAL), false)
        .unwrap()
        .set_len(0)
        .unwrap();
    assert_eq!(manifests(&writer_on(&store_on(&disk))), 1);
}

#[test]
fn a_store_that_was_killed_is_not_opened_without_its_journal() {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first"]);
    let killed = killed(&disk);
    killed.remove(Path::new(JOURNAL)).unwrap();
    // Whoever looks at it does not make it pass for one that was closed.
    for look in 0..3 {
        let refused = Database::open(store_on(&killed), &options()).map(drop);
        let Err(OpenError::Storage(StorageError::Io { path, .. })) = refused else {
            panic!("{look}: {refused:?}");
        };
        assert_eq!(path, Path::new(JOURNAL));
        if look > 0 {
            let state = check_file(&store_on(&killed), 1 << 20).unwrap();
            assert!(matches!(state, FileState::Whole | FileState::Repaired));
        }
    }
    writer.database.close(Pending::Keep);
    // A store that was closed has all in its file; so has one that a restore made.
    disk.remove(Path::new(JOURNAL)).unwrap();
    assert_eq!(manifests(&writer_on(&store_on(&disk))), 1);
}

#[test]
fn a_file_that_could_not_be_opened_again_does_not_pass_for_one_that_was_closed() {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first", "second"]);
    // Both copies of the first record, so that the second leads on from nowhere.
    let zeros = IoSlice::new(&[0; 2 * 4096]);
    file_of(&disk).write_all_at(&[zeros], 0).unwrap();
    let landing = (writer.database).recover(&StorageError::Closed, Pending::Forget);
    assert_eq!(landing, Landing::Unknown);
    drop(writer);
    disk.remove(Path::new(JOURNAL)).unwrap();
    let refused = Database::open(store_on(&disk), &options()).map(drop);
    assert!(
        matches!(&refused, Err(OpenError::Storage(StorageError::Io { .. }))),
        "{refused:?}"
    );
}

#[test]
fn a_journal_of_another_time_is_refused() {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first"]);
    let early = killed(&disk);
    let (_settle, later) = (writer.step(Vec::new()), ["second", "third"]);
    store(&mut writer, &later);
    let newer = content_of(&disk);
    let journal = file_of(&early);
    journal.write_all_at(&[IoSlice::new(&newer)], 0).unwrap();
    let refused = Database::open(store_on(&early), &options()).map(drop);
    let Err(OpenError::Storage(StorageError::Metadata(why))) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("are missing between"), "{why}");
}

#[test]
fn what_a_failed_sync_of_the_journal_left_is_not_brought_into_the_file() {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first"]);
    disk.inject(Fault::Sync(0));
    assert!(step(&mut writer, vec![put("second")])[0].is_err());
    let writes = disk.counts().writes;
    assert!(step(&mut writer, vec![put("third")])[0].is_err());
    writer.database.close(Pending::Keep);
    assert_eq!(disk.counts().writes, writes, "the medium failed");
    drop(writer);
    disk.forget_faults();
    disk.cut_power();
    assert_eq!(manifests(&writer_on(&store_on(&disk))), 1);
}
