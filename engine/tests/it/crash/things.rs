//! What sequences are about: few repositories, blobs, manifests and tags, so that they meet.

use bytes::Bytes;
use floundr_engine::descriptor::Links;
use floundr_engine::digest::{Algorithm, Digest};
use floundr_engine::name::{RepositoryName, Tag};
use std::cell::RefCell;
use std::collections::HashMap;

pub(crate) const REPOSITORIES: [&str; 3] = ["a", "a/b", "c"];
/// More than are settled at once when their manifest goes.
pub(crate) const TAGS: [&str; 10] = [
    "latest", "v1", "v1.0", "v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7",
];
/// Those that most manifests have some of.
pub(crate) const USUAL_TAGS: usize = 3;
/// Lengths of blobs: nothing, both sides of the small limit, more than a page, several writes.
pub(crate) const SIZES: [usize; 7] = [0, 5, 64, 65, 1_000, 5_000, 300_000];
pub(crate) const SMALL_LIMIT: u64 = 64;
/// Their manifests, by number.
pub(crate) const SHAPES: [Shape; 9] = [
    Shape::image(&[1, 2, 4]),
    Shape::image(&[3, 4, 5]),
    Shape::image(&[0, 1]),
    Shape::index(&[0, 1]),
    Shape {
        subject: Some(Subject::Manifest(0)),
        ..Shape::image(&[1, 3])
    },
    Shape::index(&[0, 4]),
    Shape::image(&[2, 6]),
    Shape {
        subject: Some(Subject::Absent),
        ..Shape::image(&[])
    },
    Shape {
        foreign: &[5],
        ..Shape::index(&[3])
    },
];
/// What referrers can be asked of.
pub(crate) const SUBJECTS: [Subject; 2] = [Subject::Manifest(0), Subject::Absent];

/// A blob: its content follows from a seed and a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Blob {
    pub(crate) seed: u64,
    pub(crate) len: usize,
    pub(crate) algorithm: Algorithm,
}

/// What a manifest links: blobs and manifests by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) blobs: &'static [usize],
    pub(crate) foreign: &'static [usize],
    pub(crate) children: &'static [usize],
    pub(crate) subject: Option<Subject>,
}

/// What a manifest says something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Manifest(usize),
    Absent,
}

thread_local! {
    /// The longest content made of each seed so far: shorter ones are its beginnings.
    static CONTENTS: RefCell<HashMap<u64, Bytes>> = RefCell::default();
    static DIGESTS: RefCell<HashMap<Blob, Digest>> = RefCell::default();
}

/// Remembered digests are dropped beyond this many.
const REMEMBERED: usize = 4_000;

// === impl Blob ===

impl Blob {
    /// One of [`SIZES`].
    pub(crate) fn fixed(index: usize) -> Self {
        Self::of(index as u64, SIZES[index], Algorithm::Sha256)
    }

    pub(crate) fn of(seed: u64, len: usize, algorithm: Algorithm) -> Self {
        // All empty contents are one.
        let seed = if len == 0 { 0 } else { seed };
        Self {
            seed,
            len,
            algorithm,
        }
    }

    pub(crate) fn content(&self) -> Bytes {
        content(self.seed, self.len)
    }

    pub(crate) fn digest(&self) -> Digest {
        let known = DIGESTS.with_borrow(|digests| digests.get(self).copied());
        known.unwrap_or_else(|| {
            let digest = Digest::of(self.algorithm, &self.content());
            DIGESTS.with_borrow_mut(|digests| remember(digests, *self, digest));
            digest
        })
    }
}

// === impl Shape ===

impl Shape {
    const fn image(blobs: &'static [usize]) -> Self {
        Self {
            blobs,
            foreign: &[],
            children: &[],
            subject: None,
        }
    }

    const fn index(children: &'static [usize]) -> Self {
        Self {
            children,
            ..Self::image(&[])
        }
    }

    /// Whether it keeps a blob.
    pub(crate) fn keeps(&self, blob: &Blob) -> bool {
        let mut kept = self.blobs.iter().chain(self.foreign);
        kept.any(|&index| Blob::fixed(index) == *blob)
    }

    pub(crate) fn links(&self) -> Links {
        let digests = |blobs: &[usize]| -> Vec<Digest> {
            let digest = |&index: &usize| Blob::fixed(index).digest();
            blobs.iter().map(digest).collect()
        };
        let mut layers = digests(self.blobs);
        let config = layers.pop();
        Links {
            config,
            layers,
            foreign_layers: digests(self.foreign),
            manifests: self.children.iter().copied().map(manifest_digest).collect(),
            subject: self.subject.map(Subject::digest),
            ..Links::default()
        }
    }
}

// === impl Subject ===

impl Subject {
    pub(crate) fn digest(self) -> Digest {
        match self {
            Self::Manifest(index) => manifest_digest(index),
            Self::Absent => Digest::of(Algorithm::Sha256, b"a subject that never comes"),
        }
    }
}

/// The bytes of a manifest: what the engine stores and never looks into.
pub(crate) fn manifest_content(index: usize) -> Bytes {
    format!("manifest {index}").into()
}

pub(crate) fn manifest_digest(index: usize) -> Digest {
    Digest::of(Algorithm::Sha256, &manifest_content(index))
}

/// Content of which each length is the beginning of all longer ones.
pub(crate) fn content(seed: u64, len: usize) -> Bytes {
    CONTENTS.with_borrow_mut(|contents| {
        let longest = contents.entry(seed).or_default();
        if longest.len() < len {
            let mut dice = floundr_engine::disk::Dice::new(seed);
            let words = len.div_ceil(8);
            let bytes = (0..words).flat_map(|_| dice.roll().to_le_bytes());
            *longest = bytes.collect();
        }
        longest.slice(..len)
    })
}

fn remember(digests: &mut HashMap<Blob, Digest>, blob: Blob, digest: Digest) {
    if digests.len() > REMEMBERED {
        digests.clear();
    }
    digests.insert(blob, digest);
}

pub(crate) fn repository_name(index: usize) -> RepositoryName {
    let name = REPOSITORIES[index].parse();
    name.expect("the names of the test are valid")
}

pub(crate) fn tag(index: usize) -> Tag {
    TAGS[index].parse().expect("the tags of the test are valid")
}
