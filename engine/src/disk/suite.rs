//! The contract of [`Disk`], as tests that every implementation passes.

use super::{Disk, DiskBackend, DiskFile, MemoryDisk, SimulatedDisk, SystemDisk};
use redb::{ReadableDatabase, TableDefinition};
use std::io::{ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// Runs `check` on every disk there is, each with an empty directory of its own.
fn on_every_disk(check: impl Fn(&dyn Disk, &Path)) {
    let directory = tempfile::tempdir().unwrap();
    check(&SystemDisk, directory.path());
    let memory = MemoryDisk::new();
    memory.create_directory(Path::new("/store")).unwrap();
    check(&memory, Path::new("/store"));
    let simulated = SimulatedDisk::new();
    simulated.create_directory(Path::new("/store")).unwrap();
    check(&simulated, Path::new("/store"));
}

fn read(file: &Arc<dyn DiskFile>) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

#[test]
fn what_was_written_is_read_by_every_opening() {
    on_every_disk(|disk, root| {
        let path = root.join("file");
        let kind = disk.open(&path, false).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
        let file = disk.open(&path, true).unwrap();
        assert!(file.is_empty().unwrap());
        let buffers = [&b""[..], b"ab", b"", b"cde"].map(IoSlice::new);
        file.write_all_at(&buffers, 2).unwrap();
        file.write_all_at(&[IoSlice::new(b"x")], 0).unwrap();
        file.write_all_at(&[], 100).unwrap();
        let again = disk.open(&path, true).unwrap();
        assert_eq!(read(&again), b"x\0abcde");
        let beyond = again.read_exact_at(&mut [0; 8], 0).unwrap_err();
        assert_eq!(beyond.kind(), ErrorKind::UnexpectedEof);
        again.sync().unwrap();
        again.start_writeback(0..7).unwrap();
    });
}

#[test]
fn more_buffers_than_one_call_takes_are_written() {
    on_every_disk(|disk, root| {
        let file = disk.open(&root.join("file"), true).unwrap();
        let content: Vec<u8> = (0..3_000_u32).flat_map(u32::to_le_bytes).collect();
        let buffers: Vec<_> = content.chunks(3).map(IoSlice::new).collect();
        file.write_all_at(&buffers, 0).unwrap();
        assert_eq!(read(&file), content);
    });
}

#[test]
fn set_len_cuts_and_extends_with_zeros() {
    on_every_disk(|disk, root| {
        let file = disk.open(&root.join("file"), true).unwrap();
        file.write_all_at(&[IoSlice::new(b"abcdef")], 0).unwrap();
        file.set_len(3).unwrap();
        file.set_len(5).unwrap();
        assert_eq!(read(&file), b"abc\0\0");
    });
}

#[test]
fn a_hole_reads_as_zeros_and_keeps_the_length() {
    on_every_disk(|disk, root| {
        let file = disk.open(&root.join("file"), true).unwrap();
        file.write_all_at(&[IoSlice::new(&vec![7; 20_000])], 0)
            .unwrap();
        file.punch_hole(10..10).unwrap();
        file.punch_hole(100..19_900).unwrap();
        let content = read(&file);
        assert_eq!(content.len(), 20_000);
        assert!(content[..100].iter().all(|&byte| byte == 7));
        assert!(content[100..19_900].iter().all(|&byte| byte == 0));
        assert!(content[19_900..].iter().all(|&byte| byte == 7));
    });
}

#[test]
fn allocated_space_is_there_and_a_new_file_takes_no_name_twice() {
    on_every_disk(|disk, root| {
        let path = root.join("file");
        let file = disk.create_new(&path).unwrap();
        file.write_all_at(&[IoSlice::new(b"kept")], 0).unwrap();
        let kind = disk.create_new(&path).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::AlreadyExists);
        file.allocate(3).unwrap();
        assert_eq!(read(&file), b"kept");
        file.allocate(100_000).unwrap();
        file.allocate(100_000).unwrap();
        assert_eq!(file.len().unwrap(), 100_000);
        file.sync().unwrap();
        file.drop_cached().unwrap();
        assert_eq!(read(&file)[..5], *b"kept\0");
    });
}

#[test]
fn a_hole_takes_no_space_until_it_is_written() {
    let disk = MemoryDisk::new();
    let file = disk.open(Path::new("/file"), true).unwrap();
    file.set_len(10 * 4096).unwrap();
    assert_eq!(disk.used(), 0);
    disk.set_capacity(Some(4096));
    file.write_all_at(&[IoSlice::new(&[1; 4096])], 8192)
        .unwrap();
    let full = file.write_all_at(&[IoSlice::new(b"x")], 0).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert!(file.allocate(4096).is_err());
    file.punch_hole(8192..12_288).unwrap();
    assert_eq!(disk.used(), 0);
    file.allocate(4096).unwrap();
    assert_eq!(disk.used(), 4096);
}

#[test]
fn names_can_be_listed_changed_and_removed() {
    on_every_disk(|disk, root| {
        let folder = root.join("a/b");
        let kind = disk.list(&folder).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
        let kind = disk.open(&folder.join("x"), true).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
        disk.create_directory(&folder).unwrap();
        disk.create_directory(&folder).unwrap();
        for name in ["x", "y"] {
            let file = disk.open(&folder.join(name), true).unwrap();
            file.write_all_at(&[IoSlice::new(name.as_bytes())], 0)
                .unwrap();
        }
        disk.rename(&folder.join("x"), &folder.join("y")).unwrap();
        assert_eq!(disk.list(&folder).unwrap(), [Path::new("y")]);
        let open = disk.open(&folder.join("y"), false).unwrap();
        disk.remove(&folder.join("y")).unwrap();
        assert_eq!(read(&open), b"x", "an open file outlives its name");
        let kind = disk.remove(&folder.join("y")).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
        for directory in [&folder, root] {
            disk.sync_directory(directory).unwrap();
        }
    });
}

