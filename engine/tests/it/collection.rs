//! Space comes back on the disk: after deletes, after grace, after expiry, after a crash.

use crate::support::{GRACE, Hands, content, disk_use, open, options};
use floundr_engine::digest::Algorithm;
use floundr_engine::{Engine, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What may stay: the two pages at the ends of each small blob, until its whole segment goes.
const SLACK: u64 = 20 * 2 * 4096;

fn content_use(root: &Path) -> u64 {
    disk_use(&root.join("blobs")) + disk_use(&root.join("segments"))
}

#[tokio::test]
async fn deleting_the_last_copy_gives_the_disk_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let repository = engine.repository(&"a".parse().unwrap());
    let mut digests = Vec::new();
    for index in 0..40 {
        let size = if index % 2 == 0 { 30_000 } else { 500_000 };
        let put = repository.put_blob(Algorithm::Sha256, content(size, index));
        digests.push(put.await.unwrap());
    }
    assert!(content_use(folder.path()) > 10_000_000);
    for digest in &digests {
        repository.delete_blob(digest).await.unwrap();
    }
    engine.collect().await.unwrap();
    let left = content_use(folder.path());
    assert!(left < SLACK, "{left} bytes are left");
    assert_eq!(engine.statistics().await.unwrap().blobs, 0);
}

#[tokio::test]
async fn what_nothing_links_goes_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(folder.path(), &hands).await;
    let repository = engine.repository(&"a".parse().unwrap());
    repository
        .put_blob(Algorithm::Sha256, content(500_000, 1))
        .await
        .unwrap();
    hands.pass(GRACE - Duration::from_secs(1));
    assert_eq!(engine.collect().await.unwrap().removed, 0);
    hands.pass(Duration::from_secs(1));
    let report = engine.collect().await.unwrap();
    assert_eq!(
        (report.unlinked, report.removed, report.bytes),
        (1, 1, 500_000)
    );
    assert!(content_use(folder.path()) < SLACK);
}

#[tokio::test]
async fn an_upload_that_lies_too_long_goes() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(folder.path(), &hands).await;
    let repository = engine.repository(&"a".parse().unwrap());
    let lifetime = Options::new("").upload_lifetime;
    let start = |seed| {
        let repository = repository.clone();
        async move {
            let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
            let id = session.id();
            session.append(content(400_000, seed)).await.unwrap();
            session.suspend().await.unwrap();
            id
        }
    };
    let old = start(1).await;
    hands.pass(lifetime - Duration::from_secs(1));
    let young = start(2).await;
    hands.pass(Duration::from_secs(2));
    assert_eq!(engine.collect().await.unwrap().expired_uploads, 1);
    assert!(repository.upload_status(&old).await.is_err());
    assert_eq!(
        repository.upload_status(&young).await.unwrap().offset,
        400_000
    );
    let used = content_use(folder.path());
    assert!((400_000..800_000).contains(&used), "{used}");
    let session = repository.resume_upload(&young).await.unwrap();
    session.cancel().await.unwrap();
    assert!(content_use(folder.path()) < SLACK);
}

#[tokio::test]
async fn files_without_a_record_are_removed_after_reopening_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(folder.path(), &hands).await;
    let repository = engine.repository(&"a".parse().unwrap());
    let digest = repository
        .put_blob(Algorithm::Sha256, content(300_000, 1))
        .await
        .unwrap();
    let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
    let id = session.id();
    session.append(content(300_000, 2)).await.unwrap();
    session.suspend().await.unwrap();
    engine.close().await.unwrap();
    // A file of a number that was reserved and has no record, as a crash leaves it.
    let blobs = folder.path().join("blobs");
    let directory = std::fs::read_dir(&blobs)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let known = std::fs::read_dir(&directory)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .file_name();
    let orphan = format!("{:0width$x}", 77, width = known.len());
    std::fs::write(directory.join(&orphan), [1; 10]).unwrap();

    let engine = Engine::open(options(folder.path(), &hands)).await.unwrap();
    let gone = async {
        while directory.join(&orphan).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    assert_eq!(repository.blob(&digest).await.unwrap().size(), 300_000);
    assert_eq!(repository.upload_status(&id).await.unwrap().offset, 300_000);
    engine.collect().await.unwrap();
    assert_eq!(repository.upload_status(&id).await.unwrap().offset, 300_000);
}

#[tokio::test]
async fn what_cannot_be_removed_is_counted_and_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let mut options = options(folder.path(), &hands);
    options.collect_interval = Duration::from_hours(1);
    let engine = Engine::open(options).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    for seed in 0..3 {
        let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
        session.append(content(400_000, seed)).await.unwrap();
        session.suspend().await.unwrap();
    }
    for seed in 3..6 {
        let put = repository.put_blob(Algorithm::Sha256, content(500_000, seed));
        put.await.unwrap();
    }
    // A file that cannot be removed as one: a directory of its name.
    let spoil = |path: &Path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    };
    let in_folder = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let sessions = in_folder(&folder.path().join("uploads"));
    let blobs = in_folder(&in_folder(&folder.path().join("blobs"))[0]);
    assert_eq!((sessions.len(), blobs.len()), (3, 6));
    spoil(&sessions[0]);
    spoil(&blobs[3]);
    hands.pass(Options::new("").upload_lifetime);
    for _ in 0..2 {
        let report = engine.collect().await.unwrap();
        assert_eq!((report.failed, report.complete), (2, true));
        assert_eq!(engine.collector().queues().unwrap().waiting, 1);
    }
    assert_eq!(
        in_folder(&folder.path().join("uploads")),
        [sessions[0].clone()]
    );
    // Of the uploads one file is left, and of the blobs the one that could not be removed.
    let left = in_folder(blobs[3].parent().unwrap());
    assert_eq!(left.len(), 2);
    for path in [&sessions[0], &blobs[3]] {
        std::fs::remove_dir(path).unwrap();
    }
    let report = engine.collect().await.unwrap();
    assert_eq!(report.failed, 0);
    assert_eq!(engine.collector().queues().unwrap().waiting, 0);
}
