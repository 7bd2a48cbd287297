//! How the writer divides its work, and what opening refuses, on a disk in memory.

use super::*;
use crate::disk::{Disk as _, MemoryDisk};
use crate::engine::OpenError;
use crate::fault::StorageError;
use crate::meta::commit::{Job, RELAXED_DELAY, Request, Waiting, Writer};
use crate::meta::database::Database;
use crate::meta::offline::{FileState, check_file};
use crate::meta::opening::{FORMAT, file_ranges, open_redb};
use crate::meta::outcomes::{Pending, Reach};
use crate::meta::rows::{Rows as _, Snapshot};
use crate::meta::staging::Unsynced;
use crate::meta::tables::Table;
use crate::meta::transaction::{Moment, Stay};
use crate::meta::trash::Undo;
use crate::meta::write_manifests::{DeleteManifest, StoreManifest};
use crate::options::{Durability, Options};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

const STAY: Stay = Stay {
    grace: GRACE,
    lease: GRACE,
};

const UNDO: Undo = Undo {
    period: Duration::ZERO,
    changes: 0,
};

pub(super) const MOMENT: Moment = Moment {
    time: EngineTime(0),
    wall: 0,
    stay: STAY,
    undo: UNDO,
};

pub(super) fn store_on(disk: &MemoryDisk) -> Arc<LocalStore> {
    disk.create_directory(Path::new("/store")).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    Arc::new(LocalStore::new(
        Arc::new(disk.clone()),
        Layout::new("/store"),
    ))
}

pub(super) fn options() -> Options {
    Options {
        metadata_cache: 1 << 20,
        clock: Arc::new(Hands::default()),
        ..Options::new("/store")
    }
}

pub(super) fn writer_on(store: &Arc<LocalStore>) -> Writer {
    let options = options();
    let database = Database::open(Arc::clone(store), &options).unwrap();
    Writer {
        database: Arc::new(database),
        store: Arc::clone(store),
        clock: options.clock,
        durability: Durability::Durable,
        stay: STAY,
        undo: UNDO,
        collector: Arc::new(Notify::new()),
        unsynced: Unsynced::default(),
        journaled_since: None,
    }
}

/// Has one step do all of `requests`, and answers what each was answered with.
pub(super) fn step<R: Request>(
    writer: &mut Writer,
    requests: Vec<R>,
) -> Vec<Result<R::Answer, R::Refusal>> {
    let (jobs, answers): (Vec<_>, Vec<_>) = requests
        .into_iter()
        .map(Waiting::new)
        .map(|(waiting, answer)| (Box::new(waiting) as Box<dyn Job>, answer))
        .unzip();
    writer.step(jobs);
    let answers = answers.into_iter();
    answers
        .map(|mut answer| answer.try_recv().unwrap())
        .collect()
}

#[test]
fn a_batch_of_many_rows_is_divided_and_all_of_it_is_answered() {
    let disk = MemoryDisk::new();
    let store = store_on(&disk);
    let mut writer = writer_on(&store);
    let digest_of = |index: usize| Digest::of(Algorithm::Sha256, &index.to_le_bytes());
    let (mut puts, mut deletions) = (Vec::new(), Vec::new());
    for index in 0..30 {
        let all: Vec<_> = (0..400)
            .map(|layer| digest_of(index * 1_000 + layer))
            .collect();
        let digest = digest_of(1_000_000 + index);
        puts.push(StoreManifest {
            repository: name("a"),
            digest,
            immutable: ImmutableTags::default(),
            put: PutManifest {
                missing_blobs: Missing::Accept,
                ..put_of(index.to_string(), layers(&all), &[])
            },
        });
        deletions.push(DeleteManifest {
            immutable: ImmutableTags::default(),
            repository: name("a"),
            digest,
        });
    }
    let before = disk.counts().syncs;
    assert!(step(&mut writer, puts).iter().all(Result::is_ok));
    let between = disk.counts().syncs;
    assert!(step(&mut writer, deletions).iter().all(Result::is_ok));
    let after = disk.counts().syncs;
    // Two syncs are a commit: 30 times 400 edges and counts do not fit into one.
    assert!(between - before >= 4, "{}", between - before);
    assert!(after - between >= 4, "{}", after - between);
}

