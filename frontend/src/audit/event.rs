//! [`AuditEvent`]: who did what to what, from where, with what result; [`Action`]: the words for it.
//!
//! Invariants:
//! 1. What goes into a record is clean, see [`super::text`]: bounded, without a control character,
//!    without what looks like a secret.
//! 2. A word in a record never changes its meaning: records outlive versions.

use super::text::clean;
use crate::accounts::KeyId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Bytes of an actor, of a request's id and of one of the other texts of an event that are kept.
const NAME: usize = 256;
const TEXT: usize = 1024;

/// Something that was done, or tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Who: a user's name, `robot:` and the key's name, `anonymous`, `operator`, or [`LOG`].
    pub actor: String,
    /// The API key that was used.
    pub key: Option<KeyId>,
    /// Where the request came from; `None` for the socket and for what the server does by itself.
    pub from: Option<IpAddr>,
    /// What was done.
    pub action: Action,
    /// What it was done to: a repository, `repository:tag`, `repository@digest`, a user, ...
    pub object: String,
    /// The HTTP status of the answer.
    pub result: u16,
    /// What else is worth knowing, in a few words.
    pub detail: Option<String>,
    /// The id of the request, as in the access log.
    pub request_id: Option<String>,
}

/// The actor of what the log says about itself. No user is called this: names have no colon.
pub const LOG: &str = "server:audit";

/// Not an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an action of the audit log")]
pub struct ParseActionError(pub String);

/// Makes [`Action`] and its words.
macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $word:literal,)+) => {
        /// What was done. Each has one word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Action {
            $($(#[$doc])* $action,)+
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$action,)+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $word,)+
                }
            }
        }
    };
}

actions! {
    /// Somebody proved who they are.
    Login = "login",
    /// Somebody could not prove it.
    LoginFailed = "login_failed",
    /// A token was asked for and refused, or was refused when it was used.
    TokenDenied = "token_denied",
    /// Somebody known was refused for want of a right.
    Denied = "denied",
    /// A manifest was pushed.
    Push = "push",
    /// A tag was set.
    Tag = "tag",
    /// Content or a tag was deleted.
    Delete = "delete",
    /// A blob came from another repository.
    Mount = "mount",
    /// An upload was ended by an operator.
    UploadCancel = "upload_cancel",
    /// A user was created.
    UserCreate = "user_create",
    /// A user was changed.
    UserChange = "user_change",
    /// A user was deleted.
    UserDelete = "user_delete",
    /// A password was set.
    Password = "password",
    /// A role was created.
    RoleCreate = "role_create",
    /// A role was changed.
    RoleChange = "role_change",
    /// A role was deleted.
    RoleDelete = "role_delete",
    /// A grant was made.
    GrantCreate = "grant_create",
    /// A grant was taken back.
    GrantDelete = "grant_delete",
    /// An API key was created.
    KeyCreate = "key_create",
    /// An API key was changed.
    KeyChange = "key_change",
    /// An API key was revoked.
    KeyRevoke = "key_revoke",
    /// A rule was set.
    RuleSet = "rule_set",
    /// A rule was deleted.
    RuleDelete = "rule_delete",
    /// A repository was created.
    RepositoryCreate = "repository_create",
    /// A repository's settings were changed.
    RepositoryChange = "repository_change",
    /// A repository was deleted.
    RepositoryDelete = "repository_delete",
    /// What was deleted was restored.
    Undelete = "undelete",
    /// The collector was given an order.
    Gc = "gc",
    /// A check was ordered.
    Check = "check",
    /// A backup was ordered.
    Backup = "backup",
    /// The keys that sign tokens were changed.
    TokenRotate = "token_rotate",
    /// Everything was deleted.
    Reset = "reset",
    /// Somebody read the audit log or had it verified.
    AuditRead = "audit_read",
    /// The log says: events are missing here.
    AuditLost = "audit_lost",
    /// The log says: the line that the last process was writing was not whole, and was cut off.
    AuditCut = "audit_cut",
    /// The log says: the line before this one cannot be read.
    AuditDamaged = "audit_damaged",
    /// The log says: what it wrote last may not be durable, since a sync failed.
    AuditUnsynced = "audit_unsynced",
}

// === impl AuditEvent ===

impl AuditEvent {
    /// An event without key, address, detail and id.
    pub fn new(
        actor: impl Into<String>,
        action: Action,
        object: impl Into<String>,
        result: u16,
    ) -> Self {
        Self {
            actor: actor.into(),
            key: None,
            from: None,
            action,
            object: object.into(),
            result,
            detail: None,
            request_id: None,
        }
    }

    /// As it may be kept.
    pub(super) fn cleaned(self) -> Self {
        Self {
            actor: clean(self.actor, NAME),
            object: clean(self.object, TEXT),
            detail: self.detail.map(|text| clean(text, TEXT)),
            request_id: self.request_id.map(|text| clean(text, NAME)),
            ..self
        }
    }
}

// === impl Action ===

impl FromStr for Action {
    type Err = ParseActionError;

    fn from_str(text: &str) -> Result<Self, ParseActionError> {
        let mut all = Self::ALL.iter().copied();
        let found = all.find(|one| one.as_str() == text);
        found.ok_or_else(|| ParseActionError(text.chars().take(100).collect()))
    }
}

impl TryFrom<String> for Action {
    type Error = ParseActionError;

    fn try_from(text: String) -> Result<Self, ParseActionError> {
        text.parse()
    }
}

impl From<Action> for String {
    fn from(action: Action) -> Self {
        action.as_str().to_owned()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_word_of_its_own_and_is_read_back_from_it() {
        let mut words: Vec<_> = Action::ALL.iter().map(|one| one.as_str()).collect();
        for word in &words {
            assert_eq!(word.parse::<Action>().unwrap().as_str(), *word);
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(word.bytes().all(is_plain), "{word}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Action::ALL.len());
        assert!("Login".parse::<Action>().is_err());
    }
}
