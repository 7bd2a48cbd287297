//! [`Campaign`]: many sequences, each crashed at many changes; what fails is said so that it can be
//! repeated, and with the shortest sequence found that fails as well.

use super::check::check;
use super::plan::Plan;
use super::record::Recording;
use super::store::Fault;
#[cfg(test)]
use super::store::{Machine, Settings, Store, failed};
use floundr_engine::Durability;
#[cfg(test)]
use floundr_engine::disk::SimulatedDisk;
use floundr_engine::disk::{Crash, Dice};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Nothing that is checked takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// Stops at every change of a sequence that is crashed everywhere; the second halves a write.
#[cfg(test)]
const STOPS: u64 = 2;

/// Sequences and points of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaign {
    /// The seed of the first sequence; the others follow.
    pub(crate) seed: u64,
    pub(crate) sequences: u64,
    /// Crash points of each sequence.
    pub(crate) points: usize,
    pub(crate) threads: usize,
    /// How long a shorter sequence is looked for when one fails.
    pub(crate) shrinking: Duration,
}

/// One crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) position: usize,
    pub(crate) crash: Crash,
}

/// What was tried.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) sequences: u64,
    pub(crate) relaxed_sequences: u64,
    pub(crate) operations: u64,
    pub(crate) changes: u64,
    pub(crate) stops: u64,
    pub(crate) power_cuts: u64,
    /// Second crashes, during recovery.
    pub(crate) again: u64,
}

/// A sequence, and where it crashed, that came to what must not be.
#[derive(Debug)]
pub(crate) struct Violation {
    plan: Plan,
    /// `None`: without a crash.
    point: Option<Point>,
    fault: Fault,
    /// The last changes before the crash.
    changes: Vec<String>,
}

// === impl Campaign ===

impl Campaign {
    /// Runs it, and stops at the first violation.
    pub(crate) fn run(self) -> Result<Tally, Box<Violation>> {
        let (next, sum) = (AtomicU64::new(0), Mutex::new(Ok(Tally::default())));
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| self.work(&next, &sum));
            }
        });
        let outcome = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcome.map_err(|violation| shrink(violation, self.shrinking))
    }

    /// Takes one sequence after another until there are no more or one failed.
    fn work(&self, next: &AtomicU64, sum: &Mutex<Result<Tally, Box<Violation>>>) {
        let runtime = runtime();
        loop {
            let sequence = next.fetch_add(1, Ordering::SeqCst);
            if sequence >= self.sequences {
                return;
            }
            let plan = Plan::of(self.seed + sequence);
            let outcome = try_plan(&runtime, &plan, self.points);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(tally) = &mut *sum else {
                return;
            };
            match outcome {
                Ok(its) => tally.add(its),
                Err(violation) => *sum = Err(violation),
            }
        }
    }
}

/// Runs the sequence of a seed and crashes it once; answers a fingerprint of all it wrote.
pub(crate) fn repeat(seed: u64, without: &[usize], point: Point) -> Result<u32, Box<Violation>> {
    let (runtime, plan) = (runtime(), Plan::of(seed).leaving_out(without));
    let recording = record(&runtime, &plan)?;
    crash(&runtime, &recording, point)?;
    Ok(recording.journal.fingerprint())
}

/// Runs a sequence and crashes it at every change from the operation `from` on: stops [`STOPS`]
/// times, and cuts the power `cuts` times. Answers how many crashes that were.
#[cfg(test)]
pub(crate) fn crash_everywhere(
    plan: &Plan,
    from: usize,
    cuts: u64,
) -> Result<usize, Box<Violation>> {
    let runtime = runtime();
    let recording = record(&runtime, plan)?;
    let mut points = 0;
    for position in recording.start_of(from)..=recording.journal.len() {
        let seeds = 0..cuts;
        let cuts = seeds.map(|seed| Crash::PowerCut { seed });
        let stops = (0..STOPS).map(|seed| Crash::Stop { seed });
        for crash in cuts.chain(stops) {
            self::crash(&runtime, &recording, Point { position, crash })?;
            points += 1;
        }
    }
    Ok(points)
}

/// Cuts the power at every change from the operation `from` on, lets the collector run once, and shows
/// the disk to `look`. Answers how many cuts that were.
#[cfg(test)]
pub(crate) fn collect_everywhere(plan: &Plan, from: usize, look: impl Fn(&SimulatedDisk)) -> usize {
    let runtime = runtime();
    let recording = record(&runtime, plan).unwrap_or_else(|violation| panic!("{violation}"));
    let mut replay = recording.journal.replay();
    let mut points = 0;
    for position in recording.start_of(from)..=recording.journal.len() {
        replay.advance(position);
        for seed in 0..8 {
            let disk = replay.crashed(Crash::PowerCut { seed });
            let machine = Machine::new(disk.clone(), !plan.seed);
            let collected = guarded(&runtime, async {
                let store = Store::open(machine, Settings::of(plan)).await?;
                store.engine.collect().await.map_err(failed)?;
                store.engine.close().await.map_err(failed)
            });
            collected.unwrap_or_else(|fault| panic!("{position}, {seed}: {fault}"));
            look(&disk);
            points += 1;
        }
    }
    points
}

/// Leaves out operations as long as what remains fails somewhere.
fn shrink(mut shortest: Box<Violation>, patience: Duration) -> Box<Violation> {
    /// Points that each shorter sequence is tried with.
    const POINTS: usize = 150;
    let (runtime, started) = (runtime(), Instant::now());
    for piece in shortest.plan.pieces() {
        if started.elapsed() > patience {
            break;
        }
        let mut without = shortest.plan.without.clone();
        without.extend(piece);
        without.sort_unstable();
        if let Err(violation) = try_plan(&runtime, &shortest.plan.leaving_out(&without), POINTS) {
            shortest = violation;
        }
    }
    shortest
}

