//! [`Shop`]: a store with content of both sizes, its backup and restored copies on one disk.

use crate::backup::{
    BackupError, BackupOptions, BackupReport, RestoreError, RestoreOptions, RestoreReport, restore,
};
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk, DiskCounts, MemoryDisk};
use crate::engine::{Engine, OpenError};
use crate::options::Options;
use crate::repository::{Missing, PutManifest};
use crate::upload::{UploadError, UploadId, UploadStatus};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Bytes of the blob that has a file of its own, and of the one in a segment.
pub(super) const LARGE: usize = 100_000;
pub(super) const SMALL: usize = 10 * 1024;

/// Every repository's tags, blobs and manifests with their content.
pub(super) type Inventory = BTreeMap<String, Bytes>;

/// A store in `/store`, its backup in `/backup`.
pub(super) struct Shop {
    pub(super) engine: Engine,
    pub(super) disk: MemoryDisk,
    shared: Arc<dyn Disk>,
    restored: AtomicU32,
}

/// The files of a backup.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) blobs: Vec<PathBuf>,
    pub(super) segments: Vec<PathBuf>,
    pub(super) others: Vec<PathBuf>,
}

// === impl Shop ===

impl Shop {
    pub(super) async fn open() -> Self {
        let disk = MemoryDisk::new();
        Self::on(disk.clone(), Arc::new(disk)).await
    }

    pub(super) async fn on(disk: MemoryDisk, shared: Arc<dyn Disk>) -> Self {
        Self {
            engine: open(&shared, "/store").await,
            disk,
            shared,
            restored: AtomicU32::new(0),
        }
    }

    pub(super) async fn reopened(self) -> Self {
        self.engine.close().await.unwrap();
        self.reopened_unclosed().await
    }