#[test]
fn a_hard_link_is_the_same_file_under_a_second_name() {
    on_every_disk(|disk, root| {
        let (first, second) = (root.join("first"), root.join("second"));
        let kind = disk.hard_link(&first, &second).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
        let file = disk.open(&first, true).unwrap();
        disk.hard_link(&first, &second).unwrap();
        let kind = disk.hard_link(&first, &second).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::AlreadyExists);
        file.write_all_at(&[IoSlice::new(b"both")], 0).unwrap();
        disk.remove(&first).unwrap();
        assert_eq!(read(&disk.open(&second, false).unwrap()), b"both");
    });
}

#[test]
fn a_lock_has_one_holder_at_a_time() {
    on_every_disk(|disk, root| {
        let path = root.join("LOCK");
        let held = disk.lock(&path).unwrap();
        let kind = disk.lock(&path).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::WouldBlock);
        drop(held);
        drop(disk.lock(&path).unwrap());
        assert_eq!(disk.boot_id().unwrap(), disk.boot_id().unwrap());
    });
}

#[test]
fn a_mapping_where_there_is_one_shows_the_file() {
    on_every_disk(|disk, root| {
        let empty = disk.open(&root.join("empty"), true).unwrap();
        assert!(empty.map().unwrap().is_none());
        let file = disk.open(&root.join("file"), true).unwrap();
        let content: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all_at(&[IoSlice::new(&content)], 0).unwrap();
        let Some(mapping) = file.map().unwrap() else {
            return;
        };
        mapping.make_resident(5_000..200_000).unwrap();
        assert!(mapping.is_resident(5_000..200_000));
        mapping.make_resident(7..7).unwrap();
        disk.remove(&root.join("file")).unwrap();
        let slice = Arc::clone(&mapping).slice(4_000..12_345);
        drop((file, mapping));
        assert_eq!(slice, content[4_000..12_345]);
    });
}

#[test]
fn what_is_read_from_memory_alone_is_what_was_written_or_nothing() {
    on_every_disk(|disk, root| {
        let file = disk.open(&root.join("file"), true).unwrap();
        let content: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        file.write_all_at(&[IoSlice::new(&content)], 0).unwrap();
        let mut page = [0; 4096];
        assert!(file.read_in_memory(&mut page, 8192).unwrap());
        assert_eq!(page, content[8192..12_288]);
        let behind = file.read_in_memory(&mut page, 199_000);
        assert!(!behind.is_ok_and(|is_read| is_read));
        // Whatever a disk forgets, and it may be nothing, reading makes whole again.
        file.sync().unwrap();
        file.drop_cached().unwrap();
        let mut page = [0; 4096];
        if file.read_in_memory(&mut page, 8192).unwrap() {
            assert_eq!(page, content[8192..12_288]);
        }
        file.read_exact_at(&mut page, 8192).unwrap();
        assert_eq!(page, content[8192..12_288]);
        assert!(file.read_in_memory(&mut page, 8192).unwrap());
    });
}

#[test]
fn a_database_runs_on_it_and_is_found_again() {
    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("table");
    on_every_disk(|disk, root| {
        for round in 0..3_u64 {
            let backend = DiskBackend::new(disk.open(&root.join("db"), true).unwrap());
            let database = redb::Builder::new().create_with_backend(backend).unwrap();
            let write = database.begin_write().unwrap();
            write
                .open_table(TABLE)
                .unwrap()
                .insert(round, &b"value"[..])
                .unwrap();
            write.commit().unwrap();
            let read = database.begin_read().unwrap();
            let table = read.open_table(TABLE).unwrap();
            for earlier in 0..=round {
                assert_eq!(table.get(earlier).unwrap().unwrap().value(), b"value");
            }
        }
    });
}

#[test]
fn a_power_cut_leaves_what_was_synced() {
    let disk = MemoryDisk::new();
    let folder = Path::new("/store");
    disk.create_directory(folder).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    let file = disk.open(&folder.join("kept"), true).unwrap();
    file.write_all_at(&[IoSlice::new(b"synced")], 0).unwrap();
    file.sync().unwrap();
    disk.sync_directory(folder).unwrap();
    file.write_all_at(&[IoSlice::new(b"lost")], 6).unwrap();
    disk.open(&folder.join("lost"), true)
        .unwrap()
        .sync()
        .unwrap();
    let before = disk.boot_id().unwrap();
    disk.cut_power();
    assert_ne!(disk.boot_id().unwrap(), before);
    assert_eq!(disk.files(), [folder.join("kept")]);
    let file = disk.open(&folder.join("kept"), false).unwrap();
    assert_eq!(read(&file), b"synced");
}

#[test]
fn a_full_disk_says_so_and_has_room_again_after_a_removal() {
    let disk = MemoryDisk::new();
    disk.set_capacity(Some(10));
    let first = disk.open(Path::new("/first"), true).unwrap();
    let second = disk.open(Path::new("/second"), true).unwrap();
    first.write_all_at(&[IoSlice::new(&[1; 8])], 0).unwrap();
    let full = second.write_all_at(&[IoSlice::new(&[1; 3])], 0);
    assert_eq!(full.unwrap_err().kind(), ErrorKind::StorageFull);
    first.write_all_at(&[IoSlice::new(&[2; 8])], 0).unwrap();
    disk.remove(Path::new("/first")).unwrap();
    second.write_all_at(&[IoSlice::new(&[1; 3])], 0).unwrap();
    assert_eq!(disk.used(), 3);
}
