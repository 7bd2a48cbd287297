//! What waits to be written: in order, bounded, and going on without leave.

use super::super::queue::LEAVES;
use super::*;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

const LONG: Duration = Duration::from_mins(1);

fn leaves(world: &World) -> Arc<Semaphore> {
    Arc::clone(&world.uploads.shared.write_leaves)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_when_others_hold_every_leave() {
    let world = World::new();
    let all = u32::try_from(LEAVES).unwrap();
    let _held = leaves(&world).acquire_many_owned(all).await.unwrap();
    let content = content(20_000_001);
    let upload = async {
        let mut session = world.start(Algorithm::Sha256);
        for piece in content.chunks(100_000) {
            session.append(content.slice_ref(piece)).await.unwrap();
        }
        session.finish(&sha256(&content)).await.unwrap();
    };
    timeout(LONG, upload)
        .await
        .expect("it never waits for others");
    world.expect_committed(&content, &sha256(&content));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_give_every_leave_back() {
    let world = Arc::new(World::new());
    let content = content(20_000_001);
    let mut uploads = JoinSet::new();
    for at in 0..16 {
        let (world, content) = (Arc::clone(&world), content.clone());
        uploads.spawn(async move {
            let mut session = world.start(Algorithm::Sha256);
            session.append(content.clone()).await.unwrap();
            match at % 2 {
                0 => session.cancel().await.map(drop),
                _ => session.finish(&sha256(&content)).await.map(drop),
            }
        });
    }
    let ended = timeout(LONG, uploads.join_all()).await.expect("all go on");
    ended.into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(leaves(&world).available_permits(), LEAVES);
}
