//! Each load does what it says, and counts nothing that failed.

use std::time::Duration;

use floundr_benches::content::{Algorithm, Source};
use floundr_benches::load::manifest_read::{self, ManifestRead, Verb};
use floundr_benches::load::pull::{self, Pull};
use floundr_benches::load::push::Push;
use floundr_benches::load::small_push::{SmallPush, Until};
use floundr_benches::load::{Outcome, Target};
use floundr_benches::registry::Mode;
use floundr_benches::transport::Transport;

use crate::fake::{Fake, Fault, Manner};

const SIZE: u64 = 1_000_003;

pub(crate) async fn fake(manner: Manner) -> (Fake, Target, Source) {
    let fake = Fake::start(manner).await;
    let target = Target {
        endpoint: format!("http://{}", fake.address).parse().unwrap(),
        transport: Transport::Plain,
        authorization: None,
        repository: "a/b".into(),
        static_root: None,
        pids: vec![std::process::id()],
        limit: Duration::from_secs(30),
        moves: 0,
    };
    (fake, target, Source::new().unwrap())
}

async fn pushed(mode: Mode, manner: Manner) -> (Outcome, Fake) {
    let (fake, target, mut source) = fake(manner).await;
    let push = Push {
        size: SIZE,
        streams: 2,
        mode,
        algorithm: Algorithm::Sha256,
    };
    (push.run(&target, &mut source).await.unwrap(), fake)
}

#[tokio::test]
async fn every_mode_of_push_delivers_the_content_by_its_own_requests() {
    let chunked = Mode::Chunked(300_000);
    for (mode, appends) in [(Mode::Monolithic, 0), (Mode::Streamed, 2), (chunked, 8)] {
        for absolute in [false, true] {
            let (outcome, fake) = pushed(
                mode,
                Manner {
                    absolute,
                    ..Manner::default()
                },
            )
            .await;
            assert_eq!(
                (outcome.tally.bytes, outcome.tally.operations),
                (2 * SIZE, 2)
            );
            assert!(outcome.server.is_some());
            let seen = fake.seen.lock().unwrap();
            assert_eq!((seen.stored.len(), seen.appends), (2, appends), "{mode:?}");
            assert!(seen.stored.values().all(|blob| blob.len() as u64 == SIZE));
        }
    }
}

#[tokio::test]
async fn rounds_push_different_content() {
    let (fake, target, mut source) = fake(Manner::default()).await;
    let push = Push {
        size: 10,
        streams: 2,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha256,
    };
    for _ in 0..3 {
        push.run(&target, &mut source).await.unwrap();
    }
    assert_eq!(fake.seen.lock().unwrap().stored.len(), 6);
}

#[tokio::test]
async fn a_push_by_sha512_announces_it_and_finishes_with_it() {
    let (fake, target, mut source) = fake(Manner::default()).await;
    let push = Push {
        size: SIZE,
        streams: 2,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha512,
    };
    let outcome = push.run(&target, &mut source).await.unwrap();
    assert_eq!(outcome.tally.bytes, 2 * SIZE);
    let seen = fake.seen.lock().unwrap();
    assert!(
        seen.stored
            .keys()
            .all(|digest| digest.starts_with("sha512:"))
    );
    let announced = "/v2/a/b/blobs/uploads/?digest-algorithm=sha512";
    let starts = seen
        .requests
        .iter()
        .filter(|(_, target)| target == announced);
    assert_eq!((starts.count(), seen.stored.len()), (2, 2));
}

#[tokio::test]
async fn a_refused_push_is_an_error_that_shows_the_status() {
    let (_fake, target, mut source) = fake(Manner {
        fault: Some(Fault::Refuse),
        ..Manner::default()
    })
    .await;
    let push = Push {
        size: SIZE,
        streams: 1,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha256,
    };
    let error = format!("{:#}", push.run(&target, &mut source).await.unwrap_err());
    assert!(
        error.contains("monolithic upload: status is 500"),
        "{error}"
    );
}

#[tokio::test]
async fn pulls_count_every_byte_of_every_stream() {
    let (_fake, target, mut source) = fake(Manner::default()).await;
    let pull = Pull {
        size: SIZE,
        streams: 3,
    };
    let blob = pull::prepare(&target, &mut source, SIZE).await.unwrap();
    let outcome = pull.run(&target, &blob).await.unwrap();
    assert_eq!(
        (outcome.tally.bytes, outcome.tally.operations),
        (3 * SIZE, 3)
    );
}

#[tokio::test]
async fn altered_content_is_found_before_the_clock_starts() {
    let (_fake, target, mut source) = fake(Manner {
        fault: Some(Fault::Corrupt),
        ..Manner::default()
    })
    .await;
    let prepared = pull::prepare(&target, &mut source, SIZE).await;
    let error = prepared.unwrap_err();
    assert!(
        format!("{error:#}").contains("content is sha256:"),
        "{error:#}"
    );
    let prepared = manifest_read::prepare(&target, &mut source).await;
    assert!(prepared.is_err());
}

#[tokio::test]
async fn small_pushes_push_each_blob_once() {
    let (fake, target, mut source) = fake(Manner::default()).await;
    let push = SmallPush {
        size: 100,
        clients: 4,
        until: Until::Count(50),
    };
    let outcome = push.run(&target, &mut source).await.unwrap();
    assert_eq!(outcome.tally.operations, 50);
    assert!(outcome.tally.latencies.percentile(99.0) > 0.0);
    assert_eq!(fake.seen.lock().unwrap().stored.len(), 50);
}

#[tokio::test]
async fn small_pushes_may_be_bounded_by_time() {
    let (fake, target, mut source) = fake(Manner::default()).await;
    let until = Until::Elapsed(Duration::from_millis(50));
    let push = SmallPush {
        size: 100,
        clients: 2,
        until,
    };
    let outcome = push.run(&target, &mut source).await.unwrap();
    assert_eq!(
        outcome.tally.operations,
        fake.seen.lock().unwrap().stored.len() as u64
    );
    assert!(outcome.tally.operations > 0);
}

#[tokio::test]
async fn manifests_are_read_until_the_time_is_over() {
    for verb in [Verb::Get, Verb::Head] {
        let (_fake, target, mut source) = fake(Manner::default()).await;
        let load = ManifestRead {
            clients: 3,
            time: Duration::from_millis(50),
            verb,
        };
        let manifest = manifest_read::prepare(&target, &mut source).await.unwrap();
        let outcome = load.run(&target, &manifest).await.unwrap();
        assert!(outcome.tally.operations >= 3);
        let length = if verb == Verb::Get {
            manifest.len() as u64
        } else {
            0
        };
        assert_eq!(outcome.tally.bytes, outcome.tally.operations * length);
    }
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_limit() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        endpoint: format!("http://{}", silent.local_addr().unwrap())
            .parse()
            .unwrap(),
        transport: Transport::Plain,
        authorization: None,
        repository: "a".into(),
        static_root: None,
        pids: Vec::new(),
        limit: Duration::from_millis(50),
        moves: 0,
    };
    let push = Push {
        size: 10,
        streams: 1,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha256,
    };
    let error = push
        .run(&target, &mut Source::new().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "measurement took over 50ms");
}
