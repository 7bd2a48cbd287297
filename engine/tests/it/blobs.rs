//! Push, read, delete and mount, with sizes around every boundary.

use crate::support::{Hands, content, disk_use, open};
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::fault::StorageError;
use floundr_engine::repository::BlobError;
use floundr_engine::upload::UploadError;
use floundr_engine::{Durability, Engine, OpenError, Options};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Lengths, each with the boundary it stands for.
const INTERESTING_SIZES: [usize; 12] = [
    0,         // no byte at all
    1,         // one
    65_535,    // the last size that is small for certain
    65_536,    // the small limit
    65_537,    // the first file
    262_143,   // a byte less than one write
    262_144,   // one write
    262_145,   // a second write of one byte
    1_048_575, // a byte less than one checksum block
    1_048_576, // one block
    1_048_577, // a second block of one byte
    3_500_000, // several of each
];

#[tokio::test]
async fn every_size_comes_back_byte_for_byte_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    for reopened in [false, true] {
        let engine = open(folder.path(), &hands).await;
        let repository = engine.repository(&"sizes".parse().unwrap());
        for algorithm in Algorithm::ALL {
            for size in INTERESTING_SIZES {
                let expected = content(size, size as u64);
                let digest = Digest::of(algorithm, &expected);
                if !reopened {
                    let put = repository
                        .put_blob(algorithm, expected.clone())
                        .await
                        .unwrap();
                    assert_eq!(put, digest);
                }
                let blob = repository.blob(&digest).await.unwrap();
                assert_eq!(blob.size(), size as u64);
                assert!(
                    blob.read(0..blob.size()).await.unwrap() == expected,
                    "{size}"
                );
                let half = blob.size() / 2;
                let tail = blob.read(half..blob.size()).await.unwrap();
                assert!(tail == expected.slice(size / 2..), "{size}");
                assert!(blob.read(0..blob.size() + 1).await.is_err());
                if let Some(mapped) = blob.mapped(half..blob.size()).await.unwrap() {
                    assert!(mapped == expected.slice(size / 2..), "{size}");
                }
            }
        }
        engine.close().await.unwrap();
    }
}

#[tokio::test]
async fn content_that_is_not_what_was_said_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let repository = engine.repository(&"a".parse().unwrap());
    let before = disk_use(folder.path());
    for size in [10, 1_000_000] {
        let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
        let id = session.id();
        session.append(content(size, 1)).await.unwrap();
        let claimed = Digest::of(Algorithm::Sha256, b"something else");
        match session.finish(&claimed).await {
            Err(UploadError::DigestMismatch {
                claimed: said,
                actual,
            }) => {
                assert_eq!(said, claimed);
                assert_eq!(actual, Digest::of(Algorithm::Sha256, &content(size, 1)));
            }
            other => panic!("{other:?}"),
        }
        let status = repository.upload_status(&id).await;
        assert!(matches!(status, Err(UploadError::Unknown(_))));
        assert!(matches!(
            repository.blob(&claimed).await,
            Err(BlobError::Unknown { .. })
        ));
    }
    assert_eq!(engine.statistics().await.unwrap().blobs, 0);
    assert!(disk_use(folder.path()) < before + 100_000);
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let repository = engine.repository(&"mine".parse().unwrap());
    let other = engine.repository(&"yours".parse().unwrap());
    let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
    let id = session.id();
    session.append(content(10, 1)).await.unwrap();
    session.suspend().await.unwrap();
    assert!(matches!(
        other.upload_status(&id).await,
        Err(UploadError::Unknown(_))
    ));
    assert!(matches!(
        other.resume_upload(&id).await,
        Err(UploadError::Unknown(_))
    ));
    assert_eq!(repository.upload_status(&id).await.unwrap().offset, 10);
}

#[tokio::test]
async fn a_store_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(Options::new(folder.path())).await.unwrap();
    let second = Engine::open(Options::new(folder.path())).await;
    assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    engine.close().await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    assert!(
        repository
            .put_blob(Algorithm::Sha256, content(1, 1))
            .await
            .is_err()
    );
    Engine::open(Options::new(folder.path())).await.unwrap();
}

