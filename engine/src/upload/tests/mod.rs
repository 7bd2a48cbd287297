//! Uploads on a disk in memory, with records that are no database.

mod at_once; // several at once, hashed together
mod ends; // finish, cancel, expiry, and what each leaves behind
mod failures; // full disks, failing disks, damaged records, failing commits
mod model; // random appends, suspends, restarts and takeovers against a vector
mod resume; // going on after a drop, a kill, a power cut, a takeover
mod unhashed; // what is written and answered before it is hashed
mod waiting; // writes that wait in a queue while more arrives

use super::record::SessionRecord;
use super::records::Records;
use super::{UploadError, UploadId, UploadKey, UploadSession, Uploads};
use crate::blob::LocalStore;
use crate::blob::store::Pending;
use crate::clock::{Calendar, EngineTime};
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk, MemoryDisk};
use crate::fault::StorageError;
use crate::layout::{FileKind, Layout};
use crate::meta::{BLOCK, CommitBlob, NewContent};
use crate::name::RepositoryName;
use crate::options::Options;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sizes and the boundary each stands for.
const INTERESTING_SIZES: [usize; 13] = [
    0,         // no bytes at all
    1,         // the shortest
    8_191,     // the longest piece that is copied
    8_192,     // the shortest that is not
    65_535,    // below the limit of small blobs
    65_536,    // the largest small blob
    65_537,    // the smallest large one
    262_144,   // one write
    262_145,   // a write and a byte
    1_048_575, // below a block
    1_048_576, // a block, four writes
    1_048_577, // a block and a byte
    9_000_001, // past the first write-back
];

const LIFETIME: Duration = Duration::from_hours(1);
const SYNC_INTERVAL: u64 = 4 * 1024 * 1024;
const AHEAD: usize = 1024 * 1024;

/// A machine: its disk and its metadata outlive the process, which is `uploads`.
struct World {
    disk: MemoryDisk,
    records: Arc<FakeRecords>,
    uploads: Uploads,
}

/// Records that are no database, and durable at once.
#[derive(Debug)]
struct FakeRecords {
    key: UploadKey,
    now: AtomicU64,
    numbers: AtomicU64,
    ended: Mutex<HashSet<([u8; 16], EngineTime)>>,
    commits: Mutex<Vec<CommitBlob>>,
    /// What the next commit answers, and whether it happens all the same.
    refusal: Mutex<Option<(StorageError, bool)>>,
}

// === impl World ===

impl World {
    /// Ends what is over; answers how many uploads had expired.
    async fn expired(&self) -> u64 {
        let expired = self.uploads.expire(|| Some(())).await.unwrap();
        assert_eq!(expired.failed, 0);
        expired.uploads
    }

    fn new() -> Self {
        let disk = MemoryDisk::new();
        disk.create_directory(Path::new("/store")).unwrap();
        disk.sync_directory(Path::new("/")).unwrap();
        let records = Arc::new(FakeRecords {
            key: UploadKey([1; 32]),
            now: AtomicU64::new(1_000),
            numbers: AtomicU64::new(4_090),
            ended: Mutex::default(),
            commits: Mutex::default(),
            refusal: Mutex::default(),
        });
        let uploads = process_on(&disk, &records);
        Self {
            disk,
            records,
            uploads,
        }
    }

    /// The process dies and another begins. Sessions it had open are to be forgotten, not dropped.
    fn restart(&mut self) {
        self.uploads = process_on(&self.disk, &self.records);
    }

    fn start(&self, algorithm: Algorithm) -> UploadSession {
        self.uploads.start(&repository(), algorithm).unwrap()
    }

    async fn resume(&self, id: &UploadId) -> Result<UploadSession, UploadError> {
        self.uploads.resume(&repository(), id).await
    }

