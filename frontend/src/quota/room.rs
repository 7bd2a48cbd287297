//! [`Room`]: what the rules say of pushes into one repository, for the time of one request.

use super::{Limit, Purpose, QuotaError, Quotas, Reservation};
use crate::accounts::Directory;
use floundr_engine::Repository;
use floundr_engine::digest::Digest;
use floundr_engine::fault::StorageError;
use floundr_engine::name::RepositoryName;
use floundr_engine::policy::ImmutableTags;

/// The limits on pushes into one repository. Without any it does nothing.
#[derive(Debug)]
pub(crate) struct Room {
    quotas: Quotas,
    limits: Vec<Limit>,
}

// === impl Directory ===

impl Directory {
    /// The limits on what `repository` may hold together with others: those of all rules that name it.
    pub fn limits(&self, repository: &str) -> Vec<Limit> {
        let limits = self.rules_of(repository).filter_map(|rule| {
            let on = rule.on.0.clone();
            rule.quota.map(|bytes| Limit { on, bytes })
        });
        limits.collect()
    }

    /// The tags that are immutable in `repository`: those of all rules that name it.
    pub fn immutable_tags(&self, repository: &str) -> ImmutableTags {
        let tags = self
            .rules_of(repository)
            .flat_map(|rule| &rule.immutable_tags);
        let patterns: Vec<_> = tags.map(|on| on.0.clone()).collect();
        ImmutableTags::from(patterns)
    }
}

// === impl Room ===

impl Room {
    /// Of a repository, by the rules of the moment.
    pub(crate) fn new(quotas: &Quotas, directory: &Directory, repository: &RepositoryName) -> Self {
        Self {
            quotas: quotas.clone(),
            limits: directory.limits(repository.as_str()),
        }
    }

    /// Reserves bytes: see [`Quotas::reserve`].
    ///
    /// # Errors
    /// [`QuotaError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn reserve(
        &self,
        purpose: Purpose,
        bytes: u64,
    ) -> Result<Reservation, QuotaError> {
        self.quotas.reserve(&self.limits, purpose, bytes).await
    }

    /// The same for a blob whose digest is known: one that the repository holds already costs
    /// nothing.
    ///
    /// # Errors
    /// [`QuotaError`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn reserve_for(
        &self,
        (repository, digest): (&Repository, &Digest),
        purpose: Purpose,
        bytes: u64,
    ) -> Result<Reservation, QuotaError> {
        if self.is_held(repository, digest).await? {
            return Ok(Reservation::unlimited());
        }
        self.reserve(purpose, bytes).await
    }

    /// Whether nothing counts.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.limits.is_empty()
    }

    async fn is_held(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, StorageError> {
        // Where nothing counts nobody looks.
        if self.is_unlimited() {
            return Ok(false);
        }
        let shared = repository.shared(std::slice::from_ref(digest)).await?;
        Ok(matches!(shared.as_slice(), [Some(_)]))
    }
}
