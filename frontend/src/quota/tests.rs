//! Quotas on a store that is a few numbers, on a model, and on an engine.

use super::*;
use floundr_engine::clock::Hands;
use floundr_engine::digest::Algorithm;
use floundr_engine::{Engine, Options};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

const MIB: u64 = 1024 * 1024;

/// A store: what its repositories hold, and uploads by repository and length.
#[derive(Debug)]
struct Store {
    held: Mutex<BTreeMap<&'static str, u64>>,
    uploads: Mutex<HashMap<UploadUuid, (&'static str, u64)>>,
    measures: AtomicUsize,
    /// Each measure takes one.
    permits: Semaphore,
    fails: Mutex<Option<StorageError>>,
}

impl Source for Store {
    fn measure<'m>(
        &'m self,
        on: &'m Pattern,
        starts: Starts,
    ) -> Pin<Box<dyn Future<Output = Result<u64, StorageError>> + Send + 'm>> {
        Box::pin(async move {
            self.measures.fetch_add(1, Ordering::SeqCst);
            let bytes = self.sum(on, &starts);
            self.permits.acquire().await.unwrap().forget();
            match self.fails.lock().clone() {
                Some(error) => Err(error),
                None => Ok(bytes),
            }
        })
    }
}

impl Store {
    fn sum(&self, on: &Pattern, starts: &Starts) -> u64 {
        let held = self.held.lock();
        let held = held.iter().filter(|(name, _)| on.matches(name));
        let uploads = self.uploads.lock();
        let uploads = uploads.iter().filter(|(_, (name, _))| on.matches(name));
        let uploads = uploads.map(|(upload, &(_, offset))| {
            let start = starts.get(upload).copied();
            start.unwrap_or(offset).min(offset)
        });
        held.map(|(_, &bytes)| bytes).sum::<u64>() + uploads.sum::<u64>()
    }

    fn put(&self, name: &'static str, bytes: u64) {
        *self.held.lock().entry(name).or_default() += bytes;
    }

    fn measures(&self) -> usize {
        self.measures.load(Ordering::SeqCst)
    }
}

struct World {
    store: Arc<Store>,
    hands: Arc<Hands>,
    quotas: Quotas,
}