    /// The offset the status tells, or `None` for an unknown upload.
    async fn status(&self, id: &UploadId) -> Option<u64> {
        match self.uploads.status(&repository(), id).await {
            Ok(status) => Some(status.offset),
            Err(UploadError::Unknown(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Sends what is missing of `content` from `offset` on, where the upload is to be, and finishes it.
    async fn finish_from(&self, id: &UploadId, content: &Bytes, offset: usize) {
        assert_eq!(self.status(id).await, Some(offset as u64));
        let mut session = self.resume(id).await.unwrap();
        session.append(content.slice(offset..)).await.unwrap();
        session.finish(&sha256(content)).await.unwrap();
        self.expect_committed(content, &sha256(content));
        assert_eq!(self.uploads.shared.sessions.list().unwrap(), [].into());
    }

    fn open_count(&self) -> usize {
        self.uploads.shared.slots.len()
    }

    /// As long after everything as time goes.
    fn pass_everything(&self) {
        self.records.now.store(u64::MAX, Ordering::SeqCst);
    }

    fn pass(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap();
        self.records.now.fetch_add(millis, Ordering::SeqCst);
    }

    /// How many pieces were hashed together with another upload's.
    fn pairs_taken(&self) -> u64 {
        self.uploads.shared.pairs.taken()
    }

    /// Checks that the last commit was of `content`, and that nothing is left of its upload.
    fn expect_committed(&self, content: &[u8], digest: &Digest) {
        let commits = self.records.commits.lock();
        let commit = commits.last().expect("something was committed");
        assert_eq!(&commit.digest, digest);
        assert_eq!(commit.size, content.len() as u64);
        match &commit.content {
            NewContent::Small(bytes) => {
                assert!(content.len() <= 65_536);
                assert!(bytes == content);
            }
            NewContent::File { number, checks } => {
                assert!(content.len() > 65_536);
                assert!(self.data(*number) == content);
                let block = usize::try_from(BLOCK).unwrap();
                let expected: Vec<_> = content.chunks(block).map(crc32c::crc32c).collect();
                assert_eq!(checks, &expected);
            }
        }
    }

    fn data(&self, number: u64) -> Vec<u8> {
        let path = Layout::new("/store").file(FileKind::Blob, number);
        let file = self.disk.open(&path, false).unwrap();
        let mut data = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut data, 0).unwrap();
        data
    }

    /// Changes the last record of an upload at rest.
    fn edit(&self, id: &UploadId, change: impl FnOnce(&mut SessionRecord)) {
        let path = self.last_record(id);
        self.overwrite_file(&path, &self.changed(id, change));
    }

    /// As [`World::edit`], of one that was synced last.
    fn edit_synced(&self, id: &UploadId, change: impl FnOnce(&mut SessionRecord)) {
        let path = Layout::new("/store").synced_session(id.key());
        self.overwrite_file(&path, &self.changed(id, change));
    }

    fn changed(&self, id: &UploadId, change: impl FnOnce(&mut SessionRecord)) -> Vec<u8> {
        let record = self.uploads.shared.sessions.load(id.key()).unwrap();
        let mut record = record.expect("it is at rest");
        change(&mut record);
        record.encode()
    }

    /// The file that has the last record of an upload at rest, which was not synced.
    fn last_record(&self, id: &UploadId) -> PathBuf {
        let record = self.uploads.shared.sessions.load(id.key()).unwrap();
        let turn = record.expect("it is at rest").turn;
        Layout::new("/store").session(id.key(), turn)
    }

    fn overwrite_file(&self, path: &Path, bytes: &[u8]) {
        let file = self.disk.open(path, false).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(&[IoSlice::new(bytes)], 0).unwrap();
    }
}

// === impl FakeRecords ===

impl FakeRecords {
    fn is_holder(commit: &CommitBlob, number: u64) -> bool {
        matches!(commit.content, NewContent::File { number: held, .. } if held == number)
    }
}

impl Records for FakeRecords {
    fn upload_key(&self) -> &UploadKey {
        &self.key
    }

    fn now(&self) -> EngineTime {
        EngineTime(self.now.load(Ordering::SeqCst))
    }

    fn calendar(&self) -> Calendar {
        Calendar {
            now: self.now(),
            wall: self.now().0,
        }
    }

    fn new_file_number(&self) -> Pending<'_, u64> {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(number) })
    }

    fn commit_blob(&self, commit: CommitBlob) -> Pending<'_, ()> {
        let refusal = self.refusal.lock().take();
        if refusal.as_ref().is_none_or(|(_, happens)| *happens) {
            self.ended.lock().insert(commit.upload);
            self.commits.lock().push(commit);
        }
        Box::pin(async move { refusal.map_or(Ok(()), |(error, _)| Err(error)) })
    }

    fn end_upload(&self, upload: [u8; 16], expiry: EngineTime) -> Pending<'_, ()> {
        self.ended.lock().insert((upload, expiry));
        Box::pin(async { Ok(()) })
    }

    fn is_upload_ended(&self, upload: [u8; 16], expiry: EngineTime) -> Result<bool, StorageError> {
        Ok(self.ended.lock().contains(&(upload, expiry)))
    }

    fn file_holder(&self, number: u64) -> Result<Option<Digest>, StorageError> {
        let commits = self.commits.lock();
        let holder = commits
            .iter()
            .find(|commit| Self::is_holder(commit, number));
        Ok(holder.map(|commit| commit.digest))
    }

    fn keep_time(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn make_durable(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn look_for_space(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

fn process_on(disk: &MemoryDisk, records: &Arc<FakeRecords>) -> Uploads {
    let store = LocalStore::new(Arc::new(disk.clone()), Layout::new("/store"));
    let options = Options {
        small_blob_limit: 65_536,
        upload_lifetime: LIFETIME,
        upload_sync_interval: SYNC_INTERVAL,
        upload_write: 256 * 1024,
        upload_ahead: AHEAD,
        ..Options::new("/store")
    };
    Uploads::new(Arc::clone(records), Arc::new(store), &options).unwrap()
}

fn repository() -> RepositoryName {
    "library/alpine".parse().unwrap()
}

/// So many bytes, different everywhere.
fn content(len: usize) -> Bytes {
    let words = len.div_ceil(4);
    let mut bytes: Vec<u8> = (0..u32::try_from(words).unwrap())
        .flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes())
        .collect();
    bytes.truncate(len);
    bytes.into()
}

fn sha256(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}