    pub(super) fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.shared)
    }

    /// Images, each of a large and a small blob, over four repositories.
    pub(super) async fn stock(&self, images: u64) {
        self.stock_more(0..images).await;
    }

    pub(super) async fn stock_more(&self, images: Range<u64>) {
        for index in images {
            let repository = self.engine.repository(&name_of(index).parse().unwrap());
            let mut layers = Vec::new();
            for size in [LARGE, SMALL] {
                let put = repository.put_blob(Algorithm::Sha256, content(size, index));
                layers.push(put.await.unwrap());
            }
            let manifest = PutManifest {
                tags: vec![tag_of(index).parse().unwrap()],
                missing_children: Missing::Refuse,
                ..PutManifest::new(
                    format!("manifest {index}"),
                    "application/x".parse().unwrap(),
                    Links {
                        layers,
                        ..Links::default()
                    },
                )
            };
            repository.put_manifest(manifest).await.unwrap();
        }
    }

    /// Deletes an image, its blobs included.
    pub(super) async fn delete(&self, index: u64) {
        let repository = self.engine.repository(&name_of(index).parse().unwrap());
        let reference = tag_of(index).parse().unwrap();
        let manifest = repository.manifest(&reference).await.unwrap();
        repository.delete_manifest(&manifest.digest).await.unwrap();
        for size in [LARGE, SMALL] {
            let digest = made(size, index).1;
            repository.delete_blob(&digest).await.unwrap();
        }
    }

    pub(super) async fn start_upload(&self) -> UploadId {
        let repository = self.engine.repository(&"r0".parse().unwrap());
        let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
        let id = session.id();
        session.append(content(LARGE, 1_000)).await.unwrap();
        session.suspend().await.unwrap();
        id
    }

    pub(super) async fn upload_status(&self, id: &UploadId) -> Result<UploadStatus, UploadError> {
        let repository = self.engine.repository(&"r0".parse().unwrap());
        repository.upload_status(id).await
    }

    pub(super) async fn backup(&self) -> Result<BackupReport, BackupError> {
        self.backup_with(BackupOptions::default()).await
    }

    pub(super) async fn backup_with(
        &self,
        options: BackupOptions,
    ) -> Result<BackupReport, BackupError> {
        self.engine.backup("/backup".as_ref(), options).await
    }

    pub(super) fn backup_in_background(&self) -> JoinHandle<Result<BackupReport, BackupError>> {
        let engine = self.engine.clone();
        tokio::spawn(async move {
            let options = BackupOptions::default();
            engine.backup("/backup".as_ref(), options).await
        })
    }

    /// Waits for the end of one that was cancelled.
    pub(super) async fn backup_when_free(&self) -> BackupReport {
        let backup = async {
            loop {
                match self.backup().await {
                    Err(BackupError::Running(_)) => tokio::task::yield_now().await,
                    outcome => return outcome.unwrap(),
                }
            }
        };
        soon(backup).await
    }

    /// Restores into a new directory and opens it.
    pub(super) async fn restore(&self) -> Result<(RestoreReport, Engine), RestoreError> {
        let report = self.restore_only().await?;
        Ok((report, self.open_restored().await))
    }

    pub(super) async fn restore_only(&self) -> Result<RestoreReport, RestoreError> {
        self.restored.fetch_add(1, Ordering::SeqCst);
        let options = RestoreOptions {
            disk: self.shared_disk(),
            ..RestoreOptions::default()
        };
        restore("/backup".as_ref(), self.last_restored(), options).await
    }

    pub(super) fn last_restored(&self) -> &'static Path {
        let number = self.restored.load(Ordering::SeqCst);
        Path::new(Box::leak(format!("/restored-{number}").into_boxed_str()))
    }

    pub(super) async fn open_restored(&self) -> Engine {
        open(&self.shared, self.last_restored()).await
    }

    /// The directory that is restored into next.
    pub(super) fn next_restored(&self) -> &'static Path {
        let number = self.restored.load(Ordering::SeqCst) + 1;
        Path::new(Box::leak(format!("/restored-{number}").into_boxed_str()))
    }

    pub(super) fn nothing_is_left_of_the_restore(&self) {
        let root = self.last_restored();
        let left = self.files(root.to_str().unwrap());
        assert_eq!((left.blobs.len(), left.segments.len()), (0, 0), "{left:?}");
        let lock = root.join("LOCK");
        assert!(left.others.iter().all(|path| *path == lock), "{left:?}");
    }

    /// As [`Shop::restores_to`], when a fault decided which it is.
    pub(super) async fn restores_to_one_of(&self, expected: &[&Inventory]) {
        let (_, engine) = self.restore().await.unwrap();
        let found = self.inventory_of(&engine).await;
        let names: Vec<_> = found.keys().collect();
        assert!(expected.contains(&&found), "{names:?}");
        assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
        engine.close().await.unwrap();
    }

    /// The machine is off and on again.
    pub(super) async fn after_a_power_cut(self) -> Self {
        // The writer may have stopped on the fault: closing then says so.
        drop(self.engine.close().await);
        self.disk.cut_power();
        self.reopened_unclosed().await
    }

    pub(super) async fn reopened_unclosed(self) -> Self {
        let restored = self.restored.load(Ordering::SeqCst);
        let shop = Self::on(self.disk, self.shared).await;
        shop.restored.store(restored, Ordering::SeqCst);
        shop
    }

    /// What a backup into an empty directory asks of the disk.
    pub(super) async fn calls_of_a_backup(&self, directory: &str) -> DiskCounts {
        let before = self.disk.counts();
        let options = BackupOptions::default();
        self.engine
            .backup(directory.as_ref(), options)
            .await
            .unwrap();
        let after = self.disk.counts();
        DiskCounts {
            bytes_read: after.bytes_read - before.bytes_read,
            writes: after.writes - before.writes,
            syncs: after.syncs - before.syncs,
            directory_syncs: after.directory_syncs - before.directory_syncs,
        }
    }

    /// One blob alone.
    pub(super) async fn stock_one(&self, index: u64, small: bool) {
        let repository = self.engine.repository(&name_of(index).parse().unwrap());
        let size = if small { SMALL } else { LARGE };
        let put = repository.put_blob(Algorithm::Sha256, content(size, index));
        put.await.unwrap();
    }

    /// Every file under a root with its content.
    pub(super) fn copy_of(&self, root: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = self.disk.files().into_iter();
        files
            .filter(|path| path.starts_with(root))
            .map(|path| (path.clone(), read(&self.disk, &path)))
            .collect()
    }

    /// Makes the files under a root those of a copy.
    pub(super) fn put_back(&self, root: &str, copy: &BTreeMap<PathBuf, Vec<u8>>) {
        for path in self.copy_of(root).into_keys() {
            self.disk.remove(&path).unwrap();
        }
        for (path, content) in copy {
            let file = self.disk.open(path, true).unwrap();
            let buffers = [io::IoSlice::new(content)];
            file.write_all_at(&buffers, 0).unwrap();
        }
    }

    /// Restores, and compares every byte and the records with one another.
    pub(super) async fn restores_to(&self, expected: &Inventory) {
        let (_, engine) = self.restore().await.unwrap();
        let found = self.inventory_of(&engine).await;
        assert!(found == *expected, "{:?}", differences(&found, expected));
        assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
        // It is a store as any other.
        let repository = engine.repository(&"new".parse().unwrap());
        for size in [LARGE, SMALL] {
            let put = repository.put_blob(Algorithm::Sha256, content(size, 77_777));
            put.await.unwrap();
        }
        engine.collect().await.unwrap();
        engine.close().await.unwrap();
    }

    pub(super) async fn inventory(&self) -> Inventory {
        self.inventory_of(&self.engine).await
    }

    pub(super) async fn inventory_of(&self, engine: &Engine) -> Inventory {
        let mut inventory = Inventory::new();
        for index in 0..100 {
            let repository = engine.repository(&name_of(index).parse().unwrap());
            let manifest = repository.manifest(&tag_of(index).parse().unwrap()).await;
            if let Ok(manifest) = manifest {
                inventory.insert(
                    format!("{} {}", tag_of(index), manifest.digest),
                    manifest.content,
                );
            }
            for size in [LARGE, SMALL] {
                let digest = made(size, index).1;
                let Ok(blob) = repository.blob(&digest).await else {
                    continue;
                };
                let read = blob.read(0..blob.size()).await.unwrap();
                inventory.insert(format!("{index} {digest}"), read);
            }
        }
        inventory
    }

    pub(super) async fn holds_nowhere(&self, engine: &Engine, digest: &Digest) -> bool {
        for index in 0..4 {
            let repository = engine.repository(&name_of(index).parse().unwrap());
            if repository.stat_blob(digest).await.is_ok() {
                return false;
            }
        }
        true
    }

    /// The blob file with an image's large blob.
    pub(super) fn file_of_large(&self, index: u64) -> PathBuf {
        let expected = content(LARGE, index);
        let files = self.files("/store").blobs;
        let holds = |path: &&PathBuf| read(&self.disk, path) == expected;
        files.iter().find(holds).unwrap().clone()
    }

    pub(super) fn segment(&self) -> PathBuf {
        self.files("/store").segments[0].clone()
    }

    pub(super) fn backup_files(&self) -> Files {
        self.files("/backup")
    }

    pub(super) fn files(&self, root: &str) -> Files {
        let mut files = Files::default();
        let under = |path: &PathBuf, folder: &str| path.starts_with(Path::new(root).join(folder));
        for path in self.disk.files() {
            match () {
                () if under(&path, "blobs") => files.blobs.push(path),
                () if under(&path, "segments") => files.segments.push(path),
                () if under(&path, "") => files.others.push(path),
                () => {}
            }
        }
        files
    }

    /// Waits until the collector gave an image's bytes back.
    pub(super) async fn until_gone(&self, index: u64) {
        let expected = content(LARGE, index);
        let gone = async {
            loop {
                let files = self.files("/store").blobs;
                if !files.iter().any(|path| read(&self.disk, path) == expected) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(gone).await;
    }
}

async fn open(disk: &Arc<dyn Disk>, root: impl Into<PathBuf>) -> Engine {
    let mut options = Options::new(root);
    options.disk = Arc::clone(disk);
    Engine::open(options).await.unwrap()
}

/// Why a store cannot be opened.
pub(super) async fn open_error(disk: &Arc<dyn Disk>, root: &Path) -> OpenError {
    let mut options = Options::new(root);
    options.disk = Arc::clone(disk);
    Engine::open(options).await.unwrap_err()
}

/// A bound on what must happen without being waited for by the clock.
pub(super) async fn soon<T>(work: impl Future<Output = T>) -> T {
    let patience = Duration::from_mins(1);
    tokio::time::timeout(patience, work).await.unwrap()
}

fn name_of(index: u64) -> String {
    format!("r{}", index % 4)
}

fn tag_of(index: u64) -> String {
    format!("t{index}")
}

/// Content that no other index or size has.
pub(super) fn content(size: usize, index: u64) -> Bytes {
    made(size, index).0
}

/// It and its digest, made once: most of the time of these tests would go into it.
fn made(size: usize, index: u64) -> (Bytes, Digest) {
    static MADE: Mutex<BTreeMap<(usize, u64), (Bytes, Digest)>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock();
    let entry = made.entry((size, index)).or_insert_with(|| {
        let mut state = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (size as u64) | 1;
        let mut content = Vec::with_capacity(size + 8);
        while content.len() < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            content.extend_from_slice(&state.to_le_bytes());
        }
        content.truncate(size);
        let digest = Digest::of(Algorithm::Sha256, &content);
        (content.into(), digest)
    });
    entry.clone()
}

pub(super) fn read(disk: &MemoryDisk, path: &Path) -> Vec<u8> {
    let Ok(file) = disk.open(path, false) else {
        return Vec::new();
    };
    let mut content = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

/// Changes one bit of a file, which stays so after a power cut.
pub(super) fn flip(disk: &MemoryDisk, path: &Path, bit: usize) {
    let byte = read(disk, path)[bit / 8] ^ 1 << (bit % 8);
    let file = disk.open(path, false).unwrap();
    let buffers = [io::IoSlice::new(std::slice::from_ref(&byte))];
    file.write_all_at(&buffers, bit as u64 / 8).unwrap();
    file.sync().unwrap();
}

fn differences(found: &Inventory, expected: &Inventory) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    keys.into_iter()
        .filter(|key| found.get(*key) != expected.get(*key))
        .cloned()
        .collect()
}
