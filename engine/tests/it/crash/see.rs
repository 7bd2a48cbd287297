//! [`Seen`]: everything that can be seen of a store, read and compared byte by byte.

use super::record::Expected;
use super::store::{Fault, Store, failed, media_type, offset_of};
use super::things::{
    Blob, REPOSITORIES, SHAPES, SUBJECTS, TAGS, manifest_content, manifest_digest, repository_name,
    tag,
};
use super::world::{Fact, World};
use floundr_engine::digest::Digest;
use floundr_engine::name::Reference;
use floundr_engine::page::Page;
use floundr_engine::repository::{
    BlobError, Manifest, ManifestError, ReferrersQuery, RepositoryError,
};
use floundr_engine::upload::UploadError;
use floundr_engine::{Engine, Repository};
use std::collections::{BTreeMap, BTreeSet};

/// What can be seen of a store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    facts: BTreeSet<Fact>,
}

/// How far each upload says it is; `None`: it is over.
pub(crate) type Statuses = BTreeMap<usize, Option<usize>>;

// === impl Seen ===

impl Seen {
    /// Reads everything; what is there has to be what its digest says.
    pub(crate) async fn of(engine: &Engine, blobs: &BTreeSet<Blob>) -> Result<Self, Fault> {
        let mut seen = Self::default();
        seen.repositories(engine).await?;
        for index in 0..REPOSITORIES.len() {
            let repository = engine.repository(&repository_name(index));
            seen.blobs(index, &repository, blobs).await?;
            seen.manifests(index, &repository).await?;
            seen.tags(index, &repository).await?;
            seen.referrers(index, &repository).await?;
        }
        for blob in blobs {
            let holders = engine.holders(&blob.digest(), usize::MAX).await;
            for name in holders.map_err(failed)? {
                let index = repository_index(name.as_str());
                seen.facts
                    .extend(index.map(|index| Fact::Holder(index, *blob)));
            }
        }
        Ok(seen)
    }

    /// The worlds that look like this; one has to.
    pub(crate) fn expect<'w>(&self, worlds: &'w [World]) -> Result<Vec<&'w World>, Fault> {
        let fitting: Vec<&World> = (worlds.iter())
            .filter(|world| world.facts() == self.facts)
            .collect();
        if !fitting.is_empty() {
            return Ok(fitting);
        }
        let differences = worlds.iter().map(|world| {
            let expected = world.facts();
            let too_much: Vec<_> = self.facts.difference(&expected).collect();
            let lost: Vec<_> = expected.difference(&self.facts).collect();
            let operations = world.operations;
            format!("after {operations} operations: lost {lost:?}, too much {too_much:?}")
        });
        let differences: Vec<String> = differences.collect();
        Err(format!(
            "what is seen is none of:\n  {}",
            differences.join("\n  ")
        ))
    }

    /// How many tags there are.
    pub(crate) fn tag_count(&self) -> u64 {
        let tags = self
            .facts
            .iter()
            .filter(|fact| matches!(fact, Fact::Tag(..)));
        tags.count() as u64
    }

    async fn repositories(&mut self, engine: &Engine) -> Result<(), Fault> {
        let listed = engine.repositories(everything()).await.map_err(failed)?;
        let listed = listed.items.iter();
        let indexes = listed.filter_map(|name| repository_index(name.as_str()));
        self.facts.extend(indexes.map(Fact::Listed));
        Ok(())
    }

    async fn blobs(
        &mut self,
        index: usize,
        repository: &Repository,
        blobs: &BTreeSet<Blob>,
    ) -> Result<(), Fault> {
        for blob in blobs {
            if read(repository, blob).await? {
                self.facts.insert(Fact::Blob(index, *blob));
            }
        }
        Ok(())
    }

    async fn manifests(&mut self, index: usize, repository: &Repository) -> Result<(), Fault> {
        for manifest in 0..SHAPES.len() {
            let reference = Reference::Digest(manifest_digest(manifest));
            let Some(found) = manifest_at(repository, &reference).await? else {
                continue;
            };
            if found.content != manifest_content(manifest) || found.media_type != media_type() {
                return Err(format!("manifest {manifest} is not what was put"));
            }
            self.facts.insert(Fact::Manifest(index, manifest));
        }
        let deleted = repository.deleted(everything()).await;
        for deleted in deleted.map_err(failed)?.items {
            let manifest = manifest_index(&deleted.digest)?;
            self.facts.insert(Fact::Deleted(index, manifest));
        }
        Ok(())
    }

    async fn tags(&mut self, index: usize, repository: &Repository) -> Result<(), Fault> {
        for number in 0..TAGS.len() {
            let reference = Reference::Tag(tag(number));
            if let Some(found) = manifest_at(repository, &reference).await? {
                let manifest = manifest_index(&found.digest)?;
                self.facts.insert(Fact::Tag(index, number, manifest));
            }
        }
        let listed = match repository.tags(everything()).await {
            Ok(listing) => listing.items,
            Err(RepositoryError::Unknown(_)) => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        for name in listed {
            let number = (0..TAGS.len()).find(|&number| tag(number) == name);
            let number = number.ok_or_else(|| format!("tag {name} was never set"))?;
            self.facts.insert(Fact::TagListed(index, number));
        }
        Ok(())
    }

    async fn referrers(&mut self, index: usize, repository: &Repository) -> Result<(), Fault> {
        for subject in SUBJECTS {
            let page = Page {
                after: None,
                limit: 100,
            };
            let query = ReferrersQuery {
                artifact_type: None,
                page,
            };
            let found = repository.referrers(&subject.digest(), query).await;
            for referrer in found.map_err(failed)?.items {
                let manifest = manifest_index(&referrer.digest)?;
                self.facts.insert(Fact::Referrer(index, subject, manifest));
            }
        }
        Ok(())
    }
}

