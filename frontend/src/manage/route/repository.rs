//! What is asked of repositories.

use super::Need;
use super::endpoint::endpoints;

endpoints! {
    /// Repositories and what is in them.
    pub enum RepositoryRoute {
        /// Make an empty repository.
        Create = "repository_create" POST "/repositories",
    }
}

// === impl RepositoryRoute ===

impl RepositoryRoute {
    /// Who may ask. A new repository's name stands in the body, so [`RepositoryRoute::Create`] asks
    /// itself.
    pub const fn need(&self) -> Need<'_> {
        match self {
            Self::Create => Need::LoggedIn,
        }
    }
}
