//! [`SessionStore`]: where the records of uploads at rest are kept, and the files that do it here.
//!
//! A store of its own, apart from the metadata: a record is replaced at every chunk, and must
//! survive the death of the process without the cost of a durable commit. In a cluster it would be
//! a row of a table. Its calls block.

use super::record::SessionRecord;
use crate::disk::{Disk, DiskFile};
use crate::fault::{Corruption, StorageError};
use crate::layout::{Layout, parse_session};
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// Locks of [`SessionFiles`]: so many that few uploads have one together.
const LOCKS: usize = 32;

/// What a saved record has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Survives {
    /// The death of the process.
    Death,
    /// A power cut, too.
    PowerCut,
}

/// The records of uploads at rest.
///
/// # Contract
/// 1. A saved record replaces the one before as a whole: a reader sees one of the two.
/// 2. Of an upload that has a record, a reader never sees none, whoever writes meanwhile.
/// 3. After the death of the process the last saved record is there; after a power cut it, an
///    earlier one, or none, but none earlier than the last that was saved to survive it.
pub(super) trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Saves a record in place of the one of the same upload, whose `turn` is one less.
    fn save(&self, record: &SessionRecord, survives: Survives) -> Result<(), StorageError>;

    /// The record of an upload, if there is one that can be read. [`StorageError::Corrupt`] when
    /// one is damaged that was saved to survive a power cut.
    fn load(&self, upload: [u8; 16]) -> Result<Option<SessionRecord>, StorageError>;

    /// Removes the record of an upload, if there is one.
    fn remove(&self, upload: [u8; 16]) -> Result<(), StorageError>;

    /// The uploads that have a record, or the beginnings of one.
    fn list(&self) -> Result<BTreeSet<[u8; 16]>, StorageError>;
}

/// A record, or why the bytes are none.
type Decoded = Result<SessionRecord, &'static str>;

/// Three small files per upload at most: what was last saved to survive a power cut, which nothing
/// replaces that does not, and two that are written in turns, each over the record before the last.
///
/// Written over and not replaced: the space of a file that is replaced cannot be freed before what the
/// medium is still writing of it is written, which is behind all that the upload wrote.
///
/// Invariants:
/// 1. While a record is written, the one before it is whole in another file.
/// 2. Nobody reads an upload's records while one is written in turn (`writing`). A synced one is renamed
///    before the others are removed, and read behind them.
#[derive(Debug)]
pub(super) struct SessionFiles {
    disk: Arc<dyn Disk>,
    layout: Layout,
    /// Held while a record is written in turn, shared while records are read; an upload's is found by its key.
    writing: [RwLock<()>; LOCKS],
}

// === impl SessionFiles ===

impl SessionFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, layout: Layout) -> Self {
        Self {
            disk,
            layout,
            writing: Default::default(),
        }
    }

    fn writing(&self, upload: [u8; 16]) -> &RwLock<()> {
        &self.writing[usize::from(upload[0]) % LOCKS]
    }

    /// Writes over what is in the file, if it is there.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<Arc<dyn DiskFile>> {
        let file = match self.disk.open(path, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_directory(&self.layout.uploads())?;
                self.disk.open(path, true)?
            }
            opened => opened?,
        };
        file.write_all_at(&[IoSlice::new(content)], 0)?;
        // Not before: a file that was cut to nothing is written to the medium as it is closed.
        let len = content.len() as u64;
        if file.len()? > len {
            file.set_len(len)?;
        }
        Ok(file)
    }

    /// Saves a record that survives the death of the process, in place of the one before the last.
    fn save_in_turn(&self, record: &SessionRecord) -> Result<(), StorageError> {
        let path = self.layout.session(record.upload, record.turn);
        let _writing = self.writing(record.upload).write();
        if let Err(error) = self.write(&path, &record.encode()) {
            // Nothing reads what is left of it; on a full disk its space is needed.
            self.remove_file(&path)?;
            return Err(StorageError::io("save", &path, error));
        }
        Ok(())
    }

    /// Saves a record that survives a power cut, too, in place of all others.
    fn save_synced(&self, record: &SessionRecord) -> Result<(), StorageError> {
        let path = self.layout.synced_session(record.upload);
        let new = self.layout.new_session(record.upload);
        let failed = |error| StorageError::io("save", &path, error);
        let not_synced = |error| StorageError::not_synced("save", &path, error);
        let written = self.write(&new, &record.encode()).map_err(failed);
        let synced = written.and_then(|file| file.sync().map_err(not_synced));
        let replaced = synced.and_then(|()| self.disk.rename(&new, &path).map_err(failed));
        if let Err(error) = replaced {
            self.remove_file(&new)?;
            return Err(error);
        }
        if let Err(error) = self.remove_unsynced(record.upload) {
            // They are older: what counts is saved.
            tracing::warn!(%error, "old records of an upload could not be removed");
        }
        for directory in [self.layout.uploads().as_path(), self.layout.root()] {
            self.disk.sync_directory(directory).map_err(not_synced)?;
        }
        Ok(())
    }

    /// Removes the records that do not survive a power cut.
    fn remove_unsynced(&self, upload: [u8; 16]) -> Result<(), StorageError> {
        for turn in [0, 1] {
            self.remove_file(&self.layout.session(upload, turn))?;
        }
        Ok(())
    }

    /// The record in a file, or why there is none in it; `None`: there is no file.
    fn read(&self, path: &Path, upload: [u8; 16]) -> Result<Option<Decoded>, StorageError> {
        let failed = |error| StorageError::io("read", path, error);
        let file = match self.disk.open(path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let len = usize::try_from(file.len().map_err(failed)?).unwrap_or(usize::MAX);
        // Four bytes per MiB of the upload: a larger one is of no upload there could be.
        if len > 64 * 1024 * 1024 {
            return Ok(Some(Err("it is too long")));
        }
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let decoded = SessionRecord::decode(&bytes);
        Ok(Some(decoded.and_then(|record| {
            let is_its = record.upload == upload;
            is_its.then_some(record).ok_or("it is another upload's")
        })))
    }

    fn remove_file(&self, path: &Path) -> Result<(), StorageError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("remove", path, error))
            }
            _ => Ok(()),
        }
    }
}

