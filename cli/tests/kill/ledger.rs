//! What one client was told, and so what it must find.
//!
//! Invariants:
//! 1. What a request may change is widened before it is sent and narrowed by its answer; so after a
//!    kill the ledger allows what was in flight, done or not.
//! 2. Only this client writes to its own repositories. In the shared one it alone writes its tags and
//!    manifests, and nobody deletes a blob.
//! 3. Times are [`Life::now`](crate::wire::Life::now), a promise begins when its request was sent: so
//!    it is never held to last longer than the server held it.

use crate::content::Content;
use floundr_engine::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an answer "it exists" holds; `FLOUNDR_LEASE`.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// How long an upload may rest; `FLOUNDR_UPLOAD_LIFETIME`.
pub(crate) const UPLOAD_LIFETIME: Duration = Duration::from_mins(1);

/// Index of the shared repository in [`Ledger::repositories`].
pub(crate) const SHARED: usize = 2;

/// A digest in a repository.
pub(crate) type Key = (usize, Digest);

/// What is known of a repository's link to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It was there, and nobody deleted it by order; time may take it.
    Kept,
    /// There or not.
    Unknown,
    /// Not there.
    Gone,
}

/// A blob in a repository.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub(crate) content: Content,
    pub(crate) link: Link,
    /// When the client asked for what was answered "it exists" last.
    pub(crate) promised: Option<Duration>,
}

/// An image manifest.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) blobs: BTreeSet<Digest>,
    /// `None`: there or not.
    pub(crate) there: Option<bool>,
}

/// An upload that is not finished.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub(crate) repository: usize,
    pub(crate) content: Content,
    pub(crate) location: String,
    /// Bytes that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Bytes that were sent.
    pub(crate) sent: usize,
    /// Whether the request to finish it was sent.
    pub(crate) finishing: bool,
    /// When the last request was sent that began it or brought bytes, and was answered: one that was not may
    /// never have come to the server.
    pub(crate) used: Duration,
    /// In which life of the server.
    pub(crate) life: usize,
}

/// Whether a manifest was there, and what its tag named.
pub(crate) type Before = (Option<bool>, Option<BTreeSet<Option<Digest>>>);

/// What a blob must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Must {
    /// There, for this reason.
    Be(String),
    NotBe,
    Either,
}

