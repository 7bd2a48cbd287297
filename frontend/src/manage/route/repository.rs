//! What is asked of repositories, and of what is in them.

use super::Need;
use super::endpoint::endpoints;
use crate::accounts::Permission;
use floundr_engine::name::{Reference, RepositoryName, Tag};

endpoints! {
    /// Repositories and what is in them.
    pub enum RepositoryRoute {
        /// The repositories that the caller may pull from, by page.
        List = "repository_list" GET "/repositories",
        /// Make an empty repository.
        Create = "repository_create" POST "/repositories",
        /// What a repository holds and how it behaves.
        Show(RepositoryName) = "repository_show" GET "/repositories/{repository}",
        /// Change how it behaves.
        Change(RepositoryName) = "repository_change" PATCH "/repositories/{repository}",
        /// Delete it with everything in it.
        Delete(RepositoryName) = "repository_delete" DELETE "/repositories/{repository}",
        /// Its tags, by page.
        TagList(RepositoryName) = "tag_list" GET "/repositories/{repository}/tags",
        /// Let a tag name a manifest.
        TagSet(RepositoryName, Tag) = "tag_set" PUT "/repositories/{repository}/tags/{tag}",
        /// Delete a tag; the manifest stays.
        TagDelete(RepositoryName, Tag)
            = "tag_delete" DELETE "/repositories/{repository}/tags/{tag}",
        /// What a tag named when.
        TagHistory(RepositoryName, Tag)
            = "tag_history" GET "/repositories/{repository}/tags/{tag}/history",
        /// Its manifests, by page.
        ManifestList(RepositoryName) = "manifest_list" GET "/repositories/{repository}/manifests",
        /// A manifest in detail.
        ManifestShow(RepositoryName, Reference)
            = "manifest_show" GET "/repositories/{repository}/manifests/{reference}",
        /// Delete a manifest with its tags, or a tag.
        ManifestDelete(RepositoryName, Reference)
            = "manifest_delete" DELETE "/repositories/{repository}/manifests/{reference}",
    }
}

// === impl RepositoryRoute ===

impl RepositoryRoute {
    /// Who may ask. A new repository's name stands in the body, so [`RepositoryRoute::Create`] asks
    /// itself.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::List | Self::Create => Need::LoggedIn,
            Self::Show(name)
            | Self::TagList(name)
            | Self::TagHistory(name, _)
            | Self::ManifestList(name)
            | Self::ManifestShow(name, _) => Need::Repository(name, Permission::Pull),
            Self::TagSet(name, _) => Need::Repository(name, Permission::Push),
            Self::TagDelete(name, _) | Self::ManifestDelete(name, _) => {
                Need::Repository(name, Permission::Delete)
            }
            Self::Change(name) | Self::Delete(name) => {
                Need::Repository(name, Permission::Administer)
            }
        }
    }
}
