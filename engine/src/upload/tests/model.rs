//! Random appends, suspends, drops, takeovers and restarts against a vector of bytes.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    /// A whole request of a client that is ahead of the hash.
    Chunk(usize),
    Suspend,
    Drop,
    TakeOver,
    /// Bring it to rest, then start another process.
    Restart,
    /// The process dies with the session open: back to a checkpoint.
    Kill,
    /// The machine loses power: back to a synced checkpoint.
    CutPower,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop_oneof![0..100_usize, 8_000..9_000_usize, 200_000..3_000_000_usize]
            .prop_map(Step::Append),
        4 => (0..3_000_000_usize).prop_map(Step::Chunk),
        2 => Just(Step::Suspend),
        1 => Just(Step::Drop),
        1 => Just(Step::TakeOver),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => Just(Step::CutPower),
    ]
}

async fn run(steps: Vec<Step>, algorithm: Algorithm, claimed: Algorithm) {
    let mut world = World::new();
    let source = content(3_000_000);
    let mut model: Vec<u8> = Vec::new();
    let mut session = world.start(algorithm);
    let id = session.id();
    for step in steps {
        match step {
            Step::Append(len) => {
                let start = model.len() % 1_000;
                let piece = source.slice(start..(start + len).min(source.len()));
                model.extend_from_slice(&piece);
                session.append(piece).await.unwrap();
            }
            Step::Chunk(len) => {
                let piece = source.slice(..len);
                model.extend_from_slice(&piece);
                session.announce_chunk(len as u64);
                for piece in piece.chunks(400_000) {
                    session.append(piece.to_vec().into()).await.unwrap();
                }
            }
            Step::Suspend => {
                assert_eq!(session.suspend().await.unwrap(), model.len() as u64);
                session = world.resume(&id).await.unwrap();
            }
            Step::Drop => {
                drop(session);
                session = world.resume(&id).await.unwrap();
            }
            Step::TakeOver => {
                let later = world.resume(&id).await.unwrap();
                drop(std::mem::replace(&mut session, later));
            }
            Step::Restart => {
                session.suspend().await.unwrap();
                world.restart();
                session = world.resume(&id).await.unwrap();
            }
            Step::Kill => session = killed(&mut world, session, &mut model, false).await,
            Step::CutPower => session = killed(&mut world, session, &mut model, true).await,
        }
        assert_eq!(session.offset(), model.len() as u64);
        assert_eq!(world.status(&id).await, Some(model.len() as u64));
    }
    let digest = Digest::of(claimed, &model);
    session.finish(&digest).await.unwrap();
    world.expect_committed(&model, &digest);
    assert_eq!(world.status(&id).await, None);
    world.uploads.idle().await; // what sessions that were dropped left to be done
    assert_eq!(world.open_count(), 0);
}

/// What is found afterwards is a part of what was delivered, and not less than the record said.
async fn killed(
    world: &mut World,
    session: UploadSession,
    model: &mut Vec<u8>,
    loses_power: bool,
) -> UploadSession {
    let id = session.id();
    // The write in flight has to end, as it does when a process dies: it reaches the file or not.
    let place = world.uploads.shared.slots.enter(id.key());
    let mut writer = place.writer.lock().await;
    writer.as_mut().unwrap().wait().await.unwrap();
    let least = writer
        .as_ref()
        .unwrap()
        .at_rest
        .as_ref()
        .map_or(0, |record| {
            let checkpoint = if loses_power {
                &record.synced
            } else {
                &record.written
            };
            checkpoint.offset
        });
    drop(writer);
    std::mem::forget((place, session));
    if loses_power {
        world.disk.cut_power();
    }
    world.restart();
    let session = world.resume(&id).await.unwrap();
    assert_eq!(session.offset(), least);
    model.truncate(usize::try_from(least).unwrap());
    session
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn an_upload_is_the_bytes_it_says_it_has(
        steps in prop::collection::vec(step(), 0..16),
        algorithm in 0_usize..3,
        claimed in 0_usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps, Algorithm::ALL[algorithm], Algorithm::ALL[claimed]));
    }
}
