//! A process killed with SIGKILL in the middle of an upload: the next one continues at the offset
//! it reported, and finishes.
//!
//! The process is this test binary, started once more for one test with a folder in its
//! environment.

use crate::support::{Hands, content, open};
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::upload::UploadId;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Set for the process that will be killed.
const FOLDER: &str = "FLOUNDR_TEST_KILL_FOLDER";
const PIECE: &str = "FLOUNDR_TEST_KILL_PIECE";

/// Bytes that come at once: from a client that is hashed as it comes, and one that is ahead of the hash.
const PIECES: [usize; 2] = [300_000, 2_000_000];

/// Bytes at rest when the process is killed.
const AT_REST: usize = 5_000_000;

/// Bytes of the whole upload.
const WHOLE: usize = 8_000_000;

/// What the process to be killed does: it brings an upload to rest, says so, and goes on appending.
#[tokio::test]
async fn an_upload_continues_after_a_kill() {
    if let Ok(folder) = std::env::var(FOLDER) {
        let piece = std::env::var(PIECE).unwrap().parse().unwrap();
        return upload_until_killed(Path::new(&folder), piece).await;
    }
    for piece in PIECES {
        kill_and_continue(piece).await;
    }
}

async fn kill_and_continue(piece: usize) {
    let folder = tempfile::tempdir().unwrap();
    let id = start_and_kill(folder.path(), piece);
    let engine = open(folder.path(), &Arc::new(Hands::default())).await;
    let repository = engine.repository(&"killed".parse().unwrap());
    let offset = repository.upload_status(&id).await.unwrap().offset;
    assert_eq!(offset, AT_REST as u64);
    let mut session = repository.resume_upload(&id).await.unwrap();
    assert_eq!(session.offset(), offset);
    let whole = content(WHOLE, 3);
    session.append(whole.slice(AT_REST..)).await.unwrap();
    let digest = Digest::of(Algorithm::Sha256, &whole);
    session.finish(&digest).await.unwrap();
    let blob = repository.blob(&digest).await.unwrap();
    assert!(blob.read(0..blob.size()).await.unwrap() == whole);
    assert_eq!(engine.audit().await.unwrap(), Vec::<String>::new());
}

fn start_and_kill(folder: &Path, piece: usize) -> UploadId {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::an_upload_continues_after_a_kill",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .env(PIECE, piece.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let marked = lines
        .map(|line| line.unwrap())
        .find_map(|line| line.split_once("at rest: ").map(|(_, id)| id.to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
    marked
        .expect("the process says when it is at rest")
        .parse()
        .unwrap()
}

async fn upload_until_killed(folder: &Path, piece: usize) {
    let engine = open(folder, &Arc::new(Hands::default())).await;
    let repository = engine.repository(&"killed".parse().unwrap());
    let mut session = repository.start_upload(Algorithm::Sha256).unwrap();
    let id = session.id();
    let whole = content(WHOLE, 3);
    session.announce_chunk(AT_REST as u64);
    for piece in whole.slice(..AT_REST).chunks(piece) {
        session
            .append(bytes::Bytes::copy_from_slice(piece))
            .await
            .unwrap();
    }
    session.suspend().await.unwrap();
    // The rest is delivered but not at rest: it must not count.
    let mut session = repository.resume_upload(&id).await.unwrap();
    println!("at rest: {id}");
    loop {
        session
            .append(whole.slice(AT_REST..AT_REST + 1000))
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
}
