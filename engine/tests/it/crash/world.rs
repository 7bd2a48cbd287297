//! [`World`]: what a store should hold, as simply as it can be said.

use super::plan::Operation;
use super::things::{Blob, REPOSITORIES, SHAPES, SUBJECTS, Subject};
use floundr_engine::digest::Algorithm;
use std::collections::{BTreeMap, BTreeSet};

/// How long a blob that nothing keeps stays, in milliseconds.
pub(crate) const GRACE: u64 = 100_000;
/// How long one stays that a client was told of.
pub(crate) const LEASE: u64 = 60_000;
/// How long deletions can be undone, in the plans where they can.
pub(crate) const UNDO: u64 = 150_000;
/// How long an upload stays without progress.
pub(crate) const LIFETIME: u64 = 500_000;

/// What a store should hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// Milliseconds.
    pub(crate) now: u64,
    /// See `Options::upload_sync_interval`.
    pub(crate) sync_interval: u64,
    /// How long deletions can be undone; zero: not at all.
    pub(crate) undo: u64,
    /// Operations that made it.
    pub(crate) operations: usize,
    pub(crate) repositories: [Contents; REPOSITORIES.len()],
    /// Deleted ones of each name, the last of them last, and until when they can be restored.
    pub(crate) deleted: [Vec<(Contents, u64)>; REPOSITORIES.len()],
    /// Uploads at rest, by slot.
    pub(crate) uploads: BTreeMap<usize, Upload>,
}

/// What a repository holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    declared: bool,
    /// For how long each blob stays, if nothing keeps it.
    pub(crate) blobs: BTreeMap<Blob, Option<Stay>>,
    pub(crate) manifests: BTreeSet<usize>,
    pub(crate) tags: BTreeMap<usize, usize>,
    /// Deleted manifests that can be restored.
    trash: BTreeMap<usize, Deleted>,
}

/// A deleted manifest.
#[derive(Debug, Clone)]
struct Deleted {
    /// Until when it can be restored.
    due: u64,
    /// The tags that named it.
    tags: BTreeSet<usize>,
}

/// For how long a blob stays that nothing keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    due: u64,
    /// Until when a client may rely on it.
    leased: u64,
}

/// An upload at rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upload {
    /// The operation that started it; its content follows from that.
    pub(crate) started: usize,
    pub(crate) offset: usize,
    /// What the last synced checkpoint covers.
    pub(crate) synced: usize,
    pub(crate) expiry: u64,
}

/// Something that can be seen of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fact {
    Listed(usize),
    Blob(usize, Blob),
    Holder(usize, Blob),
    Manifest(usize, usize),
    Tag(usize, usize, usize),
    TagListed(usize, usize),
    /// A manifest that can be restored.
    Deleted(usize, usize),
    Referrer(usize, Subject, usize),
}

/// What an operation is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Unknown,
    /// What is to be restored would take the place of something.
    Taken,
    /// Links lead to what is not there.
    Missing,
    /// The content is not what its digest says.
    Mismatch,
    /// The offset of an upload.
    Offset(usize),
    /// Of several operations, in their order.
    Each(Vec<Self>),
}

// === impl World ===

impl World {
    /// Applies an operation, the `index`th of its sequence.
    pub(crate) fn apply(&mut self, operation: &Operation, index: usize) -> Outcome {
        self.operations = index + 1;
        match operation {
            Operation::Open | Operation::Close | Operation::Check { .. } => Outcome::Done,
            Operation::Append { slot, len } => self.append(*slot, *len, index),
            Operation::Finish { slot, otherwise } => self.finish(*slot, *otherwise),
            Operation::FinishWrong { slot } => match self.take_upload(*slot) {
                Some(_) => Outcome::Mismatch,
                None => Outcome::Unknown,
            },
            Operation::Cancel { slot } => known(self.take_upload(*slot).is_some()),
            Operation::Pass { seconds } => {
                self.now += seconds * 1000;
                self.collect();
                Outcome::Done
            }
            Operation::Together(all) => {
                Outcome::Each(all.iter().map(|each| self.apply(each, index)).collect())
            }
            Operation::Push { repository, blob }
            | Operation::Mount {
                repository, blob, ..
            }
            | Operation::DeleteBlob { repository, blob }
            | Operation::Head { repository, blob } => {
                self.apply_to_blob(operation, *repository, Blob::fixed(*blob))
            }
            Operation::DeleteRepository { repository } => self.delete(*repository),
            Operation::RestoreRepository { repository } => self.restore(*repository),
            Operation::Put { repository, .. }
            | Operation::DeleteManifest { repository, .. }
            | Operation::RestoreManifest { repository, .. }
            | Operation::DeleteTag { repository, .. }
            | Operation::Create { repository } => {
                let until = (self.undo > 0).then(|| self.now + self.undo);
                self.repositories[*repository].apply(operation, self.now, until)
            }
        }
    }