impl SessionStore for SessionFiles {
    fn save(&self, record: &SessionRecord, survives: Survives) -> Result<(), StorageError> {
        match survives {
            Survives::Death => self.save_in_turn(record),
            Survives::PowerCut => self.save_synced(record),
        }
    }

    fn load(&self, upload: [u8; 16]) -> Result<Option<SessionRecord>, StorageError> {
        let reading = self.writing(upload).read();
        let even = self.read(&self.layout.session(upload, 0), upload)?;
        let odd = self.read(&self.layout.session(upload, 1), upload)?;
        let synced = self.read(&self.layout.synced_session(upload), upload)?;
        drop(reading);
        let all = [&even, &odd, &synced];
        let records = all.into_iter().flatten().flatten();
        // The removal of an old one may be lost.
        if let Some(last) = records.max_by_key(|record| record.age()) {
            return Ok(Some(last.clone()));
        }
        if let Some(Err(why)) = synced {
            let table = "uploads";
            return Err(Corruption::Record { table, why }.into());
        }
        // It was not synced: a power cut may leave it so, and none of its bytes count then.
        if let Some(Err(why)) = even.or(odd) {
            tracing::warn!(%why, "the record of an upload is damaged; it begins anew");
        }
        Ok(None)
    }

    fn remove(&self, upload: [u8; 16]) -> Result<(), StorageError> {
        self.remove_unsynced(upload)?;
        self.remove_file(&self.layout.synced_session(upload))?;
        self.remove_file(&self.layout.new_session(upload))
    }

