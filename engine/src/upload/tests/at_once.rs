//! Several uploads at once, whose long pieces are hashed in pairs.

use super::*;
use crate::digest::both;
use futures_util::FutureExt as _;
use std::pin::pin;
use tokio::join;

/// Whether this processor hashes two contents at once faster.
fn pays() -> bool {
    both::is_faster(Algorithm::Sha256)
}

/// Appends `content` from where the upload is, in pieces of this length.
async fn append(mut session: UploadSession, content: &Bytes, piece: usize) -> UploadSession {
    let mut at = usize::try_from(session.offset()).unwrap();
    while at < content.len() {
        let end = content.len().min(at + piece);
        session.append(content.slice(at..end)).await.unwrap();
        at = end;
    }
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn uploads_at_once_become_what_was_sent_to_each() {
    let world = Arc::new(World::new());
    let upload = |number: usize| {
        let world = Arc::clone(&world);
        async move {
            let content = content(3_000_000 + number * 77_777).slice(number..);
            let session = world.start(Algorithm::Sha256);
            let session = append(session, &content, 500_000 + number * 33_333).await;
            // Verified: a wrong digest is refused.
            session.finish(&sha256(&content)).await.unwrap()
        }
    };
    let uploads: Vec<_> = (0..6).map(|number| tokio::spawn(upload(number))).collect();
    for (number, upload) in uploads.into_iter().enumerate() {
        assert_eq!(upload.await.unwrap(), 3_000_000 + number as u64 * 77_776);
    }
    let commits = std::mem::take(&mut *world.records.commits.lock());
    assert_eq!(commits.len(), 6);
    for commit in commits {
        let NewContent::File { number, checks } = commit.content else {
            panic!("a large blob is a file");
        };
        let data = world.data(number);
        assert_eq!(commit.digest, sha256(&data));
        let block = usize::try_from(BLOCK).unwrap();
        let expected: Vec<_> = data.chunks(block).map(crc32c::crc32c).collect();
        assert_eq!(checks, expected);
    }
}

/// On one thread: the second call finds what the first one offers.
#[tokio::test]
async fn two_uploads_at_once_are_hashed_together_where_it_pays() {
    let world = World::new();
    let contents = [content(400_000), content(500_001).slice(1..)];
    let [mut one, mut other] = [0, 1].map(|_| world.start(Algorithm::Sha256));
    let (first, second) = join!(
        one.append(contents[0].slice(..200_000)),
        other.append(contents[1].slice(..250_000)),
    );
    first.and(second).unwrap();
    assert_eq!(world.pairs_taken() > 0, pays());
    for (session, content) in [one, other].into_iter().zip(&contents) {
        let session = append(session, content, 100_000).await;
        session.finish(&sha256(content)).await.unwrap();
        world.expect_committed(content, &sha256(content));
    }
}

#[tokio::test]
async fn an_upload_that_is_alone_gives_way_to_nobody() {
    let world = World::new();
    let mut session = world.start(Algorithm::Sha256);
    let appended = session.append(content(128 * 1024)).now_or_never();
    appended.expect("at once").unwrap();
}

/// The piece of the cancelled call is on offer, and taken by the other upload where that pays.
#[tokio::test]
async fn a_call_cancelled_when_its_piece_was_taken_loses_nothing_of_either() {
    let world = World::new();
    let contents = [content(700_000), content(500_001).slice(1..)];
    let [mut one, other] = [0, 1].map(|_| world.start(Algorithm::Sha256));
    one.append(contents[0].slice(..12_345)).await.unwrap();
    let id = one.id();
    let other = {
        let mut call = pin!(one.append(contents[0].slice(12_345..300_000)));
        assert_eq!(call.as_mut().now_or_never().is_none(), pays());
        let other = append(other, &contents[1], 200_000).await;
        assert_eq!(world.pairs_taken() > 0, pays());
        other
    };
    other.finish(&sha256(&contents[1])).await.unwrap();
    world.expect_committed(&contents[1], &sha256(&contents[1]));
    drop(one);
    world.uploads.idle().await;
    let one = world.resume(&id).await.unwrap();
    assert_eq!(one.offset(), if pays() { 12_345 } else { 300_000 });
    let one = append(one, &contents[0], 300_000).await;
    one.finish(&sha256(&contents[0])).await.unwrap();
    world.expect_committed(&contents[0], &sha256(&contents[0]));
}
