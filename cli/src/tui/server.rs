//! [`Server`]: one of the registries that the terminal client knows: where it is, and who asks.
//!
//! Invariants:
//! 1. Nothing here can be printed with a secret in it.

use floundr_frontend::accounts::Secret;
use std::path::PathBuf;

/// A registry, and who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// What it is called here.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) at: Address,
    /// Who asks; nobody: whoever the server takes the caller for.
    pub(crate) login: Option<Login>,
    /// PEM file of the authority its certificate is from.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// At this URL.
    Url(String),
    /// Behind this socket, where the caller is the operator.
    Socket(PathBuf),
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// Somebody with a password.
    Password {
        /// Their name.
        user: String,
        /// Their password.
        password: Secret,
    },
    /// An API key, in which it says whose it is.
    Key(Secret),
}

// === impl Server ===

impl Server {
    /// Where it is, as one writes it.
    pub(crate) fn address(&self) -> String {
        match &self.at {
            Address::Url(url) => url.clone(),
            Address::Socket(path) => format!("unix:{}", path.display()),
        }
    }
}