    fn list(&self) -> Result<BTreeSet<[u8; 16]>, StorageError> {
        let uploads = self.layout.uploads();
        let names = match self.disk.list(&uploads) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            names => names.map_err(|error| StorageError::io("list", &uploads, error))?,
        };
        Ok(names
            .iter()
            .filter_map(|name| parse_session(name))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::hashing::Hashing;
    use super::super::record::Checkpoint;
    use super::*;
    use crate::clock::EngineTime;
    use crate::digest::Algorithm;
    use crate::disk::{MemoryDisk, SimulatedDisk};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    const UPLOAD: [u8; 16] = [7; 16];

    /// The record number `turn` of an upload that has taken in so many MiB.
    fn record(turn: u64, blocks: usize) -> SessionRecord {
        let mut hashing = Hashing::new(Algorithm::Sha256);
        hashing.update(&vec![1; blocks << 20]);
        let written = Checkpoint::of(&hashing, hashing.offset());
        SessionRecord {
            upload: UPLOAD,
            boot_id: "boot".to_owned(),
            repository: "a/b".parse().unwrap(),
            algorithm: Algorithm::Sha256,
            turn,
            epoch: 0,
            id_expiry: EngineTime(70),
            expiry: EngineTime(77),
            file: 12,
            checks: hashing.checks().to_vec(),
            synced: written.clone(),
            written,
        }
    }

    fn in_memory() -> (MemoryDisk, SessionFiles) {
        let disk = MemoryDisk::default();
        let files = SessionFiles::new(Arc::new(disk.clone()), Layout::new("/store"));
        (disk, files)
    }

    fn save(files: &SessionFiles, record: &SessionRecord) {
        files.save(record, Survives::Death).unwrap();
    }

    #[test]
    fn a_record_that_was_half_written_leaves_the_one_before() {
        let (disk, files) = in_memory();
        for turn in 0..10 {
            let next = record(turn, 2);
            let encoded = next.encode();
            let path = Layout::new("/store").session(UPLOAD, turn);
            let before = files.load(UPLOAD).unwrap();
            for half in [0, 1, 19, encoded.len() / 2, encoded.len() - 1] {
                disk.create_directory(Path::new("/store/uploads")).unwrap();
                let file = disk.open(&path, true).unwrap();
                file.write_all_at(&[IoSlice::new(&encoded[..half])], 0)
                    .unwrap();
                let found = files.load(UPLOAD).unwrap();
                assert_eq!(found, before, "{half} bytes of {turn}");
            }
            save(&files, &next);
            assert_eq!(files.load(UPLOAD).unwrap(), Some(next));
        }
    }

    #[test]
    fn a_record_that_is_shorter_than_what_it_is_written_over_is_whole() {
        let (_, files) = in_memory();
        for (turn, blocks) in [(0, 9), (1, 9), (2, 1), (3, 0), (4, 3)] {
            let next = record(turn, blocks);
            files.save(&next, Survives::Death).unwrap();
            let path = Layout::new("/store").session(UPLOAD, turn);
            let read = files.read(&path, UPLOAD).unwrap();
            assert_eq!(read, Some(Ok(next)));
        }
    }

    #[test]
    fn a_synced_record_replaces_all_and_nothing_is_left_when_they_are_removed() {
        let (disk, files) = in_memory();
        for turn in [0, 1] {
            save(&files, &record(turn, 1));
        }
        let synced = record(2, 2);
        files.save(&synced, Survives::PowerCut).unwrap();
        assert_eq!(disk.files().len(), 1);
        assert_eq!(files.load(UPLOAD).unwrap(), Some(synced.clone()));
        // An older one that a power cut brought back.
        save(&files, &record(1, 1));
        assert_eq!(files.load(UPLOAD).unwrap(), Some(synced));
        save(&files, &record(3, 3));
        save(&files, &record(4, 4));
        assert_eq!(files.load(UPLOAD).unwrap().unwrap().turn, 4);
        files.remove(UPLOAD).unwrap();
        assert!(disk.files().is_empty());
    }

    #[test]
    fn a_synced_record_is_there_when_a_power_cut_halves_all_behind_it() {
        let (disk, files) = in_memory();
        let synced = record(2, 2);
        files.save(&synced, Survives::PowerCut).unwrap();
        for turn in [3, 4] {
            save(&files, &record(turn, 3));
        }
        for turn in [3, 4] {
            let path = Layout::new("/store").session(UPLOAD, turn);
            disk.open(&path, false).unwrap().set_len(100).unwrap();
        }
        assert_eq!(files.load(UPLOAD).unwrap(), Some(synced));
    }

    #[test]
    fn who_reads_waits_for_a_record_that_is_written() {
        let disk = SimulatedDisk::new();
        let files = SessionFiles::new(Arc::new(disk.clone()), Layout::new("/store"));
        for turn in [0, 1] {
            save(&files, &record(turn, 1));
        }
        let next = record(2, 1);
        let held = disk.hold();
        thread::scope(|scope| {
            scope.spawn(|| save(&files, &next));
            assert!(held.wait_for_a_change(Duration::from_mins(1)));
            let (begin, begun) = mpsc::channel();
            let files = &files;
            let reader = scope.spawn(move || {
                begin.send(()).unwrap();
                files.load(UPLOAD).unwrap()
            });
            begun.recv().unwrap();
            thread::sleep(Duration::from_millis(50));
            assert!(!reader.is_finished(), "it may have read half a record");
            drop(held);
            assert_eq!(reader.join().unwrap().as_ref(), Some(&next));
        });
    }

    #[test]
    fn a_record_in_turn_is_one_change_of_the_disk() {
        let disk = SimulatedDisk::new();
        let files = SessionFiles::new(Arc::new(disk.clone()), Layout::new("/store"));
        for turn in 0..20 {
            let before = disk.position();
            save(&files, &record(turn, 1));
            let changes = disk.position() - before;
            assert_eq!(changes == 1, turn >= 2, "{changes} changes for {turn}");
        }
    }
}