impl World {
    fn new(held: &[(&'static str, u64)]) -> Self {
        let store = Arc::new(Store {
            held: Mutex::new(held.iter().copied().collect()),
            uploads: Mutex::default(),
            measures: AtomicUsize::new(0),
            permits: Semaphore::new(1_000_000),
            fails: Mutex::default(),
        });
        let hands = Arc::new(Hands::default());
        let source = Arc::clone(&store) as Arc<dyn Source>;
        let quotas = Quotas::new(source, Arc::clone(&hands) as Arc<dyn Clock>);
        Self {
            store,
            hands,
            quotas,
        }
    }

    async fn reserve(&self, limits: &[Limit], bytes: u64) -> Result<Reservation, Exceeded> {
        let reserved = self.quotas.reserve(limits, Purpose::Content, bytes).await;
        reserved.map_err(exceeded)
    }

    async fn used(&self, on: &str) -> u64 {
        self.quotas.used(&on.parse().unwrap()).await.unwrap()
    }
}

fn exceeded(error: QuotaError) -> Exceeded {
    match error {
        QuotaError::Exceeded(exceeded) => exceeded,
        QuotaError::Storage(error) => panic!("{error}"),
    }
}

fn limit(on: &str, bytes: u64) -> Limit {
    let on = on.parse().unwrap();
    Limit { on, bytes }
}

fn uuid(last: u8) -> UploadUuid {
    format!("00000000-0000-4000-8000-0000000000{last:02x}")
        .parse()
        .unwrap()
}

#[tokio::test]
async fn without_limits_nothing_is_measured_or_counted() {
    let world = World::new(&[("a", 100)]);
    let mut reservation = world.reserve(&[], u64::MAX).await.unwrap();
    reservation.cover(u64::MAX).await.unwrap();
    reservation.commit(u64::MAX);
    assert_eq!(world.store.measures(), 0);
    assert!(world.quotas.shared.state.lock().tallies.is_empty());
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_the_numbers_and_what_fits_is_not() {
    let world = World::new(&[("a/x", 60), ("a/y", 5), ("b", 1_000)]);
    let limits = [limit("**", 2_000), limit("a/*", 100)];
    let refused = world.reserve(&limits, 36).await.unwrap_err();
    let expected = "the quota of a/* is 100 bytes, 65 are in use or reserved, 36 more do not fit";
    assert_eq!(refused.to_string(), expected);
    let held = world.reserve(&limits, 35).await.unwrap();
    let refused = world.reserve(&limits, 1).await.unwrap_err();
    assert_eq!((refused.used, refused.asked), (100, 1));
    assert!(world.reserve(&limits, 0).await.is_ok());
    drop(held);
    assert!(world.reserve(&limits, 35).await.is_ok());
    // Of what was refused nothing stayed with the limit that had room.
    assert_eq!(world.used("**").await, 1_065);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_pushes_cannot_reserve_more_than_there_is() {
    let world = World::new(&[("a", 500)]);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let quotas = world.quotas.clone();
            tokio::spawn(async move {
                let limits = [limit("a", 1_000)];
                quotas.reserve(&limits, Purpose::Content, 90).await
            })
        })
        .collect();
    let mut held = Vec::new();
    for task in tasks {
        held.extend(task.await.unwrap().ok());
    }
    assert_eq!(held.len(), 5);
    assert_eq!(world.used("a").await, 950);
    for reservation in held.drain(1..) {
        world.store.put("a", 90);
        reservation.commit(90);
    }
    assert_eq!(world.used("a").await, 950);
    held.clear();
    assert_eq!(world.used("a").await, 860);
}

#[tokio::test]
async fn space_that_was_freed_is_noticed_before_a_refusal_and_within_a_minute() {
    let world = World::new(&[("a", 100)]);
    let limits = [limit("a", 100)];
    world.reserve(&limits, 1).await.unwrap_err();
    world.store.held.lock().insert("a", 40);
    drop(world.reserve(&limits, 60).await.unwrap());
    world.store.held.lock().insert("a", 10);
    assert_eq!(world.used("a").await, 40);
    world.hands.pass(OLD);
    assert_eq!(world.used("a").await, 40);
    world.hands.pass(Duration::from_millis(1));
    assert_eq!(world.used("a").await, 10);

    world.store.held.lock().insert("a", 0);
    world.hands.pass(OLD + Duration::from_millis(1));
    let measures = world.store.measures();
    drop(world.reserve(&limits, 1).await.unwrap());
    // Nobody waited for the new measure.
    assert_eq!(world.store.measures(), measures);
    while world.store.measures() == measures {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(world.used("a").await, 0);
    assert_eq!(world.store.measures(), measures + 1);
}

#[tokio::test]
async fn of_many_who_wait_for_a_measure_one_makes_it() {
    let world = World::new(&[("a", 100)]);
    world.used("a").await;
    world.store.permits.forget_permits(1_000_000);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let quotas = world.quotas.clone();
            tokio::spawn(async move {
                let limits = [limit("a", 100)];
                quotas.reserve(&limits, Purpose::Content, 1).await.is_ok()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    world.store.held.lock().insert("a", 95);
    world.store.permits.add_permits(1_000);
    let mut granted = 0;
    for task in tasks {
        granted += usize::from(task.await.unwrap());
    }
    // The first one's had begun before the others asked: they waited for one more.
    assert_eq!(world.store.measures(), 3);
    assert_eq!(granted, 19);
}

#[tokio::test]
async fn a_measure_that_took_long_is_refused_by_for_a_while() {
    let world = World::new(&[("a", 100)]);
    world.store.permits.forget_permits(1_000_000);
    let limits = [limit("a", 100)];
    let (refused, ()) = tokio::join!(world.reserve(&limits, 1), async {
        tokio::task::yield_now().await;
        world.hands.pass(Duration::from_secs(2));
        world.store.permits.add_permits(1_000);
    });
    refused.unwrap_err();
    world.store.held.lock().insert("a", 0);
    world.hands.pass(Duration::from_secs(7));
    world.reserve(&limits, 1).await.unwrap_err();
    assert_eq!(world.store.measures(), 1);
    world.hands.pass(Duration::from_secs(1));
    drop(world.reserve(&limits, 1).await.unwrap());
    assert_eq!(world.store.measures(), 2);
}

#[tokio::test]
async fn what_is_committed_during_a_measure_is_never_left_out() {
    let world = World::new(&[("a", 0)]);
    let limits = [limit("a", 100)];
    let reservation = world.reserve(&limits, 60).await.unwrap();
    world.store.permits.forget_permits(1_000_000);
    let on: Pattern = "a".parse().unwrap();
    let (measured, ()) = tokio::join!(world.quotas.shared.measure(&on, u64::MAX - 1), async {
        tokio::task::yield_now().await;
        assert_eq!(world.store.measures(), 2);
        // The measure has read what is held already.
        world.store.put("a", 60);
        reservation.commit(60);
        world.store.permits.add_permits(1_000);
    });
    measured.unwrap();
    assert_eq!(world.used("a").await, 60);
    assert_eq!(world.reserve(&limits, 41).await.unwrap_err().used, 60);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_covered_in_steps_as_far_as_there_is_room() {
    let world = World::new(&[("a", 0)]);
    let limits = [limit("a", 20 * MIB)];
    let mut body = world.reserve(&limits, 0).await.unwrap();
    assert_eq!(world.used("a").await, 0);
    body.cover(10).await.unwrap();
    assert_eq!(world.used("a").await, 8 * MIB);
    body.cover(8 * MIB).await.unwrap();
    assert_eq!(world.used("a").await, 8 * MIB);
    body.cover(13 * MIB).await.unwrap();
    assert_eq!(world.used("a").await, 16 * MIB);
    body.cover(20 * MIB).await.unwrap();
    assert_eq!(world.used("a").await, 20 * MIB);
    let measures = world.store.measures();
    body.cover(20 * MIB).await.unwrap();
    assert_eq!(world.store.measures(), measures);
    let refused = exceeded(body.cover(20 * MIB + 1).await.unwrap_err());
    assert_eq!((refused.used, refused.asked), (20 * MIB, 1));
    drop(body);
    assert_eq!(world.used("a").await, 0);
}

#[tokio::test]
async fn an_upload_counts_once_while_it_grows_and_when_it_rests() {
    let world = World::new(&[("a", 0)]);
    let limits = [limit("a", 100)];
    let (upload, offset) = (uuid(1), 10);
    world.store.uploads.lock().insert(upload, ("a", offset));
    let chunk = Purpose::Chunk { upload, offset };
    let mut body = world.quotas.reserve(&limits, chunk, 50).await.unwrap();
    assert_eq!(world.used("a").await, 60);
    body.cover(30).await.unwrap();
    world.store.uploads.lock().insert(upload, ("a", 40));
    // Refusing measures anew.
    assert_eq!(world.reserve(&limits, 41).await.unwrap_err().used, 60);
    drop(body);
    assert_eq!(world.used("a").await, 40);
    assert_eq!(world.reserve(&limits, 61).await.unwrap_err().used, 40);

    // The request that went on with it is not disturbed by the end of the one before.
    let before = world.quotas.reserve(&limits, chunk, 0).await.unwrap();
    let offset = 40;
    let chunk = Purpose::Chunk { upload, offset };
    let body = world.quotas.reserve(&limits, chunk, 20).await.unwrap();
    drop(before);
    world.store.uploads.lock().insert(upload, ("a", 60));
    assert_eq!(world.reserve(&limits, 41).await.unwrap_err().used, 60);
    body.commit(20);
    assert_eq!(world.used("a").await, 60);
    assert!(world.quotas.shared.state.lock().uploads.is_empty());
    let whole = Purpose::Whole(uuid(2));
    let mut whole = world.quotas.reserve(&limits, whole, 5).await.unwrap();
    whole.cover(5).await.unwrap();
    drop(whole);
    assert_eq!(world.used("a").await, 60);
}

#[tokio::test]
async fn a_store_that_cannot_be_measured_is_no_refusal() {
    let world = World::new(&[("a", 0)]);
    *world.store.fails.lock() = Some(StorageError::Closed);
    let limits = [limit("a", 100)];
    let failed = world.quotas.reserve(&limits, Purpose::Content, 1).await;
    assert!(matches!(
        failed,
        Err(QuotaError::Storage(StorageError::Closed))
    ));
    *world.store.fails.lock() = None;
    drop(world.reserve(&limits, 100).await.unwrap());
}

#[tokio::test]
async fn patterns_nobody_asks_for_are_forgotten_and_held_ones_are_not() {
    let world = World::new(&[("a", 0)]);
    let held = world.reserve(&[limit("held", 9)], 9).await.unwrap();
    for index in 0..100 {
        let on = format!("p{index}");
        drop(world.reserve(&[limit(&on, 9)], 1).await.unwrap());
    }
    world.hands.pass(FORGOTTEN);
    drop(world.reserve(&[limit("last", 9)], 1).await.unwrap());
    let known = world.quotas.shared.state.lock().tallies.len();
    assert_eq!(known, 2);
    world.reserve(&[limit("held", 9)], 1).await.unwrap_err();
    drop(held);
}

#[tokio::test]
async fn an_engine_is_measured_with_its_uploads_manifests_and_shared_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(Options::new(folder.path())).await.unwrap();
    let repository = engine.repository(&"team/a".parse().unwrap());
    let content = vec![1; 1_000];
    let blob = repository.put_blob(Algorithm::Sha256, content.into());
    let blob = blob.await.unwrap();
    let other = engine.repository(&"team/b".parse().unwrap());
    other.mount(&blob, repository.name()).await.unwrap();
    let mut upload = repository.start_upload(Algorithm::Sha256).unwrap();
    let uuid = upload.id().uuid().parse().unwrap();
    upload.append(vec![2; 70_000].into()).await.unwrap();
    let measure = async |on: &str, starts: &[(UploadUuid, u64)]| {
        let on: Pattern = on.parse().unwrap();
        let starts = starts.iter().copied().collect();
        Source::measure(&engine, &on, starts).await.unwrap()
    };
    assert_eq!(measure("team/*", &[]).await, 72_000);
    assert_eq!(measure("team/*", &[(uuid, 500)]).await, 2_500);
    assert_eq!(measure("team/b", &[]).await, 1_000);
    upload.suspend().await.unwrap();
    assert_eq!(measure("team/a", &[]).await, 71_000);
    engine.close().await.unwrap();
}

/// What is done to the quotas of two patterns, of which one is part of the other.
#[derive(Debug, Clone)]
enum Step {
    Reserve { name: &'static str, bytes: u64 },
    Cover { which: usize, bytes: u64 },
    Commit { which: usize, part: u64 },
    Drop { which: usize },
    Free { name: &'static str, bytes: u64 },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop_oneof![Just("a/x"), Just("a/y"), Just("b")];
    let which = 0..8_usize;
    prop_oneof![
        4 => (name(), 0..400_u64).prop_map(|(name, bytes)| Step::Reserve { name, bytes }),
        1 => (which.clone(), 0..600_u64).prop_map(|(which, bytes)| Step::Cover { which, bytes }),
        3 => (which.clone(), 0..=4_u64).prop_map(|(which, part)| Step::Commit { which, part }),
        1 => which.prop_map(|which| Step::Drop { which }),
        1 => (name(), 0..400_u64).prop_map(|(name, bytes)| Step::Free { name, bytes }),
        1 => (0..50_u64).prop_map(Step::Pass),
    ]
}

/// The limits of a repository.
fn limits_of(name: &str) -> Vec<Limit> {
    let all = [limit("**", 1_000), limit("a/*", 600)];
    let matching = all.into_iter().filter(|limit| limit.on.matches(name));
    matching.collect()
}

/// What is held in truth, and what is reserved by what the model granted.
struct Model {
    world: World,
    open: Vec<(&'static str, u64, Reservation)>,
}

impl Model {
    /// What is in use in truth of one limit.
    fn used(&self, on: &Pattern) -> u64 {
        let open = self.open.iter().filter(|(name, ..)| on.matches(name));
        let reserved: u64 = open.map(|(_, bytes, _)| bytes).sum();
        self.world.store.sum(on, &Starts::new()) + reserved
    }

    fn room(&self, name: &str) -> u64 {
        let limits = limits_of(name).into_iter();
        let room = limits.map(|limit| limit.bytes.saturating_sub(self.used(&limit.on)));
        room.min().unwrap()
    }

    async fn apply(&mut self, step: Step) {
        match step {
            Step::Reserve { name, bytes } => {
                let fits = bytes == 0 || bytes <= self.room(name);
                let reserved = self.world.reserve(&limits_of(name), bytes).await;
                assert_eq!(reserved.is_ok(), fits, "{name} {bytes} {reserved:?}");
                if let Ok(reservation) = reserved {
                    self.open.push((name, bytes, reservation));
                }
            }
            Step::Cover { which, bytes } if which < self.open.len() => {
                let (name, reserved, _) = self.open[which];
                let room = self.room(name);
                let missing = bytes.saturating_sub(reserved);
                let (_, reserved, reservation) = &mut self.open[which];
                let covered = reservation.cover(bytes).await.is_ok();
                assert_eq!(covered, missing == 0 || missing <= room);
                let more = reservation.reserved() - *reserved;
                // A step is more than all there is, by what is known.
                assert!(if covered { more >= missing } else { more == 0 });
                assert!(more <= room);
                *reserved += more;
            }
            Step::Commit { which, part } if which < self.open.len() => {
                let (name, reserved, reservation) = self.open.swap_remove(which);
                let stored = reserved * part / 4;
                self.world.store.put(name, stored);
                reservation.commit(stored);
            }
            Step::Drop { which } if which < self.open.len() => {
                drop(self.open.swap_remove(which));
            }
            Step::Free { name, bytes } => {
                let mut held = self.world.store.held.lock();
                let held = held.entry(name).or_default();
                *held = held.saturating_sub(bytes);
            }
            Step::Pass(seconds) => self.world.hands.pass(Duration::from_secs(seconds)),
            Step::Cover { .. } | Step::Commit { .. } | Step::Drop { .. } => {}
        }
        for limit in limits_of("a/x") {
            assert!(self.used(&limit.on) <= limit.bytes, "{limit:?}");
        }
    }
}

proptest! {
    /// One after the other: what fits is taken, what does not is refused, and nothing is lost.
    #[test]
    fn exactly_what_fits_is_granted(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new(&[("a/x", 100), ("b", 300)]);
            let mut model = Model { world, open: Vec::new() };
            for step in steps {
                model.apply(step).await;
            }
        });
    }
}
