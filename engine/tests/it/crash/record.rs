//! [`Recording`]: a plan that was run once on a simulated disk, and what may be found after a crash
//! at any change of it.

use super::plan::{Operation, Plan};
use super::see::Seen;
use super::store::{Fault, Machine, ROOT, Settings, Store};
use super::things::{Blob, SIZES};
use super::world::World;
use floundr_engine::Durability;
use floundr_engine::disk::{Journal, SimulatedDisk};
use floundr_engine::upload::UploadId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A plan that was run.
pub(crate) struct Recording {
    pub(crate) plan: Plan,
    pub(crate) journal: Journal,
    /// By the operation that started it: the slot and the id.
    pub(crate) uploads: BTreeMap<usize, (usize, UploadId)>,
    /// Every blob there ever was.
    pub(crate) blobs: BTreeSet<Blob>,
    moments: Vec<Moment>,
    /// How often the records were synced until the last of these.
    syncs: usize,
    /// What the store held, in order; an operation adds one or more.
    history: Vec<World>,
}

/// When an operation ran.
struct Moment {
    /// The journal's length when it was answered.
    end: usize,
    /// The last of the history before it.
    before: usize,
    /// The first of the history that no crash takes back once it was answered.
    safe: usize,
}

/// What may be found after a crash.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Any of these.
    pub(crate) worlds: Vec<World>,
    /// The most bytes each upload was told it has.
    pub(crate) most: BTreeMap<usize, usize>,
    /// The operation that was not answered.
    pub(crate) in_flight: Option<usize>,
    /// It was the collector's.
    pub(crate) was_collecting: bool,
    /// Records may be older than uploads.
    pub(crate) is_relaxed: bool,
    /// Uploads may be back where they were synced.
    pub(crate) was_cut: bool,
}

// === impl Recording ===

impl Recording {
    /// Runs a plan; every answer has to be the model's.
    pub(crate) async fn make(plan: &Plan) -> Result<Self, Fault> {
        let disk = SimulatedDisk::new();
        let settings = Settings::of(plan);
        let mut recording = Self {
            plan: plan.clone(),
            journal: disk.journal(),
            uploads: BTreeMap::new(),
            blobs: (0..SIZES.len()).map(Blob::fixed).collect(),
            moments: Vec::new(),
            syncs: 0,
            history: vec![World {
                sync_interval: plan.sync_interval,
                undo: plan.undo,
                ..World::default()
            }],
        };
        // The plan's first operation opens the store.
        let mut store = Store::open(Machine::new(disk.clone(), plan.seed), settings).await?;
        recording.note(0, &disk);
        for (index, operation) in plan.operations.iter().enumerate().skip(1) {
            let before = recording.now().clone();
            let outcome = store.run(operation, index, &before).await;
            let outcome = outcome.map_err(|error| format!("{index}: {operation:?}: {error}"))?;
            recording.note(index, &disk);
            let expected = before.clone().apply(operation, index);
            if outcome != expected {
                return Err(format!(
                    "{index}: {operation:?}: {outcome:?}, not {expected:?}"
                ));
            }
            if !matches!(operation, Operation::Close) {
                let seen = Seen::of(&store.engine, &recording.blobs).await?;
                seen.expect(std::slice::from_ref(recording.now()))?;
            }
        }
        recording.journal = disk.journal();
        recording.uploads = store.uploads;
        Ok(recording)
    }

    fn now(&self) -> &World {
        self.history
            .last()
            .expect("a recording begins with a world")
    }

    /// Notes an operation that was answered just now.
    fn note(&mut self, index: usize, disk: &SimulatedDisk) {
        let operation = &self.plan.operations[index];
        let before = self.history.len() - 1;
        let worlds = stages(&self.history[before], operation, index);
        if let (Operation::Finish { slot, otherwise }, Some(world)) =
            (operation, self.history.last())
            && let Some(upload) = world.uploads.get(slot)
        {
            self.blobs.insert(upload.blob(*otherwise));
        }
        self.history.extend(worlds);
        let last = self.history.len() - 1;
        let was_safe = self.moments.last().map_or(0, |moment| moment.safe);
        let before_syncs = std::mem::replace(&mut self.syncs, disk.syncs_of(&metadata()));
        let safe = match operation {
            _ if self.plan.durability == Durability::Durable => last,
            Operation::Close | Operation::Open => last,
            // Two are a durable commit, and with it all that was before is durable.
            _ if self.syncs >= before_syncs + 2 => before,
            _ => was_safe,
        };
        let end = disk.position();
        self.moments.push(Moment { end, before, safe });
    }

    /// The number of the first change of an operation.
    #[cfg(test)]
    pub(crate) fn start_of(&self, operation: usize) -> usize {
        let before = operation.checked_sub(1);
        before.map_or(0, |index| self.moments[index].end)
    }

    /// What may be found after a crash just before the change `position`.
    pub(crate) fn expected(&self, position: usize, was_cut: bool) -> Expected {
        let in_flight = self.moments.iter().position(|moment| moment.end > position);
        let safe = match in_flight {
            Some(0) => 0,
            Some(index) => self.moments[index - 1].safe,
            None => self.moments.last().map_or(0, |moment| moment.safe),
        };
        let last = in_flight.map_or(self.history.len() - 1, |index| self.moments[index].before);
        let mut worlds = self.history[safe..=last].to_vec();
        let mut was_collecting = false;
        if let Some(index) = in_flight {
            let operation = &self.plan.operations[index];
            was_collecting = matches!(operation, Operation::Pass { .. });
            worlds.extend(partly(&self.history[last], operation, index));
        }
        let mut most = BTreeMap::new();
        for upload in
            (self.history[..=last].iter().chain(&worlds)).flat_map(|it| it.uploads.values())
        {
            let known: &mut usize = most.entry(upload.started).or_default();
            *known = upload.offset.max(*known);
        }
        Expected {
            worlds,
            most,
            in_flight,
            was_collecting,
            is_relaxed: self.plan.durability == Durability::Relaxed,
            was_cut,
        }
    }
}

fn metadata() -> PathBuf {
    Path::new(ROOT).join("metadata.redb")
}

/// What an operation makes of a world, step by step where a crash can be seen between two.
fn stages(before: &World, operation: &Operation, index: usize) -> Vec<World> {
    let mut after = before.clone();
    after.apply(operation, index);
    let mut worlds = Vec::new();
    match operation {
        Operation::Pass { .. } => {
            // The time is written down before what became due goes.
            let mut timed = before.clone();
            (timed.now, timed.operations) = (after.now, after.operations);
            // Deletions are final before what they held can go.
            let mut purged = timed.clone();
            purged.purge();
            worlds.extend([timed, purged]);
        }
        Operation::Together(all) => {
            let mut partly = before.clone();
            for each in all {
                partly.apply(each, index);
                worlds.push(partly.clone());
            }
        }
        _ => {}
    }
    worlds.push(after);
    worlds
}

/// What an operation that was not answered may have made of a world: nothing is in the list.
fn partly(before: &World, operation: &Operation, index: usize) -> Vec<World> {
    let Operation::Together(all) = operation else {
        return stages(before, operation, index);
    };
    let subsets = 1..1_usize << all.len();
    let applied = subsets.map(|subset| {
        let mut world = before.clone();
        for (bit, each) in all.iter().enumerate() {
            if subset >> bit & 1 == 1 {
                world.apply(each, index);
            }
        }
        world
    });
    applied.collect()
}