/// What one client knows.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Names of the repositories: two of its own, then the shared one.
    pub(crate) repositories: [String; 3],
    pub(crate) blobs: BTreeMap<Key, Blob>,
    pub(crate) images: BTreeMap<Key, Image>,
    /// Everything each tag may name; `None`: it may not be there.
    pub(crate) tags: BTreeMap<(usize, String), BTreeSet<Option<Digest>>>,
    pub(crate) uploads: Vec<Upload>,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn new(client: usize) -> Self {
        let own = |part: &str| format!("client{client}/{part}");
        Self {
            repositories: [own("one"), own("two"), "shared/by-all".to_owned()],
            blobs: BTreeMap::new(),
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
            uploads: Vec::new(),
        }
    }

    // --- blobs ---

    /// What a look at the blob that was answered at `came` must have found.
    pub(crate) fn must(&self, key: Key, came: Duration) -> Must {
        let Some(blob) = self.blobs.get(&key) else {
            return if key.0 == SHARED {
                Must::Either
            } else {
                Must::NotBe
            };
        };
        match blob.link {
            Link::Gone => Must::NotBe,
            Link::Unknown => Must::Either,
            Link::Kept => self.must_be_kept(key, blob, came),
        }
    }

    fn must_be_kept(&self, key: Key, blob: &Blob, came: Duration) -> Must {
        if let Some(image) = self.holder(key) {
            return Must::Be(format!("held by manifest {image}"));
        }
        match blob.promised.map(|promised| came.saturating_sub(promised)) {
            Some(age) if age < LEASE => Must::Be(format!("promised {age:?} ago")),
            _ => Must::Either,
        }
    }

    /// A manifest that is surely there and links the blob.
    pub(crate) fn holder(&self, (repository, digest): Key) -> Option<Digest> {
        let mut images = self.images.iter();
        images
            .find(|((at, _), image)| {
                *at == repository && image.there == Some(true) && image.blobs.contains(&digest)
            })
            .map(|((_, holder), _)| *holder)
    }

    /// A request is sent that may bring the blob in.
    pub(crate) fn pushing(&mut self, repository: usize, content: &Content) {
        let entry = self.blobs.entry((repository, content.digest));
        let blob = entry.or_insert_with(|| Blob {
            content: content.clone(),
            link: Link::Unknown,
            promised: None,
        });
        if blob.link == Link::Gone {
            blob.link = Link::Unknown;
        }
    }

    /// An answer said that it is there; `asked` if the answer is a promise.
    pub(crate) fn is_there(&mut self, key: Key, asked: Option<Duration>) {
        if let Some(blob) = self.blobs.get_mut(&key) {
            blob.link = Link::Kept;
            blob.promised = asked.or(blob.promised);
        }
    }

    /// An answer said that it is not there, and that was right.
    pub(crate) fn is_absent(&mut self, key: Key) {
        if let Some(blob) = self.blobs.get_mut(&key) {
            blob.promised = None;
            // In the shared repository others may bring it back.
            blob.link = if key.0 == SHARED {
                Link::Unknown
            } else {
                Link::Gone
            };
        }
    }

    /// A request is sent that deletes it.
    pub(crate) fn deleting_blob(&mut self, key: Key) {
        if let Some(blob) = self.blobs.get_mut(&key) {
            blob.promised = None;
            blob.link = Link::Unknown;
        }
    }

    // --- manifests and tags ---

    /// A manifest is sent; answers what to restore if it is refused.
    pub(crate) fn putting(&mut self, key: Key, image: &Image, tag: Option<&str>) -> Before {
        let before = self.images.get(&key).map(|image| image.there);
        let entry = self.images.entry(key);
        let known = entry.or_insert_with(|| image.clone());
        if before != Some(Some(true)) {
            known.there = None;
        }
        let old = tag.map(|tag| {
            let names = self.names(key.0, tag);
            let old = names.clone();
            names.insert(Some(key.1));
            old
        });
        (before.unwrap_or(Some(false)), old)
    }

    /// The manifest was refused: nothing changed.
    pub(crate) fn was_refused(&mut self, key: Key, tag: Option<&str>, (there, names): Before) {
        if let Some(image) = self.images.get_mut(&key) {
            image.there = there;
        }
        if let Some((tag, names)) = tag.zip(names) {
            *self.names(key.0, tag) = names;
        }
    }

    /// What a tag may name.
    pub(crate) fn names(&mut self, repository: usize, tag: &str) -> &mut BTreeSet<Option<Digest>> {
        let entry = self.tags.entry((repository, tag.to_owned()));
        entry.or_insert_with(|| BTreeSet::from([None]))
    }

    /// The manifest was seen. Blobs of it may have been deleted by order.
    pub(crate) fn was_seen(&mut self, key: Key) {
        if let Some(image) = self.images.get_mut(&key) {
            image.there = Some(true);
        }
    }

    /// The manifest was accepted: every blob of it is there.
    pub(crate) fn was_put(&mut self, key: Key, tag: Option<&str>) {
        let Some(image) = self.images.get_mut(&key) else {
            return;
        };
        image.there = Some(true);
        for blob in image.blobs.clone() {
            self.is_there((key.0, blob), None);
        }
        if let Some(tag) = tag {
            *self.names(key.0, tag) = BTreeSet::from([Some(key.1)]);
        }
    }

    /// A request is sent that deletes a manifest, and with it its tags.
    pub(crate) fn deleting_image(&mut self, key: Key) {
        if let Some(image) = self.images.get_mut(&key) {
            image.there = None;
        }
        for ((repository, _), names) in &mut self.tags {
            if *repository == key.0 && names.contains(&Some(key.1)) {
                names.insert(None);
            }
        }
    }

    /// The manifest is gone.
    pub(crate) fn was_deleted(&mut self, key: Key) {
        if let Some(image) = self.images.get_mut(&key) {
            image.there = Some(false);
        }
        for ((repository, _), names) in &mut self.tags {
            if *repository == key.0 && names.remove(&Some(key.1)) {
                names.insert(None);
            }
        }
    }

    // --- what is left ---

    /// Forgets most of what is gone.
    pub(crate) fn forget(&mut self) {
        let mut kept_gone = 0;
        let named = self.tags.iter().flat_map(|((repository, _), names)| {
            names.iter().flatten().map(|digest| (*repository, *digest))
        });
        let named: BTreeSet<Key> = named.collect();
        self.images.retain(|key, image| {
            kept_gone += usize::from(image.there == Some(false));
            image.there != Some(false) || named.contains(key) || kept_gone <= 6
        });
        let linked: BTreeSet<Key> = (self.images.iter())
            .filter(|(_, image)| image.there != Some(false))
            .flat_map(|((at, _), image)| image.blobs.iter().map(|blob| (*at, *blob)))
            .collect();
        let mut gone = 0;
        self.blobs.retain(|key, blob| {
            let is_news = blob.link == Link::Kept || linked.contains(key);
            gone += usize::from(!is_news);
            is_news || gone <= 12
        });
    }

    /// Every blob that its manifests hold, by repository.
    pub(crate) fn held(&self) -> impl Iterator<Item = (&str, Digest)> {
        let images = self.images.iter();
        let there = images.filter(|(_, image)| image.there == Some(true));
        let blobs = there.flat_map(|((at, _), image)| image.blobs.iter().map(|blob| (*at, *blob)));
        blobs
            .filter(|key| {
                self.blobs
                    .get(key)
                    .is_some_and(|blob| blob.link == Link::Kept)
            })
            .map(|(at, digest)| (self.repositories[at].as_str(), digest))
    }

    /// Grace and lease have passed and the collector had its turn: what no manifest holds is gone.
    pub(crate) fn settle(&mut self) {
        let keys: Vec<Key> = self.blobs.keys().copied().collect();
        for key in keys {
            if self.holder(key).is_none() {
                self.is_absent(key);
            }
        }
    }
}