#[test]
fn small_blobs_count_towards_the_bytes_of_a_batch() {
    let content = Bytes::from_static(&[7; 5_000]);
    let commit = |content| CommitBlob {
        repository: name("a"),
        digest: Digest::of(Algorithm::Sha256, b""),
        size: 5_000,
        content,
        upload: ([1; 16], EngineTime(1)),
    };
    assert_eq!(commit(NewContent::Small(content)).size(), 5_000);
    let (number, checks) = (1, vec![0; 100]);
    assert_eq!(commit(NewContent::File { number, checks }).size(), 400);
}

#[test]
fn a_newer_format_is_refused_before_anything_is_written() {
    let disk = MemoryDisk::new();
    let store = store_on(&disk);
    let writer = writer_on(&store);
    let newer = u64::from(crate::meta::FORMAT_VERSION) + 1;
    writer
        .database
        .commit(MOMENT, Reach::File, |transaction| {
            transaction.put(Table::Settings, FORMAT, &newer)
        })
        .unwrap();
    drop(writer);
    let look = || {
        let opened = open_redb(&store, 1 << 20).unwrap();
        let snapshot = Snapshot::new(&opened.redb).unwrap();
        let format: Option<u64> = snapshot.record(Table::Settings, FORMAT).unwrap();
        (format, file_ranges(&snapshot).unwrap())
    };
    let before = look();
    let refused = Database::open(Arc::clone(&store), &options());
    assert!(
        matches!(refused, Err(OpenError::NewerFormat { found, .. }) if u64::from(found) == newer)
    );
    assert_eq!(look(), before);
    assert_eq!(before.0, Some(newer));
}

#[test]
fn what_cannot_be_read_for_good_is_read_twice_and_no_more() {
    let writer = writer_on(&store_on(&MemoryDisk::new()));
    let count = AtomicUsize::new(0);
    let refused = writer.database.read::<()>(|_rows| {
        count.fetch_add(1, Ordering::SeqCst);
        Err(StorageError::Metadata("a damaged page".to_owned()))
    });
    assert!(matches!(refused, Err(StorageError::Metadata(_))));
    assert_eq!(count.into_inner(), 2);
}

/// A check that is cut short leaves a store that was closed as one that can be opened.
#[test]
fn a_check_makes_the_journal_of_a_closed_store_that_has_none() {
    let disk = MemoryDisk::new();
    let store = store_on(&disk);
    writer_on(&store).database.close(Pending::Keep);
    let journal = Path::new("/store/metadata.journal");
    disk.remove(journal).unwrap();
    assert_eq!(check_file(&store, 1 << 20).unwrap(), FileState::Whole);
    assert!(disk.open(journal, false).is_ok());
}

#[test]
fn a_segment_finds_a_number_when_uploads_took_all_others() {
    let disk = MemoryDisk::new();
    let store = store_on(&disk);
    let mut writer = writer_on(&store);
    while writer.database.numbers.next().is_some() {}
    let content = Bytes::from_static(b"small");
    let commit = CommitBlob {
        repository: name("a"),
        digest: Digest::of(Algorithm::Sha256, &content),
        size: content.len() as u64,
        content: NewContent::Small(content),
        upload: ([1; 16], EngineTime(1)),
    };
    assert!(step(&mut writer, vec![commit]).iter().all(Result::is_ok));
}

/// A clock that stands a millisecond before the end of every delay, and counts who looks at it.
#[derive(Debug, Default)]
struct Stopped(AtomicUsize);

impl Clock for Stopped {
    fn monotonic(&self) -> Duration {
        self.0.fetch_add(1, Ordering::SeqCst);
        RELAXED_DELAY - Duration::from_millis(1)
    }

    fn wall(&self) -> Duration {
        Duration::ZERO
    }
}

/// However long the machine takes: what is committed when follows from the store's clock alone.
#[test]
fn a_relaxed_commit_becomes_durable_by_the_stores_clock() {
    let mut writer = writer_on(&store_on(&MemoryDisk::new()));
    let clock = Arc::new(Stopped::default());
    writer.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    writer.unsynced.since = Some(Duration::ZERO);
    let (sender, jobs) = mpsc::channel();
    let waiting = std::thread::spawn(move || writer.next_batch(&jobs).unwrap().len());
    while clock.0.load(Ordering::SeqCst) < 3 && !waiting.is_finished() {
        std::thread::yield_now();
    }
    let (job, _answer) = Waiting::new(crate::meta::write_collect::KeepTime);
    // Who gave up waiting does not take it.
    sender.send(Box::new(job) as Box<dyn Job>).ok();
    assert_eq!(waiting.join().unwrap(), 1);
}
