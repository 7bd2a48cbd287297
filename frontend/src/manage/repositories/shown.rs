//! [`Shown`]: a repository as it is told.

use super::exactly;
use crate::access::Caller;
use crate::accounts::{On, Permissions, Rule};
use crate::manage::Management;
use floundr_engine::name::RepositoryName;
use floundr_engine::repository::RepositoryError;
use serde::Serialize;
use utoipa::ToSchema;

/// A repository.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Repository)]
pub(super) struct Shown {
    name: String,
    /// Anybody may pull, by whichever rule.
    public: bool,
    manifests: u64,
    tags: u64,
    /// Bytes of blobs that no other repository holds; of all its blobs for whom `shared_bytes` is null.
    own_bytes: u64,
    /// Bytes of blobs that others hold too. Null for everybody but administrators of the server: it
    /// would tell what is in repositories that others may not know.
    shared_bytes: Option<u64>,
    last_push: Option<u64>,
    /// Recorded to an hour, and only while a policy asks for it.
    last_pull: Option<u64>,
    /// Bytes it may hold by its own rule; rules of more repositories may say less.
    quota_bytes: Option<u64>,
    /// Patterns of immutable tags by its own rule; other rules may have more.
    #[schema(value_type = Vec<String>)]
    immutable_tags: Vec<On>,
    /// The patterns of all rules that are about it.
    rules: Vec<String>,
    /// What the caller may do with it.
    #[schema(value_type = Vec<String>)]
    permissions: Permissions,
}

// === impl Shown ===

impl Shown {
    /// The repository as it is, and the version of its own rule: 0 without one.
    ///
    /// # Errors
    /// [`RepositoryError`].
    pub(super) async fn read(
        management: &Management,
        caller: &Caller,
        name: &RepositoryName,
    ) -> Result<(Self, u64), RepositoryError> {
        let usage = management.engine().repository(name).usage().await?;
        let all = usage.own_bytes.saturating_add(usage.shared_bytes);
        let (own_bytes, shared_bytes) = if caller.is_administrator() {
            (usage.own_bytes, Some(usage.shared_bytes))
        } else {
            (all, None)
        };
        let directory = management.directory();
        let rule = directory.rule(exactly(name).as_str());
        let rules = directory.rules_of(name.as_str());
        let shown = Self {
            name: name.to_string(),
            public: directory.is_public(name.as_str()),
            manifests: usage.manifests,
            tags: usage.tags,
            own_bytes,
            shared_bytes,
            last_push: usage.last_push,
            last_pull: usage.last_pull,
            quota_bytes: rule.and_then(|rule| rule.quota),
            immutable_tags: rule.map_or_else(Vec::new, |rule| rule.immutable_tags.clone()),
            rules: rules.map(|rule: &Rule| rule.on.to_string()).collect(),
            permissions: caller.permissions(name),
        };
        Ok((shown, rule.map_or(0, |rule| rule.version)))
    }
}