fn try_plan(runtime: &Runtime, plan: &Plan, points: usize) -> Result<Tally, Box<Violation>> {
    let recording = record(runtime, plan)?;
    let mut tally = Tally {
        sequences: 1,
        relaxed_sequences: u64::from(plan.durability == Durability::Relaxed),
        operations: plan.operations.len() as u64,
        changes: recording.journal.len() as u64,
        ..Tally::default()
    };
    for point in choose(plan.seed, points, recording.journal.len()) {
        tally.again += crash(runtime, &recording, point)?;
        match point.crash {
            Crash::Stop { .. } => tally.stops += 1,
            Crash::PowerCut { .. } => tally.power_cuts += 1,
        }
    }
    Ok(tally)
}

/// The points of a sequence: two of three are power cuts, which have more outcomes.
fn choose(seed: u64, points: usize, changes: usize) -> Vec<Point> {
    let mut dice = Dice::new(!seed);
    let choose = |index: usize| {
        let (position, seed) = (dice.below(changes + 1), dice.roll());
        let crash = match index % 3 {
            0 => Crash::Stop { seed },
            _ => Crash::PowerCut { seed },
        };
        Point { position, crash }
    };
    (0..points).map(choose).collect()
}

fn record(runtime: &Runtime, plan: &Plan) -> Result<Recording, Box<Violation>> {
    guarded(runtime, Recording::make(plan)).map_err(|fault| {
        Box::new(Violation {
            plan: plan.clone(),
            point: None,
            fault,
            changes: Vec::new(),
        })
    })
}

fn crash(runtime: &Runtime, recording: &Recording, point: Point) -> Result<u64, Box<Violation>> {
    let (was_cut, seed) = match point.crash {
        Crash::Stop { seed } => (false, seed),
        Crash::PowerCut { seed } => (true, seed),
    };
    let mut replay = recording.journal.replay();
    replay.advance(point.position);
    let disk = replay.crashed(point.crash);
    let expected = recording.expected(point.position, was_cut);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let checked = guarded(runtime, check(disk, recording, &expected, &mut dice));
    checked.map(|checked| checked.again).map_err(|fault| {
        let flight = expected.in_flight.map_or_else(String::new, |index| {
            let operation = &recording.plan.operations[index];
            format!("in operation {index}, {operation:?}: ")
        });
        Box::new(Violation {
            plan: recording.plan.clone(),
            point: Some(point),
            fault: flight + &fault,
            changes: recording.journal.describe(point.position + 1, 12),
        })
    })
}

/// Runs work; a panic in it and an endless one are faults.
fn guarded<T>(runtime: &Runtime, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let limited = async { tokio::time::timeout(PATIENCE, work).await };
    match std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(limited))) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_elapsed)) => Err("it does not come to an end".to_owned()),
        Err(_panic) => Err("it panicked".to_owned()),
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build();
    runtime.expect("the system gives a runtime its threads")
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.relaxed_sequences += other.relaxed_sequences;
        self.operations += other.operations;
        self.changes += other.changes;
        self.stops += other.stops;
        self.power_cuts += other.power_cuts;
        self.again += other.again;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sequences,
            relaxed_sequences,
            operations,
            changes,
            stops,
            power_cuts,
            again,
        } = self;
        writeln!(
            f,
            "sequences: {sequences}, {relaxed_sequences} of them of relaxed durability; \
             {operations} operations, {changes} changes of the disk"
        )?;
        write!(
            f,
            "crash points: {}, {stops} stops of the process and {power_cuts} power cuts; \
             {again} second crashes during recovery",
            stops + power_cuts
        )
    }
}

// === impl Point ===

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, seed) = match self.crash {
            Crash::Stop { seed } => ("stop", seed),
            Crash::PowerCut { seed } => ("cut", seed),
        };
        write!(f, "{}:{kind}:{seed}", self.position)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text} is not POSITION:stop|cut:SEED");
        let parts: Vec<&str> = text.split(':').collect();
        let [position, kind, seed] = parts[..] else {
            return Err(malformed());
        };
        let position = position.parse().map_err(|_not_a_number| malformed())?;
        let seed = seed.parse().map_err(|_not_a_number| malformed())?;
        let crash = match kind {
            "stop" => Crash::Stop { seed },
            "cut" => Crash::PowerCut { seed },
            _ => return Err(malformed()),
        };
        Ok(Self { position, crash })
    }
}

// === impl Violation ===

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            seed,
            is_fixed,
            without,
            durability,
            sync_interval,
            journal,
            undo,
            operations,
        } = &self.plan;
        writeln!(f, "{}", self.fault)?;
        writeln!(
            f,
            "sequence {seed}, {durability:?}, synced every {sync_interval} bytes, a journal of {journal} bytes, deletions undone for {undo} ms:"
        )?;
        for (index, operation) in operations.iter().enumerate() {
            writeln!(f, "  {index}: {operation:?}")?;
        }
        if let Some(point) = self.point {
            writeln!(f, "the last changes before the crash, and the one at hand:")?;
            for change in &self.changes {
                writeln!(f, "  {change}")?;
            }
            if *is_fixed {
                return writeln!(f, "the crash: {point}");
            }
            let example = "cargo run --release -p floundr-engine --example crash_points --";
            let without: Vec<String> = without.iter().map(usize::to_string).collect();
            let without = match without.join(",") {
                none if none.is_empty() => none,
                some => format!(" --without {some}"),
            };
            writeln!(
                f,
                "to repeat: {example} --seed {seed}{without} --point {point}"
            )?;
        }
        Ok(())
    }
}
