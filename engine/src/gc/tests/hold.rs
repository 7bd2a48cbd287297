//! What a backup may be copying stays on the disk, whoever would remove it, and goes afterwards.

use super::World;
use crate::digest::{Algorithm, Digest};
use crate::disk::Disk as _;
use crate::gc::Hold;
use bytes::Bytes;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::time::Duration;

impl World {
    /// What a backup takes before it reads a row.
    async fn hold(&self) -> Hold {
        self.engine.collector().engine.collector.hold().await
    }

    async fn delete(&self, digest: &Digest) {
        let repository = self.engine.repository(&"a".parse().unwrap());
        repository.delete_blob(digest).await.unwrap();
    }

    fn read(&self, path: &Path) -> Vec<u8> {
        let file = self.disk.open(path, false).unwrap();
        let mut content = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut content, 0).unwrap();
        content
    }

    fn only_file(&self, folder: &str) -> PathBuf {
        let names = self.disk.list(Path::new(folder)).unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        Path::new(folder).join(&names[0])
    }

    async fn until_no_file_is_left(&self) {
        let gone = async {
            while self.files() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_mins(1);
        tokio::time::timeout(patience, gone).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_of_removed_records_stay_while_they_are_held_and_go_afterwards_by_themselves() {
    let world = World::new().await;
    let large = world.push("a", &[1; 5_000]).await;
    let small = world.push("a", &[2; 50]).await;
    let hold = world.hold().await;
    world.delete(&large).await;
    world.delete(&small).await;
    let report = world.engine.collect().await.unwrap();
    assert!(report.complete && report.held, "{report:?}");
    assert_eq!(world.read(&world.only_file("/store/blobs/0")), [1; 5_000]);
    assert_eq!(world.read(&world.only_file("/store/segments/0")), [2; 50]);
    assert_eq!(world.engine.collector().queues().unwrap().waiting, 2);
    drop(hold);
    world.until_no_file_is_left().await;
    let report = world.engine.collect().await.unwrap();
    assert!(!report.held, "{report:?}");
    assert_eq!(world.engine.collector().queues().unwrap().waiting, 0);
}

#[tokio::test]
async fn the_file_of_an_ended_upload_stays_while_it_is_held() {
    let world = World::new().await;
    let repository = world.engine.repository(&"a".parse().unwrap());
    let content = Bytes::from_static(&[3; 5_000]);
    let digest = Digest::of(Algorithm::Sha256, &content);
    let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
    let id = session.id();
    session.append(content).await.unwrap();
    session.suspend().await.unwrap();
    let record = world.only_file("/store/uploads");
    let at_rest = world.read(&record);
    let session = repository.resume_upload(&id).await.unwrap();
    session.finish(&digest).await.unwrap();
    // What a process leaves that dies between the commit and the end of the upload's record.
    let file = world.disk.open(&record, true).unwrap();
    file.write_all_at(&[IoSlice::new(&at_rest)], 0).unwrap();
    let hold = world.hold().await;
    world.delete(&digest).await;
    let report = world.engine.collect().await.unwrap();
    assert!(report.held, "{report:?}");
    assert_eq!(world.files(), 1);
    drop(hold);
    assert!(!world.engine.collect().await.unwrap().held);
    assert_eq!(world.files(), 0);
    assert_eq!(
        world.disk.list(Path::new("/store/uploads")).unwrap().len(),
        0
    );
}

#[tokio::test]
async fn the_search_for_orphans_leaves_a_file_that_lost_its_record_while_it_is_held() {
    for size in [5_000, 50] {
        let world = World::new().await;
        let digest = world.push("a", &vec![4; size]).await;
        // So that the search does not come before the hold.
        world.engine.collector().pause().await.unwrap();
        let world = world.reopened().await;
        let folder = if size > 100 { "blobs" } else { "segments" };
        let file = world.only_file(&format!("/store/{folder}/0"));
        let hold = world.hold().await;
        world.delete(&digest).await;
        world.engine.collector().resume().await.unwrap();
        world.engine.collect().await.unwrap();
        assert_eq!(world.read(&file), vec![4; size]);
        assert!(!world.engine.collector().status().orphans_searched);
        drop(hold);
        world.engine.collect().await.unwrap();
        assert!(world.engine.collector().status().orphans_searched);
        assert!(world.disk.open(&file, false).is_err());
    }
}

#[tokio::test]
async fn who_frees_bytes_and_who_holds_them_wait_for_nobody_for_long() {
    let world = World::new().await;
    let first = world.hold().await;
    world.engine.collect().await.unwrap();
    // A hold beside another one, after somebody asked for the right to free.
    let second = world.hold().await;
    drop((first, second));
    assert!(!world.engine.collect().await.unwrap().held);
}
