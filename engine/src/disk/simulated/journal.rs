//! [`Journal`]: every change of a simulated disk in order, and the disks that a crash at any of
//! them may leave.
//!
//! What a power cut may leave: of the changes of a file since its last sync, and of the entries of
//! a directory since its last sync, each is kept, lost, or (bytes only) torn, independently of all
//! others; what is kept is applied in its order. Lost bytes are what was there before, or zeros
//! where a longer length reached the medium and they did not. A byte is whole, and a write touches
//! no byte beside it: what redb presumes of a medium.

use super::SimulatedDisk;
use super::dice::Dice;
use super::image::{Image, Node};
use super::pages::Pages;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What tears at its borders rather than anywhere, mostly.
const SECTOR: usize = 512;

/// A change. Files are known by the number of their making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Write {
        file: usize,
        start: usize,
        content: Arc<[u8]>,
    },
    SetLen {
        file: usize,
        len: usize,
    },
    Punch {
        file: usize,
        range: Range<usize>,
    },
    Sync {
        file: usize,
    },
    /// A name: of a new file, or one more of a file that is there.
    Create {
        path: PathBuf,
        file: usize,
    },
    CreateDirectory(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: usize,
    },
    Remove {
        path: PathBuf,
        file: usize,
    },
    SyncDirectory(PathBuf),
}

/// The changes of a disk in order, from what it began with.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(super) start: Image,
    pub(super) boots: u64,
    pub(super) changes: Vec<Change>,
}

/// How a crash goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process stops: what was written stays. The change at hand happened not, or in part.
    Stop {
        /// What follows of it.
        seed: u64,
    },
    /// The machine stops: what was not synced is kept, lost or torn.
    PowerCut {
        /// Which of them.
        seed: u64,
    },
}

/// A journal up to some change: the disks that a crash there may leave.
#[derive(Debug)]
pub struct Replay<'j> {
    journal: &'j Journal,
    position: usize,
    /// With every change.
    now: Image,
    /// With those that a power cut cannot take.
    durable: Image,
    /// Changes of each file since its last sync, and of entries since their directory's.
    files: BTreeMap<usize, Vec<usize>>,
    entries: Vec<usize>,
}

/// How much of what was not synced reaches the medium in one power cut.
struct Mood {
    kept: usize,
    torn: usize,
}

// === impl Journal ===

impl Journal {
    /// How many changes there were.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The journal before its first change.
    pub fn replay(&self) -> Replay<'_> {
        Replay {
            journal: self,
            position: 0,
            now: self.start.clone(),
            durable: self.start.clone(),
            files: BTreeMap::new(),
            entries: Vec::new(),
        }
    }

    /// One line per change before `end`, the last `count` of them, for a person.
    pub fn describe(&self, end: usize, count: usize) -> Vec<String> {
        let end = end.min(self.len());
        let lines = self.changes.iter().enumerate().take(end);
        lines
            .skip(end.saturating_sub(count))
            .map(|(index, change)| format!("{index}: {}", change.describe()))
            .collect()
    }

    /// What tells two journals apart, content included.
    pub fn fingerprint(&self) -> u32 {
        self.changes.iter().fold(0, |sum, change| {
            let sum = crc32c::crc32c_append(sum, change.describe().as_bytes());
            match change {
                Change::Write { content, .. } => crc32c::crc32c_append(sum, content),
                _ => sum,
            }
        })
    }
}

// === impl Replay ===

impl Replay<'_> {
    /// Goes on to just before the change with this number, which is not behind it.
    pub fn advance(&mut self, to: usize) {
        let changes = &self.journal.changes;
        while self.position < to.min(changes.len()) {
            let change = &changes[self.position];
            change.apply(&mut self.now);
            self.note(change);
            self.position += 1;
        }
    }

    /// The disk as a crash during the next change leaves it.
    pub fn crashed(&self, crash: Crash) -> SimulatedDisk {
        match crash {
            Crash::Stop { seed } => self.stopped(&mut Dice::new(seed)),
            Crash::PowerCut { seed } => self.cut(&mut Dice::new(seed)),
        }
    }

    fn note(&mut self, change: &Change) {
        match change {
            Change::Sync { file } => {
                self.files.remove(file);
                let content = self.now.content(*file).clone();
                self.durable.put(*file, content);
            }
            Change::SyncDirectory(directory) => {
                let changes = &self.journal.changes;
                let durable = &mut self.durable;
                let is_of_it = |index: &usize| changes[*index].touches(directory);
                for index in self.entries.extract_if(.., |index| is_of_it(index)) {
                    changes[index].apply(durable);
                }
            }
            _ => match change.file() {
                Some(file) => self.files.entry(file).or_default().push(self.position),
                None => self.entries.push(self.position),
            },
        }
    }

    fn stopped(&self, dice: &mut Dice) -> SimulatedDisk {
        let mut image = self.now.clone();
        if let Some(change @ Change::Write { content, .. }) = self.next()
            && dice.chance(50)
        {
            let part = 0..dice.below(content.len() + 1);
            change.apply_parts(&mut image, &[part]);
        }
        SimulatedDisk::of(image, self.journal.boots)
    }

    fn cut(&self, dice: &mut Dice) -> SimulatedDisk {
        let changes = &self.journal.changes;
        let mood = Mood::new(dice);
        let mut image = self.durable.clone();
        let next = self.next().map(|_| self.position);
        let entries = self.entries.iter().copied().chain(next);
        for index in entries.filter(|&index| changes[index].is_of_an_entry()) {
            if dice.chance(mood.kept) {
                changes[index].apply(&mut image);
            }
        }
        let mut files = self.files.clone();
        if let Some((index, file)) = next.and_then(|index| Some((index, changes[index].file()?))) {
            files.entry(file).or_default().push(index);
        }
        let reachable = image.keep_reachable();
        for index in (files.into_iter())
            .filter(|(file, _)| reachable.contains(file))
            .flat_map(|(_, indexes)| indexes)
        {
            mood.apply(&changes[index], &mut image, dice);
        }
        SimulatedDisk::of(image, self.journal.boots + 1)
    }

    fn next(&self) -> Option<&Change> {
        self.journal.changes.get(self.position)
    }
}