#[tokio::test]
async fn relaxed_durability_keeps_everything_over_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path());
    options.durability = Durability::Relaxed;
    let engine = Engine::open(options.clone()).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    let mut digests = Vec::new();
    for index in 0..50 {
        let size = if index % 2 == 0 { 100 } else { 200_000 };
        let put = repository.put_blob(Algorithm::Sha256, content(size, index));
        digests.push(put.await.unwrap());
    }
    engine.close().await.unwrap();
    let engine = Engine::open(options).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    for digest in digests {
        let blob = repository.blob(&digest).await.unwrap();
        let bytes = blob.read(0..blob.size()).await.unwrap();
        assert_eq!(Digest::of(Algorithm::Sha256, &bytes), digest);
    }
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_reader_goes_on_after_its_blob_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let repository = engine.repository(&"a".parse().unwrap());
    for size in [100, 2_000_000] {
        let expected = content(size, 7);
        let digest = repository
            .put_blob(Algorithm::Sha256, expected.clone())
            .await
            .unwrap();
        let blob = repository.blob(&digest).await.unwrap();
        repository.delete_blob(&digest).await.unwrap();
        engine.collect().await.unwrap();
        assert!(matches!(
            repository.blob(&digest).await,
            Err(BlobError::Unknown { .. })
        ));
        assert!(blob.read(0..blob.size()).await.unwrap() == expected);
    }
}

#[tokio::test]
async fn a_session_that_is_still_held_writes_nothing_after_the_store_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let repository = engine.repository(&"a".parse().unwrap());
    let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
    session.append(content(1_000_000, 1)).await.unwrap();
    engine.close().await.unwrap();
    let refused = session.append(content(1_000_000, 1)).await;
    assert!(
        matches!(refused, Err(UploadError::Storage(StorageError::Closed))),
        "{refused:?}"
    );
    let started = repository.start_upload(Algorithm::Sha256);
    assert!(matches!(
        started,
        Err(UploadError::Storage(StorageError::Closed))
    ));
}

#[tokio::test]
async fn relaxed_durability_survives_superseded_files_and_makes_all_durable_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(folder.path());
    options.durability = Durability::Relaxed;
    let engine = Engine::open(options.clone()).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    // The second copy of each is superseded and removed before its sync is due.
    let mut digests = Vec::new();
    for index in 0..10 {
        for _copy in 0..2 {
            let put = repository.put_blob(Algorithm::Sha256, content(200_000, index));
            digests.push(put.await.unwrap());
        }
    }
    let gone = repository
        .put_blob(Algorithm::Sha256, content(300_000, 99))
        .await
        .unwrap();
    repository.delete_blob(&gone).await.unwrap();
    engine.collect().await.unwrap();
    // A steady load must not put the durable commit off.
    let started = std::time::Instant::now();
    for index in 100.. {
        let put = repository.put_blob(Algorithm::Sha256, content(100, index));
        digests.push(put.await.unwrap());
        if started.elapsed() > Duration::from_millis(2500) {
            break;
        }
    }
    engine.check_ready().await.unwrap();
    engine.close().await.unwrap();
    let engine = Engine::open(options).await.unwrap();
    let repository = engine.repository(&"a".parse().unwrap());
    for digest in digests {
        repository.stat_blob(&digest).await.unwrap();
    }
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_copy_is_never_served_and_a_push_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let repository = engine.repository(&"a".parse().unwrap());
    for size in [1_000, 300_000] {
        let expected = content(size, 5);
        let digest = repository
            .put_blob(Algorithm::Sha256, expected.clone())
            .await
            .unwrap();
        damage(
            folder.path(),
            if size < 65_536 { "segments" } else { "blobs" },
        );
        let served = repository.blob(&digest).await;
        assert!(
            matches!(served, Err(BlobError::Unknown { .. })),
            "{served:?}"
        );
        let told = repository.stat_blob(&digest).await;
        assert!(matches!(told, Err(BlobError::Unknown { .. })), "{told:?}");
        repository
            .put_blob(Algorithm::Sha256, expected.clone())
            .await
            .unwrap();
        let blob = repository.blob(&digest).await.unwrap();
        assert!(blob.read(0..blob.size()).await.unwrap() == expected);
    }
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}

/// Flips a byte of the one segment, or cuts the one blob file short.
fn damage(root: &Path, folder: &str) {
    let directory = std::fs::read_dir(root.join(folder))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file = std::fs::read_dir(directory.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&file).unwrap();
    if folder == "segments" {
        bytes[10] ^= 1;
    } else {
        bytes.pop();
    }
    std::fs::write(&file, bytes).unwrap();
}
