//! Bits of the metadata file: found by the offline check, or without effect, or refused at opening.

use super::{Dice, check, digest, flip, open, options, push_all, read_all};
use crate::check::{CheckOptions, CheckReport, Done, Finding, check_offline};
use crate::digest::Digest;
use crate::disk::{Disk, MemoryDisk};
use crate::engine::{Engine, OpenError};
use std::io::IoSlice;
use std::path::{Path, PathBuf};

/// The files of a store that was closed.
struct Image(Vec<(PathBuf, Vec<u8>)>);

const METADATA: &str = "/store/metadata.redb";

impl Image {
    async fn new() -> Self {
        let disk = MemoryDisk::new();
        let engine = open(&disk).await;
        push_all(&engine).await;
        engine.close().await.unwrap();
        let read = |path: PathBuf| {
            let file = disk.open(&path, false).unwrap();
            let mut content = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_exact_at(&mut content, 0).unwrap();
            (path, content)
        };
        Self(disk.files().into_iter().map(read).collect())
    }

    fn disk(&self) -> MemoryDisk {
        let disk = MemoryDisk::new();
        for (path, content) in &self.0 {
            disk.create_directory(path.parent().unwrap()).unwrap();
            let file = disk.open(path, true).unwrap();
            file.write_all_at(&[IoSlice::new(content)], 0).unwrap();
        }
        disk
    }

    fn metadata(&self) -> &[u8] {
        let mut files = self.0.iter();
        &files.find(|file| file.0 == Path::new(METADATA)).unwrap().1
    }
}

/// What came of one flipped bit.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Found,
    Harmless,
}

async fn offline(disk: &MemoryDisk) -> Result<CheckReport, OpenError> {
    check_offline(options(disk), CheckOptions::default()).await
}

/// One flipped bit. What is only opened and read never answers wrongly; what the check calls clean
/// reads as before.
async fn outcome(image: &Image, bit: u64) -> Outcome {
    let disk = image.disk();
    flip(&disk, Path::new(METADATA), bit);
    if let Ok(engine) = Engine::open(options(&disk)).await {
        read_all(&engine).await;
        // It may be unable to write its last; it must say so.
        let _closed = engine.close().await;
    }
    let disk = image.disk();
    flip(&disk, Path::new(METADATA), bit);
    match offline(&disk).await {
        Err(_) => Outcome::Refused,
        Ok(report) if !report.is_clean() => Outcome::Found,
        Ok(_) => {
            let engine = open(&disk).await;
            assert_eq!(read_all(&engine).await, Vec::<String>::new(), "bit {bit}");
            assert_eq!(
                engine.audit().await.unwrap(),
                Vec::<String>::new(),
                "bit {bit}"
            );
            engine.close().await.unwrap();
            Outcome::Harmless
        }
    }
}

/// The bits to flip: a sample, or as many as `FLOUNDR_FLIPPED_BITS` says; `all` takes every one.
fn bits(metadata: &[u8]) -> Vec<u64> {
    let asked = std::env::var("FLOUNDR_FLIPPED_BITS").ok();
    let all = metadata.len() * 8;
    if asked.as_deref() == Some("all") {
        return (0..all as u64).collect();
    }
    let count = asked.map_or(120, |count| count.parse().unwrap());
    let mut dice = Dice(20);
    // Most of a small file is empty: of the bytes that are not, more are taken.
    let used: Vec<usize> = (0..metadata.len())
        .filter(|&at| metadata[at] != 0)
        .collect();
    let mut pick = |number: usize| match number % 4 {
        0 => dice.below(320 * 8),
        1 => dice.below(all),
        _ => used[dice.below(used.len())] * 8 + dice.below(8),
    };
    (0..count).map(|number| pick(number) as u64).collect()
}

#[tokio::test]
async fn a_flipped_bit_of_the_file_is_found_or_harmless_or_refused() {
    let image = Image::new().await;
    let (mut refused, mut found, mut harmless) = (0, 0, 0);
    for bit in bits(image.metadata()) {
        match outcome(&image, bit).await {
            Outcome::Refused => refused += 1,
            Outcome::Found => found += 1,
            Outcome::Harmless => harmless += 1,
        }
    }
    println!("refused {refused}, found {found}, harmless {harmless}");
    assert!(found > 0 && harmless > 0);
}

/// Where the pages begin in which redb has the names of the trees.
fn name_pages(metadata: &[u8]) -> Vec<usize> {
    const PAGE: usize = 4096;
    const NAME: &[u8] = b"repository-manifests";
    let has_name = |page: &[u8]| page.windows(NAME.len()).any(|window| window == NAME);
    let pages = metadata.chunks(PAGE).enumerate();
    let named = pages.filter(|(_, page)| has_name(page));
    named.map(|(number, _)| number * PAGE).collect()
}