/// Whether a repository has a blob; then all of it is read and compared.
pub(crate) async fn read(repository: &Repository, blob: &Blob) -> Result<bool, Fault> {
    let found = match repository.blob(&blob.digest()).await {
        Ok(found) => found,
        Err(BlobError::Unknown { .. }) => return Ok(false),
        Err(error) => return Err(format!("{blob:?}: {error}")),
    };
    let content = found.read(0..found.size()).await;
    let content = content.map_err(|error| format!("{blob:?}: {error}"))?;
    if content != blob.content() {
        return Err(format!("{blob:?} has other bytes"));
    }
    Ok(true)
}

/// Asks for the status of every upload.
pub(crate) async fn statuses(store: &Store) -> Result<Statuses, Fault> {
    let mut statuses = Statuses::new();
    for (&started, (slot, id)) in &store.uploads {
        let repository = store.engine.repository(&repository_name(*slot));
        let status = match repository.upload_status(id).await {
            Ok(status) => Some(offset_of(status.offset)),
            Err(UploadError::Unknown(_)) => None,
            Err(error) => return Err(format!("the status of upload {started}: {error}")),
        };
        statuses.insert(started, status);
    }
    Ok(statuses)
}

// === impl Expected ===

impl Expected {
    /// Whether an upload that `world` says something of may have this status.
    pub(crate) fn allows(&self, world: &World, started: usize, status: Option<usize>) -> bool {
        let most = self.most.get(&started).copied().unwrap_or(0);
        let known = world
            .uploads
            .values()
            .find(|upload| upload.started == started);
        let Some(upload) = known else {
            // It is over, or in this world it was not started yet.
            let is_over = world.operations > started;
            return match status {
                Some(offset) if self.is_relaxed => !is_over && offset <= most,
                Some(offset) => !is_over && offset == 0,
                None => is_over,
            };
        };
        let has_expired = upload.expiry <= world.now;
        match status {
            None => has_expired || self.was_collecting,
            Some(_) if has_expired && !self.was_collecting => false,
            // What had expired is taken away before the time is written down.
            Some(0) if self.was_collecting => true,
            Some(offset) if self.is_relaxed => offset <= most,
            Some(offset) if self.was_cut => (upload.synced..=upload.offset).contains(&offset),
            Some(offset) => offset == upload.offset,
        }
    }
}

async fn manifest_at(
    repository: &Repository,
    reference: &Reference,
) -> Result<Option<Manifest>, Fault> {
    match repository.manifest(reference).await {
        Ok(found) => Ok(Some(found)),
        Err(ManifestError::Unknown { .. }) => Ok(None),
        Err(error) => Err(format!("manifest {reference}: {error}")),
    }
}

fn manifest_index(digest: &Digest) -> Result<usize, Fault> {
    let index = (0..SHAPES.len()).find(|&index| manifest_digest(index) == *digest);
    index.ok_or_else(|| format!("manifest {digest} was never put"))
}

fn repository_index(name: &str) -> Option<usize> {
    REPOSITORIES.iter().position(|known| *known == name)
}

fn everything<T>() -> Page<T> {
    Page {
        after: None,
        limit: 1000,
    }
}
