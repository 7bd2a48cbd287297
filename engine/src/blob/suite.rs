//! The contract of [`BlobStore`], as checks that every implementation passes, and what only
//! [`LocalStore`] promises.

use super::LocalStore;
use super::SyncWhen;
use super::store::{BlobStore, Stored, StoredBlob};
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk, Fault, MemoryDisk, SystemDisk};
use crate::fault::{Corruption, StorageError};
use crate::layout::{FileKind, Layout};
use crate::meta::Location;
use bytes::Bytes;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

/// Sizes and the boundary each stands for.
const INTERESTING_SIZES: [usize; 9] = [
    0,         // no bytes, no block
    1,         // the shortest
    4_095,     // below a page
    4_096,     // a page
    4_097,     // above a page
    65_536,    // the limit of small blobs
    1_048_575, // below a block
    1_048_576, // a block
    1_048_577, // a block and a byte
];

/// A store under test, and how bytes get into it.
trait Fixture: Sync {
    fn store(&self) -> &dyn BlobStore;

    fn put(&self, content: &Bytes) -> Location;
}

/// A local store whose blobs are files of their own.
struct LargeLocal(LocalStore);

/// A local store whose blobs lie in segments.
struct SmallLocal(LocalStore);

fn content(len: usize) -> Bytes {
    let byte = |index: usize| u8::try_from(index % 250 + 1).unwrap();
    (0..len).map(byte).collect()
}

fn stored(content: &Bytes, location: Location) -> Stored {
    Stored {
        digest: Digest::of(Algorithm::Sha256, content),
        size: content.len() as u64,
        location,
        check: (!content.is_empty()).then(|| crc32c::crc32c(content)),
    }
}

fn on_disk(disk: Arc<dyn Disk>, root: &Path) -> LocalStore {
    disk.create_directory(root).unwrap();
    LocalStore::new(disk, Layout::new(root))
}

fn counter() -> impl FnMut() -> Result<u64, StorageError> {
    let mut numbers = 0..;
    move || Ok(numbers.next().expect("endless"))
}

async fn satisfies_the_contract(fixture: &dyn Fixture) {
    for size in INTERESTING_SIZES {
        let content = content(size);
        let stored = stored(&content, fixture.put(&content));
        let blob = fixture.store().open(stored).await.unwrap();
        reads_every_range(&blob, &content).await;
        fixture
            .store()
            .remove(stored.location, stored.size)
            .await
            .unwrap();
        fixture
            .store()
            .remove(stored.location, stored.size)
            .await
            .unwrap();
        reads_every_range(&blob, &content).await;
        let again = fixture.store().open(stored).await;
        assert!(size == 0 || again.is_err(), "{size}: removed, yet it opens");
    }
    let content = content(100);
    let mut longer = stored(&content, fixture.put(&content));
    longer.size += 1;
    assert!(fixture.store().open(longer).await.is_err());
}

async fn reads_every_range(blob: &Arc<dyn StoredBlob>, content: &Bytes) {
    let size = content.len();
    for range in [
        0..size,
        0..0,
        size..size,
        size / 3..size / 2,
        0..size.min(1),
    ] {
        let bounds = range.start as u64..range.end as u64;
        let read = Arc::clone(blob).read(bounds.clone()).await.unwrap();
        assert_eq!(read, content[range.clone()], "{range:?} of {size}");
        if let Some(mapped) = Arc::clone(blob).mapped(bounds).await.unwrap() {
            assert_eq!(mapped, content[range.clone()], "{range:?} of {size}");
        }
    }
    let beyond = 0..size as u64 + 1;
    assert!(Arc::clone(blob).read(beyond.clone()).await.is_err());
    assert!(Arc::clone(blob).mapped(beyond).await.is_err());
}

// === impl LargeLocal ===

impl Fixture for LargeLocal {
    fn store(&self) -> &dyn BlobStore {
        &self.0
    }

    fn put(&self, content: &Bytes) -> Location {
        let files = self.0.list_files(FileKind::Blob, 0).unwrap();
        let number = files.last().map_or(0, |last| last + 1);
        let file = self.0.create(number).unwrap();
        file.write_all_at(&[IoSlice::new(content)], 0).unwrap();
        file.sync().unwrap();
        self.0.publish(&[number]).unwrap();
        Location::File(number)
    }
}

// === impl SmallLocal ===

impl Fixture for SmallLocal {
    fn store(&self) -> &dyn BlobStore {
        &self.0
    }

    fn put(&self, content: &Bytes) -> Location {
        let blobs = [content.clone()];
        self.0
            .append_small(&blobs, SyncWhen::Now, counter())
            .unwrap()[0]
    }
}

#[tokio::test]
async fn the_local_store_satisfies_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let system = |name: &str| on_disk(Arc::new(SystemDisk), &directory.path().join(name));
    let memory = || on_disk(Arc::new(MemoryDisk::new()), Path::new("/store"));
    satisfies_the_contract(&LargeLocal(system("large"))).await;
    satisfies_the_contract(&SmallLocal(system("small"))).await;
    satisfies_the_contract(&LargeLocal(memory())).await;
    satisfies_the_contract(&SmallLocal(memory())).await;
}

