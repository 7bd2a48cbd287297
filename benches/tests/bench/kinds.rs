//! The loads that mix requests, read parts, run another program or do nothing.

use std::sync::Arc;
use std::time::Duration;

use floundr_benches::client::UnexpectedStatus;
use floundr_benches::compare::rows::rows;
use floundr_benches::load::idle::Idle;
use floundr_benches::load::manifest_read::{self, Verb};
use floundr_benches::load::mixed::Mixed;
use floundr_benches::load::pull_range::PullRange;
use floundr_benches::load::raw::Raw;
use floundr_benches::load::wrk::Wrk;
use floundr_benches::load::{Tally, measure};
use floundr_benches::process::Watch;
use http::{Method, StatusCode};

use crate::fake::{Fault, Manner};
use crate::loads::fake;

const RANGES: PullRange = PullRange {
    size: 1_000_003,
    range: 70_000,
    clients: 3,
    count: 20,
};

#[tokio::test]
async fn ranges_are_pulled_as_many_as_asked_and_each_in_full() {
    let (fake, target, mut source) = fake(Manner::default()).await;
    let blob = RANGES.prepare(&target, &mut source).await.unwrap();
    let before = fake.seen.lock().unwrap().requests.len();
    let outcome = RANGES.run(&target, &blob).await.unwrap();
    assert_eq!(
        (outcome.tally.operations, outcome.tally.bytes),
        (20, 20 * 70_000)
    );
    assert_eq!(fake.seen.lock().unwrap().requests.len(), before + 20);
}

#[tokio::test]
async fn a_registry_that_ignores_ranges_is_found_before_the_clock_starts() {
    let (_fake, target, mut source) = fake(Manner {
        fault: Some(Fault::IgnoreRanges),
        ..Manner::default()
    })
    .await;
    let error = RANGES.prepare(&target, &mut source).await.unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("checking a range: range pull: status is 200"),
        "{text}"
    );
}

#[tokio::test]
async fn a_mixed_load_makes_every_kind_of_request_and_counts_each_push_once() {
    let (fake, target, mut source) = fake(Manner::default()).await;
    let load = Mixed {
        count: 200,
        clients: 4,
        largest: 300_000,
    };
    let stored = Arc::new(load.prepare(&target, &mut source).await.unwrap());
    let before = fake.seen.lock().unwrap().requests.len();
    let outcome = load.run(&target, &mut source, &stored).await.unwrap();
    let seen = fake.seen.lock().unwrap();
    let requests = seen.requests.iter().skip(before);
    let count = |method: Method, part: &str| {
        let mine = requests
            .clone()
            .filter(|(used, target)| *used == method && target.contains(part));
        mine.count()
    };
    let kinds = [
        count(Method::GET, "/manifests/image-"),
        count(Method::HEAD, "/manifests/image-"),
        count(Method::HEAD, "/blobs/sha256:"),
        count(Method::GET, "/blobs/sha256:"),
        count(Method::POST, "/blobs/uploads/"),
        count(Method::PUT, "/manifests/new-"),
    ];
    assert_eq!(kinds, [60, 50, 26, 55, 8, 3]);
    let all: usize = kinds.iter().sum();
    assert_eq!(outcome.tally.operations, all as u64);
    assert!(outcome.tally.bytes > 2 * 300_000); // the largest is pulled and pushed
}

#[tokio::test]
async fn connections_that_stay_idle_are_used_before_and_after() {
    let (fake, target, _) = fake(Manner::default()).await;
    let load = Idle {
        connections: 30,
        time: Duration::from_millis(50),
    };
    let outcome = load.run(&target).await.unwrap();
    assert_eq!(fake.seen.lock().unwrap().requests.len(), 60);
    assert!(outcome.elapsed >= load.time);
    assert!(outcome.server.unwrap().peak_anonymous > 0);
    assert_eq!(outcome.tally.operations, 0);
}

#[tokio::test]
async fn wrk_reads_the_manifest_and_its_absence_is_an_error_that_says_so() {
    let (_fake, target, mut source) = fake(Manner::default()).await;
    let load = Wrk {
        time: Duration::from_secs(1),
    };
    manifest_read::prepare(&target, &mut source).await.unwrap();
    match load.run(&target).await {
        Ok(report) => assert!(report.requests_per_second > 1.0 && report.server.is_some()),
        Err(error) => {
            let text = format!("{error:#}");
            assert!(
                text.contains("cannot be started: is it installed?"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_there_fails_a_run_of_wrk() {
    let (_fake, target, _) = fake(Manner::default()).await;
    let load = Wrk {
        time: Duration::from_secs(1),
    };
    assert!(load.run(&target).await.is_err());
}

#[tokio::test]
async fn raw_reads_count_what_was_answered_and_stop_at_a_refusal() {
    for verb in [Verb::Get, Verb::Head] {
        let (fake, target, mut source) = fake(Manner::default()).await;
        let load = Raw {
            clients: 5,
            time: Duration::from_millis(50),
            verb,
        };
        let error = load.run(&target).await.unwrap_err();
        assert!(format!("{error:#}").contains("HTTP/1.1 404"), "{error:#}");
        let manifest = manifest_read::prepare(&target, &mut source).await.unwrap();
        let before = fake.seen.lock().unwrap().requests.len();
        let outcome = load.run(&target).await.unwrap();
        let answered = fake.seen.lock().unwrap().requests.len() - before;
        assert_eq!(outcome.tally.operations, answered as u64);
        let length = if verb == Verb::Get {
            manifest.len() as u64
        } else {
            0
        };
        assert_eq!(outcome.tally.bytes, outcome.tally.operations * length);
    }
}

#[tokio::test]
async fn a_registry_without_sha512_refuses_before_anything_large_is_pushed() {
    let (fake, target, mut source) = fake(Manner {
        fault: Some(Fault::OnlySha256),
        ..Manner::default()
    })
    .await;
    let row = rows(1.0, &["push-sha512".to_owned()]).unwrap().remove(0);
    let error = row.load.prepare(&target, &mut source).await.unwrap_err();
    let answer = error.downcast_ref::<UnexpectedStatus>().unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(fake.seen.lock().unwrap().stored.is_empty());
}

#[tokio::test]
async fn memory_is_put_at_hand_before_the_clock_and_counts_for_nobody() {
    const MOVED: u64 = 512 << 20;
    let (_fake, mut target, _) = fake(Manner::default()).await;
    target.moves = MOVED;
    let all = Watch::start(&[std::process::id()]).unwrap();
    let idle = async { Ok(Tally::default()) };
    let outcome = measure(&target, vec![idle]).await.unwrap();
    let within = outcome.server.unwrap().peak_anonymous;
    let peak = all.finish().unwrap().peak_anonymous;
    // The tests beside this one use memory as well, but none of them gives so much back at that moment.
    let freed = peak.saturating_sub(within);
    assert!(
        freed >= MOVED / 2,
        "{peak} before the clock, {within} within"
    );
}