/// redb panics on some of them while it holds a lock that it wants again to close what is open.
#[tokio::test]
async fn a_flipped_bit_where_the_trees_are_named_ends_no_process() {
    let image = Image::new().await;
    let pages = name_pages(image.metadata());
    let mut noticed = 0;
    for byte in pages.iter().flat_map(|&page| page..page + 50) {
        let bit = (byte * 8 + 1 + byte % 3) as u64;
        noticed += usize::from(outcome(&image, bit).await != Outcome::Harmless);
    }
    assert!(noticed > 0, "{pages:?}");
}

/// Where the mark of a blob's row, or of a link to it, lies in the file: rows about the same follow.
fn marks(metadata: &[u8], digest: &Digest) -> Vec<usize> {
    let key = digest.to_key();
    let is_mark = |at: &usize| {
        let (before, behind) = metadata.split_at(*at);
        let Some(about) = before.strip_suffix(&key[..]) else {
            return false;
        };
        // A link's key begins with the repository.
        let repository = about.last_chunk::<8>().map_or(&[][..], |id| &id[..]);
        let again = [&[0], repository, &key].concat();
        behind.starts_with(&again) || behind.starts_with(&[&[0], &key[..]].concat())
    };
    (key.len()..metadata.len()).filter(is_mark).collect()
}

#[tokio::test]
async fn a_mark_that_flips_in_the_file_is_found_and_its_row_put_back() {
    let image = Image::new().await;
    let marks = marks(image.metadata(), &digest(70_000));
    assert!(marks.len() > 1, "{marks:?}");
    for (mark, bit) in marks
        .iter()
        .flat_map(|&mark| (0..8).map(move |bit| (mark, bit)))
    {
        let disk = image.disk();
        flip(&disk, Path::new(METADATA), (mark * 8 + bit) as u64);
        let engine = open(&disk).await;
        let report = check(&engine, true).await;
        let after = check(&engine, false).await;
        assert!(after.is_clean(), "bit {bit} at {mark}: {report}{after}");
        assert_eq!(read_all(&engine).await, Vec::<String>::new());
        assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
        engine.close().await.unwrap();
    }
}

/// Where a digest begins in the file, as keys have it.
fn keys_of(metadata: &[u8], digest: &Digest) -> Vec<usize> {
    let key = digest.to_key();
    let begins = |at: &usize| metadata[*at..].starts_with(&key);
    (0..metadata.len()).filter(begins).collect()
}

#[tokio::test]
async fn rows_that_a_flipped_key_hides_are_put_in_order_and_given_up_by_nobody() {
    let image = Image::new().await;
    let keys = keys_of(image.metadata(), &digest(70_000));
    let mut hidden = 0;
    // The first bytes of the digest, and the last of what lies before it: often a repository.
    for byte in keys.iter().flat_map(|&key| key - 1..key + 2) {
        let disk = image.disk();
        flip(&disk, Path::new(METADATA), (byte * 8 + 6) as u64);
        let Ok(engine) = Engine::open(options(&disk)).await else {
            continue;
        };
        let found = check(&engine, false).await;
        if found.to_string().contains("cannot be read") {
            // That byte says where the page's keys begin.
            continue;
        }
        let report = check(&engine, true).await;
        let story = format!("at {byte}: {found}{report}");
        hidden += usize::from(story.contains("under their keys; repaired"));
        let again = check(&engine, false).await;
        let is_left = |finding: &&Finding| finding.done != Done::Quarantined;
        assert_eq!(again.findings.iter().find(is_left), None, "{story}");
        push_all(&engine).await;
        check(&engine, true).await;
        let after = check(&engine, false).await;
        assert!(after.is_clean(), "{story}{after}");
        engine.collect().await.unwrap();
        assert_eq!(read_all(&engine).await, Vec::<String>::new(), "{story}");
        assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
        engine.close().await.unwrap();
    }
    assert!(hidden > 0);
}

#[tokio::test]
async fn the_bit_that_names_the_newer_commit_is_not_trusted_alone() {
    let image = Image::new().await;
    // Bit 0 of the byte behind the magic number.
    assert_eq!(outcome(&image, 9 * 8).await, Outcome::Refused);
}

#[tokio::test]
async fn the_offline_check_of_a_whole_store_is_clean_and_makes_none_where_none_is() {
    let image = Image::new().await;
    let report = offline(&image.disk()).await.unwrap();
    assert!(report.is_clean() && report.rows > 50, "{report}");
    let nothing = MemoryDisk::new();
    nothing.create_directory(Path::new("/store")).unwrap();
    assert!(offline(&nothing).await.is_err());
    assert!(!nothing.files().contains(&PathBuf::from(METADATA)));
    let disk = image.disk();
    let engine = open(&disk).await;
    assert!(matches!(offline(&disk).await, Err(OpenError::InUse(_))));
    engine.close().await.unwrap();
}
