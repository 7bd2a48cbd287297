//! Hard links, on the operating system's files.

use super::support::{LARGE, SMALL, content};
use crate::backup::{BackupOptions, RestoreOptions, restore};
use crate::digest::Algorithm;
use crate::engine::Engine;
use crate::options::Options;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The numbered files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let inner = fs::read_dir(folder).into_iter().flatten();
    let files = inner.flat_map(|entry| fs::read_dir(entry.unwrap().path()).unwrap());
    files.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn blob_files_are_linked_on_request_and_segments_never() {
    let folder = tempfile::tempdir().unwrap();
    let [root, target, again] = ["store", "backup", "again"].map(|name| folder.path().join(name));
    let engine = Engine::open(Options::new(&root)).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    let mut digests = Vec::new();
    for size in [LARGE, SMALL, SMALL + 1] {
        let put = repository.put_blob(Algorithm::Sha256, content(size, 1));
        digests.push(put.await.unwrap());
    }
    let options = BackupOptions {
        hard_links: true,
        ..BackupOptions::default()
    };
    let report = engine.backup(&target, options).await.unwrap();
    assert_eq!(report.linked_bytes, LARGE as u64);
    assert_eq!(report.copied_bytes, 2 * SMALL as u64 + 1);
    let links = |folder: PathBuf| {
        files(&folder)
            .iter()
            .map(|path| fs::metadata(path).unwrap().nlink())
            .collect::<Vec<_>>()
    };
    assert_eq!(links(target.join("blobs")), [2]);
    assert_eq!(links(target.join("segments")), [1]);
    let second = engine.backup(&target, options).await.unwrap();
    assert_eq!((second.linked_bytes, second.copied_bytes), (0, 0));

    // What the store deletes, holes in segments included, stays in the backup.
    for digest in &digests[..2] {
        repository.delete_blob(digest).await.unwrap();
    }
    engine.collect().await.unwrap();
    assert_eq!(links(target.join("blobs")), [1]);
    let options = RestoreOptions {
        hard_links: true,
        ..RestoreOptions::default()
    };
    let report = restore(&target, &again, options).await.unwrap();
    assert_eq!(report.linked_bytes, LARGE as u64);
    let restored = Engine::open(Options::new(&again)).await.unwrap();
    let repository = restored.repository(&"a".parse().unwrap());
    for (digest, size) in digests.iter().zip([LARGE, SMALL, SMALL + 1]) {
        let blob = repository.blob(digest).await.unwrap();
        assert_eq!(blob.read(0..blob.size()).await.unwrap(), content(size, 1));
    }
    restored.close().await.unwrap();
    engine.close().await.unwrap();
}
