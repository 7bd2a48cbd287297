//! What the journal makes of a crash, by the contract of [`Disk`].

use super::{Crash, SimulatedDisk};
use crate::disk::{Disk, DiskFile};
use std::collections::BTreeSet;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = "/store";
const FILE: &str = "/store/file";

fn with_a_folder() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new(FOLDER)).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    disk
}

fn write(file: &Arc<dyn DiskFile>, content: &[u8], offset: u64) {
    file.write_all_at(&[IoSlice::new(content)], offset).unwrap();
}

/// The content of the file, if there is one.
fn content(disk: &SimulatedDisk) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(FILE), false).ok()?;
    let mut content = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    Some(content)
}

/// What every kind of crash before the change `at` leaves of the file, over many seeds.
fn outcomes(disk: &SimulatedDisk, at: usize) -> [BTreeSet<Option<Vec<u8>>>; 2] {
    let journal = disk.journal();
    let mut replay = journal.replay();
    replay.advance(at);
    let after = |crash| content(&replay.crashed(crash));
    [
        (0..300).map(|seed| after(Crash::Stop { seed })).collect(),
        (0..300)
            .map(|seed| after(Crash::PowerCut { seed }))
            .collect(),
    ]
}

#[test]
fn what_was_synced_survives_every_power_cut_and_what_was_written_every_stop() {
    let disk = with_a_folder();
    let file = disk.open(Path::new(FILE), true).unwrap();
    write(&file, b"synced", 0);
    file.sync().unwrap();
    disk.sync_directory(Path::new(FOLDER)).unwrap();
    let synced = disk.position();
    write(&file, b"more", 6);
    let [stops, cuts] = outcomes(&disk, disk.position());
    assert_eq!(stops, BTreeSet::from([Some(b"syncedmore".to_vec())]));
    assert!(
        cuts.iter()
            .all(|cut| cut.as_ref().unwrap().starts_with(b"synced"))
    );
    // Kept, lost, and torn at several places.
    assert!(cuts.len() > 4, "{cuts:?}");
    let [stops, _] = outcomes(&disk, synced);
    assert!(stops.contains(&Some(b"syncedmo".to_vec())), "{stops:?}");
    assert!(stops.contains(&Some(b"synced".to_vec())), "{stops:?}");
}

#[test]
fn a_synced_file_without_a_synced_name_may_be_gone() {
    let disk = with_a_folder();
    let file = disk.open(Path::new(FILE), true).unwrap();
    write(&file, b"x", 0);
    file.sync().unwrap();
    let [stops, cuts] = outcomes(&disk, disk.position());
    assert_eq!(stops, BTreeSet::from([Some(b"x".to_vec())]));
    assert_eq!(cuts, BTreeSet::from([None, Some(b"x".to_vec())]));
}

#[test]
fn a_removal_and_a_renaming_may_be_lost_until_the_directory_is_synced() {
    let disk = with_a_folder();
    let new = Path::new("/store/new");
    for (path, name) in [(Path::new(FILE), b"old"), (new, b"new")] {
        let file = disk.open(path, true).unwrap();
        write(&file, name, 0);
        file.sync().unwrap();
    }
    disk.sync_directory(Path::new(FOLDER)).unwrap();
    disk.rename(new, Path::new(FILE)).unwrap();
    let [_, cuts] = outcomes(&disk, disk.position());
    let (old, renamed) = (Some(b"old".to_vec()), Some(b"new".to_vec()));
    assert_eq!(cuts, BTreeSet::from([old, renamed.clone()]));
    disk.sync_directory(Path::new(FOLDER)).unwrap();
    disk.remove(Path::new(FILE)).unwrap();
    let [_, cuts] = outcomes(&disk, disk.position());
    assert_eq!(cuts, BTreeSet::from([None, renamed]));
    disk.sync_directory(Path::new(FOLDER)).unwrap();
    let [_, cuts] = outcomes(&disk, disk.position());
    assert_eq!(cuts, BTreeSet::from([None]));
}

#[test]
fn a_lost_directory_takes_what_is_in_it() {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new(FOLDER)).unwrap();
    disk.open(Path::new(FILE), true).unwrap().sync().unwrap();
    disk.sync_directory(Path::new(FOLDER)).unwrap();
    let [_, cuts] = outcomes(&disk, disk.position());
    assert_eq!(cuts, BTreeSet::from([None, Some(Vec::new())]));
}

#[test]
fn lost_bytes_below_a_kept_length_are_zeros_and_later_writes_may_overtake_earlier_ones() {
    let disk = with_a_folder();
    let file = disk.open(Path::new(FILE), true).unwrap();
    disk.sync_directory(Path::new(FOLDER)).unwrap();
    write(&file, b"a", 0);
    write(&file, b"b", 1);
    let [_, cuts] = outcomes(&disk, disk.position());
    let possible = [&b""[..], b"a", b"\0b", b"ab"];
    let possible = possible.map(|content| Some(content.to_vec()));
    assert_eq!(cuts, BTreeSet::from(possible));
}

#[test]
fn the_same_seed_leaves_the_same_disk_and_another_boot_only_after_a_power_cut() {
    let disk = with_a_folder();
    let file = disk.open(Path::new(FILE), true).unwrap();
    write(&file, &[7; 10_000], 0);
    let journal = disk.journal();
    let mut replay = journal.replay();
    replay.advance(journal.len());
    for seed in 0..20 {
        let [once, again] = [(); 2].map(|()| replay.crashed(Crash::PowerCut { seed }));
        assert_eq!(content(&once), content(&again));
        assert_ne!(once.boot_id().unwrap(), disk.boot_id().unwrap());
    }
    let stopped = replay.crashed(Crash::Stop { seed: 0 });
    assert_eq!(stopped.boot_id().unwrap(), disk.boot_id().unwrap());
}

#[test]
fn changes_wait_while_the_disk_is_held() {
    let disk = with_a_folder();
    let held = disk.hold();
    let other = disk.clone();
    let writer = std::thread::spawn(move || other.open(Path::new(FILE), true).map(drop));
    assert!(held.wait_for_a_change(Duration::from_secs(20)));
    assert_eq!(disk.files(), Vec::<std::path::PathBuf>::new());
    drop(held);
    writer.join().unwrap().unwrap();
    assert_eq!(disk.files(), [Path::new(FILE)]);
}
