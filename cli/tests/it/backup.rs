//! `floundr backup` and `floundr restore`.

use crate::support::{Home, Ran, files, sha256};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;

/// Blobs that get files of their own, and blobs that do not.
const SIZES: [usize; 2] = [200_000, 10 * 1024];

fn content(size: usize, seed: u8) -> Vec<u8> {
    let byte = |at| u8::try_from(at / 7 % 251).unwrap() ^ seed;
    (0..size).map(byte).collect()
}

/// A home whose store has content, pushed over HTTP.
fn stocked(home: &Home, seeds: std::ops::Range<u8>) {
    let server = home.serve(&[]);
    for seed in seeds {
        for size in SIZES {
            let content = content(size, seed);
            server.push("team/app", &sha256(&content), &content);
        }
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
}

fn expect_content(home: &Home, seeds: std::ops::Range<u8>) {
    let server = home.serve(&[]);
    for seed in seeds {
        for size in SIZES {
            let content = content(size, seed);
            let path = format!("/v2/team/app/blobs/{}", sha256(&content));
            assert!(server.get(&path) == content, "seed {seed}, {size} bytes");
        }
    }
}

fn report(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_backup_is_made_and_restored_without_a_server_and_with_one() {
    let home = Home::new();
    stocked(&home, 0..5);
    let first = home.run(&["backup", "copy"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let copy = home.path().join("copy");
    let expected = format!(
        "backup in {0} is complete\n  repositories   1\n  tags           0\n  manifests      0\n  \
         blobs          10\n  copied         1.0 MiB\n  already there  0 B\n",
        copy.display()
    );
    assert!(first.stdout.starts_with(&expected), "{}", first.stdout);
    let next = format!("floundr restore {} --home-dir NEW-HOME\n", copy.display());
    assert!(first.stdout.ends_with(&next), "{}", first.stdout);

    let server = home.serve(&[]);
    let second = report(&home.run(&["backup", "copy", "--json"]));
    assert_eq!(second["copied_bytes"], 0);
    assert_eq!(second["kept_bytes"], 5 * (200_000 + 10 * 1024));
    drop(server);

    let elsewhere = Home::new();
    let copy = copy.to_str().unwrap();
    let restored = elsewhere.run(&["restore", copy]);
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    let root = elsewhere.path().join("storage");
    let expected = format!("restored into {}: the store as of ", root.display());
    assert!(
        restored.stdout.starts_with(&expected),
        "{}",
        restored.stdout
    );
    assert!(restored.stdout.ends_with("Start it: floundr serve\n"));
    expect_content(&elsewhere, 0..5);

    let again = elsewhere.run(&["restore", copy]);
    assert_eq!(again.code, Some(1));
    let expected = format!(
        "error: {} is not empty: name another directory with --home-dir or --storage-path; \
         nothing is overwritten\n",
        root.display()
    );
    assert_eq!(again.stderr, expected);
}

#[test]
fn hard_links_are_made_on_request_only() {
    use std::os::unix::fs::MetadataExt as _;
    let home = Home::new();
    stocked(&home, 0..2);
    let _server = home.serve(&[]);
    let links = |folder: &str| {
        let files = files(&home.path().join(folder).join("blobs"));
        let links: Vec<_> = files
            .iter()
            .map(|path| path.metadata().unwrap().nlink())
            .collect();
        links
    };
    report(&home.run(&["backup", "copied", "--json"]));
    assert_eq!(links("copied"), [1, 1]);
    let linked = report(&home.run(&["backup", "linked", "--hard-links", "--json"]));
    assert_eq!(linked["linked_bytes"], 400_000);
    assert_eq!(links("linked"), [2, 2]);
}

#[test]
fn a_backup_that_is_killed_is_gone_on_with() {
    let home = Home::new();
    stocked(&home, 0..40);
    let mut command = home.command(&["backup", "copy"]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let copy = home.path().join("copy");
    // In the middle, or, on a quick machine, a little late: then it is complete.
    while files(&copy.join("blobs")).len() < 5 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    if child.try_wait().unwrap().is_none() {
        kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    }
    child.wait().unwrap();
    let second = report(&home.run(&["backup", "copy", "--json"]));
    assert!(
        second["kept_bytes"].as_u64().unwrap() >= 4 * 200_000,
        "{second}"
    );
    let elsewhere = Home::new();
    report(&elsewhere.run(&["restore", copy.to_str().unwrap(), "--json"]));
    expect_content(&elsewhere, 0..40);
}

#[test]
fn a_damaged_backup_is_refused_by_name_and_leaves_nothing() {
    let home = Home::new();
    stocked(&home, 0..2);
    report(&home.run(&["backup", "copy", "--json"]));
    let copy = home.path().join("copy");
    let damaged = files(&copy.join("blobs"))[0].clone();
    let mut content = std::fs::read(&damaged).unwrap();
    content[1000] ^= 4;
    std::fs::write(&damaged, content).unwrap();
    let elsewhere = Home::new();
    let ran = elsewhere.run(&["restore", copy.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1));
    let name = damaged.strip_prefix(&copy).unwrap().display().to_string();
    assert!(ran.stderr.contains(&name), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("nothing was restored"),
        "{}",
        ran.stderr
    );
    let left = files(&elsewhere.path().join("storage/blobs"));
    assert!(left.is_empty(), "{left:?}");
    assert!(!elsewhere.path().join("storage/metadata.redb").exists());

    let healed = report(&home.run(&["backup", "copy", "--verify", "--json"]));
    assert_eq!(healed["copied_bytes"], 200_000);
    report(&elsewhere.run(&["restore", copy.to_str().unwrap(), "--json"]));
    expect_content(&elsewhere, 0..2);
}

#[test]
fn damage_in_the_store_is_named_and_ends_with_code_1() {
    let home = Home::new();
    stocked(&home, 0..2);
    let file = files(&home.path().join("storage/blobs"))[0].clone();
    let mut content = std::fs::read(&file).unwrap();
    content[9] ^= 1;
    std::fs::write(&file, &content).unwrap();
    content[9] ^= 1;
    let ran = home.run(&["backup", "copy"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stderr.contains("1 blobs are damaged in the store"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains(&sha256(&content)), "{}", ran.stdout);
}

#[test]
fn what_cannot_be_done_says_what_can() {
    let home = Home::new();
    stocked(&home, 0..1);
    home.write("notes", "mine");
    let _server = home.serve(&[]);
    let here = home.path().display().to_string();
    for (args, expected) in [
        (
            ["backup", "."],
            format!(
                "error: no backup was made: {here} holds other things than a backup: name an \
                 empty directory, or one with a backup of this store\n"
            ),
        ),
        (
            ["restore", "."],
            "error: . is not a backup: name a directory that floundr backup made\n".to_owned(),
        ),
    ] {
        let ran = home.run(&args);
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.stderr.replace("/./", "/").replace("/. ", " "), expected);
    }
    // A server is on the store that would be restored into.
    report(&home.run(&["backup", "copy", "--json"]));
    let ran = home.run(&["restore", "copy"]);
    assert_eq!(ran.code, Some(1));
    assert!(Path::new(&here).join("storage/metadata.redb").exists());
}

/// Who may what is worth as much as the content: a backup has it, only for its user, and a restore puts
/// it back.
#[test]
fn accounts_go_into_a_backup_and_come_back_with_a_restore() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let made = home.run(&["user", "create", "jo", "--json"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let backup = home.path().join("backup");
    let backup = backup.to_str().unwrap();
    for _again in 0..2 {
        report(&home.run(&["backup", backup, "--json"]));
    }
    let file = std::fs::metadata(format!("{backup}/accounts.redb")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let other = Home::new();
    report(&other.run(&["restore", backup, "--json"]));
    let listed = other.run(&["user", "list", "--json"]);
    assert!(
        listed.stdout.contains("\"jo\""),
        "{}{}",
        listed.stdout,
        listed.stderr
    );
}
