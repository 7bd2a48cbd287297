//! Runs a sequence of operations on a store, on a simulated disk, and on the model of the crash proof;
//! then crashes the disk at one of its changes, and compares what is found.
//!
//! Every answer is the model's, and so is everything that can be seen after each operation; after the
//! crash holds what `engine/tests/it/crash/mod.rs` says. Input: how the store behaves, where and how it
//! crashes, then the operations, each with as many bytes as it takes.
#![no_main]

/// The model and its store, as the tests have them.
#[path = "../../engine/tests/it/crash"]
#[expect(dead_code, reason = "the tests use all of it")]
mod crash {
    pub(crate) mod check;
    pub(crate) mod plan;
    pub(crate) mod record;
    pub(crate) mod see;
    pub(crate) mod store;
    pub(crate) mod things;
    pub(crate) mod world;
}

use crash::check::check;
use crash::plan::{JOURNALS, Operation, Plan, SLOTS, first_of_a_commit, in_one_commit};
use crash::record::Recording;
use crash::things::{REPOSITORIES, SHAPES, SIZES, TAGS, USUAL_TAGS};
use crash::world::UNDO;
use floundr_engine::Durability;
use floundr_engine::disk::{Crash, Dice};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Operations of a sequence, but for its opening and closing.
const MOST: usize = 16;

/// No longer input is read to its end.
const LONGEST: usize = 8 + 13 * MOST;

/// Nothing that is checked takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is left of the input; behind its end everything is zero.
struct Input<'a>(&'a [u8]);

thread_local! {
    static RUNTIME: Runtime = {
        let runtime = Builder::new_current_thread().enable_time().build();
        runtime.expect("the system gives a runtime its threads")
    };
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > LONGEST {
        return Corpus::Reject;
    }
    let mut input = Input(bytes);
    let (position, seed) = (input.number(), u64::from(input.number()));
    let crash = if input.below(3) == 0 {
        Crash::Stop { seed }
    } else {
        Crash::PowerCut { seed }
    };
    let plan = plan(&mut input);
    let work = async {
        let recording = Recording::make(&plan).await?;
        let position = recording.journal.len() * usize::from(position) / usize::from(u16::MAX);
        let mut replay = recording.journal.replay();
        replay.advance(position);
        let was_cut = matches!(crash, Crash::PowerCut { .. });
        let expected = recording.expected(position, was_cut);
        let mut dice = Dice::new(seed);
        let checked = check(replay.crashed(crash), &recording, &expected, &mut dice).await;
        checked.map_err(|fault| format!("after {crash:?} at change {position}: {fault}"))
    };
    let outcome = RUNTIME
        .with(|runtime| runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await }));
    match outcome {
        Ok(Ok(_)) => Corpus::Keep,
        Ok(Err(fault)) => panic!("{fault}\n{plan:#?}"),
        Err(_elapsed) => panic!("it does not come to an end\n{plan:#?}"),
    }
});

fn plan(input: &mut Input<'_>) -> Plan {
    let durability = if input.below(4) == 3 {
        Durability::Relaxed
    } else {
        Durability::Durable
    };
    let sync_interval = [1, 500, 1 << 40][input.below(3)];
    let choice = input.below(8);
    let (undo, journal) = ([UNDO, 0][choice % 2], JOURNALS[choice / 2]);
    let mut operations = vec![Operation::Open];
    while !input.0.is_empty() && operations.len() <= MOST {
        let operation = operation(input, durability);
        let closes = matches!(operation, Operation::Close);
        operations.push(operation);
        if closes {
            operations.push(Operation::Open);
        }
    }
    operations.push(Operation::Close);
    Plan {
        seed: 0,
        is_fixed: true,
        without: Vec::new(),
        durability,
        sync_interval,
        journal,
        undo,
        operations,
    }
}

fn operation(input: &mut Input<'_>, durability: Durability) -> Operation {
    let slot = |input: &mut Input<'_>| input.below(SLOTS);
    match input.below(25) {
        16 | 17 => Operation::Append {
            slot: slot(input),
            len: length(input),
        },
        18 => Operation::Finish {
            slot: slot(input),
            otherwise: input.below(4) == 0,
        },
        19 => Operation::FinishWrong { slot: slot(input) },
        20 => Operation::Cancel { slot: slot(input) },
        21 => Operation::Pass {
            seconds: [0, 30, 61, 100, 121, 151, 250, 600][input.below(8)],
        },
        22 => Operation::Close,
        24 => Operation::Check {
            repair: input.below(2) == 0,
        },
        23 => together(input, durability),
        kind => of_the_metadata(input, kind),
    }
}

/// The length of a chunk.
fn length(input: &mut Input<'_>) -> usize {
    match input.below(8) {
        0 => 0,
        1 => 270_000 + input.below(256),
        2 | 3 => 1 + input.below(60),
        _ => 65 + 35 * input.below(256),
    }
}

/// One that is a single transaction, but for large blobs; `kind` is below 16.
fn of_the_metadata(input: &mut Input<'_>, kind: usize) -> Operation {
    let repository = input.below(REPOSITORIES.len());
    let blob = |input: &mut Input<'_>| input.below(SIZES.len());
    let manifest = |input: &mut Input<'_>| input.below(SHAPES.len());
    match kind {
        0..4 => Operation::Push {
            repository,
            blob: blob(input),
        },
        4 => Operation::Mount {
            repository,
            source: input.below(REPOSITORIES.len()),
            blob: blob(input),
        },
        5 => Operation::DeleteBlob {
            repository,
            blob: blob(input),
        },
        6 => Operation::Head {
            repository,
            blob: blob(input),
        },
        7..10 => put(input, repository),
        10 => Operation::DeleteManifest {
            repository,
            manifest: manifest(input),
        },
        11 => Operation::RestoreManifest {
            repository,
            manifest: manifest(input),
        },
        12 => Operation::DeleteTag {
            repository,
            tag: input.below(USUAL_TAGS),
        },
        13 => Operation::Create { repository },
        14 => Operation::DeleteRepository { repository },
        _ => Operation::RestoreRepository { repository },
    }
}

fn put(input: &mut Input<'_>, repository: usize) -> Operation {
    let choice = input.below(256);
    let way = input.below(4);
    let tags = match way / 2 {
        0 => (0..USUAL_TAGS)
            .filter(|tag| choice >> (4 + tag) & 1 == 1)
            .collect(),
        _ => (0..TAGS.len()).collect(),
    };
    Operation::Put {
        repository,
        manifest: choice % SHAPES.len(),
        tags,
        strict: way % 2 == 1,
    }
}

/// Several for one commit.
fn together(input: &mut Input<'_>, durability: Durability) -> Operation {
    let first = first_of_a_commit(durability, &mut |end| input.below(end));
    let count = 2 + input.below(2);
    let others = (0..count).map(|_| {
        let kind = input.below(16);
        of_the_metadata(input, kind)
    });
    in_one_commit(first, others)
}

// === impl Input ===

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    /// A number below `end`, which is up to 256.
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
}