#[tokio::test]
async fn a_damaged_small_blob_is_an_error() {
    let store = on_disk(Arc::new(MemoryDisk::new()), Path::new("/store"));
    let content = content(500);
    let mut stored = stored(&content, SmallLocal(store).put(&content));
    let store = on_disk(Arc::new(MemoryDisk::new()), Path::new("/store"));
    let mut changed = content.to_vec();
    changed[499] ^= 1;
    stored.location = store
        .append_small(&[changed.into()], SyncWhen::Now, counter())
        .unwrap()[0];
    let error = store.open(stored).await.unwrap_err();
    assert!(
        matches!(error, StorageError::Corrupt(Corruption::Blob(digest)) if digest == stored.digest)
    );
}

#[tokio::test]
async fn a_batch_survives_a_power_cut_and_costs_one_write_and_one_sync() {
    let disk = MemoryDisk::new();
    let store = on_disk(Arc::new(disk.clone()), Path::new("/store"));
    disk.sync_directory(Path::new("/")).unwrap();
    let batch: Vec<_> = [10, 0, 3_000].map(content).into();
    store
        .append_small(&batch, SyncWhen::Now, counter())
        .unwrap();
    let before = disk.counts();
    let locations = store
        .append_small(&batch, SyncWhen::Now, counter())
        .unwrap();
    let after = disk.counts();
    assert_eq!(after.writes - before.writes, 1);
    assert_eq!(after.syncs - before.syncs, 1);
    assert_eq!(after.directory_syncs, before.directory_syncs);
    disk.cut_power();
    let store = on_disk(Arc::new(disk), Path::new("/store"));
    for (content, location) in batch.iter().zip(locations) {
        let blob = store.open(stored(content, location)).await.unwrap();
        assert_eq!(blob.read(0..content.len() as u64).await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_published_file_survives_a_power_cut_and_costs_one_directory_sync() {
    let disk = MemoryDisk::new();
    let store = on_disk(Arc::new(disk.clone()), Path::new("/store"));
    disk.sync_directory(Path::new("/")).unwrap();
    for number in [1, 2, 4_096, 4_097] {
        store.create(number).unwrap().sync().unwrap();
    }
    store.publish(&[1, 2, 4_096]).unwrap();
    let before = disk.counts().directory_syncs;
    store.publish(&[1, 2, 4_097]).unwrap();
    assert_eq!(disk.counts().directory_syncs - before, 2);
    disk.cut_power();
    let store = on_disk(Arc::new(disk), Path::new("/store"));
    assert_eq!(store.list_files(FileKind::Blob, 0).unwrap(), [1, 2]);
    assert_eq!(store.list_files(FileKind::Blob, 1).unwrap(), [4_096, 4_097]);
    assert_eq!(store.list_files(FileKind::Segment, 0).unwrap(), [0; 0]);
}

#[test]
fn a_segment_is_given_up_after_an_error_and_when_it_is_full() {
    let disk = MemoryDisk::new();
    let store = on_disk(Arc::new(disk.clone()), Path::new("/store"));
    let mut numbers = counter();
    let mut append = |len| {
        let locations = store.append_small(&[content(len)], SyncWhen::Now, &mut numbers);
        locations.map(|locations| match locations[0] {
            Location::Segment { number, offset } => (number, offset),
            Location::File(_) => unreachable!("small blobs lie in segments"),
        })
    };
    assert_eq!(append(10).unwrap(), (0, 0));
    assert_eq!(append(5).unwrap(), (0, 10));
    for (fault, number) in [
        (Fault::Write(0), 1),
        (Fault::Sync(0), 2),
        (Fault::SyncDirectory(0), 4),
    ] {
        disk.inject(fault);
        if number == 4 {
            // The names of segment 2 are durable already; a new one's are not.
            assert_eq!(append(64 * 1024 * 1024).unwrap(), (2, 7));
        }
        assert!(append(1).is_err());
        assert_eq!(append(7).unwrap(), (number, 0));
    }
    disk.set_capacity(Some(disk.used()));
    assert!(append(1).unwrap_err().is_full());
}

#[test]
fn the_segment_that_is_written_is_not_removed() {
    let disk = MemoryDisk::new();
    let store = on_disk(Arc::new(disk.clone()), Path::new("/store"));
    store
        .append_small(&[content(10)], SyncWhen::Now, counter())
        .unwrap();
    assert!(!store.remove_segment(0).unwrap());
    disk.inject(Fault::Write(0));
    assert!(
        store
            .append_small(&[content(10)], SyncWhen::Now, counter())
            .is_err()
    );
    assert!(store.remove_segment(0).unwrap());
    assert!(store.remove_segment(0).unwrap());
    assert_eq!(disk.used(), 0);
}

#[test]
fn a_number_that_comes_twice_is_refused_and_what_it_had_stays() {
    let directory = tempfile::tempdir().unwrap();
    let memory: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
    for (disk, root) in [
        (memory, Path::new("/store")),
        (Arc::new(SystemDisk) as Arc<dyn Disk>, directory.path()),
    ] {
        let store = on_disk(disk, root);
        let file = store.create(7).unwrap();
        file.write_all_at(&[IoSlice::new(b"first")], 0).unwrap();
        let refused = store.create(7).unwrap_err();
        assert!(matches!(&refused, StorageError::Io { source, .. }
            if source.kind() == std::io::ErrorKind::AlreadyExists));
        let mut bytes = [0; 5];
        store
            .reopen(7)
            .unwrap()
            .read_exact_at(&mut bytes, 0)
            .unwrap();
        assert_eq!(&bytes, b"first");
    }
}
