//! [`Server`]: one of the registries that the terminal client knows: where it is, and who asks.
//!
//! Invariants:
//! 1. Nothing here can be printed with a secret in it.

use crate::config::server_address;
use crate::profile::Known;
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
    /// Whether it stands in `floundr.yml`.
    pub(crate) is_remembered: bool,
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

    /// Who asks, as one writes it: never a secret.
    pub(crate) fn who(&self) -> String {
        match (&self.at, &self.login) {
            (Address::Socket(_), _) => "operator".to_owned(),
            (_, None) => "nobody".to_owned(),
            (_, Some(Login::Password { user, .. })) => user.clone(),
            (_, Some(Login::Key(key))) => {
                let key = key.expose().strip_prefix("flr_").unwrap_or_default();
                let id = key.split_once('_').map_or("", |(id, _secret)| id);
                format!("key {id}")
            }
        }
    }

    /// Whether this is the same server, asked as the same user.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.at == other.at && self.who() == other.who()
    }

    /// A server of `floundr.yml`.
    pub(crate) fn from_known(known: Known) -> Self {
        let login = match (known.secret, known.email, known.password) {
            (Some(key), _, _) => Some(Login::of(None, key)),
            (None, user, Some(password)) => Some(Login::of(user, password)),
            (None, _, None) => None,
        };
        let url = server_address(&known.url).unwrap_or(known.url);
        Self {
            name: known.name.unwrap_or_else(|| url.clone()),
            at: Address::Url(url),
            login,
            ca_file: known.ca_file,
            is_remembered: true,
        }
    }

    /// What `floundr.yml` has of it; the socket of this machine is found without.
    pub(crate) fn known(&self) -> Option<Known> {
        let Address::Url(url) = &self.at else {
            return None;
        };
        let (email, password, secret) = match &self.login {
            None => (None, None, None),
            Some(Login::Key(key)) => (None, None, Some(key.clone())),
            Some(Login::Password { user, password }) => {
                (Some(user.clone()), Some(password.clone()), None)
            }
        };
        Some(Known {
            name: (self.name != *url).then(|| self.name.clone()),
            url: url.clone(),
            email,
            password,
            secret,
            ca_file: self.ca_file.clone(),
        })
    }
}

// === impl Login ===

impl Login {
    /// Somebody's password, or a key, which may also stand behind `USER:`.
    pub(crate) fn of(user: Option<String>, secret: Secret) -> Self {
        if secret.expose().starts_with("flr_") {
            return Self::Key(secret);
        }
        if let Some(user) = user {
            return Self::Password {
                user,
                password: secret,
            };
        }
        match secret.expose().split_once(':') {
            Some((user, password)) => Self::Password {
                user: user.to_owned(),
                password: password.to_owned().into(),
            },
            None => Self::Key(secret),
        }
    }
}
