//! [`Plan`]: a sequence of operations that follows from a seed.

use super::things::{REPOSITORIES, SHAPES, SIZES, SMALL_LIMIT, TAGS, USUAL_TAGS};
use super::world::{UNDO, World};
use floundr_engine::Durability;
use floundr_engine::disk::Dice;

/// Uploads that can be at rest at the same time; each has a repository of its own.
pub(crate) const SLOTS: usize = 2;

/// Operations and how the store behaves.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Its operations were written down and do not follow from the seed.
    pub(crate) is_fixed: bool,
    /// Operations of the seed's sequence that were left out.
    pub(crate) without: Vec<usize>,
    pub(crate) durability: Durability,
    /// See `Options::upload_sync_interval`.
    pub(crate) sync_interval: u64,
    /// See `Options::metadata_journal`.
    pub(crate) journal: u64,
    /// How long deletions can be undone, in milliseconds; zero: not at all.
    pub(crate) undo: u64,
    pub(crate) operations: Vec<Operation>,
}

/// One operation. Repositories, blobs, manifests and tags are numbers in `things`.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Makes the store, or opens it.
    Open,
    Push {
        repository: usize,
        blob: usize,
    },
    Mount {
        repository: usize,
        source: usize,
        blob: usize,
    },
    DeleteBlob {
        repository: usize,
        blob: usize,
    },
    Head {
        repository: usize,
        blob: usize,
    },
    Put {
        repository: usize,
        manifest: usize,
        tags: Vec<usize>,
        /// Whether links to what is not there are refused.
        strict: bool,
    },
    DeleteManifest {
        repository: usize,
        manifest: usize,
    },
    /// Undoes the deletion of a manifest.
    RestoreManifest {
        repository: usize,
        manifest: usize,
    },
    DeleteTag {
        repository: usize,
        tag: usize,
    },
    Create {
        repository: usize,
    },
    DeleteRepository {
        repository: usize,
    },
    /// Undoes the last deletion of a repository of this name.
    RestoreRepository {
        repository: usize,
    },
    /// Starts an upload, or goes on with the one of the slot, and brings it to rest.
    Append {
        slot: usize,
        len: usize,
    },
    Finish {
        slot: usize,
        /// By another algorithm than it was begun with.
        otherwise: bool,
    },
    /// With a digest the content does not have.
    FinishWrong {
        slot: usize,
    },
    Cancel {
        slot: usize,
    },
    /// Time passes, in seconds, and the collector does what is due.
    Pass {
        seconds: u64,
    },
    /// Everything is read and compared; nothing may be found wrong.
    Check {
        repair: bool,
    },
    Close,
    /// The first alone, then the others in one commit.
    Together(Vec<Self>),
}

/// Lengths of the journal: two or three commits, none, more than a sequence has.
pub(crate) const JOURNALS: [u64; 4] = [16 * 1024, 4 * 1024 * 1024, 28 * 1024, 0];

// === impl Plan ===

impl Plan {
    /// The sequence of a seed. Every fourth is of a relaxed store.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let durability = match seed % 4 {
            3 => Durability::Relaxed,
            _ => Durability::Durable,
        };
        let sync_interval = [1, 500, 1 << 40][dice.below(3)];
        let mut operations = vec![Operation::Open];
        let undo = if dice.chance(70) { UNDO } else { 0 };
        let mut world = World {
            undo,
            ..World::default()
        };
        let len = 10 + dice.below(20);
        while operations.len() < len {
            let operation = choose(&mut dice, &world, durability);
            world.apply(&operation, operations.len());
            let closes = matches!(operation, Operation::Close);
            operations.push(operation);
            if closes {
                operations.push(Operation::Open);
            }
        }
        operations.push(Operation::Close);
        Self {
            seed,
            is_fixed: false,
            without: Vec::new(),
            durability,
            sync_interval,
            journal: JOURNALS[(seed / 4) as usize % JOURNALS.len()],
            undo,
            operations,
        }
    }

    /// A sequence that was written down. It begins with the making of the store.
    #[cfg(test)]
    pub(crate) fn fixed(durability: Durability, operations: Vec<Operation>) -> Self {
        Self {
            seed: 0,
            is_fixed: true,
            without: Vec::new(),
            durability,
            sync_interval: 1,
            journal: JOURNALS[0],
            undo: 0,
            operations,
        }
    }

    /// The sequence without some of its operations, by their numbers in the seed's.
    pub(crate) fn leaving_out(&self, without: &[usize]) -> Self {
        let whole = Self::of(self.seed).operations.into_iter().enumerate();
        let kept = whole.filter(|(index, _)| !without.contains(index));
        Self {
            without: without.to_vec(),
            operations: kept.map(|(_, operation)| operation).collect(),
            ..self.clone()
        }
    }

    /// What can be left out in one piece, beside what is: the last first.
    pub(crate) fn pieces(&self) -> Vec<Vec<usize>> {
        let whole = Self::of(self.seed).operations;
        let inner = (1..whole.len().saturating_sub(1)).rev();
        let pieces = inner.filter_map(|index| match whole[index] {
            Operation::Open => None,
            // It is opened again by the next.
            Operation::Close => Some(vec![index, index + 1]),
            _ => Some(vec![index]),
        });
        let is_in = |piece: &Vec<usize>| !piece.iter().any(|index| self.without.contains(index));
        pieces.filter(is_in).collect()
    }
}

