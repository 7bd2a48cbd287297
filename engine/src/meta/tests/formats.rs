//! Stores and copies of earlier formats: brought up when they are opened, read as they are.

use super::*;
use crate::disk::{Disk as _, Fault, MemoryDisk};
use crate::meta::audit;
use crate::meta::codec::Record as _;
use crate::meta::commit::Writer;
use crate::meta::database::{Database, UPLOAD_KEY};
use crate::meta::journal::{Change, Changes, Journal};
use crate::meta::opening::{FORMAT, open_redb, release};
use crate::meta::outcomes::Pending;
use crate::meta::records::{StateRecord, UncountedState};
use crate::meta::rows::{Rows as _, Snapshot};
use crate::meta::tables::Table;
use crate::meta::tests::batches::{options, step, store_on, writer_on};
use crate::meta::tests::journal::{JOURNAL, killed, manifests, store};
use crate::meta::transaction::STATE;
use crate::meta::trees::{Arrangement, Tree, Trees};
use crate::meta::write_manifests::DeleteManifest;
use crate::meta::{FORMAT_VERSION, MetadataCopy};
use redb::ReadableTable as _;
use std::path::Path;

/// Makes a file what an earlier version wrote: a tree for each table, and sums without counts.
fn make_former(redb: &redb::Database, format: u64) {
    let mut writer = redb.begin_write().unwrap();
    writer.set_quick_repair(true);
    let mut apart = Trees::open(&writer, Arrangement::Apart).unwrap();
    for tree in Arrangement::Shared.trees().filter(|tree| tree.is_shared()) {
        part(&writer, tree, &mut apart);
    }
    let state = {
        let (_, settings) = apart.of(Table::Settings);
        former_state(settings.get(STATE).unwrap().unwrap().value())
    };
    let format = Table::Settings.seal(FORMAT, &format.to_payload());
    apart.put(Table::Settings, STATE, &state).unwrap();
    apart.put(Table::Settings, FORMAT, &format).unwrap();
    drop(apart);
    writer.commit().unwrap();
}

fn part(writer: &redb::WriteTransaction, tree: Tree, apart: &mut Trees<'_>) {
    let rows = writer.open_table(tree.definition()).unwrap();
    for row in rows.iter().unwrap() {
        let (key, value) = row.unwrap();
        let (table, key) = tree.row(key.value());
        apart.put(table.unwrap(), key, value.value()).unwrap();
    }
    drop(rows);
    writer.delete_table(tree.definition()).unwrap();
}

/// The stored state as an earlier version has it.
fn former_state(sealed: &[u8]) -> Vec<u8> {
    let table = Table::Settings;
    let payload = table.unseal(STATE, sealed).unwrap();
    let state = StateRecord::from_payload(table, payload).unwrap();
    table.seal(STATE, &UncountedState(state).to_payload())
}

/// The same for the file of a store on a disk.
fn make_former_on(disk: &MemoryDisk, format: u64) {
    let opened = open_redb(&store_on(disk), 1 << 20).unwrap();
    make_former(&opened.redb, format);
    release(Some(opened.redb), &opened.latch, Pending::Keep);
}

/// Every row by every other, the sums and counts too.
fn expect_whole(writer: &Writer) {
    let snapshot = writer.database.snapshot().unwrap();
    let mut next = Some(audit::Cursor::START);
    while let Some(cursor) = next {
        let step = audit::step(&*snapshot, &cursor, 100).unwrap();
        assert!(step.faults.is_empty(), "{:?}", step.faults);
        next = step.next;
    }
    let sums = audit::sums(&*snapshot, &|| false).unwrap().unwrap();
    assert!(sums.is_empty(), "{sums:?}");
    let format = snapshot.record::<u64>(Table::Settings, FORMAT).unwrap();
    assert_eq!(format, Some(u64::from(FORMAT_VERSION)));
    for table in Table::ALL {
        let tree = Arrangement::Apart.tree(table);
        let is_gone = Arrangement::Shared.tree(table).is_shared();
        assert_eq!(snapshot.exists(tree).unwrap(), !is_gone, "{table:?}");
    }
}

#[test]
fn a_store_of_an_earlier_format_is_brought_up_with_every_row() {
    for format in 1..u64::from(FORMAT_VERSION) {
        let disk = MemoryDisk::new();
        let mut writer = writer_on(&store_on(&disk));
        store(&mut writer, &["first", "second", "third"]);
        let digest = Digest::of(Algorithm::Sha256, b"second");
        let delete = DeleteManifest {
            repository: name("a"),
            immutable: ImmutableTags::default(),
            digest,
        };
        step(&mut writer, vec![delete])[0].as_ref().unwrap();
        writer.database.close(Pending::Keep);
        drop(writer);
        if format == 1 {
            // It came with the second.
            disk.remove(Path::new(JOURNAL)).unwrap();
        }
        make_former_on(&disk, format);

        let mut writer = writer_on(&store_on(&disk));
        assert_eq!(manifests(&writer), 2);
        expect_whole(&writer);
        store(&mut writer, &["fourth", "fifth"]);
        let again = writer_on(&store_on(&killed(&disk)));
        assert_eq!(manifests(&again), 4);
        expect_whole(&again);
    }
}

