//! The real binary, killed again and again while clients push, pull and delete and the collector
//! runs all the time: nothing acknowledged is lost, nothing wrong is served, nothing that nobody
//! refers to stays.
//!
//! The short form runs with the other tests. `FLOUNDR_KILL_CYCLES` is the number of kills, and
//! `FLOUNDR_KILL_SEED` repeats the random decisions; what the machine does at which moment differs
//! all the same. Of a fault are said: the seed, the life of the server, the client, the thing and
//! what was found; the store stays.
//!
//! What is *not* here: power cuts, and a crash at every point (`engine/tests/it/crash/`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do; the linter knows only the tests themselves"
)]

mod campaign; // lives of the server, kills, checkpoints
mod client; // a client and what it asks for
mod content; // chance, and the bytes of blobs
mod fault; // what is found to be wrong
mod ledger; // what a client was told
mod store; // the store at rest, through the engine
#[path = "../it/support.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the commands, which use the rest"
)]
mod support;
mod uploads; // uploads in pieces, and their continuation
mod verify; // comparing what is there with the ledger
mod wire; // HTTP

use campaign::Campaign;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

/// Kills of the short form.
const SHORT: usize = 8;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_unreferenced_stays_when_it_is_killed_under_load() {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|error| panic!("{name} is {text:?}: {error}")),
        )
    };
    let seed = number("FLOUNDR_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let kills = number("FLOUNDR_KILL_CYCLES").map_or(SHORT, |kills| kills.try_into().unwrap());
    println!("FLOUNDR_KILL_SEED={seed}");
    let began = Instant::now();
    match Campaign::new(seed).run(kills) {
        Ok(summary) => println!("{}", summary.words(began.elapsed())),
        Err(found) => {
            for found in &found {
                let by = found
                    .client
                    .map_or("the store".to_owned(), |client| format!("client {client}"));
                println!("life {}, {by}: {}", found.life, found.fault);
            }
            panic!(
                "{} faults with seed {seed}, the first: {:?}",
                found.len(),
                found[0]
            );
        }
    }
}
