//! The check on stores with one flipped bit, and the background check over restarts.
//!
//! Every test begins with the same store: two repositories that share what they can, tags, a
//! referrer, blobs in segments and in files, one of several blocks.

mod background;
mod content;
mod deleted;
mod file;
mod rows;

use super::{CheckOptions, CheckReport};
use crate::descriptor::Links;
use crate::digest::{Algorithm, Digest};
use crate::disk::{Disk, MemoryDisk};
use crate::engine::Engine;
use crate::name::{Reference, RepositoryName};
use crate::options::{Collection, Options};
use crate::repository::{BlobError, Repository};
use crate::tests::put_of;
use bytes::Bytes;
use parking_lot::Mutex;
use proptest::test_runner::Config as ProptestConfig;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const REPOSITORIES: [&str; 2] = ["first", "second/one"];
const SIZES: [usize; 5] = [0, 10, 3000, 70_000, 1_100_000];

fn options(disk: &MemoryDisk) -> Options {
    let mut options = Options::new("/store");
    options.disk = Arc::new(disk.clone());
    // Nothing is collected behind a test's back.
    options.collection = Collection::OnDemand;
    options
}

async fn open(disk: &MemoryDisk) -> Engine {
    Engine::open(options(disk)).await.unwrap()
}

/// Numbers that look random, the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// Content of a size, made once.
fn made(size: usize) -> (Bytes, Digest) {
    static MADE: Mutex<BTreeMap<usize, (Bytes, Digest)>> = Mutex::new(BTreeMap::new());
    let make = || {
        let mut dice = Dice(size as u64);
        let content: Bytes = (0..size).map(|_| dice.byte()).collect();
        let digest = Digest::of(Algorithm::Sha256, &content);
        (content, digest)
    };
    MADE.lock().entry(size).or_insert_with(make).clone()
}

fn content(size: usize) -> Bytes {
    made(size).0
}

fn digest(size: usize) -> Digest {
    made(size).1
}

fn repository(engine: &Engine, name: &str) -> Repository {
    engine.repository(&name.parse::<RepositoryName>().unwrap())
}

/// The image that each repository has, and what refers to it.
fn manifests() -> [(Bytes, Links, &'static [&'static str]); 2] {
    let layers = SIZES.map(digest).to_vec();
    let image = Bytes::from_static(b"the image");
    let subject = Some(Digest::of(Algorithm::Sha256, &image));
    let image_links = Links {
        config: Some(digest(10)),
        layers,
        ..Links::default()
    };
    let signature = Links {
        subject,
        artifact_type: Some("application/signature".to_owned()),
        layers: vec![digest(3000)],
        ..Links::default()
    };
    [
        (image, image_links, &["latest", "v1"]),
        (Bytes::from_static(b"its signature"), signature, &[]),
    ]
}

/// Pushes everything, as a client does that knows nothing of what is there.
async fn push_all(engine: &Engine) {
    for name in REPOSITORIES {
        let repository = repository(engine, name);
        for size in SIZES {
            let put = repository.put_blob(Algorithm::Sha256, content(size)).await;
            put.unwrap_or_else(|error| panic!("blob of {size} bytes: {error}"));
        }
        for (content, links, tags) in manifests() {
            put_manifest(&repository, content, links, tags).await;
        }
    }
}

async fn put_manifest(repository: &Repository, content: Bytes, links: Links, tags: &[&str]) {
    let put = put_of(content, links, tags);
    repository.put_manifest(put).await.unwrap();
}

/// Reads everything. Answers what is absent or cannot be read; panics on what is wrong.
async fn read_all(engine: &Engine) -> Vec<String> {
    let mut lost = Vec::new();
    for name in REPOSITORIES {
        let repository = repository(engine, name);
        for size in SIZES {
            match read_blob(&repository, size).await {
                Ok(read) => assert!(read == content(size), "wrong bytes of {size} in {name}"),
                Err(error) => lost.push(format!("{name}, blob of {size}: {error}")),
            }
        }
        for (content, _, tags) in manifests() {
            let digest = Digest::of(Algorithm::Sha256, &content);
            let tags = tags.iter().map(|tag| Reference::Tag(tag.parse().unwrap()));
            for reference in tags.chain([Reference::Digest(digest)]) {
                match repository.manifest(&reference).await {
                    Ok(read) => assert!(read.content == content, "wrong manifest {reference}"),
                    Err(error) => lost.push(format!("{name}, {reference}: {error}")),
                }
            }
        }
    }
    lost
}

async fn read_blob(repository: &Repository, size: usize) -> Result<Bytes, BlobError> {
    let reader = repository.blob(&digest(size)).await?;
    Ok(reader.read(0..reader.size()).await?)
}

async fn check(engine: &Engine, repair: bool) -> CheckReport {
    let options = CheckOptions {
        repair,
        ..CheckOptions::default()
    };
    engine.check(options).await.unwrap()
}

/// A sixteenth of the usual cases, 16 unless `PROPTEST_CASES` asks for more: each makes a store.
fn few_cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(16),
        ..usual
    }
}

fn flip(disk: &MemoryDisk, path: &Path, bit: u64) {
    let file = disk.open(path, false).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    let buffer = [std::io::IoSlice::new(&byte)];
    file.write_all_at(&buffer, bit / 8).unwrap();
}

#[tokio::test]
async fn a_whole_store_is_clean_and_was_read_to_the_end() {
    let engine = open(&MemoryDisk::new()).await;
    push_all(&engine).await;
    // Where blobs lay that were pushed again.
    engine.collect().await.unwrap();
    for repair in [false, true] {
        let report = check(&engine, repair).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.blobs, SIZES.len() as u64);
        assert_eq!(report.bytes, SIZES.iter().sum::<usize>() as u64);
        assert_eq!(report.files, 3);
        assert!(report.rows > 50, "{report}");
    }
    assert_eq!(read_all(&engine).await, Vec::<String>::new());
}
