//! Referrers: manifests whose subject is a given digest, whether or not that exists.

use super::Repository;
use crate::descriptor::MediaType;
use crate::digest::Digest;
use crate::fault::StorageError;
use crate::page::{Listing, Page};

/// Which referrers are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferrersQuery {
    /// Only those of this artifact type.
    pub artifact_type: Option<String>,
    /// Which page, in the order of digests.
    pub page: Page<Digest>,
}

/// A manifest whose subject was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its digest.
    pub digest: Digest,
    /// The media type it was pushed with.
    pub media_type: MediaType,
    /// Its length in bytes.
    pub size: u64,
    /// As its pusher's `Links` said.
    pub artifact_type: Option<String>,
    /// As its pusher's `Links` said.
    pub annotations: Vec<(String, String)>,
}

// === impl Repository ===

impl Repository {
    /// The manifests here whose subject is `subject`; none if the repository does not exist.
    ///
    /// # Errors
    /// [`StorageError`].
    ///
    /// # Cancel safety
    /// Cancel safe: a read has no effects.
    pub async fn referrers(
        &self,
        subject: &Digest,
        query: ReferrersQuery,
    ) -> Result<Listing<Referrer>, StorageError> {
        self.engine.meta.referrers(self.name(), subject, &query)
    }
}