    /// What the collector does first: deletions whose time to be undone has passed are final.
    pub(crate) fn purge(&mut self) {
        let now = self.now;
        for deleted in &mut self.deleted {
            deleted.retain(|(_, due)| *due > now);
        }
        for contents in self.everything() {
            contents.trash.retain(|_, deleted| deleted.due > now);
            contents.settle(now);
        }
    }

    /// What the collector does: everything that is due goes.
    pub(crate) fn collect(&mut self) {
        self.purge();
        let now = self.now;
        for contents in self.everything() {
            contents
                .blobs
                .retain(|_, stay| stay.is_none_or(|stay| stay.due > now));
        }
        self.uploads.retain(|_, upload| upload.expiry > now);
    }

    /// The contents of all repositories, deleted ones too.
    fn everything(&mut self) -> impl Iterator<Item = &mut Contents> {
        let deleted = self.deleted.iter_mut().flatten();
        let deleted = deleted.map(|(contents, _)| contents);
        self.repositories.iter_mut().chain(deleted)
    }

    fn delete(&mut self, repository: usize) -> Outcome {
        if !self.repositories[repository].exists() {
            return Outcome::Unknown;
        }
        let contents = std::mem::take(&mut self.repositories[repository]);
        if self.undo > 0 {
            self.deleted[repository].push((contents, self.now + self.undo));
        }
        Outcome::Done
    }

    fn restore(&mut self, repository: usize) -> Outcome {
        let Some((contents, due)) = self.deleted[repository].pop() else {
            return Outcome::Unknown;
        };
        let present = &mut self.repositories[repository];
        if present.exists() || !present.trash.is_empty() {
            self.deleted[repository].push((contents, due));
            return Outcome::Taken;
        }
        *present = contents;
        Outcome::Done
    }

    /// What can be seen of it.
    pub(crate) fn facts(&self) -> BTreeSet<Fact> {
        let mut facts = BTreeSet::new();
        for (index, contents) in self.repositories.iter().enumerate() {
            if contents.exists() {
                facts.insert(Fact::Listed(index));
            }
            for blob in contents.blobs.keys() {
                facts.extend([Fact::Blob(index, *blob), Fact::Holder(index, *blob)]);
            }
            for &manifest in &contents.manifests {
                facts.insert(Fact::Manifest(index, manifest));
                let subjects = SUBJECTS.into_iter();
                let mut its = subjects.filter(|it| SHAPES[manifest].subject == Some(*it));
                facts.extend(its.next().map(|it| Fact::Referrer(index, it, manifest)));
            }
            for &manifest in contents.trash.keys() {
                facts.insert(Fact::Deleted(index, manifest));
            }
            for (&tag, &manifest) in &contents.tags {
                facts.insert(Fact::Tag(index, tag, manifest));
                facts.insert(Fact::TagListed(index, tag));
            }
        }
        facts
    }

    fn apply_to_blob(&mut self, operation: &Operation, repository: usize, blob: Blob) -> Outcome {
        let now = self.now;
        if let Operation::Mount { source, .. } = operation
            && !self.repositories[*source].blobs.contains_key(&blob)
        {
            return Outcome::Unknown;
        }
        let contents = &mut self.repositories[repository];
        match operation {
            Operation::DeleteBlob { .. } => known(contents.blobs.remove(&blob).is_some()),
            Operation::Head { .. } => {
                let Some(stay) = contents.blobs.get_mut(&blob) else {
                    return Outcome::Unknown;
                };
                *stay = stay.map(|stay| stay.told(now));
                Outcome::Done
            }
            _ => {
                contents.link(blob, now);
                Outcome::Done
            }
        }
    }

    fn append(&mut self, slot: usize, len: usize, index: usize) -> Outcome {
        let now = self.now;
        let upload = self.uploads.entry(slot).or_insert(Upload {
            started: index,
            offset: 0,
            synced: 0,
            expiry: now + LIFETIME,
        });
        if len > 0 {
            upload.offset += len;
            upload.expiry = now + LIFETIME;
            if (upload.offset - upload.synced) as u64 >= self.sync_interval {
                upload.synced = upload.offset;
            }
        }
        Outcome::Offset(upload.offset)
    }

