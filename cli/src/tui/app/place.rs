//! [`Place`]: where one is: which screen, of what.

use crate::tui::keys::Tab;
use crate::tui::text::short;

/// Where one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first screen of a tab.
    Tab(Tab),
    /// The tags of a repository.
    Tags {
        /// Its name.
        repository: String,
    },
    /// What was deleted and can be restored: repositories, or the manifests of one.
    Trash {
        /// Its name.
        repository: Option<String>,
    },
    /// One manifest.
    Manifest {
        /// The repository's name.
        repository: String,
        /// Its tag or digest.
        reference: String,
    },
    /// A manifest's bytes, or those of another thing, as text.
    Text {
        /// What it is.
        title: String,
        /// The text.
        text: String,
    },
    /// What a tag named before.
    History {
        /// The repository's name.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// What keeps a digest.
    Why {
        /// The digest.
        digest: String,
    },
    /// One user: their grants, keys and rights.
    User {
        /// Their name.
        name: String,
    },
    /// The roles.
    Roles,
    /// All grants.
    Grants,
    /// The rules: what is public, quotas, immutable tags, by pattern.
    Rules,
    /// What a collection would take.
    Plan,
}

// === impl Place ===

impl Place {
    /// What it is called in the line that says where one is.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Tab(tab) => tab.name().to_owned(),
            Self::Tags { repository } => repository.clone(),
            Self::Trash { repository: None } => "deleted".to_owned(),
            Self::Trash {
                repository: Some(name),
            } => format!("deleted from {name}"),
            Self::Manifest { reference, .. } => short(reference).to_owned(),
            Self::Text { title, .. } => title.clone(),
            Self::History { tag, .. } => format!("history of {tag}"),
            Self::Why { digest } => format!("why {}", short(digest)),
            Self::User { name } => name.clone(),
            Self::Roles => "roles".to_owned(),
            Self::Grants => "grants".to_owned(),
            Self::Rules => "rules".to_owned(),
            Self::Plan => "plan".to_owned(),
        }
    }

    /// The tab it is in when one goes there.
    pub(crate) fn tab(&self) -> Tab {
        match self {
            Self::Tab(tab) => *tab,
            Self::Tags { .. }
            | Self::Trash { .. }
            | Self::Manifest { .. }
            | Self::Text { .. }
            | Self::History { .. }
            | Self::Rules => Tab::Repositories,
            Self::User { .. } | Self::Roles | Self::Grants => Tab::Users,
            Self::Why { .. } | Self::Plan => Tab::Storage,
        }
    }
}
