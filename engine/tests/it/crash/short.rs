//! The short form of the proof, and that what it finds can be repeated.

use super::campaign::{Campaign, Point, repeat};
use super::store::{Fault, Machine, ROOT, Settings, Store, failed, media_type};
use super::things::content;
use floundr_engine::Durability;
use floundr_engine::descriptor::Links;
use floundr_engine::disk::{Crash, Disk as _, SimulatedDisk};
use floundr_engine::repository::{Missing, PutManifest};
use std::path::Path;
use std::time::Duration;

const DURABLE: Settings = Settings {
    durability: Durability::Durable,
    sync_interval: 1,
    journal: 64 * 1024,
    undo: 0,
};

/// Every change of the making of a store is a place to crash, and the store is made then.
#[tokio::test]
async fn a_store_whose_making_was_cut_short_is_made_again() {
    let make = async |disk: SimulatedDisk| -> Result<(), Fault> {
        let store = Store::open(Machine::new(disk, 1), DURABLE).await?;
        store.engine.collect().await.map_err(failed)?;
        store.engine.close().await.map_err(failed)
    };
    let disk = SimulatedDisk::new();
    make(disk.clone()).await.unwrap();
    let journal = disk.journal();
    let mut replay = journal.replay();
    for position in 0..journal.len() {
        replay.advance(position);
        for seed in 0..6 {
            let crashes = [Crash::Stop { seed }, Crash::PowerCut { seed }];
            for crash in crashes {
                let made = make(replay.crashed(crash)).await;
                made.unwrap_or_else(|fault| panic!("{position}, {crash:?}: {fault}"));
            }
        }
    }
}

#[test]
fn no_crash_loses_or_halves_anything() {
    let campaign = Campaign {
        seed: 1,
        sequences: 60,
        points: 30,
        threads: 2,
        shrinking: Duration::ZERO,
    };
    let tally = campaign
        .run()
        .unwrap_or_else(|violation| panic!("{violation}"));
    println!("{tally}");
    assert_eq!(tally.stops + tally.power_cuts, 60 * 30);
}

#[test]
fn a_crash_is_repeated_from_its_seed() {
    for seed in [2, 3] {
        let point: Point = "400:cut:7".parse().unwrap();
        let once = repeat(seed, &[], point).unwrap_or_else(|violation| panic!("{violation}"));
        let again = repeat(seed, &[], point).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(once, again, "sequence {seed} wrote something else");
        assert_eq!(point.to_string().parse(), Ok(point));
    }
}

/// A store that was closed, and so has no need of its journal, opens without it, wherever that is cut
/// short.
#[tokio::test]
async fn a_closed_store_without_a_journal_gets_one_at_every_crash() {
    let disk = SimulatedDisk::new();
    let open = async |disk: SimulatedDisk| Store::open(Machine::new(disk, 1), DURABLE).await;
    let named = async |disk: SimulatedDisk| -> Result<(), Fault> {
        let store = open(disk).await?;
        let repository = store.engine.repository(&"kept".parse().unwrap());
        repository.create().await.map_err(failed)?;
        store.engine.close().await.map_err(failed)
    };
    named(disk.clone()).await.unwrap();
    disk.remove(&Path::new(ROOT).join("metadata.journal"))
        .unwrap();
    disk.sync_directory(Path::new(ROOT)).unwrap();
    let closed = disk.position();
    named(disk.clone()).await.unwrap();
    let journal = disk.journal();
    let mut replay = journal.replay();
    for position in closed..journal.len() {
        replay.advance(position);
        for crash in [
            Crash::Stop { seed: 1 },
            Crash::PowerCut { seed: 1 },
            Crash::PowerCut { seed: 2 },
        ] {
            let opened = named(replay.crashed(crash)).await;
            assert_eq!(opened, Ok(()), "at {position} after {crash:?}");
        }
    }
}

/// What opening reads does not grow with the store, whatever stopped the process before it.
#[tokio::test]
async fn opening_after_a_crash_reads_little_of_a_large_store() {
    let disk = SimulatedDisk::new();
    let machine = Machine::new(disk.clone(), 1);
    let store = Store::open(machine, DURABLE).await.unwrap();
    let mut puts = Vec::new();
    for number in 0..1_000_u64 {
        let repository = store.engine.repository(&"large".parse().unwrap());
        let put = PutManifest {
            tags: vec![format!("v{number}").parse().unwrap()],
            missing_children: Missing::Refuse,
            ..PutManifest::new(content(number, 8_000), media_type(), Links::default())
        };
        puts.push(tokio::spawn(
            async move { repository.put_manifest(put).await },
        ));
    }
    for put in puts {
        put.await.unwrap().unwrap();
    }
    store
        .engine
        .repository(&"last".parse().unwrap())
        .create()
        .await
        .unwrap();
    let journal = disk.journal();
    let mut replay = journal.replay();
    // In the middle of the last commit, and behind it.
    for position in [journal.len() - 3, journal.len()] {
        replay.advance(position);
        for crash in [Crash::Stop { seed: 1 }, Crash::PowerCut { seed: 1 }] {
            let machine = Machine::new(replay.crashed(crash), 2);
            let store = Store::open(machine, DURABLE).await.unwrap();
            let read = store.machine.disk.reads().bytes;
            assert!(
                read < 1_000_000,
                "{read} bytes at {position} after {crash:?}"
            );
            let tags = store.engine.statistics().await.unwrap().tags;
            assert_eq!(tags, 1_000);
        }
    }
}