/// The rows of a commit as an earlier version wrote them, and the sequence number behind it.
fn former_changes(rows: &[Change<'_>]) -> (Changes, u64) {
    let (mut changes, mut after) = (Changes::default(), 0);
    for row in rows {
        match row.sealed {
            Some(sealed) if (row.table, row.key) == (Table::Settings, STATE) => {
                let payload = row.table.unseal(STATE, sealed).unwrap();
                after = StateRecord::from_payload(row.table, payload)
                    .unwrap()
                    .sequence;
                changes.put(row.table, row.key, &former_state(sealed));
            }
            Some(sealed) => changes.put(row.table, row.key, sealed),
            None => changes.remove(row.table, row.key),
        }
    }
    (changes, after)
}

/// A store of format 2 that was killed, with commits that only its journal has.
fn killed_former() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&disk));
    store(&mut writer, &["first", "second", "third"]);
    let killed = killed(&disk);
    let opened = open_redb(&store_on(&killed), 1 << 20).unwrap();
    let snapshot = Snapshot::new(&opened.redb).unwrap();
    let sequence = snapshot.state().unwrap().sequence;
    let secret = snapshot.payload(Table::Settings, UPLOAD_KEY).unwrap();
    drop(snapshot);
    make_former(&opened.redb, 2);
    // As after a kill: not closed.
    release(Some(opened.redb), &opened.latch, Pending::Forget);
    let layout = Layout::new("/store");
    let mut journal = Journal::open(&killed, &layout, 4 << 20).unwrap();
    journal.declare(&secret.unwrap());
    let records = journal.beyond(sequence).unwrap();
    assert!(!records.is_empty());
    journal.restart(sequence, false);
    for record in &records {
        let (changes, after) = former_changes(&Change::parse(&record.rows).unwrap());
        assert!(journal.has_room(&changes));
        journal.append(changes, after).unwrap();
    }
    killed
}

#[test]
fn what_a_journal_of_the_former_format_has_beyond_its_file_is_brought_up_too() {
    let writer = writer_on(&store_on(&killed_former()));
    assert_eq!(manifests(&writer), 3);
    expect_whole(&writer);
}

/// Opens a store of a former format with a fault; answers whether it was opened all the same.
fn cut_short(former: &MemoryDisk, fault: Fault) -> bool {
    let disk = killed(former);
    disk.inject(fault);
    let opened = Database::open(store_on(&disk), &options());
    let is_through = opened.is_ok();
    if let Ok(database) = opened {
        database.close(Pending::Forget);
    }
    let writer = writer_on(&store_on(&killed(&disk)));
    assert_eq!(manifests(&writer), 3, "{fault:?}");
    expect_whole(&writer);
    is_through
}

#[test]
fn bringing_a_store_up_can_be_cut_short_anywhere() {
    let closed = MemoryDisk::new();
    let mut writer = writer_on(&store_on(&closed));
    store(&mut writer, &["first", "second", "third"]);
    writer.database.close(Pending::Keep);
    drop(writer);
    make_former_on(&closed, 2);
    for former in [closed, killed_former()] {
        let through = |fault: fn(u64) -> Fault| {
            let points = (0..1000).find(|&point| cut_short(&former, fault(point)));
            points.unwrap()
        };
        assert!(through(Fault::Write) > 20);
        assert!(through(Fault::Sync) > 2);
        assert!(through(Fault::SyncFull) > 2);
    }
}

#[tokio::test]
async fn a_store_of_an_earlier_format_knows_how_much_it_has() {
    let store = Store::new();
    let blob = store.push("a", b"one").await;
    store.put("a", &["two"], layers(&[blob])).await;
    let before = store.meta.statistics().unwrap();
    assert_eq!((before.blobs, before.manifests), (1, 1));
    store.meta.close().unwrap();
    let path = Layout::new(store.folder.path()).metadata();
    make_former(&redb::Database::open(path).unwrap(), 2);
    let again = open(&store.folder, &store.hands);
    assert_eq!(again.statistics().unwrap(), before);
}

#[tokio::test]
async fn a_copy_of_an_earlier_format_is_read_as_it_is() {
    let store = Store::new();
    let blob = store.push("a", b"one").await;
    store.put("a", &["two"], layers(&[blob])).await;
    let path = store.folder.path().join("copy.redb");
    let file = SystemDisk.open(&path, true).unwrap();
    store.meta.copy_to(&file, &path, &mut || Ok(())).unwrap();
    let counts = MetadataCopy::open(Arc::clone(&file), &path)
        .unwrap()
        .counts();
    let counts = counts.unwrap();
    for format in 1..u64::from(FORMAT_VERSION) {
        let former = store.folder.path().join(format!("{format}.redb"));
        std::fs::copy(&path, &former).unwrap();
        let redb = redb::Database::open(&former).unwrap();
        make_former(&redb, format);
        drop(redb);
        let file = SystemDisk.open(&former, false).unwrap();
        let copy = MetadataCopy::open(file, &former).unwrap();
        assert!(copy.is_readable().unwrap());
        assert_eq!(copy.counts().unwrap(), counts);
        assert_eq!(copy.blob(&blob).unwrap().unwrap().size, 3);
        assert_eq!(copy.blobs(None, 9).unwrap().len(), 1);
        assert_eq!(copy.manifests(None, 9).unwrap().len(), 1);
    }
}
