//! A bit of the store flips, and what clients see of it: the check in the background finds it, it is
//! not served from then on, and a client that pushes again, knowing nothing of it, heals it.

use crate::registry::{CONFIG, LAYER, OCI_MANIFEST, TestRegistry, descriptor, sha256};
use floundr_engine::disk::{Disk as _, DiskFile, MemoryDisk};
use floundr_engine::{CheckOptions, CheckProgress, Engine, Options};
use floundr_frontend::{Config, Context, Registry};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const REPOSITORIES: [&str; 2] = ["library/one", "library/two"];

/// Contents of every kind of place: two in a segment, one in a file, one of more than one block.
fn contents() -> Vec<String> {
    let long = |piece: &str, times| piece.repeat(times);
    vec![
        "{\"os\":\"linux\"}".to_owned(),
        long("a small layer ", 200),
        long("a layer in a file ", 6000),
        long("a layer of two blocks ", 50_000),
    ]
}

fn manifest(contents: &[String]) -> Value {
    let layers = contents[1..].iter();
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, &contents[0]),
        "layers": layers.map(|layer| descriptor(LAYER, layer)).collect::<Vec<_>>(),
    })
}

/// Pushes as clients do: asks for each blob, then for a mount, sends those that are not there, then
/// the manifest. Answers how many it sent.
async fn push(registry: &TestRegistry, repository: &str) -> usize {
    let contents = contents();
    let mut sent = 0;
    for content in &contents {
        let digest = sha256(content.as_bytes());
        let path = format!("/v2/{repository}/blobs/{digest}");
        if registry.head(&path).await.status == 200 {
            continue;
        }
        let from = REPOSITORIES[0];
        let mount = format!("POST /v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        if registry.call(&mount, &[], "").await.status != 201 {
            registry.push_blob(repository, content.clone()).await;
            sent += 1;
        }
    }
    registry
        .push(repository, "latest", &manifest(&contents))
        .await;
    sent
}

/// Pulls everything; what comes is right. Answers what did not come.
async fn pull(registry: &TestRegistry, repository: &str) -> Vec<String> {
    let contents = contents();
    let mut missing = Vec::new();
    let manifest = manifest(&contents).to_string();
    let path = format!("/v2/{repository}/manifests/latest");
    let paths = contents.iter().map(|content| {
        let digest = sha256(content.as_bytes());
        format!("/v2/{repository}/blobs/{digest}")
    });
    let all = [(path, &manifest)].into_iter().chain(paths.zip(&contents));
    for (path, expected) in all {
        let answer = registry.get(&path).await;
        match answer.status {
            200 => assert!(answer.body == expected.as_bytes(), "wrong bytes of {path}"),
            404 => {
                let head = registry.head(&path).await;
                assert_eq!(head.status, 404, "HEAD says otherwise of {path}");
                missing.push(path);
            }
            status => panic!("{status} for {path}"),
        }
    }
    missing
}

/// The files below one directory of the store, with their bits.
fn files(disk: &MemoryDisk, directory: &str) -> Vec<(PathBuf, u64)> {
    let mut files = disk.files();
    files.retain(|path| path.starts_with(directory));
    let bits = |path: PathBuf| {
        let file = disk.open(&path, false).unwrap();
        (path, file.len().unwrap() * 8)
    };
    files.into_iter().map(bits).collect()
}

fn flip(file: &dyn DiskFile, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&[IoSlice::new(&byte)], bit / 8).unwrap();
}

/// Lets the background check go through the store once.
async fn checked(engine: &Engine) -> CheckProgress {
    let mut progress = engine.check_progress();
    engine.set_check_rate(u64::MAX);
    let is_over = |progress: &CheckProgress| progress.done > 3 && !progress.is_running;
    let pass = progress.wait_for(is_over);
    let pass = tokio::time::timeout(Duration::from_mins(1), pass).await;
    *pass.unwrap().unwrap()
}

async fn find_and_heal(place: u64) {
    let registry = TestRegistry::start().await;
    for repository in REPOSITORIES {
        push(&registry, repository).await;
    }
    let mut places = files(&registry.disk, "/store/blobs");
    places.extend(files(&registry.disk, "/store/segments"));
    let all: u64 = places.iter().map(|(_, bits)| bits).sum();
    // Half of the flips go to segments: by size they would hardly ever be hit.
    let (path, bits) = if place.is_multiple_of(2) {
        places.last().unwrap().clone()
    } else {
        let mut at = place % all;
        let mut found = places.into_iter().filter(move |(_, bits)| {
            let is_here = at < *bits;
            at = at.saturating_sub(*bits);
            is_here
        });
        found.next().unwrap()
    };
    let file = registry.disk.open(&path, false).unwrap();
    flip(&*file, place / 2 % bits);

    let pass = checked(&registry.engine).await;
    let path = path.display();
    assert_eq!((pass.found, pass.quarantined), (1, 1), "{path}");
    let metrics = registry.get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    for line in [
        "floundr_check_quarantined 1\n",
        "floundr_check_faults_total 1\n",
        "floundr_check_blobs_done 4\n",
        "floundr_check_running 0\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    for repository in REPOSITORIES {
        assert_eq!(pull(&registry, repository).await.len(), 1, "{path}");
    }

    // One push, to one of them, heals both.
    assert_eq!(push(&registry, REPOSITORIES[1]).await, 1);
    for repository in REPOSITORIES {
        assert_eq!(pull(&registry, repository).await, Vec::<String>::new());
    }
    registry.engine.collect().await.unwrap();
    let report = registry.engine.check(CheckOptions::default()).await;
    let report = report.unwrap();
    assert!(report.is_clean(), "{report}");
    registry.audit().await;
}

/// A bit of the metadata file flips while nobody has it open. Whoever opens it then is refused, or
/// serves what was pushed and nothing else.
async fn open_and_pull(place: u64) {
    let registry = TestRegistry::start().await;
    push(&registry, REPOSITORIES[0]).await;
    let disk = registry.disk.clone();
    registry.engine.close().await.unwrap();
    drop(registry);
    let [(path, bits)] = files(&disk, "/store/metadata.redb").try_into().unwrap();
    flip(&*disk.open(&path, false).unwrap(), place % bits);

    let mut options = Options::new("/store");
    options.disk = Arc::new(disk);
    let Ok(engine) = Engine::open(options).await else {
        return;
    };
    let registry = Registry::new(Context::new(engine.clone(), Config::default()));
    for content in contents() {
        let digest = sha256(content.as_bytes());
        let path = format!("/v2/{}/blobs/{digest}", REPOSITORIES[0]);
        let request = http::Request::get(&path);
        let request = request.body(http_body_util::Full::<bytes::Bytes>::default());
        let response = registry.handle(request.unwrap()).await;
        let (head, body) = response.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap();
        match head.status.as_u16() {
            200 => assert!(body.to_bytes() == content.as_bytes(), "wrong bytes"),
            // Not there for a client that can push it, or an error of the server's.
            404 | 500 | 503 => {}
            status => panic!("{status} for {path}, bit {}", place % bits),
        }
    }
    // It may be unable to write its last; it must say so.
    let _closed = engine.close().await;
}

fn block_on(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_of_any_content_is_found_not_pulled_and_healed_by_a_push(place in any::<u64>()) {
        block_on(find_and_heal(place));
    }

    #[test]
    fn a_flipped_bit_of_the_metadata_file_never_makes_a_wrong_answer(place in any::<u64>()) {
        block_on(open_and_pull(place));
    }
}
