//! A store that is destroyed, and the one that is made in its place.

use crate::support::{Hands, content, disk_use, manifest, open};
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::disk::SystemDisk;
use floundr_engine::{OpenError, destroy};
use std::sync::Arc;

#[tokio::test]
async fn a_store_in_use_is_left_alone_and_another_one_leaves_its_directory_empty() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(folder.path(), &hands).await;
    let repository = engine.repository(&"team/app".parse().unwrap());
    let (small, large) = (content(1000, 1), content(3_000_000, 2));
    for content in [&small, &large] {
        let put = repository.put_blob(Algorithm::Sha256, content.clone());
        put.await.unwrap();
    }
    let tagged = manifest("{}", &["latest"], Links::default());
    repository.put_manifest(tagged).await.unwrap();
    let foreign = folder.path().join("notes.txt");
    std::fs::write(&foreign, "not a store's").unwrap();

    let disk = Arc::new(SystemDisk);
    let refused = destroy(folder.path(), Arc::clone(&disk) as _, || Ok(())).await;
    assert!(matches!(refused, Err(OpenError::InUse(_))), "{refused:?}");
    let digest = Digest::of(Algorithm::Sha256, &large);
    assert!(repository.stat_blob(&digest).await.is_ok());

    engine.close().await.unwrap();
    let fails = || Err(std::io::ErrorKind::PermissionDenied.into());
    let refused = destroy(folder.path(), Arc::clone(&disk) as _, fails).await;
    assert!(refused.is_err(), "what lies beside it cannot go");
    let before = disk_use(folder.path());
    assert!(before > 3_000_000, "so it stays: {before}");

    let beside = folder.path().join("accounts");
    std::fs::write(&beside, "a secret").unwrap();
    let first = move || std::fs::remove_file(beside);
    destroy(folder.path(), disk, first).await.unwrap();
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "not a store's");
    std::fs::remove_file(&foreign).unwrap();
    assert_eq!(disk_use(folder.path()), 0);

    let engine = open(folder.path(), &hands).await;
    let repository = engine.repository(&"team/app".parse().unwrap());
    assert!(repository.stat_blob(&digest).await.is_err());
    engine.close().await.unwrap();
}
