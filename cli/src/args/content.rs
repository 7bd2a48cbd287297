//! The commands about what is stored: repositories, tags, manifests, uploads.

use super::{Asked, RuleArgs};
use clap::Subcommand;

/// What can be done with repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum RepoOrder {
    /// List the repositories that you may see
    List {
        /// Only those with this text in their name
        #[arg(long)]
        filter: Option<String>,
    },
    /// Show a repository: sizes, rules, and what you may do with it
    Show {
        /// Its name
        repository: String,
    },
    /// Create an empty repository; pushing to one that does not exist creates it too
    Create {
        /// Its name, such as team/app
        repository: String,
        /// Let anyone pull from it
        #[arg(long)]
        public: bool,
    },
    /// Say how a repository behaves; what is not given stays as it is
    Set {
        /// Its name
        repository: String,
        #[command(flatten)]
        rule: RuleArgs,
    },
    /// Delete a repository and all that is in it; undelete restores it for a while
    Delete {
        /// Its name
        repository: String,
        #[command(flatten)]
        asked: Asked,
    },
}

/// What can be done with tags.
#[derive(Debug, Subcommand)]
pub(crate) enum TagOrder {
    /// List the tags of a repository and what they name
    List {
        /// The repository
        repository: String,
        /// Only those with this text in them
        #[arg(long)]
        filter: Option<String>,
    },
    /// Let a tag name a manifest
    Set {
        /// The tag: NAME:TAG
        tag: String,
        /// The manifest's digest
        digest: String,
    },
    /// Delete a tag; its manifest stays
    Delete {
        /// The tag: NAME:TAG
        tag: String,
        #[command(flatten)]
        asked: Asked,
    },
    /// List what a tag named, the newest first
    History {
        /// The tag: NAME:TAG
        tag: String,
    },
}

/// What can be done with manifests.
#[derive(Debug, Subcommand)]
pub(crate) enum ManifestOrder {
    /// List the manifests of a repository
    List {
        /// The repository
        repository: String,
    },
    /// Show what is in a manifest: platforms, layers, referrers
    Show {
        /// NAME:TAG or NAME@DIGEST
        manifest: String,
    },
    /// Delete a manifest and the tags that name it; undelete restores it for a while
    Delete {
        /// NAME@DIGEST
        manifest: String,
        #[command(flatten)]
        asked: Asked,
    },
}

/// What can be done with uploads that are not finished.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum UploadOrder {
    /// List them
    List,
    /// Give one up, and its space back
    Cancel {
        /// Its id, as list shows it
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
}