// === impl Mood ===

impl Mood {
    fn new(dice: &mut Dice) -> Self {
        let kept = [0, 0, 15, 50, 50, 85, 100][dice.below(7)];
        let torn = [0, 20, 60][dice.below(3)];
        Self { kept, torn }
    }

    /// Keeps, loses or tears a change of a file.
    fn apply(&self, change: &Change, image: &mut Image, dice: &mut Dice) {
        let len = change.len();
        if len > 1 && dice.chance(self.torn) {
            return change.apply_parts(image, &torn(len, dice));
        }
        if dice.chance(self.kept) {
            change.apply(image);
        }
    }
}

/// The parts of `len` bytes that reach the medium: all but a piece, or some of the sectors.
fn torn(len: usize, dice: &mut Dice) -> Vec<Range<usize>> {
    let at = dice.below(len + 1);
    let (start, end) = match dice.below(4) {
        0 => (at, len),
        1 => (0, at),
        2 => (at, at + dice.below(len - at + 1)),
        _ => {
            let sectors = (0..len).step_by(SECTOR);
            let sectors = sectors.map(|start| start..(start + SECTOR).min(len));
            return sectors.filter(|_| dice.chance(50)).collect();
        }
    };
    vec![0..start, end..len]
}

// === impl Change ===

impl Change {
    /// Applies it as a whole.
    pub(super) fn apply(&self, image: &mut Image) {
        match self {
            Self::Write {
                file,
                start,
                content,
            } => image.content_mut(*file).write(content, *start),
            Self::SetLen { file, len } => image.content_mut(*file).set_len(*len),
            Self::Punch { file, range } => image.content_mut(*file).zero(range.clone()),
            Self::Create { path, file } => {
                image.name(path, Node::File(*file));
                image.content_mut(*file);
            }
            Self::CreateDirectory(path) => image.name(path, Node::Directory),
            Self::Rename { from, to, file } => {
                image.forget(from, *file);
                image.name(to, Node::File(*file));
            }
            Self::Remove { path, file } => image.forget(path, *file),
            Self::Sync { .. } | Self::SyncDirectory(_) => {}
        }
    }

    /// Applies these parts of a write or punch, counted from its start.
    fn apply_parts(&self, image: &mut Image, parts: &[Range<usize>]) {
        for part in parts.iter().filter(|part| !part.is_empty()) {
            match self {
                Self::Write {
                    file,
                    start,
                    content,
                } => image
                    .content_mut(*file)
                    .write(&content[part.clone()], start + part.start),
                Self::Punch { file, range } => image
                    .content_mut(*file)
                    .zero(range.start + part.start..range.start + part.end),
                _ => {}
            }
        }
    }

    /// Bytes that can be torn apart.
    fn len(&self) -> usize {
        match self {
            Self::Write { content, .. } => content.len(),
            Self::Punch { range, .. } => range.len(),
            _ => 0,
        }
    }

    /// The file whose bytes it changes.
    fn file(&self) -> Option<usize> {
        match self {
            Self::Write { file, .. } | Self::SetLen { file, .. } | Self::Punch { file, .. } => {
                Some(*file)
            }
            _ => None,
        }
    }

    fn is_of_an_entry(&self) -> bool {
        !self.paths().is_empty()
    }

    /// The entries it changes.
    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Create { path, .. } | Self::CreateDirectory(path) | Self::Remove { path, .. } => {
                vec![path]
            }
            Self::Rename { from, to, .. } => vec![from, to],
            _ => Vec::new(),
        }
    }

    fn touches(&self, directory: &Path) -> bool {
        let paths = self.paths();
        paths.iter().any(|path| path.parent() == Some(directory))
    }

    fn describe(&self) -> String {
        match self {
            Self::Write {
                file,
                start,
                content,
            } => {
                format!("write {} bytes at {start} of file {file}", content.len())
            }
            other => format!("{other:?}"),
        }
    }
}

// === impl Image ===

impl Image {
    /// Drops what cannot be reached over directories from the top; answers the files that can.
    fn keep_reachable(&mut self) -> BTreeSet<usize> {
        let directories: BTreeSet<PathBuf> = (self.names().iter())
            .filter(|(_, node)| **node == Node::Directory)
            .map(|(path, _)| path.clone())
            .collect();
        let is_reachable = |path: &Path| {
            let above = path.ancestors().skip(1);
            above
                .filter(|path| !super::is_top(path))
                .all(|path| directories.contains(path))
        };
        self.retain(is_reachable)
    }

    fn put(&mut self, file: usize, content: Pages) {
        *self.content_mut(file) = content;
    }
}