fn choose(dice: &mut Dice, world: &World, durability: Durability) -> Operation {
    let slot = dice.below(SLOTS);
    match dice.below(100) {
        0..54 => of_the_metadata(dice, world),
        54..58 => Operation::Head {
            repository: dice.below(REPOSITORIES.len()),
            blob: dice.below(SIZES.len()),
        },
        58..70 => Operation::Append {
            slot,
            len: length(dice),
        },
        70..77 => Operation::Finish {
            slot,
            otherwise: dice.chance(25),
        },
        77..78 => Operation::FinishWrong { slot },
        78..80 => Operation::Cancel { slot },
        80..88 => Operation::Pass {
            seconds: match dice.below(10) {
                0 => 600,
                1 | 2 => 0,
                _ => 30 + dice.below(100) as u64,
            },
        },
        88..91 => Operation::Close,
        91..93 => Operation::Check {
            repair: dice.chance(70),
        },
        _ => together(dice, world, durability),
    }
}

/// The length of a chunk.
fn length(dice: &mut Dice) -> usize {
    match dice.below(8) {
        0 => 0,
        1 => 270_000 + dice.below(20_000),
        2 | 3 => 1 + dice.below(60),
        _ => 65 + dice.below(9_000),
    }
}

/// Some of the usual tags of a manifest, or nearly all there are.
fn tags(dice: &mut Dice) -> Vec<usize> {
    let (end, percent) = if dice.chance(20) {
        (TAGS.len(), 95)
    } else {
        (USUAL_TAGS, 35)
    };
    (0..end).filter(|_| dice.chance(percent)).collect()
}

/// One that is a single transaction, but for large blobs.
fn of_the_metadata(dice: &mut Dice, world: &World) -> Operation {
    let repository = dice.below(REPOSITORIES.len());
    let blob = dice.below(SIZES.len());
    let contents = &world.repositories[repository];
    let mut existing = contents.manifests.iter().copied();
    let manifest = match existing.len() {
        len if len > 0 && dice.chance(70) => existing.nth(dice.below(len)).unwrap_or(0),
        _ => dice.below(SHAPES.len()),
    };
    match dice.below(60) {
        0..20 => Operation::Push { repository, blob },
        20..25 => Operation::Mount {
            repository,
            source: dice.below(REPOSITORIES.len()),
            blob,
        },
        25..29 => Operation::DeleteBlob { repository, blob },
        29..44 => Operation::Put {
            repository,
            manifest: dice.below(SHAPES.len()),
            tags: tags(dice),
            strict: dice.chance(40),
        },
        44..49 => Operation::DeleteManifest {
            repository,
            manifest,
        },
        49..51 => Operation::DeleteTag {
            repository,
            tag: dice.below(USUAL_TAGS),
        },
        51..52 => Operation::Create { repository },
        52..54 => Operation::DeleteRepository { repository },
        54..58 => Operation::RestoreManifest {
            repository,
            manifest: dice.below(SHAPES.len()),
        },
        _ => Operation::RestoreRepository { repository },
    }
}

/// Several for one commit.
fn together(dice: &mut Dice, world: &World, durability: Durability) -> Operation {
    let first = first_of_a_commit(durability, &mut |end| dice.below(end));
    let count = 2 + dice.below(2);
    in_one_commit(first, (0..count).map(|_| of_the_metadata(dice, world)))
}

/// One that changes the disk when it is alone; `below` chooses.
pub(crate) fn first_of_a_commit(
    durability: Durability,
    below: &mut impl FnMut(usize) -> usize,
) -> Operation {
    let repository = below(REPOSITORIES.len());
    match durability {
        Durability::Durable => Operation::Create { repository },
        // A relaxed commit alone changes nothing on the disk; content for a segment does.
        Durability::Relaxed => Operation::Push {
            repository,
            blob: 1 + below(2),
        },
    }
}

/// The first, and those of the others that are single transactions. Small blobs come last, as they
/// reach the writer last.
pub(crate) fn in_one_commit(
    first: Operation,
    others: impl Iterator<Item = Operation>,
) -> Operation {
    let (mut pushes, mut all) = (Vec::new(), vec![first]);
    for other in others {
        match other {
            Operation::Push { blob, .. } if SIZES[blob] as u64 > SMALL_LIMIT => {}
            push @ Operation::Push { .. } => pushes.push(push),
            Operation::Head { .. } => {}
            other => all.push(other),
        }
    }
    all.append(&mut pushes);
    Operation::Together(all)
}