    fn finish(&mut self, slot: usize, otherwise: bool) -> Outcome {
        let Some(upload) = self.take_upload(slot) else {
            return Outcome::Unknown;
        };
        self.repositories[slot].link(upload.blob(otherwise), self.now);
        Outcome::Offset(upload.offset)
    }

    fn take_upload(&mut self, slot: usize) -> Option<Upload> {
        self.uploads.remove(&slot)
    }
}

// === impl Stay ===

impl Stay {
    /// From now on.
    fn from(now: u64) -> Self {
        let leased = now + LEASE;
        let due = leased.max(now + GRACE);
        Self { due, leased }
    }

    /// A client was told of the blob: it relies on it for the lease. What is promised is twice as
    /// long, so that it is not written down each time.
    fn told(self, now: u64) -> Self {
        if self.leased >= now + LEASE {
            return self;
        }
        let leased = now + 2 * LEASE;
        let due = leased.max(self.due);
        Self { due, leased }
    }
}

// === impl Upload ===

impl Upload {
    /// The blob it becomes.
    pub(crate) fn blob(&self, otherwise: bool) -> Blob {
        let algorithm = if otherwise {
            Algorithm::Sha512
        } else {
            Algorithm::Sha256
        };
        Blob::of(seed_of_upload(self.started), self.offset, algorithm)
    }
}

/// What the content of an upload follows from.
pub(crate) fn seed_of_upload(started: usize) -> u64 {
    1000 + started as u64
}

// === impl Contents ===

impl Contents {
    /// `until` is when what is deleted now cannot be restored any more, if it can at all.
    fn apply(&mut self, operation: &Operation, now: u64, until: Option<u64>) -> Outcome {
        match operation {
            Operation::RestoreManifest { manifest, .. } => self.restore(*manifest),
            Operation::Put {
                manifest,
                tags,
                strict,
                ..
            } => self.put(*manifest, tags, *strict),
            Operation::DeleteManifest { manifest, .. } => {
                if !self.manifests.remove(manifest) {
                    return Outcome::Unknown;
                }
                let its = self.tags.extract_if(.., |_, named| named == manifest);
                let tags = its.map(|(tag, _)| tag).collect();
                if let Some(due) = until {
                    self.trash.insert(*manifest, Deleted { due, tags });
                }
                self.settle(now);
                Outcome::Done
            }
            Operation::DeleteTag { tag, .. } => known(self.tags.remove(tag).is_some()),
            _ => {
                self.declared = true;
                Outcome::Done
            }
        }
    }

    fn put(&mut self, manifest: usize, tags: &[usize], strict: bool) -> Outcome {
        let shape = &SHAPES[manifest];
        let has_blob = |&blob: &usize| self.blobs.contains_key(&Blob::fixed(blob));
        let has_child = |child: &usize| self.manifests.contains(child);
        let is_complete = shape.blobs.iter().all(has_blob) && shape.children.iter().all(has_child);
        if strict && !is_complete {
            return Outcome::Missing;
        }
        self.manifests.insert(manifest);
        self.trash.remove(&manifest);
        self.tags.extend(tags.iter().map(|&tag| (tag, manifest)));
        for (blob, stay) in &mut self.blobs {
            if shape.keeps(blob) {
                *stay = None;
            }
        }
        Outcome::Done
    }

    fn restore(&mut self, manifest: usize) -> Outcome {
        let Some(deleted) = self.trash.remove(&manifest) else {
            return Outcome::Unknown;
        };
        self.manifests.insert(manifest);
        for tag in deleted.tags {
            self.tags.entry(tag).or_insert(manifest);
        }
        Outcome::Done
    }

    fn exists(&self) -> bool {
        self.declared || !self.blobs.is_empty() || !self.manifests.is_empty()
    }

    fn keeps(&self, blob: &Blob) -> bool {
        let mut manifests = self.manifests.iter().chain(self.trash.keys());
        manifests.any(|&manifest| SHAPES[manifest].keeps(blob))
    }

    fn link(&mut self, blob: Blob, now: u64) {
        let stay = Some(Stay::from(now)).filter(|_| !self.keeps(&blob));
        self.blobs.insert(blob, stay);
    }

    /// Lets blobs that nothing keeps any more stay for their time.
    fn settle(&mut self, now: u64) {
        let all: Vec<Blob> = self.blobs.keys().copied().collect();
        let loose = all.into_iter().filter(|blob| !self.keeps(blob));
        for blob in loose.collect::<Vec<_>>() {
            self.blobs.entry(blob).and_modify(|stay| {
                stay.get_or_insert(Stay::from(now));
            });
        }
    }
}

fn known(known: bool) -> Outcome {
    if known {
        Outcome::Done
    } else {
        Outcome::Unknown
    }
}
